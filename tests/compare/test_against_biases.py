"""`verify --against` and the biases of layers in eight bits, which calibration corrects by what rounding moved them."""

import itertools
import re
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from safetensors.numpy import save_file

from resnet_gen import emit_onnx
from resnet_gen.compare.against import biases as against_biases
from resnet_gen.compare.against import weight_values
from resnet_gen.compare.against.biases import has_other_steps
from resnet_gen.compare.against.model import compare_model, read_model
from resnet_gen.graph.counts import count
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.onnx.reading.quantized_ranges import CodeRange
from resnet_gen.ops import Linear
from resnet_gen.ops.precision import Calibration
from resnet_gen.verify.subject import Subject
from tests.accuracy.digits import SPEC, write_calibration
from tests.helpers.against_files import DIGITS
from tests.helpers.onnx_runs import difference, session
from tests.helpers.varied import spread
from tests.quantization.test_small_filters import FILES, NETWORKS, spec, weights

HOW = {
    **FILES,
    "fp8": {"precision": "fp8"},
    "fp8, rest fp16": {"precision": "fp8", "rest": "fp16"},
}
GAMMAS = {"healthy": [0.5], "vanishing": [1e-6], "mixed": [1e-2, -1e-5, 1e-8, 0.0, -1e-38, 1e-3]}
MARGIN = 0.5
"""Of what a bias may be corrected by: what calibration of ours comes to at most, which leaves room for others'."""


@pytest.fixture
def made(tmp_path):
    """A network of ours in eight bits: its spec, its weights, its file."""

    def make(name, how, gammas):
        side = spec(name).spec.input.size[0]
        images = np.random.default_rng(1).normal(0, 1, (16, 3, side, side)).astype(np.float32)
        np.savez(tmp_path / "images.npz", images=images)
        save_file(weights(name, gammas, 1), tmp_path / "w.safetensors")
        file = emit_onnx(
            spec(name), tmp_path / "8.onnx", weights=tmp_path / "w.safetensors", compare=False,
            calibration=Calibration(str(tmp_path / "images.npz")), **HOW[how],
        )  # fmt: skip
        return spec(name), tmp_path / "w.safetensors", file

    return make


def held(loaded, weights, file):
    graph = lower(loaded)
    return compare_model(file, read_model(file), weights, Subject(loaded, graph, count(graph)))


def accepted(loaded, weights, file):
    """The line that accepts a file; and how much of what calibration may correct its biases need."""
    found = held(loaded, weights, file)
    assert (found.layers, found.shapes, found.weights) == ((), (), ())
    assert "biases, which" not in found.weighed
    part = re.search("their biases within (.*) of what calibration may correct", found.weighed)
    return found.weighed, float(part.group(1)) if part else 0.0


@pytest.mark.parametrize(("name", "how"), spread(itertools.product(NETWORKS, HOW), 4))
def test_what_calibration_corrects_is_no_difference(made, name, how):
    for gammas in GAMMAS.values():
        _, part = accepted(*made(name, how, gammas))
        assert part < MARGIN


@pytest.mark.parametrize("method", ["minmax", "entropy", "percentile"])
@pytest.mark.parametrize("how", ["cpu", "tensorrt", "fp8"])
def test_a_trained_network_and_real_images_are_no_difference(how, method, tmp_path):
    images = write_calibration(tmp_path / "digits.npz")
    file = emit_onnx(SPEC, tmp_path / "8.onnx", weights=DIGITS, calibration=Calibration(str(images), method=method),
                     **HOW[how])  # fmt: skip
    words, part = accepted(load(SPEC), DIGITS, file)
    assert 0 < part < MARGIN
    assert "not compared" not in words


def biases(model):
    """The biases of layers whose weights are in eight bits, by the layer."""
    tensors = {t.name: t for t in model.graph.initializer}
    weights = [name.removesuffix(".weight_scale") for name in tensors if name.endswith(".weight_scale")]
    return {layer: tensors[f"{layer}.bias"] for layer in weights if f"{layer}.bias" in tensors}


def moved(file, layer, change):
    """The file with another bias of one layer."""
    model = onnx.load(file)
    tensor = biases(model)[layer]
    array = change(numpy_helper.to_array(tensor).astype(np.float64))
    kept = numpy_helper.to_array(tensor).dtype
    tensor.CopyFrom(numpy_helper.from_array((np.rint(array) if kept.kind == "i" else array).astype(kept), tensor.name))
    path = file.with_name("moved.onnx")
    onnx.save(model, path)
    return path


