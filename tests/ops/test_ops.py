"""Shape, weights and MACs of each operation, against values worked out by hand."""

import numpy as np
import pytest

from resnet_gen import ops
from resnet_gen.generate.modules.tree import ChannelChunks
from resnet_gen.graph import Net, Value
from resnet_gen.onnx.reading import Opaque
from resnet_gen.ops import (
    Activation,
    Add,
    AsMap,
    AvgPool,
    BatchNorm,
    BlurPool,
    Cast,
    ChannelConv,
    ChannelMax,
    ChannelMean,
    Concat,
    Conv,
    Dequantize,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    Linear,
    MaxPool,
    Mul,
    OneMinus,
    Op,
    PadChannels,
    PadMap,
    Quantize,
    ShapeError,
    Softmax,
    SplitSoftmax,
    Subsample,
    SumPositions,
    TakeChannels,
    serving,
)
from resnet_gen.weights.initialization import SeededWeights
from tests.helpers.onnx_runs import model_bytes, run

MAP = (3, 8, 8)
CELL = (12, 1, 1)
VECTOR = (12,)
CONCRETE = [op for op in map(vars(ops).get, ops.__all__) if isinstance(op, type) and issubclass(op, Op) and op != Op]
"""Every operation that a network can be made of."""


def below(op):
    """The operations of the package that derive from one, however far."""
    found = [sub for sub in op.__subclasses__() if sub.__module__.startswith("resnet_gen.")]
    return {*found, *(sub for one in found for sub in below(one))}


def test_what_the_package_offers_is_every_operation_from_which_no_other_derives():
    put_around = {op for op in below(Op) if op.__module__ == serving.__name__}
    training_alone = {op for op in below(Op) if op.__module__ == "resnet_gen.generate.modules.training"}
    no_network_is_made_of = {Opaque, ChannelChunks} | put_around | training_alone
    assert {*CONCRETE, *no_network_is_made_of} == {op for op in below(Op) if not below(op)}


