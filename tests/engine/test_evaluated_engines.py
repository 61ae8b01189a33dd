"""Engines evaluated on a stand-in for TensorRT and a GPU, by which every engine says the mean of each channel.

Specs, builds of a project and budgets take the whole way: the engine is built by one stand-in, and run by the other.
"""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import resnet_gen
from tests.engine.test_runtimes import gpu
from tests.fixtures import fake_gpu, fake_tensorrt
from tests.helpers.project_files import begin_project, write

__all__ = ["gpu"]
NET = """\
name: net
input: {channels: 3, size: 4, mean: [0.0, 0.0, 0.0], std: [1.0, 1.0, 1.0]}
stem: {kind: conv3x3, width: 4}
stages: {depths: [1], widths: [4], block: basic}
head: {kind: linear, classes: 3}
"""
OF_ENGINE = ', runtime = "tensorrt"'
ENGINE = ("--backend", "tensorrt", "--data", "three.npz")


class Builder(fake_tensorrt.Builder):
    """Makes what the other stand-in runs, for batches of 1 to 4."""

    def build_serialized_network(self, network, config):
        assert super().build_serialized_network(network, config)
        return fake_gpu.engine_bytes()


@pytest.fixture
def here(gpu, tmp_path, monkeypatch):
    """A project with images of three classes, each bright in one channel: of seven the last is told wrongly."""
    both = SimpleNamespace(**{**vars(fake_gpu), **vars(fake_tensorrt), "Runtime": fake_gpu.Runtime})
    both.Builder, both.TensorIOMode, both.nptype = Builder, fake_gpu.TensorIOMode, fake_gpu.nptype
    monkeypatch.setitem(sys.modules, "tensorrt", both)
    begin_project(tmp_path, monkeypatch, {"net.yaml": NET})
    labels = np.array([0, 1, 2, 0, 1, 2, 1])
    images = np.zeros((7, 3, 4, 4), np.float32)
    images[np.arange(7), [*labels[:6], 0]] = 1
    np.savez("three.npz", images=images, labels=labels)
    pixels = (255 * images).transpose(0, 2, 3, 1).astype(np.uint8)
    np.savez("bytes.npz", images=pixels, labels=labels)
    (tmp_path / "net.engine").write_bytes(gpu.engine_bytes())
    return tmp_path


def evaluated(cli, *words):
    code, out, err = cli("evaluate", *words, "--format", "json")
    return code, json.loads(out), err


@pytest.mark.parametrize("model", ["net.engine", "net.yaml"])
def test_an_engine_is_evaluated_as_any_model(here, cli, model):
    code, found, _ = evaluated(cli, model, *ENGINE, "--batch", "3")
    assert code == 0
    (model,) = found["models"]
    assert (model["top1"]["right"], found["images"], model["runtime"]["library"]) == (6, 7, "tensorrt")
    assert model["confusion"] == [{"label": 1, "predicted": 0, "images": 1}]
    assert resnet_gen.evaluate("net.engine", "three.npz", runtime="tensorrt").models[0].accuracy.top1.number == 6


def test_an_engine_is_compared_with_a_model_on_another_runtime(here, cli):
    code, found, _ = evaluated(cli, "net.engine", *ENGINE, "--against", "net.yaml", "--against-backend", "onnxruntime")
    assert code == 0
    assert [model["runtime"]["library"] for model in found["models"]] == ["tensorrt", "onnxruntime"]
    assert found["comparison"]["same"]["images"] <= 7


@pytest.mark.parametrize(("shape", "profile"), [((2, 3, 4, 4), None), ((-1, 3, 4, 4), ((4, 3, 4, 4),) * 3)])
def test_batches_that_an_engine_does_not_take_are_filled_up(here, cli, gpu, shape, profile):
    (here / "net.engine").write_bytes(gpu.engine_bytes(shape=shape, profile=profile))
    assert evaluated(cli, "net.engine", *ENGINE)[1]["models"][0]["top1"]["right"] == 6


def test_pictures_become_what_an_engine_takes_as_its_manifest_s_spec_or_imagenet_s_networks(here, cli):
    code, found, _ = evaluated(cli, "net.engine", "--backend", "tensorrt", "--data", "bytes.npz")
    assert (code, found["models"][0]["top1"]["right"]) == (0, 6)
    assert found["notes"][0] == "net.engine: carries no spec; ImageNet's preprocessing is assumed"


