"""Operations of ours as other exporters and optimizers spell them; ONNX Runtime runs both spellings."""

import math

import numpy as np
import onnx
import pytest

from resnet_gen.graph.matching import drop_invisible
from resnet_gen.ops import (
    Activation,
    Add,
    AsMap,
    AvgPool,
    BatchNorm,
    BlurPool,
    ChannelConv,
    ChannelMax,
    ChannelMean,
    Concat,
    Conv,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    Linear,
    MaxPool,
    Mul,
    OneMinus,
    PadChannels,
    PadMap,
    Softmax,
    SplitSoftmax,
    Subsample,
    SumPositions,
    TakeChannels,
)
from tests.helpers.onnx_runs import TOLERANCE
from tests.onnx.reading.models import Hand, same_outputs

SQUARE = {"kernel_shape": [3, 3], "strides": [2, 2]}
BLUR = np.outer([1, 2, 1], [1, 2, 1]) / 16


def identity(h):
    kept = h.node("Identity", "x")
    return h.node("Relu", h.node("Dropout", h.node("Cast", kept, to=1)))


def casts_of_floating_point(h):
    double = h.node("Cast", h.node("Relu", "x"), to=onnx.TensorProto.DOUBLE)
    return h.node("Sigmoid", h.node("CastLike", h.node("CastLike", double, "x"), h.constant(1.0)))


def dropout_with_its_ratio(h):
    return h.node("Relu", h.node("Dropout", "x", h.constant(0.3), h.constant(False, dtype=bool)))


def conv_of_constant_nodes(h):
    weight = onnx.numpy_helper.from_array(np.ones((2, 4, 1, 1), np.float32))
    return h.node("Conv", "x", h.node("Constant", value=weight), h.node("Constant", value_floats=[1.0, 2.0]))


def conv_padded_before(h):
    padded = h.node("Pad", "x", h.integers(0, 0, 1, 1, 0, 0, 1, 1))
    return h.node("Conv", padded, h.weight(6, 4, 3, 3), pads=[1, 1, 1, 1], strides=[2, 2])


def conv_padded_along_axes(h):
    padded = h.node("Pad", "x", h.integers(1, 1, 1, 1), h.constant(0.0), h.integers(2, -1))
    return h.node("Conv", padded, h.weight(6, 4, 3, 3))


def conv_padded_to_the_same(h):
    return h.node("Conv", "x", h.weight(6, 4, 3, 3), auto_pad="SAME_UPPER")


def conv_padded_by_nothing(h):
    return h.node("Conv", "x", h.weight(6, 4, 3, 3), auto_pad="VALID", dilations=[2, 2])


def conv_whose_bias_structure_makes_zero(h):
    zeros = h.node("Expand", h.constant(0.0), h.integers(6))
    return h.node("Conv", "x", h.weight(6, 4, 3, 3), zeros)


def conv_of_a_weight_turned(h):
    return h.node("Conv", "x", h.node("Transpose", h.weight(3, 3, 4, 6), perm=[3, 2, 0, 1]))


def zeros_that_stay(h):
    padded = h.node("Pad", "x", h.integers(0, 0, 0, 0, 0, 0, 1, 1))
    return h.node("AveragePool", padded, kernel_shape=[2, 2])


def max_pool_of_a_map_with_zeros_around(h):
    padded = h.node("Pad", "x", h.integers(0, 0, 1, 1, 0, 0, 1, 1))
    return h.node("MaxPool", padded, **SQUARE)


def max_pool_of_a_map_with_zeros_and_padding_around(h):
    padded = h.node("Pad", "x", h.integers(0, 0, 1, 1, 0, 0, 1, 1))
    return h.node("MaxPool", padded, pads=[1, 1, 1, 1], **SQUARE)


def avg_pool_of_a_map_with_zeros_around(h):
    padded = h.node("Pad", "x", h.integers(0, 0, 1, 1, 0, 0, 1, 1))
    return h.node("AveragePool", padded, **SQUARE)


