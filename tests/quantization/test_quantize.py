"""Eight bits: where Q/DQ stand in the emitted file, what the scales are, and that the network stays the network."""

from dataclasses import replace
from functools import lru_cache

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from resnet_gen.graph.counts import count
from resnet_gen.language.load import load
from resnet_gen.onnx.witness import WitnessError
from resnet_gen.onnx.witness.model import check_onnx
from resnet_gen.onnx.writing import OnnxFile, WriterOptions
from resnet_gen.ops import Activation, Add, Conv, Linear, Quantize
from resnet_gen.ops.precision import Calibration
from resnet_gen.quantization.calibration import calibrate
from resnet_gen.quantization.calibration.images import RandomImages
from resnet_gen.quantization.float_types import set_precision
from resnet_gen.quantization.placement import (
    CPU_INT8,
    OPENVINO_INT8,
    TENSORRT_FP8,
    TENSORRT_INT8,
    Range,
    _find_least_scales,
    _round_scales,
    find_nonnegative,
    place,
    quantize,
)
from resnet_gen.weights.folding import fold_batch_norm
from resnet_gen.weights.standardization import standardize_weights
from tests.helpers.onnx_runs import TINY, Ruled, image, model_bytes, network, run
from tests.helpers.whole_tensors import whole

STYLES = {"tensorrt": TENSORRT_INT8, "in graph": TENSORRT_INT8._replace(in_graph=True), "cpu": CPU_INT8}
SMALL = ("input.size=64", "head.classes=10")
MLP = "head={kind: mlp, pool: 2, hidden: [24], classes: 5}"
NETWORKS = {
    "basic": ("resnet18", *SMALL),
    "bottleneck": ("resnet50", *SMALL, "stages.depths=[1, 2, 1, 1]"),
    "grouped": ("resnext50_32x4d", *SMALL, "stages.depths=[1, 1, 1, 1]"),
    "attention": ("seresnet50", *SMALL, "stages.depths=[1, 1, 1, 1]"),
    "pre-activated": ("preact110", "stages.depths=[2, 2, 2]"),
    "zero padding": ("cifar-resnet20",),
    "dense head": ("vgg11_bn", *SMALL, "stages.widths=[8, 16, 32, 64, 64]", MLP),
    "gates": ("highway-b", "stages.widths=[8, 12, 20, 32]"),
    "splits": ("res2net50_26w_4s", *SMALL, "stages.depths=[1, 1, 1, 1]"),
    "two heads": ("alphago-zero-20", "stages.depths=[2]", "stages.widths.width=8", "stem.width=8"),
}  # fmt: skip


@lru_cache
def folded(*spec):
    graph = network(*spec)
    return fold_batch_norm(*standardize_weights(graph, Ruled(graph)))


@lru_cache
def ranges(spec, style):
    """Of random images, by the method that leaves nothing out."""
    graph, weights = folded(*spec)
    to = load(str(spec[0]), spec[1:]).spec.input
    values = place(graph, style).values
    return calibrate(graph, weights, values, RandomImages(to, count=2), Calibration("random", 2, "minmax"))


@pytest.mark.parametrize(
    ("compute", "most", "least"),
    [("float32", 2.0**24, 2.0**-120), ("bfloat16", 2.0**24, 2.0**-120), ("float16", 49152.0, 2.0**-21)],
)
def test_filters_without_a_bias_are_scaled_by_their_weights_alone(compute, most, least):
    """A bias has 24 digits, which are a float's, or three quarters of what a float16 reaches (docs/precision.md)."""
    bias = np.array([0.0, -0.0, 1e-30, -1e3, 1e-37], np.float32)
    wanted = np.array([0, 0, max(least, 1e-30 / most), 1e3 / most, least]) / 0.5
    np.testing.assert_allclose(_find_least_scales(bias, 0.5, compute), wanted, rtol=1e-6)