@pytest.mark.parametrize(
    ("op", "inputs", "shape"),
    [
        (Conv(64, kernel=7, stride=2, padding=3), [(3, 224, 224)], (64, 112, 112)),
        (Conv(64, kernel=7, stride=2, padding=3), [(3, 225, 31)], (64, 113, 16)),
        (Conv(5, kernel=3), [MAP], (5, 6, 6)),
        (Conv(5, kernel=3, padding=1), [(3, 1, 1)], (5, 1, 1)),
        (Conv(5, kernel=1, stride=2), [(3, 7, 7)], (5, 4, 4)),
        (Conv(6, kernel=1, groups=3), [MAP], (6, 8, 8)),
        (Conv(5, kernel=3, dilation=2), [MAP], (5, 4, 4)),
        (Conv(5, kernel=3, padding=2, dilation=2), [MAP], (5, 8, 8)),
        (Conv(5, kernel=3, stride=2, padding=2, dilation=2), [(3, 7, 8)], (5, 4, 4)),
        (Conv(5, kernel=1, dilation=9), [(3, 1, 1)], (5, 1, 1)),
        (ChannelConv(5), [CELL], CELL),
        (MaxPool(kernel=3, stride=2, padding=1), [(64, 112, 112)], (64, 56, 56)),
        (MaxPool(kernel=2, stride=2), [(3, 7, 9)], (3, 3, 4)),
        (MaxPool(kernel=3, stride=2, padding=1, zeros=True), [(64, 112, 112)], (64, 56, 56)),
        (MaxPool(kernel=3, stride=2, ceil=True), [(64, 112, 112)], (64, 56, 56)),
        (MaxPool(kernel=3, stride=2, ceil=True), [(64, 113, 113)], (64, 56, 56)),
        (MaxPool(kernel=3, stride=2, padding=1, ceil=True), [(3, 7, 8)], (3, 4, 5)),
        (MaxPool(kernel=2, stride=2, ceil=True), [(3, 7, 8)], (3, 4, 4)),
        (AvgPool(kernel=2, stride=2), [MAP], (3, 4, 4)),
        (AvgPool(kernel=8, stride=8), [MAP], (3, 1, 1)),
        (AvgPool(kernel=3, stride=2, padding=1), [(3, 7, 8)], (3, 4, 4)),
        (AvgPool(kernel=2, stride=2, ceil=True), [(3, 7, 8)], (3, 4, 4)),
        (AvgPool(kernel=2, stride=3, ceil=True), [(3, 6, 7)], (3, 2, 3)),
        (BlurPool(2), [(3, 7, 8)], (3, 4, 4)),
        (BlurPool(1), [(3, 2, 5)], (3, 2, 5)),
        (BlurPool(3), [(3, 7, 8)], (3, 3, 3)),
        (GlobalAvgPool(), [(3, 5, 7)], (3, 1, 1)),
        (GlobalMaxPool(), [(3, 5, 7)], (3, 1, 1)),
        (SumPositions(), [(3, 1, 2)], (3, 1, 1)),
        (ChannelMean(), [(3, 5, 7)], (1, 5, 7)),
        (ChannelMax(), [(3, 5, 7)], (1, 5, 7)),
        (Flatten(), [(3, 5, 7)], (105,)),
        (AsMap(), [VECTOR], (12, 1, 1)),
        (Linear(10), [VECTOR], (10,)),
        (BatchNorm(), [MAP], MAP),
        (GroupNorm(3), [(12, 8, 8)], (12, 8, 8)),
        (GroupNorm(1), [(5, 1, 1)], (5, 1, 1)),
        (Activation("relu"), [MAP], MAP),
        (Activation("tanh"), [VECTOR], VECTOR),
        (Add(), [MAP, MAP], MAP),
        (Mul(), [VECTOR, VECTOR], VECTOR),
        (Mul(), [MAP, (3, 1, 1)], MAP),
        (Mul(), [MAP, (1, 8, 8)], MAP),
        (Mul(), [MAP, (1, 1, 1)], MAP),
        (OneMinus(), [MAP], MAP),
        (PadChannels(7), [MAP], (7, 8, 8)),
        (PadChannels(3), [MAP], MAP),
        (PadMap(1, 1), [(3, 5, 7)], (3, 7, 9)),
        (PadMap(0, 1), [(3, 5, 7)], (3, 6, 8)),
        (TakeChannels(1, 3), [MAP], (2, 8, 8)),
        (TakeChannels(0, 3), [MAP], MAP),
        (Concat(), [MAP, (5, 8, 8), MAP], (11, 8, 8)),
        (Concat(axis=2), [(3, 1, 1), (3, 1, 4)], (3, 1, 5)),
        (Concat(), [MAP], MAP),
        (SplitSoftmax(2), [CELL], CELL),
        (SplitSoftmax(3, groups=4), [CELL], CELL),
        (Subsample(2), [(3, 7, 8)], (3, 4, 4)),
        (Subsample(3), [(3, 7, 8)], (3, 3, 3)),
        (Softmax(), [VECTOR], VECTOR),
        (Cast("float16"), [MAP], MAP),
        (Quantize("int8", 0.5), [MAP], MAP),
        (Dequantize("float32", 0.5), [MAP], MAP),
    ],
)
def test_shape(op, inputs, shape):
    assert op.shape(*inputs) == shape


WEIGHTLESS = [
    Activation("relu"), Add(), AsMap(), AvgPool(2, 2), BlurPool(2), Cast("float16"), ChannelMax(), ChannelMean(),
    Concat(), Dequantize("float32", 0.5), Flatten(), GlobalAvgPool(), GlobalMaxPool(), MaxPool(2, 2), Mul(), OneMinus(),
    PadChannels(4), PadMap(1, 1), Quantize("int8", 0.5), Softmax(), SplitSoftmax(1), Subsample(2), SumPositions(),
    TakeChannels(0, 1),
]  # fmt: skip


def test_an_operation_has_weights_or_none():
    weighing = {Conv, ChannelConv, Linear, BatchNorm, GroupNorm}
    assert {type(op) for op in WEIGHTLESS} | weighing == set(CONCRETE)
    assert not {type(op) for op in WEIGHTLESS} & weighing