def avg_pool_of_the_whole_map(h):
    return h.node("AveragePool", "x", kernel_shape=[8, 8], strides=[8, 8])


def avg_pool_of_single_pixels(h):
    return h.node("Relu", h.node("AveragePool", "x", kernel_shape=[1, 1], strides=[1, 1]))


def blurred(h):
    padded = h.node("Pad", "x", h.integers(0, 0, 1, 1, 0, 0, 1, 1), mode="reflect")
    weight = h.constant(np.broadcast_to(BLUR, (4, 1, 3, 3)))
    return h.node("Conv", padded, weight, group=4, strides=[2, 2])


def mean_kept(h):
    return h.node("ReduceMean", "x", axes=[2, 3])


def mean_from_behind(h):
    return h.node("ReduceMean", "x", h.integers(-1, -2), keepdims=0)


def mean_of_positions_in_a_row(h):
    row = h.node("Reshape", "x", h.integers(0, 4, -1))
    return h.node("ReduceMean", row, axes=[-1], keepdims=0)


def mean_read_as_a_vector(h):
    return h.node("Reshape", h.node("GlobalAveragePool", "x"), h.integers(-1, 4))


def mean_squeezed(h):
    return h.node("Squeeze", h.node("GlobalAveragePool", "x"), h.integers(2, 3))


def mean_read_by_its_own_shape(h):
    mean = h.node("GlobalAveragePool", "x")
    batch = h.node("Gather", h.node("Shape", mean), h.constant(0, dtype=np.int64))
    sizes = h.node("Concat", h.node("Unsqueeze", batch, h.integers(0)), h.integers(-1), axis=0)
    return h.node("Reshape", mean, sizes)


def maxima_and_sums(h):
    most, total = h.node("ReduceMax", "x", axes=[2, 3]), h.node("ReduceSum", "x", h.integers(3, 2))
    return h.node("Add", most, total)


def over_channels(h):
    most, mean = h.node("ReduceMax", "x", axes=[1]), h.node("ReduceMean", "x", axes=[-3])
    return h.node("Concat", most, mean, axis=1)


def flat(h):
    return h.node("Flatten", h.node("GlobalAveragePool", "x"))


def gemm_of_a_weight_as_it_is(h):
    return h.node("Gemm", flat(h), h.weight(4, 3), h.weight(3), alpha=0.5, beta=2.0)


def gemm_with_a_row_as_bias(h):
    return h.node("Gemm", flat(h), h.weight(3, 4), h.weight(1, 3), transB=1)


def matmul_and_add(h):
    return h.node("Add", h.weight(3), h.node("MatMul", flat(h), h.weight(4, 3)))


def matmul_and_add_of_a_row(h):
    return h.node("Add", h.node("MatMul", flat(h), h.weight(4, 3)), h.weight(1, 3))


def matmul_alone(h):
    return h.node("MatMul", flat(h), h.weight(4, 3))


def gelu_spelled_out(h):
    part = h.node("Add", h.node("Erf", h.node("Div", "x", h.constant(math.sqrt(2)))), h.constant(1.0))
    return h.node("Mul", h.node("Mul", "x", part), h.constant(0.5))


def gelu_as_one(h):
    return h.node("Gelu", "x")


def mish_spelled_out(h):
    return h.node("Mul", "x", h.node("Tanh", h.node("Softplus", "x")))


def mish_by_logarithm(h):
    return h.node("Mul", h.node("Tanh", h.node("Log", h.node("Add", h.node("Exp", "x"), h.constant(1.0)))), "x")


def silu_turned(h):
    return h.node("Mul", h.node("Sigmoid", "x"), "x")


def hard_swish_as_one(h):
    return h.node("HardSwish", "x")


def hard_swish_by_clip(h):
    gate = h.node("Clip", h.node("Add", "x", h.constant(3.0)), h.constant(0.0), h.constant(6.0))
    return h.node("Div", h.node("Mul", "x", gate), h.constant(6.0))


def relu_by_clip(h):
    return h.node("Clip", "x", h.constant(0.0))