@pytest.mark.parametrize("model", ["net.engine", "net.yaml"])
def test_without_a_gpu_it_is_refused(here, cli, gpu, monkeypatch, model):
    monkeypatch.setattr(gpu.MODE, "devices", 0)
    code, out, err = cli("evaluate", model, *ENGINE)
    assert (code, out) == (2, "")
    assert "no GPU can be used: there is none" in err


@pytest.mark.parametrize(("least", "wanted"), [("0.85", 0), ("0.86", 1)])
def test_a_budget_names_its_engine_s_runtime(here, cli, least, wanted):
    budget = f"{{data: three.npz, precision: fp16, runtime: tensorrt, weights: w.npz, min: {least}}}"
    write("net.yaml", f"{NET}budgets: {{accuracy: {budget}}}\n")
    graph = resnet_gen.build_graph("net.yaml")
    np.savez("w.npz", **{name: np.ones(tensor.shape, np.float32) for name, tensor in graph.state().items()})
    code, out, err = cli("verify", "net.yaml", "--evaluate")
    assert code == wanted
    assert "accuracy (fp16): 0.8571 (6 of 7)" in err + out
    fake_gpu.MODE.devices = 0  # put back by the fixture
    code, _, err = cli("verify", "net.yaml", "--evaluate")
    place = f"net.yaml:{NET.count(chr(10)) + 1}:{budget.index('tensorrt') + len('budgets: {accuracy: ') + 1}"
    assert (code, err.splitlines()[0]) == (2, f"{place}: error: no GPU can be used: there is none")


def test_the_engine_of_a_project_s_build_is_run_and_without_a_gpu_its_model(here, cli, gpu, monkeypatch):
    budget = 'accuracy = {data = "three.npz", precision = "fp16", runtime = "tensorrt", min = 0.86}\n'
    table = 'specs = ["net.yaml"]\n[builds.gpu]\nprecisions = ["fp16"]\ntargets = ["tensorrt"]\n'
    write("resnet-gen.toml", f"{table}[budgets.net]\n{budget}")
    assert cli("build")[0] == 0
    code, found, err = evaluated(cli)
    (row,) = found["builds"]
    assert (code, row["status"], row["top1"]["right"], row["runtime"]["library"]) == (1, "missed", 6, "tensorrt")
    assert "accuracy (fp16): 0.8571 (6 of 7), under the budget of 0.86" in err
    assert row["file"].endswith("net.fp16.engine")
    write("resnet-gen.toml", f"{table}[budgets.net]\n{budget.replace('0.86', '0.85')}")
    assert evaluated(cli)[0] == 0
    monkeypatch.setattr(gpu.MODE, "devices", 0)
    code, found, err = evaluated(cli)
    assert (code, found["builds"][0]["status"]) == (2, "refused")  # the budget is of the engine
    place = f"resnet-gen.toml:6:{budget.index('tensorrt')}"
    assert f"{place}: error: builds.gpu: net fp16 tensorrt: accuracy (fp16): no GPU can be used: there is none\n" in err
    write("resnet-gen.toml", f"{table}[budgets.net]\n{budget.replace(OF_ENGINE, '')}")
    (row,) = evaluated(cli)[1]["builds"]
    assert (row["runtime"]["library"], row["file"].endswith("net.onnx")) == ("onnxruntime", True)
    assert "its engine was not run (no GPU can be used: there is none): its model was" in row["notes"]


def test_pictures_become_what_the_spec_of_a_build_says_as_an_engine_carries_none(here, cli):
    """Channel 0 is the brightest before its mean is taken away, and channel 1 behind that."""
    write("net.yaml", NET.replace("mean: [0.0", "mean: [0.5"))
    pixels = np.tile(np.array([153, 128, 0], np.uint8), (3, 4, 4, 1))
    np.savez("dim.npz", images=pixels, labels=np.array([1, 1, 1]))
    table = 'specs = ["net.yaml"]\n[builds.gpu]\nprecisions = ["fp16"]\ntargets = ["tensorrt"]\n'
    write("resnet-gen.toml", f'{table}[budgets.net]\naccuracy = {{data = "dim.npz", min = 1.0, precision = "fp16"}}\n')
    assert cli("build")[0] == 0
    code, found, _ = evaluated(cli)
    (row,) = found["builds"]
    assert (code, row["status"], row["runtime"]["library"]) == (0, "met", "tensorrt")
