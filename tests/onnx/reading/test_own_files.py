"""Every file that we write is read back as the graph that it was written from, with its weights."""

import itertools
from typing import get_args

import numpy as np
import pytest

from resnet_gen.build.passes import prepare
from resnet_gen.build.request import Request
from resnet_gen.graph import Net, Value
from resnet_gen.graph.counts import count
from resnet_gen.graph.matching import match
from resnet_gen.language.load import load
from resnet_gen.onnx.reading import read
from resnet_gen.onnx.writing import WriterOptions
from resnet_gen.ops import Activation, Function, Mul
from resnet_gen.ops.precision import Calibration, QuantizationChoice
from resnet_gen.problems import Refused
from resnet_gen.quantization.float_types import set_precision
from resnet_gen.quantization.linear_as_conv import linear_as_conv
from resnet_gen.system.resources import shipped_specs
from tests.helpers.onnx_runs import TINY, TOLERANCE
from tests.helpers.varied import marked, spread
from tests.onnx.reading.models import SHALLOW, Hand, file, network, same_outputs, structure, tensors

OPSETS = range(13, 27)
SHIPPED = [marked(name, bool(place % 2), OPSETS[place % len(OPSETS)]) for place, name in enumerate(shipped_specs())]
"""Every shipped network, with norms kept or folded and at every opset, in turns."""


@pytest.mark.parametrize(("name", "fold", "opset"), SHIPPED)
def test_every_shipped_network_is_read_back(name, fold, opset, tmp_path):
    graph, weights = network(name, fold=fold)
    found = read(structure(graph, weights, tmp_path / "n.onnx", WriterOptions(opset=opset)))
    assert match(graph, found.graph).same
    assert count(found.graph) == count(graph)
    assert {(n.name, n.op) for n in found.graph.nodes} == {(n.name, visible_in_files(n.op)) for n in graph.nodes}
    assert list(found.graph.used()) == list(graph.used())
    assert (found.opset, found.batch, found.unread) == (opset, None, 0)


def visible_in_files(op):
    """An operation without what a file does not show."""
    from resnet_gen.graph.matching import drop_invisible
    from resnet_gen.ops import AvgPool, GlobalAvgPool

    return GlobalAvgPool() if op == AvgPool(8, 8) else drop_invisible(op)


VARIANTS = {
    "residual": ("resnet50", "stages.attention=se"),
    "ceil and efficient attention": ("resnet50d", "stages.attention=eca"),
    "blur, gelu": ("resnet50", "antialias=blur", "activation=gelu"),
    "average against aliasing, hard swish": ("resnet50t", "antialias=average", "activation=hard_swish"),
    "split attention, silu": ("resnest50d", "activation=silu"),
    "split attention of groups": ("resnest50d_2s2x40d",),
    "selective kernels, mish": ("skresnet18", "activation=mish"),
    "scales": ("res2net50_26w_4s", "activation={kind: leaky_relu, slope: 0.2}"),
    "standardized, zeros around the pool": ("resnetv2_50x1_bit", "activation=elu"),
    "cbam": ("cbam-resnet50",),
    "pre-activation, softmax": ("resnetv2_50", "head.softmax=true", "norm={kind: group, groups: 4}"),
    "layer norm, tanh": ("resnet18", "norm=layer", "activation=tanh"),
    "gates": ("highway-c",),
    "policy and value": ("leela-zero", "stages.depths=[2]"),
    "zeros as channels": ("cifar-resnet20",),
    "dilated": ("resnet50d", "stages.output_stride=8"),
    "backbone": ("resnet18", "head=none", "outputs=[stage2, stage4]"),
}


@pytest.mark.parametrize(("variant", "fold"), spread(itertools.product(VARIANTS, [False, True]), 12))
def test_outputs_and_weights_are_kept(variant, fold, tmp_path):
    name, *settings = VARIANTS[variant]
    small = [SHALLOW] if "stages" in load(name).resolved() and len(load(name).spec.stages.depths) == 4 else []
    size = [] if name in ("leela-zero", "highway-c", "cifar-resnet20") else ["input.size=64"]
    graph, weights = network(name, *small, *size, *settings, fold=fold)
    path = file(graph, weights, tmp_path / "n.onnx")
    found = read(path)
    assert match(graph, found.graph).same
    wanted, read_back = tensors(graph, weights), tensors(found.graph, found.weights)
    assert list(wanted) == list(read_back)
    assert all(np.array_equal(wanted[key], read_back[key]) for key in wanted)
    assert same_outputs(path, found) == 0.0


@pytest.mark.parametrize(
    ("name", "fold", "told"),
    [
        ("resnet18", False, "kept"),
        ("resnet18", True, "folded"),
        ("resnet50_gn", True, None),
        ("plain18", True, "folded"),
    ],
)
def test_what_became_of_batch_norm_is_told(name, fold, told, tmp_path):
    graph, weights = network(name, "input.size=64", fold=fold)
    assert read(structure(graph, weights, tmp_path / "n.onnx")).batch_norm == told


FLOATS = {"fp16": "float16", "bf16": "bfloat16"}


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("precision", FLOATS)
def test_half_precision_is_read_as_the_numbers_that_it_has(precision, typed, tmp_path):
    graph, weights = network("resnet50", SHALLOW, "stages.attention=se", "input.size=64", fold=True)
    typed_graph = set_precision(graph, FLOATS[precision], typed_io=typed)
    found = read(file(typed_graph, weights, tmp_path / "n.onnx", WriterOptions(opset=22)))
    assert match(graph, found.graph).same
    assert found.precision == precision
    wanted, read_back = tensors(graph, weights), tensors(found.graph, found.weights)
    step = 2.0**-11 if precision == "fp16" else 2.0**-8
    for key, values in wanted.items():
        assert np.abs(read_back[key] - values).max() <= step * max(np.abs(values).max(), 2.0**-14), key
    assert any((read_back[key] != wanted[key]).any() for key in wanted)