def relu_by_abs(h):
    return h.node("Mul", h.node("Add", "x", h.node("Abs", "x")), h.constant(0.5))


def sigmoid_by_reciprocal(h):
    return h.node("Reciprocal", h.node("Add", h.node("Exp", h.node("Neg", "x")), h.constant(1.0)))


def relu_kept_to_half_precision(h):
    return h.node("Clip", "x", h.constant(0.0), h.constant(65504.0))


def silu_by_exponentials(h):
    """x e^x / (1 + e^x), which is not finite far out."""
    power = h.node("Exp", "x")
    return h.node("Div", h.node("Mul", "x", power), h.node("Add", power, h.constant(1.0)))


def relu_by_max(h):
    return h.node("Max", "x", h.constant(0.0))


def leaky_relu_by_prelu(h):
    return h.node("PRelu", "x", h.constant([0.25]))


def leaky_relu_by_max(h):
    return h.node("Max", "x", h.node("Mul", h.constant(0.1), "x"))


def two_activations(h):
    return h.node("Sigmoid", h.node("Relu", "x"))


def one_minus(h):
    gate = h.node("Sigmoid", "x")
    return h.node("Mul", h.node("Sub", h.constant(1.0), gate), h.node("Conv", "x", h.weight(4, 4, 1, 1)))


def a_sum_with_itself(h):
    return h.node("Add", "x", "x")


def gate_before_what_it_weighs(h):
    gate = h.node("Sigmoid", h.node("GlobalAveragePool", "x"))
    return h.node("Mul", gate, "x")


def gate_expanded(h):
    gate = h.node("Sigmoid", h.node("GlobalAveragePool", "x"))
    return h.node("Mul", "x", h.node("Expand", gate, h.node("Shape", "x")))


def gate_of_linear_layers(h):
    y = h.node("Sigmoid", h.node("Gemm", flat(h), h.weight(4, 4), transB=1))
    return h.node("Mul", "x", h.node("Reshape", y, h.integers(0, 4, 1, 1)))


def along_channels(h):
    row = h.node("Transpose", h.node("Squeeze", h.node("GlobalAveragePool", "x"), h.integers(3)), perm=[0, 2, 1])
    y = h.node("Sigmoid", h.node("Conv", row, h.weight(1, 1, 3), pads=[1, 1]))
    gate = h.node("Unsqueeze", h.node("Transpose", y, perm=[0, 2, 1]), h.integers(3))
    return h.node("Mul", "x", gate)


def group_norm_by_mul_and_add(h):
    groups = h.node("Reshape", "x", h.integers(0, 2, -1))
    ones, zeros = h.constant([1, 1]), h.constant([0, 0])
    normal = h.node("InstanceNormalization", groups, ones, zeros, epsilon=1e-5)
    back = h.node("Reshape", normal, h.node("Shape", "x"))
    return h.node("Add", h.node("Mul", back, h.weight(4, 1, 1)), h.weight(4, 1, 1))


def group_norm_in_four_dimensions(h):
    groups = h.node("Reshape", "x", h.integers(0, 2, -1))
    normal = h.node("InstanceNormalization", groups, h.constant([1, 1]), h.constant([0, 0]), epsilon=1e-5)
    back = h.node("Reshape", normal, h.node("Shape", "x"))
    return h.node("Add", h.weight(1, 4, 1, 1), h.node("Mul", h.weight(1, 4, 1, 1), back))


def group_norm_as_one(h):
    return h.node("GroupNormalization", "x", h.weight(4), h.weight(4), num_groups=2)


def instance_norm(h):
    return h.node("InstanceNormalization", "x", h.weight(4), h.weight(4))


def batch_norm(h):
    return h.node("BatchNormalization", "x", *(h.constant([1, 2, 3, 4]) for _ in range(4)), epsilon=0.001)


def channels_split(h):
    first = h.node("Split", "x", h.integers(1, 3), outputs=2, axis=1)
    return h.node("Concat", f"{first}.1", h.node("Relu", first), axis=-3)


def channels_split_evenly(h):
    first = h.node("Split", "x", outputs=2, axis=1)
    return h.node("Add", first, f"{first}.1")


