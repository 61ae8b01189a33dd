"""`verify --against` and files in eight bits of networks that output maps which later layers read."""

import itertools
import re

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from resnet_gen import emit_onnx, load_spec
from resnet_gen.compare.against.model import compare_model, read_model
from resnet_gen.graph.counts import count
from resnet_gen.language.lower import lower
from resnet_gen.ops.precision import Calibration
from resnet_gen.verify.subject import Subject
from tests.compare.test_against_biases import HOW
from tests.helpers.varied import spread
from tests.quantization.test_small_filters import NETWORKS, weights

OUTPUTS = {
    "first": {"outputs": ["stage1"]},
    "both": {"outputs": ["stage1", "stage2"]},
    "backbone": {"outputs": ["stage1", "stage2"], "head": "none"},
}
BLOCKS = [name for name in NETWORKS if name != "dense head"]  # whose last layers of a stage read no codes
CASES = spread(itertools.product(BLOCKS, OUTPUTS, HOW), 8)


@pytest.fixture
def made(tmp_path):
    """A network of ours that outputs maps, in eight bits: its spec, its weights, its file."""

    def make(name, outputs, how):
        parent, changes = NETWORKS[name]
        loaded = load_spec(parent, {**changes, **OUTPUTS[outputs]})
        state = lower(loaded).state()
        side = loaded.spec.input.size[0]
        np.savez(tmp_path / "images.npz", images=np.random.default_rng(1).normal(0, 1, (8, 3, side, side)))
        kept = {k: v for k, v in weights(name, [0.5], 1).items() if k in state}
        np.savez(tmp_path / "w.npz", **kept)
        file = emit_onnx(
            loaded, tmp_path / "8.onnx", weights=tmp_path / "w.npz", compare=False,
            calibration=Calibration(str(tmp_path / "images.npz")), **HOW[how],
        )  # fmt: skip
        return loaded, tmp_path / "w.npz", file

    return make


def held(loaded, weights, file):
    graph = lower(loaded)
    return compare_model(file, read_model(file), weights, Subject(loaded, graph, count(graph)))


@pytest.mark.parametrize(("name", "outputs", "how"), CASES)
def test_what_was_built_is_accepted_with_all_that_its_codes_are_of(made, name, outputs, how):
    loaded, weights, path = made(name, outputs, how)
    found = held(loaded, weights, path)
    assert (found.layers, found.shapes, found.weights) == ((), (), ())
    file = read_model(path)
    values = {file.graph.input.name, *(node.output.name for node in file.graph.nodes)}
    assert {cover.value for cover in file.covers} <= values
    assert "stage1" in {cover.value for cover in file.covers}


@pytest.mark.parametrize(("name", "outputs", "how"), CASES)
@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_codes_of_what_is_put_out_that_cover_something_else_are_found(made, name, outputs, how, factor):
    loaded, weights, path = made(name, outputs, how)
    model = onnx.load(path)
    scales = [t for t in model.graph.initializer if re.fullmatch(r"stage1\.(de)?quantize\.scale", t.name)]
    assert scales
    for tensor in scales:
        scale = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array((scale * factor).astype(scale.dtype), tensor.name))
    onnx.save(model, path)
    assert any("'stage1'" in fault for fault in held(loaded, weights, path).layers)