def eight(spec, style=TENSORRT_INT8, compute="float32", keep=()):
    graph, weights = folded(*spec)
    placement = place(graph, style, keep)
    new, stored = quantize(graph, weights, placement, ranges(spec, style), style, compute)
    return set_precision(new, compute), stored


class File:
    """An emitted file, read with the onnx package alone."""

    def __init__(self, graph, weights, opset=None):
        self.model = onnx.load_from_string(model_bytes(graph, weights, WriterOptions(opset)))
        onnx.checker.check_model(self.model, full_check=True)
        self.makers = {o: n for n in self.model.graph.node for o in n.output}
        self.tensors = {t.name: t for t in self.model.graph.initializer}

    def nodes(self, *kinds):
        return [n for n in self.model.graph.node if n.op_type in kinds]

    def before(self, name):
        return self.makers[name].op_type if name in self.makers else None

    def array(self, name):
        return numpy_helper.to_array(self.tensors[name])

    def quantizer(self, dequantized):
        return self.makers[self.makers[dequantized].input[0]]


# --- placement, read from the file ------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "convs", "adds"),
    [("resnet18", 20, 8), ("resnet50", 53, 16), pytest.param("resnet101", 104, 33, marks=pytest.mark.long)],
)
def test_tensorrt_gets_qdq_on_every_convolution_and_on_the_shortcut_of_every_sum_and_nowhere_else(spec, convs, adds):
    graph, weights = folded(spec, *SMALL)
    placement = place(graph, TENSORRT_INT8)
    seen = dict.fromkeys((v.name for v in placement.values), Range(-1.0, 1.0))
    file = File(*quantize(graph, weights, placement, seen, TENSORRT_INT8, "float32"))
    assert len(file.nodes("Conv")) == convs
    assert len(file.nodes("Add")) == adds
    for conv in file.nodes("Conv"):
        assert [file.before(name) for name in conv.input[:2]] == ["DequantizeLinear"] * 2
    for add in file.nodes("Add"):
        assert [file.before(name) for name in add.input] == ["Conv", "DequantizeLinear"]
    assert {file.before(n.input[0]) for n in file.nodes("QuantizeLinear")} == {None, "Relu", "MaxPool", "Conv"}
    branches = {add.input[0] for add in file.nodes("Add")}
    assert not branches & {n.input[0] for n in file.nodes("QuantizeLinear")}
    assert file.before(file.nodes("Gemm")[0].input[1]) is None