def option_a(h):
    rows = h.node("Slice", "x", h.integers(0), h.integers(2**63 - 1), h.integers(2), h.integers(2))
    half = h.node("Slice", rows, h.integers(0), h.integers(100), h.integers(-1), h.integers(2))
    return h.node("Pad", half, h.integers(0, 0, 0, 0, 0, 4, 0, 0))


def steps_of_both_sides(h):
    return h.node("Slice", "x", h.integers(0, 0), h.integers(8, 8), h.integers(2, 3), h.integers(2, 2))


def selective(h):
    """SKNet's paths as timm stacks them: five dimensions."""
    paths = [h.node("Conv", "x", h.weight(4, 4, 1, 1)) for _ in range(2)]
    stack = h.node("Concat", *(h.node("Unsqueeze", p, h.integers(1)) for p in paths), axis=1)
    mean = h.node("GlobalAveragePool", h.node("ReduceSum", stack, h.integers(1), keepdims=0))
    y = h.node("Reshape", h.node("Conv", mean, h.weight(8, 4, 1, 1)), h.integers(-1, 2, 4, 1, 1))
    weighed = h.node("Mul", stack, h.node("Softmax", y, axis=1))
    return h.node("ReduceSum", weighed, h.integers(1), keepdims=0)


def split_attention(h):
    """ResNeSt's splits as timm views them, of two groups."""
    splits = h.node("Reshape", "x", h.integers(-1, 2, 2, 8, 8))
    mean = h.node("ReduceMean", h.node("ReduceSum", splits, h.integers(1), keepdims=0), axes=[2, 3])
    y = h.node("Conv", mean, h.weight(4, 1, 1, 1), group=2)
    y = h.node("Transpose", h.node("Reshape", y, h.integers(-1, 2, 2, 1)), perm=[0, 2, 1, 3])
    y = h.node("Reshape", h.node("Softmax", y, axis=1), h.integers(0, -1))
    weighed = h.node("Mul", splits, h.node("Reshape", y, h.integers(-1, 2, 2, 1, 1)))
    return h.node("ReduceSum", weighed, h.integers(1), keepdims=0)


def side_by_side(h):
    both = h.node("Concat", h.node("GlobalAveragePool", "x"), h.node("GlobalMaxPool", "x"), axis=3)
    return h.node("ReduceSum", h.node("Conv", both, h.weight(2, 4, 1, 1)), h.integers(2, 3))


def probabilities(h):
    return h.node("Softmax", flat(h), axis=-1)


def conv(out, kernel=1, **settings):
    return Conv(out, kernel, **settings)


def act(function, slope=0.01):
    return Activation(function, slope)


