"""Shape, weights and MACs of each operation, against values worked out by hand."""

import pytest

from resnet_gen.ops import (
    Activation,
    Add,
    AvgPool,
    BatchNorm,
    Cast,
    Conv,
    Flatten,
    GlobalAvgPool,
    Linear,
    MaxPool,
    Mul,
    OneMinus,
    Op,
    PadChannels,
    ShapeError,
    Softmax,
    Subsample,
)

MAP = (3, 8, 8)
VECTOR = (12,)


@pytest.mark.parametrize(
    ("op", "inputs", "shape"),
    [
        (Conv(64, kernel=7, stride=2, padding=3), [(3, 224, 224)], (64, 112, 112)),
        (Conv(64, kernel=7, stride=2, padding=3), [(3, 225, 31)], (64, 113, 16)),
        (Conv(5, kernel=3), [MAP], (5, 6, 6)),
        (Conv(5, kernel=3, padding=1), [(3, 1, 1)], (5, 1, 1)),
        (Conv(5, kernel=1, stride=2), [(3, 7, 7)], (5, 4, 4)),
        (Conv(6, kernel=1, groups=3), [MAP], (6, 8, 8)),
        (MaxPool(kernel=3, stride=2, padding=1), [(64, 112, 112)], (64, 56, 56)),
        (MaxPool(kernel=2, stride=2), [(3, 7, 9)], (3, 3, 4)),
        (AvgPool(kernel=2, stride=2), [MAP], (3, 4, 4)),
        (AvgPool(kernel=8, stride=8), [MAP], (3, 1, 1)),
        (GlobalAvgPool(), [(3, 5, 7)], (3, 1, 1)),
        (Flatten(), [(3, 5, 7)], (105,)),
        (Linear(10), [VECTOR], (10,)),
        (BatchNorm(), [MAP], MAP),
        (Activation("relu"), [MAP], MAP),
        (Activation("tanh"), [VECTOR], VECTOR),
        (Add(), [MAP, MAP], MAP),
        (Mul(), [VECTOR, VECTOR], VECTOR),
        (OneMinus(), [MAP], MAP),
        (PadChannels(7), [MAP], (7, 8, 8)),
        (PadChannels(3), [MAP], MAP),
        (Subsample(2), [(3, 7, 8)], (3, 4, 4)),
        (Subsample(3), [(3, 7, 8)], (3, 3, 3)),
        (Softmax(), [VECTOR], VECTOR),
        (Cast("float16"), [MAP], MAP),
    ],
)
def test_shape(op, inputs, shape):
    assert op.shape(*inputs) == shape


@pytest.mark.parametrize(
    ("op", "x", "weights"),
    [
        (Conv(64, kernel=7), (3, 8, 8), [("weight", (64, 3, 7, 7))]),
        (Conv(8, kernel=3, groups=4, bias=True), (4, 8, 8), [("weight", (8, 1, 3, 3)), ("bias", (8,))]),
        (Linear(10), VECTOR, [("weight", (10, 12)), ("bias", (10,))]),
        (Linear(10, bias=False), VECTOR, [("weight", (10, 12))]),
        (BatchNorm(), MAP, [("weight", (3,)), ("bias", (3,)), ("running_mean", (3,)), ("running_var", (3,))]),
        *[
            (op, MAP, [])
            for op in (Activation("relu"), MaxPool(2, 2), AvgPool(2, 2), GlobalAvgPool(), Flatten(), OneMinus(),
                       PadChannels(4), Subsample(2), Cast("float16"))
        ],
    ],
)  # fmt: skip
def test_weights_have_the_shapes_and_order_of_a_state_dict(op, x, weights):
    assert [(tensor.role, tensor.shape) for tensor in op.weights(x)] == weights


@pytest.mark.parametrize(
    ("op", "x", "start"),
    [
        (BatchNorm(), MAP, [(1.0, True), (0.0, True), (0.0, False), (1.0, False)]),
        (Conv(2, 1, bias=True, bias_fill=-2.0), MAP, [(None, True), (-2.0, True)]),
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
        (Linear(1000), [(2048,)], 2_048_000),
        (Linear(1000, bias=False), [(2048,)], 2_048_000),
        (BatchNorm(), [MAP], 0),
        (Activation("silu"), [MAP], 0),
        (Add(), [MAP, MAP], 0),
        (AvgPool(2, 2), [MAP], 0),
    ],
)
def test_only_convolution_and_linear_layers_have_macs(op, inputs, macs):
    assert op.macs(*inputs) == macs


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        (Conv(8, kernel=3), [VECTOR], "a 3x3 window needs a feature map, not a vector of 12"),
        (Conv(8, kernel=5), [(3, 4, 9)], "the map has shrunk to 4x9, too small for a 5x5 window"),
        (Conv(8, kernel=5, padding=1), [(3, 2, 2)], "the map has shrunk to 2x2, too small for a 5x5 window"),
        (Conv(8, kernel=1, groups=2), [MAP], "2 groups do not divide 3 input channels"),
        (Conv(8, kernel=1, groups=3), [MAP], "3 groups do not divide 8 output channels"),
        (MaxPool(2, 2), [(3, 1, 1)], "the map has shrunk to 1x1, too small for a 2x2 window"),
        (AvgPool(7, 7), [(3, 6, 6)], "the map has shrunk to 6x6, too small for a 7x7 window"),
        (GlobalAvgPool(), [VECTOR], "global average pooling needs a feature map, not a vector of 12"),
        (Linear(10), [MAP], "a linear layer needs a vector, not a feature map"),
        (Softmax(), [MAP], "softmax needs a vector, not a feature map"),
        (Add(), [MAP, (4, 8, 8)], "the branch is 3x8x8 and the shortcut 4x8x8: they cannot be joined"),
        (Mul(), [MAP, VECTOR], "the branch is 3x8x8 and the shortcut 12: they cannot be joined"),
        (PadChannels(2), [MAP], "zero padding cannot narrow 3 channels to 2"),
        (PadChannels(2), [VECTOR], "channel padding needs a feature map, not a vector of 12"),
        (Subsample(2), [VECTOR], "a 1x1 window needs a feature map, not a vector of 12"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(op, inputs, message):
    with pytest.raises(ShapeError) as caught:
        op.shape(*inputs)
    assert str(caught.value) == message


def test_batch_norm_needs_channels():
    with pytest.raises(ShapeError, match="batch norm needs a feature map, not a vector of 12"):
        BatchNorm().weights(VECTOR)


def test_operations_are_values():
    assert Conv(8, 3) == Conv(8, 3, stride=1, padding=0)
    assert len({Conv(8, 3), Conv(8, 3), Conv(8, 5)}) == 2


def test_a_bare_operation_changes_nothing_and_costs_nothing():
    assert (Op().shape(MAP), Op().weights(MAP), Op().macs(MAP)) == (MAP, (), 0)