@pytest.mark.parametrize(
    ("op", "x", "weights"),
    [
        (Conv(64, kernel=7), (3, 8, 8), [("weight", (64, 3, 7, 7))]),
        (Conv(8, kernel=3, groups=4, bias=True), (4, 8, 8), [("weight", (8, 1, 3, 3)), ("bias", (8,))]),
        (Linear(10), VECTOR, [("weight", (10, 12)), ("bias", (10,))]),
        (Linear(10, bias=False), VECTOR, [("weight", (10, 12))]),
        (Conv(8, kernel=3, dilation=2, standardize=1e-6), (4, 8, 8), [("weight", (8, 4, 3, 3))]),
        (ChannelConv(5), CELL, [("weight", (1, 1, 5))]),
        (BatchNorm(), MAP, [("weight", (3,)), ("bias", (3,)), ("running_mean", (3,)), ("running_var", (3,))]),
        (GroupNorm(3), MAP, [("weight", (3,)), ("bias", (3,))]),
        *[(op, MAP, []) for op in WEIGHTLESS],
    ],
)  # fmt: skip
def test_weights_have_the_shapes_and_order_of_a_state_dict(op, x, weights):
    assert [(tensor.role, tensor.shape) for tensor in op.weights(x)] == weights


@pytest.mark.parametrize(
    ("op", "x", "start"),
    [
        (BatchNorm(), MAP, [(1.0, True), (0.0, True), (0.0, False), (1.0, False)]),
        (Conv(2, 1, bias=True, bias_fill=-2.0), MAP, [(None, True), (-2.0, True)]),
        (GroupNorm(1), MAP, [(1.0, True), (0.0, True)]),
        (ChannelConv(3), CELL, [(None, True)]),
        (Linear(2), VECTOR, [(None, True), (0.0, True)]),
    ],
)
def test_weights_say_what_they_start_from_and_whether_they_are_trained(op, x, start):
    assert [(tensor.fill, tensor.trainable) for tensor in op.weights(x)] == start


@pytest.mark.parametrize(
    ("op", "inputs", "macs"),
    [
        (Conv(64, kernel=7, stride=2, padding=3), [(3, 224, 224)], 64 * 112 * 112 * 3 * 49),
        (Conv(64, kernel=7, stride=2, padding=3, bias=True), [(3, 224, 224)], 118_013_952),
        (Conv(6, kernel=3, padding=1, groups=3), [(3, 4, 4)], 6 * 16 * 9),
        (Conv(5, kernel=1), [(7, 1, 1)], 35),
        (Conv(6, kernel=3, padding=2, dilation=2, groups=3), [(3, 4, 4)], 864),
        (Conv(2, kernel=3, dilation=2), [(3, 7, 5)], 2 * 3 * 1 * 27),
        (ChannelConv(5), [CELL], 60),
        (ChannelConv(3), [(2048, 1, 1)], 6_144),
        (BlurPool(2), [(3, 7, 8)], 3 * 4 * 4 * 9),
        (BlurPool(2), [(64, 112, 112)], 1_806_336),
        (Linear(1000), [(2048,)], 2_048_000),
        (Linear(1000, bias=False), [(2048,)], 2_048_000),
        (BatchNorm(), [MAP], 0),
        (Activation("silu"), [MAP], 0),
        (Add(), [MAP, MAP], 0),
        (AvgPool(2, 2), [MAP], 0),
        (GroupNorm(3), [MAP], 0),
        (SplitSoftmax(2), [CELL], 0),
        (SumPositions(), [MAP], 0),
        (Mul(), [MAP, (3, 1, 1)], 0),
    ],
)
def test_only_convolution_and_linear_layers_have_macs(op, inputs, macs):
    assert op.macs(*inputs) == macs