CASES = [
    (identity, [act("relu")]),
    (casts_of_floating_point, [act("relu"), act("sigmoid")]),
    (dropout_with_its_ratio, [act("relu")]),
    (conv_of_constant_nodes, [conv(2, bias=True)]),
    (conv_padded_before, [conv(6, 3, stride=2, padding=2)]),
    (conv_padded_along_axes, [conv(6, 3, padding=1)], 18),
    (conv_padded_to_the_same, [conv(6, 3, padding=1)]),
    (conv_padded_by_nothing, [conv(6, 3, dilation=2)]),
    (conv_whose_bias_structure_makes_zero, [conv(6, 3)]),
    (conv_of_a_weight_turned, [conv(6, 3)]),
    (zeros_that_stay, [PadMap(0, 1), AvgPool(2, 1)]),
    (max_pool_of_a_map_with_zeros_around, [MaxPool(3, 2, 1, zeros=True)]),
    (max_pool_of_a_map_with_zeros_and_padding_around, [PadMap(1, 1), MaxPool(3, 2, 1)]),
    (avg_pool_of_a_map_with_zeros_around, [AvgPool(3, 2, 1)]),
    (avg_pool_of_the_whole_map, [GlobalAvgPool()]),
    (avg_pool_of_single_pixels, [act("relu")]),
    (blurred, [BlurPool(2)]),
    (mean_kept, [GlobalAvgPool()]),
    (mean_from_behind, [GlobalAvgPool(), Flatten()], 18),
    (mean_of_positions_in_a_row, [GlobalAvgPool(), Flatten()]),
    (mean_read_as_a_vector, [GlobalAvgPool(), Flatten()]),
    (mean_squeezed, [GlobalAvgPool(), Flatten()]),
    (mean_read_by_its_own_shape, [GlobalAvgPool(), Flatten()]),
    (maxima_and_sums, [GlobalMaxPool(), SumPositions(), Add()]),
    (over_channels, [ChannelMax(), ChannelMean(), Concat()]),
    (gemm_of_a_weight_as_it_is, [GlobalAvgPool(), Flatten(), Linear(3)]),
    (gemm_with_a_row_as_bias, [GlobalAvgPool(), Flatten(), Linear(3)]),
    (matmul_and_add, [GlobalAvgPool(), Flatten(), Linear(3)]),
    (matmul_and_add_of_a_row, [GlobalAvgPool(), Flatten(), Linear(3)]),
    (matmul_alone, [GlobalAvgPool(), Flatten(), Linear(3, bias=False)]),
    (gelu_spelled_out, [act("gelu")]),
    (gelu_as_one, [act("gelu")], 20),
    (mish_spelled_out, [act("mish")]),
    (mish_by_logarithm, [act("mish")]),
    (silu_turned, [act("silu")]),
    (hard_swish_as_one, [act("hard_swish")]),
    (hard_swish_by_clip, [act("hard_swish")]),
    (relu_by_abs, [act("relu")]),
    (relu_by_clip, [act("relu")]),
    (sigmoid_by_reciprocal, [act("sigmoid")]),
    (relu_kept_to_half_precision, [act("relu")]),
    (silu_by_exponentials, [act("silu")]),
    (relu_by_max, [act("relu")]),
    (leaky_relu_by_prelu, [act("leaky_relu", 0.25)]),
    (leaky_relu_by_max, [act("leaky_relu", 0.1)]),
    (two_activations, [act("relu"), act("sigmoid")]),
    (one_minus, [conv(4), act("sigmoid"), OneMinus(), Mul()]),
    (a_sum_with_itself, [Add()]),
    (gate_before_what_it_weighs, [GlobalAvgPool(), act("sigmoid"), Mul()]),
    (gate_expanded, [GlobalAvgPool(), act("sigmoid"), Mul()]),
    (gate_of_linear_layers, [GlobalAvgPool(), Flatten(), Linear(4, bias=False), act("sigmoid"), AsMap(), Mul()]),
    (along_channels, [GlobalAvgPool(), ChannelConv(3), act("sigmoid"), Mul()]),
    (group_norm_by_mul_and_add, [GroupNorm(2)]),
    (group_norm_in_four_dimensions, [GroupNorm(2)]),
    (group_norm_as_one, [GroupNorm(2)], 21),
    (instance_norm, [GroupNorm(4)]),
    (batch_norm, [BatchNorm(0.001)]),
    (channels_split, [TakeChannels(1, 4), TakeChannels(0, 1), act("relu"), Concat()]),
    (channels_split_evenly, [TakeChannels(0, 2), TakeChannels(2, 4), Add()]),
    (option_a, [Subsample(2), PadChannels(8)]),
    (steps_of_both_sides, [Subsample(2)]),
    (
        selective,
        [
            conv(4),
            conv(4),
            Add(),
            GlobalAvgPool(),
            conv(8),
            SplitSoftmax(2),
            TakeChannels(0, 4),
            TakeChannels(4, 8),
            Mul(),
            Mul(),
            Add(),
        ],
    ),
    (
        split_attention,
        [
            TakeChannels(0, 2),
            TakeChannels(2, 4),
            Add(),
            GlobalAvgPool(),
            conv(4, groups=2),
            SplitSoftmax(2, 2),
            TakeChannels(0, 2),
            TakeChannels(2, 4),
            Mul(),
            Mul(),
            Add(),
        ],
    ),
    (side_by_side, [GlobalAvgPool(), GlobalMaxPool(), Concat(2), conv(2), SumPositions()]),
    (probabilities, [GlobalAvgPool(), Flatten(), Softmax()]),
]