@pytest.mark.parametrize("spec", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_the_rules_hold_for_every_kind_of_network(spec, style):
    graph, weights = eight(spec, style)
    check_onnx(graph, OnnxFile(graph, weights, WriterOptions()).structure())
    file = File(graph, weights)
    attention = {n.name for n in graph.nodes if n.role == "attention"}
    for node in file.nodes("Conv"):
        if node.name.removesuffix(".conv") not in attention:
            assert file.before(node.input[0]) == "DequantizeLinear", node.name
            assert file.before(node.input[1]) == "DequantizeLinear", node.name
            assert not style.int32_bias or file.before((*node.input, "")[2]) in ("DequantizeLinear", None)
    for node in file.nodes("Add"):
        if node.name not in attention and "Mul" not in [file.before(name) for name in node.input]:
            assert file.before(node.input[1]) == "DequantizeLinear", node.name
            assert (file.before(node.input[0]) == "DequantizeLinear") == style.branches, node.name
    for node in file.nodes("Gemm"):
        assert (file.before(node.input[1]) == "DequantizeLinear") == style.linear


@pytest.mark.parametrize("name", ["resnest14d", "skresnet18", "res2net50_26w_4s", "highway-b"])
def test_a_sum_that_joins_no_shortcut_is_no_residual_one(name):
    settings = () if name == "highway-b" else SMALL
    graph, _ = folded(name, *settings)
    sums = [n for n in graph.nodes if isinstance(n.op, Add)]
    placed = place(graph, TENSORRT_INT8).operands
    residual = [n for n in sums if (n.name, 1) in placed]
    assert len(residual) == {"resnest14d": 4, "skresnet18": 8, "res2net50_26w_4s": 16, "highway-b": 0}[name]
    assert len(sums) > len(residual)
    assert not any((n.name, 0) in placed for n in sums)


@pytest.mark.parametrize("name", ["seresnet18", "cbam-resnet50", "ecaresnet50d"])
def test_for_cpus_attention_reads_integers_of_the_convolution_before_it(name):
    """Of which OpenVINO 2026.4 would else make wrong numbers."""
    graph, _ = folded(name, *SMALL)
    placed = place(graph, CPU_INT8).operands
    makers = {n.output.name: n for n in graph.nodes}
    readers = [
        (n.name, i)
        for n in graph.nodes
        for i, v in enumerate(n.inputs)
        if not isinstance(n.op, Activation)
        and isinstance(getattr(makers.get(v.name), "op", None), Conv)
        and makers[v.name].role != "attention"
    ]
    assert len(readers) > 16
    assert set(readers) <= placed


def shortcuts_of(graph):
    """The residual sums whose branch is a convolution's own result, and the types in which they read the shortcut."""
    makers = {n.output.name: n for n in graph.nodes}
    sums = [n for n in graph.nodes if isinstance(n.op, Add) and isinstance(makers[n.inputs[0].name].op, Conv)]
    return sums, {n.name: makers[makers[n.inputs[1].name].inputs[0].name].op for n in sums}


@pytest.mark.parametrize(
    ("name", "sums", "signed"), [("resnet18", 8, 3), ("resnext50_32x4d", 16, 4), ("resnet50d", 16, 4)]
)
def test_for_openvino_nothing_stands_between_a_convolution_and_its_sum_and_projections_are_signed(name, sums, signed):
    graph, weights = folded(name, *SMALL)
    placement = place(graph, OPENVINO_INT8)
    seen = dict.fromkeys((v.name for v in placement.values), Range(-1.0, 1.0))
    found, read = shortcuts_of(quantize(graph, weights, placement, seen, OPENVINO_INT8, "float32")[0])
    assert len(found) == len(read) == sums
    kinds = [(op.to, op.zero_point) for op in read.values()]
    assert kinds.count(("int8", 0)) == signed
    assert kinds.count(("uint8", 0)) == sums - signed


def test_for_openvino_a_branch_that_others_read_or_that_a_gate_weighs_is_quantized_as_for_other_cpus():
    """A gate's product is no convolution: without Q/DQ behind it the sum is read and written in float."""
    graph, _ = folded("seresnet18", *SMALL)
    sums = {(n.name, 0) for n in graph.nodes if isinstance(n.op, Add)}
    assert len(sums) == 8
    assert place(graph, OPENVINO_INT8).operands == place(graph, CPU_INT8).operands >= sums
    graph, _ = folded("resnet18", *SMALL)
    by_name = {n.name: n for n in graph.nodes}
    more = replace(by_name["relu"], path="more", name="more", inputs=(by_name["layer1.0.conv2"].output,))
    more = replace(more, output=more.output._replace(name="more"))
    both = replace(graph, nodes=(*graph.nodes, more))
    assert ("layer1.0.add", 0) in place(both, OPENVINO_INT8).operands
    assert ("layer1.0.add", 0) not in place(graph, OPENVINO_INT8).operands


def test_for_openvino_what_a_convolution_reads_too_stays_unsigned():
    """The preactivated stream is read by sums alone, in two types it would be rounded twice."""
    graph, _ = eight(("preact110", "stages.depths=[2, 2, 2]"), OPENVINO_INT8)
    makers = {n.output.name: n for n in graph.nodes}
    by_conv = {makers[n.inputs[0].name].inputs[0].name for n in graph.nodes if isinstance(n.op, Conv)}
    kinds = {n.output.name: n.op.to for n in graph.nodes if isinstance(n.op, Quantize)}
    assert {kinds[name] for name in by_conv} == {"uint8"}
    assert {kind for name, kind in kinds.items() if name not in by_conv} >= {"int8"}


def test_for_openvino_a_shortcut_that_is_never_negative_keeps_the_bit_of_its_sign():
    graph, _ = eight(("cifar-resnet20", "stages.depths=[1, 1, 1]"), OPENVINO_INT8)
    kinds = {n.output.name.removesuffix(".quantize"): n.op.to for n in graph.nodes if isinstance(n.op, Quantize)}
    padded = {name: kind for name, kind in kinds.items() if name.endswith("shortcut.pad")}
    assert list(padded.values()) == ["uint8"] * 2
    assert find_nonnegative(graph) >= padded.keys()


def test_for_openvino_a_shortcut_that_max_pooling_makes_has_the_type_of_what_is_pooled():
    """One scale and one type, so that a pool of codes gives the codes of the pool."""
    graph, _ = folded("resnet18", *SMALL)
    by_name = {n.name: n for n in graph.nodes}
    other = replace(by_name["layer1.0.conv1"], inputs=(by_name["relu"].output,))
    nodes = tuple(other if node.name == other.name else node for node in graph.nodes)
    placement = place(replace(graph, nodes=nodes), OPENVINO_INT8)
    assert ("layer1.0.add", 1) in placement.operands
    assert placement.shared.keys() == {"relu", "maxpool"}
    assert not placement.signed & placement.shared.keys()


@pytest.mark.parametrize("reads", [True, False])
def test_for_openvino_a_shortcut_that_may_be_negative_is_signed_unless_a_convolution_reads_it_too(reads):
    """Sums without activations, of which the next block's convolution reads one, or not."""
    graph, _ = folded("resnet18", *SMALL)
    by_name = {n.name: n for n in graph.nodes}
    stream, conv, add = by_name["layer1.0.add"].output, by_name["layer1.1.conv1"], by_name["layer1.1.add"]
    changed = {add.name: replace(add, inputs=(add.inputs[0], stream))}
    changed |= {conv.name: replace(conv, inputs=(stream,))} if reads else {}
    placement = place(replace(graph, nodes=tuple(changed.get(n.name, n) for n in graph.nodes)), OPENVINO_INT8)
    assert (add.name, 1) in placement.operands
    assert (stream.name in placement.signed) is not reads


def test_attention_stays_in_float():
    graph, _ = eight(NETWORKS["attention"], CPU_INT8)
    squeezes = [n for n in graph.nodes if n.role == "attention" and isinstance(n.op, Conv)]
    assert len(squeezes) == 8
    assert not any(n.op.stored for n in squeezes)


def test_fp8_leaves_the_first_convolution_and_grouped_ones():
    graph, _ = eight(NETWORKS["grouped"], TENSORRT_FP8, "float16")
    convs = [n for n in graph.nodes if isinstance(n.op, Conv)]
    left = [n.name for n in convs if n.op.stored is None]
    assert left == [convs[0].name, *(n.name for n in convs if n.op.groups > 1)]
    assert len(left) == 5
    assert {n.op.stored.dtype for n in convs if n.op.stored} == {"float8_e4m3fn"}


def test_what_is_kept_stays_and_so_does_a_sum_by_its_name():
    graph, _ = eight(NETWORKS["basic"], keep=("conv1", "layer1.0.conv2", "layer2.1.add"))
    by_name = {n.name: n for n in graph.nodes}
    assert by_name["conv1"].op.stored is None
    assert by_name["layer1.0.conv2"].op.stored is None
    assert by_name["layer1.0.conv1"].op.stored
    assert by_name["layer2.1.add"].inputs[1].name == "layer2.0.relu2"
    assert by_name["layer2.0.add"].inputs[1].name.endswith(".dequantize")


@pytest.mark.parametrize("spec", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("style", [TENSORRT_INT8, CPU_INT8, TENSORRT_FP8], ids=["tensorrt", "cpu", "fp8"])
def test_no_count_changes(spec, style):
    graph, _ = eight(spec, style, "float16")
    assert count(graph) == count(folded(*spec)[0])


def test_a_value_read_twice_in_eight_bits_is_quantized_once():
    graph, _ = eight(NETWORKS["basic"])
    quantized = [n.inputs[0].name for n in graph.nodes if isinstance(n.op, Quantize)]
    assert len(quantized) == len(set(quantized))
    readers = graph.consumers()["layer1.0.relu2.dequantize"]
    assert [type(n.op) for n in readers] == [Conv, Add]


# --- types and scales -----------------------------------------------------------------


def test_cpu_activations_are_unsigned_from_zero_where_nothing_is_negative_and_from_the_middle_elsewhere():
    spec = NETWORKS["basic"]
    graph, weights = eight(spec, CPU_INT8)
    file = File(graph, weights)
    zeros = {n.input[0]: int(file.array(n.input[2])) for n in file.nodes("QuantizeLinear")}
    assert {file.array(n.input[2]).dtype for n in file.nodes("QuantizeLinear")} == {np.dtype("uint8")}
    seen = ranges(spec, CPU_INT8)
    assert all((zero == 0) == (seen[name].least >= 0) for name, zero in zeros.items())
    assert zeros["input"] == zeros["layer1.0.conv2"] == 128
    assert zeros["layer1.0.relu1"] == zeros["maxpool"] == 0
    for name, zero in zeros.items():
        scale = float(file.array(f"{name}.quantize.scale"))
        reach = max(-seen[name].least, seen[name].most)
        assert scale == pytest.approx(reach / (255 if zero == 0 else 127), rel=1e-6)


def test_tensorrt_activations_are_signed_and_symmetric():
    file = File(*eight(NETWORKS["basic"]))
    assert {file.array(n.input[2]).dtype for n in file.nodes("QuantizeLinear")} == {np.dtype("int8")}
    assert all(not file.array(n.input[2]).any() for n in file.nodes("QuantizeLinear", "DequantizeLinear"))


@pytest.mark.parametrize(("style", "limit"), [(TENSORRT_INT8, 127), (CPU_INT8._replace(weight_bits=7), 63)])
def test_each_output_channel_of_a_weight_has_its_own_scale_and_uses_it_all(style, limit):
    spec = NETWORKS["basic"]
    graph, weights = folded(*spec)
    file = File(*eight(spec, style))
    tensors = graph.state()
    for node in file.nodes("Conv"):
        maker = file.makers[node.input[1]]
        assert onnx.helper.get_attribute_value(maker.attribute[0]) == 0
        q, scale = file.array(maker.input[0]), file.array(maker.input[1])
        exact = whole(weights, f"{node.name}.weight", tensors[f"{node.name}.weight"].shape)
        assert q.dtype == np.int8
        assert (np.abs(q).reshape(len(q), -1).max(axis=1) == limit).all()
        off = np.abs(q * scale[:, None, None, None] - exact) / scale[:, None, None, None]
        assert off.max() <= 0.5 + 1e-4


def test_an_int32_bias_has_the_scale_of_the_products():
    spec = NETWORKS["basic"]
    weights = folded(*spec)[1]
    file = File(*eight(spec, CPU_INT8))
    for node in file.nodes("Conv", "Gemm"):
        data, scale = (file.array(name) for name in file.makers[node.input[2]].input[:2])
        of_input = file.array(file.makers[node.input[0]].input[1])
        of_weight = file.array(file.makers[node.input[1]].input[1])
        exact = whole(weights, f"{node.name}.bias", data.shape)
        assert data.dtype == np.int32
        np.testing.assert_allclose(scale, of_input * of_weight, rtol=1e-6)
        assert np.abs(data * scale.astype(np.float64) - exact).max() <= 0.51 * scale.max()


def test_fp8_weights_reach_the_greatest_number_of_the_type():
    file = File(*eight(NETWORKS["basic"], TENSORRT_FP8, "float16"))
    q = [file.array(file.makers[n.input[1]].input[0]) for n in file.nodes("Conv")[1:]]
    assert {a.dtype for a in q} == {np.dtype(ml_dtypes.float8_e4m3fn)}
    assert {float(np.abs(a.astype(np.float32)).max()) for a in q} == {448.0}


@pytest.mark.parametrize("bias", [0.0, 6.0, -1e-30])
def test_a_channel_of_zeros_has_a_scale_and_stays_zero(bias):
    graph, weights = folded(*NETWORKS["basic"])

    class Zeroed:
        def rows(self, name, start, stop):
            rows = weights.rows(name, start, stop).copy()
            if name == "conv1.weight" and start == 0:
                rows[0] = 0
            if name == "conv1.bias" and start == 0:
                rows[0] = bias
            return rows

    placement = place(graph, TENSORRT_INT8)
    seen = dict.fromkeys((v.name for v in placement.values), Range(0.0, 0.0))
    new, stored = quantize(graph, Zeroed(), placement, seen, TENSORRT_INT8, "float16")
    scale = stored.rows("conv1.weight_scale", 0, 2)[0]  # that of the input is 1
    assert scale == {0.0: 1.0, 6.0: np.float32(np.float16(6 / 49152)), -1e-30: np.float32(2**-14)}[bias]
    assert not stored.rows("conv1.weight", 0, 1).any()
    assert {n.op.scale for n in new.nodes if isinstance(n.op, Quantize)} == {1.0}


def test_scales_are_what_the_type_can_hold_before_anything_is_divided_by_them():
    graph, weights = eight(NETWORKS["basic"], compute="float16")
    tensors = graph.state()
    for node in graph.nodes:
        if isinstance(node.op, Conv):
            shape = tensors[node.weight_name("weight_scale")].shape
            scale = whole(weights, node.weight_name("weight_scale"), shape)
            assert (scale == scale.astype(np.float16).astype(np.float32)).all()
            assert scale.min() >= 2**-14
        if isinstance(node.op, Quantize):
            assert node.op.scale == float(np.float16(node.op.scale))


# --- what it computes --------------------------------------------------------------------


def decibels(found, wanted):
    return 10 * np.log10((wanted.astype(np.float64) ** 2).sum() / ((found - wanted).astype(np.float64) ** 2).sum())


LEAST = {"tensorrt": 28, "in graph": 28, "cpu": 28}
"""dB. Some twenty layers in a row, each with 8 bits of about 40 dB: 10 log10(20) = 13 dB less."""


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("style", STYLES)
def test_the_network_in_eight_bits_is_nearly_the_network(name, style):
    spec = NETWORKS[name]
    graph, weights = folded(*spec)
    x = image(graph, 2)
    wanted = run(model_bytes(graph, weights), x)
    found = run(model_bytes(*eight(spec, STYLES[style])), x)
    ratio = decibels(found, wanted)
    assert LEAST[style] < ratio < 80


def test_weights_quantized_in_the_graph_are_those_that_are_stored():
    spec = NETWORKS["basic"]
    x = image(folded(*spec)[0], 2)
    stored, in_graph = (run(model_bytes(*eight(spec, STYLES[s])), x) for s in ("tensorrt", "in graph"))
    np.testing.assert_array_equal(stored, in_graph)


def test_the_same_bytes_twice():
    spec = NETWORKS["grouped"]
    first = model_bytes(*eight(spec, CPU_INT8))
    ranges.cache_clear()
    folded.cache_clear()
    assert model_bytes(*eight(spec, CPU_INT8)) == first


# --- opsets -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("style", "compute", "opset"),
    [
        (TENSORRT_INT8, "float32", 13),
        (CPU_INT8, "float32", 13),
        (TENSORRT_INT8, "float16", 19),
        (TENSORRT_FP8, "float16", 19),
        (TENSORRT_FP8, "float32", 19),
        (TENSORRT_INT8, "bfloat16", 22),
        (None, "float32", 13),
        (None, "float16", 13),
        (None, "bfloat16", 22),
    ],
)
def test_the_lowest_opset_that_carries_it(style, compute, opset):
    spec = NETWORKS["basic"]
    if style:
        graph, weights = eight(spec, style, compute)
    else:
        graph, weights = folded(*spec)
        graph = set_precision(graph, compute)
    model = File(graph, weights).model
    assert model.opset_import[0].version == opset
    if opset > 13:  # one lower, and onnx itself refuses it
        model.opset_import[0].version = {19: 18, 22: 21}[opset]
        with pytest.raises((onnx.checker.ValidationError, onnx.shape_inference.InferenceError)):
            onnx.checker.check_model(model, full_check=True)


# --- the witness notices --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda n: replace(n, op=replace(n.op, stored=None)), "parameter"),
        (lambda n: replace(n, op=replace(n.op, stored=n.op.stored._replace(dtype="uint8"))), "eight bits"),
        (lambda n: replace(n, op=replace(n.op, stored=n.op.stored._replace(bias=True))), "parameter"),
    ],
)
def test_the_witness_tells_a_file_whose_weights_are_stored_otherwise(change, words):
    graph, weights = eight((TINY,))
    file = OnnxFile(graph, weights, WriterOptions()).structure()
    first = next(n for n in graph.nodes if isinstance(n.op, Conv | Linear))
    other = replace(graph, nodes=tuple(change(n) if n is first else n for n in graph.nodes))
    with pytest.raises(WitnessError, match=words):
        check_onnx(other, file)