def test_a_blur_is_a_convolution_that_is_no_layer():
    assert {op for op in CONCRETE if op.is_layer} == {Conv, ChannelConv, Linear}
    assert {op for op in CONCRETE if op.macs is not Op.macs} == {Conv, ChannelConv, Linear, BlurPool}


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        (Conv(8, kernel=3), [VECTOR], "a 3x3 window needs a feature map, not a vector of 12"),
        (Conv(8, kernel=5), [(3, 4, 9)], "the map has shrunk to 4x9, too small for a 5x5 window"),
        (Conv(8, kernel=5, padding=1), [(3, 2, 2)], "the map has shrunk to 2x2, too small for a 5x5 window"),
        (Conv(0, kernel=1), [MAP], "no filter is left for the convolution"),
        (Conv(8, kernel=1, groups=2), [MAP], "2 groups do not divide 3 input channels"),
        (Conv(8, kernel=1, groups=3), [MAP], "3 groups do not divide 8 output channels"),
        (
            Conv(8, kernel=3, padding=1, dilation=3),
            [(3, 4, 9)],
            "the map has shrunk to 4x9, too small for a 3x3 window of dilation 3",
        ),
        (ChannelConv(3), [(12, 1, 2)], "a convolution along channels needs a 1x1 map, not 1x2"),
        (ChannelConv(3), [VECTOR], "a convolution along channels needs a feature map, not a vector of 12"),
        (GroupNorm(2), [MAP], "2 groups of the norm do not divide 3 channels"),
        (GroupNorm(2), [VECTOR], "group norm needs a feature map, not a vector of 12"),
        (BlurPool(2), [(3, 1, 8)], "a map of 1x8 is too small to be mirrored at its border"),
        (BlurPool(2), [VECTOR], "a blur needs a feature map, not a vector of 12"),
        (AvgPool(3, 2, 1, ceil=True), [MAP], "average pooling has either padding or windows that hang over"),
        (AvgPool(2, 2, ceil=True), [(3, 1, 8)], "the map has shrunk to 1x8, too small for a 2x2 window"),
        (GlobalMaxPool(), [VECTOR], "global max pooling needs a feature map, not a vector of 12"),
        (SumPositions(), [VECTOR], "a sum over positions needs a feature map, not a vector of 12"),
        (ChannelMean(), [VECTOR], "a mean over channels needs a feature map, not a vector of 12"),
        (ChannelMax(), [VECTOR], "a maximum over channels needs a feature map, not a vector of 12"),
        (AsMap(), [MAP], "only a vector becomes a map of one pixel"),
        (PadMap(1, 1), [VECTOR], "padding needs a feature map, not a vector of 12"),
        (TakeChannels(0, 2), [VECTOR], "taking channels needs a feature map, not a vector of 12"),
        (TakeChannels(2, 4), [MAP], "channels 2 to 4 are not among 3"),
        (TakeChannels(2, 2), [MAP], "channels 2 to 2 are not among 3"),
        (TakeChannels(-1, 2), [MAP], "channels -1 to 2 are not among 3"),
        (Concat(), [MAP, (3, 8, 9)], "3x8x8 and 3x8x9 cannot be joined"),
        (Concat(axis=2), [CELL, (11, 1, 1)], "12x1x1 and 11x1x1 cannot be joined"),
        (Concat(), [VECTOR, VECTOR], "joining needs a feature map, not a vector of 12"),
        (SplitSoftmax(5), [CELL], "12x1x1 is not 5 splits of 1 groups"),
        (SplitSoftmax(4, groups=2), [CELL], "12x1x1 is not 4 splits of 2 groups"),
        (SplitSoftmax(2), [(12, 1, 2)], "12x1x2 is not 2 splits of 1 groups"),
        (SplitSoftmax(2), [VECTOR], "softmax over splits needs a feature map, not a vector of 12"),
        (MaxPool(2, 2), [(3, 1, 1)], "the map has shrunk to 1x1, too small for a 2x2 window"),
        (AvgPool(7, 7), [(3, 6, 6)], "the map has shrunk to 6x6, too small for a 7x7 window"),
        (GlobalAvgPool(), [VECTOR], "global average pooling needs a feature map, not a vector of 12"),
        (Linear(10), [MAP], "a linear layer needs a vector, not a feature map"),
        (Softmax(), [MAP], "softmax needs a vector, not a feature map"),
        (Add(), [MAP, (4, 8, 8)], "the branch is 3x8x8 and the shortcut 4x8x8: they cannot be joined"),
        (Mul(), [MAP, VECTOR], "the signal is 3x8x8 and its gate 12: they cannot be joined"),
        (Mul(), [MAP, (2, 1, 1)], "the signal is 3x8x8 and its gate 2x1x1: they cannot be joined"),
        (Mul(), [(3, 1, 1), MAP], "the signal is 3x1x1 and its gate 3x8x8: they cannot be joined"),
        (PadChannels(2), [MAP], "zero padding cannot narrow 3 channels to 2"),
        (PadChannels(2), [VECTOR], "channel padding needs a feature map, not a vector of 12"),
        (Subsample(2), [VECTOR], "a 1x1 window needs a feature map, not a vector of 12"),
        (Conv(4, 3), [(3, 2, 8)], "the map has shrunk to 2x8, too small for a 3x3 window"),
        (Conv(4, 3, dilation=2), [(3, 8, 4)], "the map has shrunk to 8x4, too small for a 3x3 window of dilation 2"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(op, inputs, message):
    with pytest.raises(ShapeError) as caught:
        op.shape(*inputs)
    assert str(caught.value) == message


def test_operations_are_values():
    assert Conv(8, 3) == Conv(8, 3, stride=1, padding=0)
    assert len({Conv(8, 3), Conv(8, 3), Conv(8, 5)}) == 2


def test_a_bare_operation_changes_nothing_and_costs_nothing():
    assert (Op().shape(MAP), Op().weights(MAP), Op().macs(MAP)) == (MAP, (), 0)


@pytest.mark.parametrize(("ceil", "sides"), [(False, [1, 1, 2, 2, 3, 3, 4]), (True, [1, 2, 2, 3, 3, 4, 4])])
def test_a_window_that_hangs_over_takes_in_what_is_left(ceil, sides):
    """3x3 at stride 2 on maps of side 3 to 9."""
    assert [MaxPool(3, 2, ceil=ceil).shape((1, n, n))[1] for n in range(3, 10)] == sides


def test_a_window_does_not_begin_behind_the_map():
    """2x2 at stride 3 on maps of side 2 to 9: the last window covers at least one row."""
    assert [AvgPool(2, 3, ceil=True).shape((1, n, n))[1] for n in range(2, 10)] == [1, 1, 2, 2, 2, 3, 3, 3]


def test_a_gate_may_be_of_one_value_along_any_axis():
    assert Mul().shape(MAP, (3, 8, 1)) == MAP


@pytest.mark.parametrize("op", [BatchNorm(), GroupNorm(1)])
def test_norms_need_channels(op):
    with pytest.raises(ShapeError, match="norm needs a feature map, not a vector of 12"):
        op.weights(VECTOR)


def of_one(op):
    """Shapes that an operation without weights takes."""
    for inputs in ([MAP], [(12, 8, 8)], [CELL], [VECTOR], [MAP, MAP]):
        try:
            op.shape(*inputs)
        except (ShapeError, ValueError, IndexError):
            continue
        return inputs
    raise AssertionError(op)


SIGNED = [
    *(Activation(function, 0.2) for function in ops.Function.__args__), Add(), AsMap(), AvgPool(3, 2, 1),
    AvgPool(2, 2, ceil=True), BlurPool(2), Cast("float16"), ChannelMax(), ChannelMean(), Concat(0), Concat(2),
    Flatten(), GlobalAvgPool(), GlobalMaxPool(), MaxPool(3, 2, 1), MaxPool(3, 2, 1, zeros=True), Mul(), OneMinus(),
    PadChannels(20), PadMap(1, 2), Softmax(), SplitSoftmax(2), Subsample(2), SumPositions(), TakeChannels(1, 3),
]  # fmt: skip


def test_the_operations_that_are_run_are_all_without_weights():
    weighted = {BatchNorm, ChannelConv, Conv, GroupNorm, Linear}
    assert {type(op) for op in SIGNED} == {*CONCRETE} - weighted - {Quantize, Dequantize}


def ranged(op, least, most):
    """What an operation makes of random numbers between two."""
    shapes = of_one(op)
    net = Net(Value("x", (*shapes[0], 1, 1) if len(shapes[0]) == 1 else shapes[0]))
    x = net.add("vector", Flatten(), net.input) if len(shapes[0]) == 1 else net.input
    y = net.add("op", op, *[x] * len(shapes))
    graph = net.graph("one", [net.add("back", Cast("float32"), y) if isinstance(op, Cast) else y])
    image = np.random.default_rng(0).uniform(least, most, (4, *net.input.shape)).astype(np.float32)
    return run(model_bytes(graph, SeededWeights(graph)), image)


@pytest.mark.parametrize("op", SIGNED, ids=str)
def test_a_result_is_said_to_be_nonnegative_where_it_is(op):
    """Eight bits without a sign hold it then with one bit more."""
    operands = len(of_one(op))
    assert op.nonnegative(*[True] * operands) == bool((ranged(op, 0, 9) >= 0).all())
    if op.nonnegative(*[True, False][2 - operands :]):
        assert (ranged(op, -9, -1) >= 0).all()