def quantized(kind, placement, compute, **more):
    return QuantizationChoice(kind, placement, compute, Calibration("random", 2), **more)


EIGHT = {
    "int8 for TensorRT": quantized("int8", "tensorrt", "float16"),
    "int8 for CPUs": quantized("int8", "cpu", "float32"),
    "int8, quantized in the graph": quantized("int8", "tensorrt", "float32", in_graph=True),
    "fp8": quantized("fp8", "tensorrt", "float16"),
}


@pytest.mark.parametrize("way", EIGHT)
def test_eight_bits_leave_the_architecture_and_weights_within_a_step(way, tmp_path):
    how = EIGHT[way]
    loaded = load("resnet50", [SHALLOW, "stages.attention=se", "input.size=64"])
    made = prepare(loaded, Request(precision=how.kind, quantizing=how))
    found = read(file(made.graph, made.weights, tmp_path / "n.onnx", WriterOptions(opset=22)))
    graph, weights = network("resnet50", SHALLOW, "stages.attention=se", "input.size=64", fold=True)
    assert match(graph, found.graph).same
    assert found.precision == how.kind
    assert found.batch_norm == "folded"
    wanted, read_back = tensors(graph, weights), tensors(found.graph, found.weights)
    step = {"int8": 1 / 127, "fp8": 32 / 448}[how.kind]
    rounding = 2.0**-11 if "float16" in found.types else 0.0
    for key, values in wanted.items():
        if key.endswith("weight"):
            reach = np.abs(values).reshape(len(values), -1).max(axis=1).reshape(-1, *[1] * (values.ndim - 1))
            assert (np.abs(read_back[key] - values) <= (0.51 * step + rounding) * reach + 1e-6).all(), key


def test_a_linear_layer_as_a_convolution_is_read_as_one(tmp_path):
    graph, weights = linear_as_conv(*network(TINY))
    path = file(graph, weights, tmp_path / "n.onnx")
    found = read(path)
    assert [n.name for n in found.graph.nodes if n.name.startswith("head")][-2:] == ["head.fc", "head.fc.flatten"]
    assert same_outputs(path, found) == 0.0


def test_external_data_are_read_when_they_are_asked_for(tmp_path):
    from resnet_gen.onnx.writing import OnnxFile

    graph, weights = network(TINY)
    out = OnnxFile(graph, weights, WriterOptions(external_above=0))
    path = tmp_path / "n.onnx"
    path.write_bytes(b"".join(out.chunks("n.onnx.data")))
    without = read(path)
    assert match(graph, without.graph).same
    with pytest.raises(Refused) as refused:
        tensors(without.graph, without.weights)
    message = "the numbers of 'stem.conv.weight' are in 'n.onnx.data': No such file or directory"
    assert str(refused.value) == f"{path}: error: {message}"
    (tmp_path / "n.onnx.data").write_bytes(b"".join(out.external_chunks()))
    found = read(path)
    wanted = tensors(graph, weights)
    assert all(np.array_equal(wanted[key], values) for key, values in tensors(found.graph, found.weights).items())


def test_a_fixed_batch_is_told(tmp_path):
    graph, weights = network(TINY)
    path = file(graph, weights, tmp_path / "n.onnx", WriterOptions(batch=3))
    found = read(path)
    assert found.batch == 3
    assert same_outputs(path, found) <= TOLERANCE


def activation(function):
    return Activation(function, 0.1) if function in ("leaky_relu", "elu") else Activation(function)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("first", get_args(Function))
def test_an_activation_of_an_activation_is_read_as_the_two(first, dtype, tmp_path):
    for place, second in enumerate(get_args(Function)):
        net = Net(Value("input", (3, 4, 4)))
        inner = net.add("a", activation(first), net.input)
        graph = set_precision(net.graph("n", [net.add("b", activation(second), inner)]), dtype)
        path = structure(graph, {}, tmp_path / "n.onnx", WriterOptions(opset=OPSETS[place % len(OPSETS)]))
        assert [node.op for node in read(path).graph.nodes] == [activation(first), activation(second)], second


def test_a_gate_of_another_function_of_the_same_map_is_not_taken_for_its_own(tmp_path):
    hand = Hand()
    inner, other = hand.node("Relu", "x"), hand.node("Tanh", "x")
    product = hand.node("Mul", inner, hand.node("Sigmoid", other))
    found = hand.read(tmp_path / "n.onnx", product).graph
    assert [node.op for node in found.nodes] == [*map(Activation, ("relu", "tanh", "sigmoid")), Mul()]


@pytest.mark.parametrize("chosen", ["gelu", "mish", "silu", "hard_swish"])
@pytest.mark.parametrize(
    "settings",
    [
        ("stem={kind: conv3x3, width: 16}", "stages.block=basic", "head={kind: linear, classes: 5, activation: true}"),
        ("stem={kind: conv7x7, width: 16, pool: conv}", "stages.block=preact_basic", "norm=none"),
    ],
)
def test_networks_whose_activations_follow_one_another_are_read_back(settings, chosen, tmp_path):
    graph, weights = network("resnet18", SHALLOW, f"activation={chosen}", *settings)
    found = read(structure(graph, weights, tmp_path / "n.onnx"))
    assert match(graph, found.graph).same