def test_the_witness_tells_a_layer_whose_input_is_not_in_eight_bits():
    graph, weights = eight((TINY,))
    first = next(n for n in graph.nodes if isinstance(n.op, Conv))
    bare = replace(first, inputs=(graph.input,))
    broken = replace(graph, nodes=tuple(bare if n is first else n for n in graph.nodes))
    with pytest.raises(WitnessError, match="its input has not"):
        check_onnx(broken, OnnxFile(broken, weights, WriterOptions()).structure())


@pytest.mark.parametrize(
    ("exact", "compute", "scale"),
    [
        (1e-45, "float32", 2.0**-126), (2.0**-126, "float32", 2.0**-126), (2.0**-125, "float32", 2.0**-125),
        (1e-45, "bfloat16", 2.0**-126), (1e-30, "float16", 2.0**-14), (2.0**-13, "float16", 2.0**-13),
        (0.0, "float32", 1.0), (0.0, "float16", 1.0),
    ],
)  # fmt: skip
def test_the_least_scale_is_the_least_normal_number_of_its_type(exact, compute, scale):
    assert _round_scales(np.array([exact]), compute, "x") == [scale]


@pytest.mark.parametrize(
    ("style", "reading", "layers"),
    [
        (TENSORRT_INT8, {("Add", 1), ("Conv", 0), ("GlobalAvgPool", 0), ("MaxPool", 0)}, 20),
        (TENSORRT_FP8, {("Add", 1), ("Conv", 0)}, 19),
        (
            CPU_INT8,
            {
                *[("Add", 0), ("Add", 1), ("Conv", 0), ("Flatten", 0), ("GlobalAvgPool", 0), ("Linear", 0)],
                ("MaxPool", 0),
            },
            21,
        ),
        (
            OPENVINO_INT8,
            {("Add", 1), ("Conv", 0), ("Flatten", 0), ("GlobalAvgPool", 0), ("Linear", 0), ("MaxPool", 0)},
            21,
        ),
    ],
)
def test_each_placement_is_the_table_s(style, reading, layers):
    """docs/precision.md: sums, pooling and the linear layer in eight bits for CPUs, no first convolution in FP8."""
    graph, _ = folded("resnet18")
    kinds = {node.name: type(node.op).__name__ for node in graph.nodes}
    found = place(graph, style)
    assert {(kinds[name], position) for name, position in found.operands} == reading
    assert len(found.layers) == layers