def by_text(operations):
    return sorted(map(repr, operations))


@pytest.mark.parametrize("batch", ["N", 2])
@pytest.mark.parametrize(
    ("make", "wanted", "opset"), [(*case, 17)[:3] for case in CASES], ids=lambda v: getattr(v, "__name__", "")
)
def test_a_spelling_is_read_as_our_operations_and_computes_the_same(make, wanted, opset, batch, tmp_path):
    hand = Hand(opset=opset, shape=(batch, 4, 8, 8))
    path = tmp_path / "n.onnx"
    found = hand.read(path, make(hand))
    assert by_text(drop_invisible(node.op) for node in found.graph.nodes) == by_text(wanted)
    assert same_outputs(path, found) <= TOLERANCE


def test_a_mean_read_by_numbers_fits_a_fixed_batch_alone(tmp_path):
    hand = Hand(shape=(2, 4, 8, 8))
    found = hand.read(
        tmp_path / "n.onnx", hand.node("Reshape", hand.node("GlobalAveragePool", "x"), hand.integers(2, -1))
    )
    assert [type(node.op) for node in found.graph.nodes] == [GlobalAvgPool, Flatten]


def test_what_nothing_reads_is_left_out(tmp_path):
    hand = Hand()
    hand.node("NonZero", "x")
    found = hand.read(tmp_path / "n.onnx", hand.node("Relu", "x"))
    assert [node.op for node in found.graph.nodes] == [Activation("relu")]
    assert found.unread == 1


def quantized_and_back(h):
    """The zero point is left out at first, and one number stands in brackets."""
    kept = h.node("Identity", h.node("QuantizeLinear", h.node("Sigmoid", "x"), h.constant(0.5)))
    back = h.node("DequantizeLinear", kept, h.constant([0.5]), h.constant([0], dtype=np.uint8))
    return h.node("Relu", h.node("Reshape", back, h.node("Shape", kept)))


def quantized_along_channels(h):
    scales, zeros = [1.0, 0.5, 0.25, 2.0], h.constant([1, 2, 3, 4], dtype=np.int8)
    kept = h.node("QuantizeLinear", h.node("Sigmoid", "x"), h.constant(scales), zeros)
    return h.node("Relu", h.node("DequantizeLinear", kept, h.constant(scales), zeros, axis=-3))


def quantized_side_by_side(h):
    both = h.node("Concat", *(h.node("Unsqueeze", name, h.integers(1)) for name in ("x", h.node("Relu", "x"))), axis=1)
    scale = h.constant(0.5)
    back = h.node("DequantizeLinear", h.node("QuantizeLinear", both, scale), scale)
    return h.node("Sigmoid", h.node("Gather", back, h.constant(1, dtype=np.int64), axis=1))


@pytest.mark.parametrize("make", [quantized_and_back, quantized_along_channels, quantized_side_by_side])
def test_quantization_that_is_undone_is_nothing(make, tmp_path):
    hand = Hand()
    found = hand.read(tmp_path / "n.onnx", make(hand))
    assert {drop_invisible(node.op) for node in found.graph.nodes} == {act("relu"), act("sigmoid")}
    assert found.precision == "int8"


def cast_to(h, of, dtype):
    return h.node("Cast", of, to=dtype)


def cast_like(h, of, dtype):
    return h.node("CastLike", of, h.node("Cast", h.constant(0.0), to=dtype))


@pytest.mark.parametrize("way", [cast_to, cast_like])
def test_the_type_that_activations_are_cast_to_is_told(way, tmp_path):
    hand = Hand()
    narrow = way(hand, "x", onnx.TensorProto.BFLOAT16)
    found = hand.read(tmp_path / "n.onnx", hand.node("Relu", way(hand, narrow, onnx.TensorProto.FLOAT)))
    assert found.precision == "bf16"
