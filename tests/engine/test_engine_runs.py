"""Engines of several profiles, without weights, and launched as CUDA graphs, on a stand-in for a GPU."""

import numpy as np
import pytest

from resnet_gen.engine.base import Tuning
from resnet_gen.engine.runtimes import open_file
from resnet_gen.problems import Refused
from tests.engine.test_runtimes import gpu

__all__ = ["gpu"]
SMALL = ((1, 3, 4, 4), (1, 3, 4, 4), (2, 3, 4, 4))
LARGE = ((4, 3, 4, 4), (8, 3, 4, 4), (8, 3, 4, 4))


def image(batch):
    return np.random.default_rng(batch).standard_normal((batch, 3, 4, 4)).astype(np.float32)


@pytest.fixture
def opened(gpu, tmp_path):
    def open_it(tuning=Tuning(), **changes):  # noqa: B008
        path = tmp_path / "net.fp32.engine"
        path.write_bytes(gpu.engine_bytes(**changes))
        return open_file("tensorrt", path, tuning=tuning)

    return open_it


def check(runner, batch):
    x = image(batch)
    np.testing.assert_allclose(runner.run(x)["scores"], x.mean(axis=(2, 3)), rtol=1e-5)


def test_the_profile_that_a_batch_is_of_is_chosen(opened):
    runner = opened(profile=SMALL, profiles=[LARGE])
    for batch, index in ((1, 0), (8, 1), (4, 1), (2, 0)):
        check(runner, batch)
        assert runner.context.active_optimization_profile == index
    words = r"its profiles: 1x3x4x4 to 2x3x4x4, 4x3x4x4 to 8x3x4x4; and 3x3x4x4 lies outside"
    with pytest.raises(Refused, match=words):
        runner.run(image(3))


def test_a_cuda_graph_is_captured_once_a_shape_and_launched_from_then_on(opened, gpu, monkeypatch):
    monkeypatch.setattr(gpu.MODE, "launches", 0)
    runner = opened(Tuning(cuda_graphs=True))
    for batch, launches in ((2, 0), (2, 1), (2, 2), (1, 2), (1, 3), (4, 3), (2, 3), (2, 4)):
        check(runner, batch)  # a batch of 4 takes other memory, so that what was captured for 2 is of no use
        assert gpu.MODE.launches == launches
    plain = opened()
    check(plain, 2)
    check(plain, 2)
    assert gpu.MODE.launches == 4


def test_cuda_graphs_are_for_engines(cli):
    code, _, err = cli("bench", "cifar-resnet20", "--cuda-graphs", "--repeat", "1")
    assert (code, "--cuda-graphs means something for engines alone" in err) == (2, True)


def test_an_engine_without_weights_is_filled_from_the_file_beside_it_or_refused(opened, tmp_path):
    with pytest.raises(Refused, match=r"it has no weights, and there is no net\.onnx beside it"):
        opened(stripped=True)
    (tmp_path / "net.onnx").write_bytes(b"model")
    check(opened(stripped=True), 1)
    (tmp_path / "net.onnx").write_bytes(b"another")
    with pytest.raises(Refused, match=r"the weights of net\.onnx do not fit it: no such weights"):
        opened(stripped=True)
    (tmp_path / "net.onnx").unlink()
    check(opened(stripped=False), 1)