CHANGES = {
    "one": lambda b: b + np.abs(b).max() * (np.arange(len(b)) == np.argmax(np.abs(b))),
    "turned": lambda b: -b,
    "none": np.zeros_like,
    "in another order": lambda b: np.roll(b, 1),
    "another step": lambda b: b * 2,
    "far": lambda b: b * 0 + 1e4,
}


@pytest.mark.parametrize(("name", "how"), spread(itertools.product(NETWORKS, HOW), 6))
def test_another_bias_of_any_layer_is_found(made, name, how):
    loaded, numbers, file = made(name, how, [0.5])
    layers = biases(onnx.load(file))
    assert layers
    for number, layer in enumerate(layers):
        change = "far" if how.startswith("fp8") else list(CHANGES)[number % len(CHANGES)]
        found = held(loaded, numbers, moved(file, layer, CHANGES[change])).weights
        assert any(f"'{layer}.bias' is not that of" in message for message in found), (layer, change)


@pytest.mark.parametrize("change", CHANGES)
def test_each_kind_of_change_is_found(made, change):
    loaded, numbers, file = made("basic", "cpu", [0.5])
    for layer in biases(onnx.load(file)):
        found = held(loaded, numbers, moved(file, layer, CHANGES[change])).weights
        assert re.search(
            rf"'{layer}\.bias' is not that of .*, there .*, [\d.e+]+ times as far as calibration may correct it",
            "\n".join(found),
        ), (layer, found)


@pytest.mark.parametrize("factor", [1e2, 1e4, 1e8])
def test_a_bias_is_not_hidden_by_steps_that_are_larger_than_it(made, factor):
    loaded, weight_values, file = made("basic", "cpu", [0.5])
    for layer in biases(onnx.load(file)):
        model = onnx.load(file)
        for tensor in model.graph.initializer:
            array = numpy_helper.to_array(tensor)
            if tensor.name == f"{layer}.bias_scale":
                tensor.CopyFrom(numpy_helper.from_array(array * np.float32(factor), tensor.name))
            if tensor.name == f"{layer}.bias":
                tensor.CopyFrom(numpy_helper.from_array(np.zeros_like(array), tensor.name))
        path = file.with_name("steps.onnx")
        onnx.save(model, path)
        assert any(
            f"'{layer}.bias' is not that of" in message for message in held(loaded, weight_values, path).weights
        ), layer


def test_without_codes_for_what_a_layer_reads_there_is_nothing_to_correct(made):
    """Weights alone in eight bits: a bias is what the weights say."""
    loaded, weight_values, file = made("basic", "tensorrt", [0.5])
    model = onnx.load(file)
    names = {}
    for node in list(model.graph.node):
        if node.op_type == "QuantizeLinear":
            names[node.output[0]] = node.input[0]
            model.graph.node.remove(node)
        elif node.op_type == "DequantizeLinear" and node.input[0] in names:
            names[node.output[0]] = names[node.input[0]]
            model.graph.node.remove(node)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    onnx.save(model, file)
    found = held(loaded, weight_values, file)
    assert found.layers == ()
    assert found.weights  # calibration did correct them, of which nothing in the file tells now


@pytest.mark.parametrize("how", [how for how in HOW if how.startswith("fp8")])
def test_another_weight_in_fp8_is_found(made, how):
    loaded, weight_values, file = made("basic", how, [0.5])
    for layer in biases(onnx.load(file)):
        model = onnx.load(file)
        (tensor,) = (t for t in model.graph.initializer if t.name == f"{layer}.weight")
        codes = numpy_helper.to_array(tensor).view(np.uint8).copy()
        codes.flat[np.argmax(codes % 0x80)] -= 8  # half of the largest
        tensor.raw_data = codes.tobytes()
        path = file.with_name("half.onnx")
        onnx.save(model, path)
        assert any(
            f"'{layer}.weight' is not that of" in message for message in held(loaded, weight_values, path).weights
        )


@pytest.mark.parametrize("half", [True, False])
def test_steps_of_a_bias_are_compared_as_finely_as_they_are_kept(monkeypatch, half):
    """In float16 a step near its least number is far from what it stands for."""
    step = against_biases._LEAST_STEP / 2
    monkeypatch.setattr(against_biases, "_find_product_steps", lambda node, file: [np.full(3, 2 * step)])
    weights = SimpleNamespace(steps=lambda name, start, stop: np.full(stop - start, step))
    file = SimpleNamespace(types={"float16"} if half else {"float32"}, weights=weights)
    node = SimpleNamespace(op=Linear(3), shape=(3,), weight_name=str)
    assert has_other_steps(node, file) is not half


def test_a_filter_without_a_bias_may_be_as_small_as_its_type_holds(monkeypatch):
    monkeypatch.setattr(against_biases, "_sort_by_width", lambda file, node: [SimpleNamespace(scale=1e-3)])
    variant = SimpleNamespace(weights=SimpleNamespace(rows=lambda name, start, stop: np.array([0.0, 1e-12, 1e3])))
    wanted = SimpleNamespace(shape=(3,), op=Linear(3, bias=True), weight_name=str)
    half, single = (
        against_biases.find_least_scales(variant, wanted, None, SimpleNamespace(types=types), integers=True)
        for types in ({"float16"}, {"float32"})
    )
    assert half[0] == 2.0**-14 < half[1] == np.float32(2.0**-21 / 1e-3)
    assert half[2] == np.float32(1e3 / 49152 / 1e-3)  # as tests/quantization/test_quantize.py has it of what is written
    assert single[0] == 0 < single[1] < half[1]
    assert single[2] == np.float32(1e3 / 2**24 / 1e-3)


@pytest.mark.parametrize("shape", [(3, 5), (3, 2, 2, 2), (3, 4, 1, 1)])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "float8_e4m3fn"])
def test_what_cannot_be_seen_of_a_weight_is_of_its_row(shape, dtype):
    rows = np.ones(shape, np.float32) * np.array([0, 1, 448e9], np.float32).reshape(-1, *[1] * (len(shape) - 1))
    found = weight_values._bound_slack(rows, np.array([1.0, 2.0, 3.0], np.float32), dtype)
    last = 3.0 if dtype.endswith("int8") else 0.51 * 2.0**-9 * 1e9
    np.testing.assert_allclose(np.broadcast_to(found, shape), np.ones(shape) * found, rtol=0)
    assert np.unique(np.broadcast_to(found, shape).reshape(3, -1), axis=1).tolist() == [[1], [2], [pytest.approx(last)]]


def test_a_linear_layer_whose_bias_has_steps_of_its_own_is_found(made):
    """ONNX Runtime fuses it, and takes the steps to be the product of those of its operands."""
    loaded, weight_values, file = made("basic", "cpu", [0.5])
    model = onnx.load(file)
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if tensor.name == "fc.bias_scale":
            tensor.CopyFrom(numpy_helper.from_array(array * np.float32(4), tensor.name))
        if tensor.name == "fc.bias":
            tensor.CopyFrom(numpy_helper.from_array(np.rint(array / 4).astype(np.int32), tensor.name))
    path = file.with_name("steps.onnx")
    onnx.save(model, path)
    found = held(loaded, weight_values, path).weights
    assert any("'fc.bias' has other steps than its weight's times its input's" in message for message in found)
    x = np.random.default_rng(0).normal(0, 1, (4, *loaded.spec.input.shape)).astype(np.float32)
    wanted, written, fused = (
        session(p, optimized=o).run(None, {"input": x})[0] for p, o in ((file, False), (path, False), (path, True))
    )
    assert difference(written, wanted) < 0.01 < 0.1 < difference(fused, wanted)


def test_codes_of_what_a_linear_layer_reads_are_those_of_the_map_that_is_flattened_too():
    graph = lower(load("cifar-resnet20"))
    fc = next(node for node in graph.nodes if isinstance(node.op, Linear))
    makers = {node.output.name: node for node in graph.nodes}
    pooled = makers[fc.inputs[0].name].inputs[0].name
    narrow, wide, other = (
        CodeRange(name, -1.0, most, 0.1, 0.1)
        for name, most in ((fc.inputs[0].name, 1.0), (pooled, 9.0), ("input", 99.0))
    )
    file = SimpleNamespace(graph=graph, covers=[narrow, wide, other])
    assert against_biases._sort_by_width(file, fc) == [wide, narrow]
