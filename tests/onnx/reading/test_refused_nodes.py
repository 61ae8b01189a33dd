"""A node that none of our operations explains is named, with the reason."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from resnet_gen.problems import Refused
from tests.onnx.reading.models import Hand


def flat(h):
    return h.node("Flatten", h.node("GlobalAveragePool", "x"))


def mirrored(h):
    return h.node("Pad", "x", h.integers(*[0, 0, 1, 1] * 2), mode="reflect")


def normal(h):
    groups = h.node("Reshape", "x", h.integers(0, 2, -1))
    made = h.node("InstanceNormalization", groups, h.constant([1, 1]), h.constant([0, 0]))
    return h.node("Reshape", made, h.integers(0, 4, 8, 8))


def square_normal(h):
    """As many rows and columns as channels."""
    pooled = h.node("AveragePool", "x", kernel_shape=[2, 2], strides=[2, 2])
    made = h.node("InstanceNormalization", h.node("Reshape", pooled, h.integers(0, 2, -1)), *two(h))
    return h.node("Reshape", made, h.integers(0, 4, 4, 4))


def two(h):
    return h.constant([1, 1]), h.constant([0, 0])


def stack(h):
    return h.node("Concat", *(h.node("Unsqueeze", name, h.integers(1)) for name in ("x", "x")), axis=1)


def turned(h):
    four = h.node("Reshape", h.node("GlobalAveragePool", "x"), h.integers(0, 2, 2, 1))
    return h.node("Transpose", four, perm=[0, 2, 1, 3])


def eight(h, scale=0.5, zero=3, dtype=np.uint8, of="x", **more):
    return h.node("QuantizeLinear", of, h.constant(scale), h.constant(zero, dtype=dtype), **more)


def undone(h, of, scale=0.5, zero=3, dtype=np.uint8, **more):
    return h.node("DequantizeLinear", of, h.constant(scale), h.constant(zero, dtype=dtype), **more)


FOUR = {"scale": [1, 2, 3, 4], "zero": [0] * 4}


def branch():
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    return helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "branch", [], [y])


def of_function(h, made):
    """With what the last node says left to whoever calls a function that it is in."""
    (attribute,) = h.nodes[-1].attribute
    attribute.ClearField("f")
    attribute.ref_attr_name = "given"
    return made


def chain(h):
    y = "x"
    for _ in range(60):
        y = h.node("Add", y, h.constant(1.0))
    return y


def greater(h):
    return h.node("Greater", "x", h.constant(0.0))


def absent(h):
    h.constants.append(TensorProto(name="absent", data_type=TensorProto.FLOAT, dims=[1]))
    return "absent"


CASES = {
    "an operator that is none of ours": (
        lambda h: h.node("NonZero", "x"),
        "node 0, NonZero: it is none of our operations",
    ),
    "an operator of another domain": (
        lambda h: h.node("Relu", "x", domain="com.microsoft"),
        "node 0, Relu: an operator of the domain 'com.microsoft'",
    ),
    "an operator that is newer": (lambda h: h.node("Gelu", "x"), "node 0, Gelu: opset 17 has no such operator"),
    "no operator at all": (lambda h: h.node("Rleu", "x"), "node 0, Rleu: opset 17 has no such operator"),
    "too many operands": (
        lambda h: h.node("Relu", "x", "x"),
        "node 0, Relu: it has 2 operands, and the operator takes 1",
    ),
    "too many results": (
        lambda h: h.node("Relu", "x", outputs=2),
        "node 0, Relu: it has 2 results, and the operator makes 1",
    ),
    "an attribute that it has not": (
        lambda h: h.node("Relu", "x", alpha=1.0),
        "node 0, Relu: it has an attribute 'alpha' that the operator has not",
    ),
    "an attribute of another type": (
        lambda h: h.node("LeakyRelu", "x", alpha=1),
        "node 0, LeakyRelu: it has an attribute 'alpha' that the operator has not",
    ),
    "an attribute of a function": (
        lambda h: of_function(h, h.node("LeakyRelu", "x", alpha=0.5)),
        "node 0, LeakyRelu: its attribute 'alpha' is that of a function, and it is in none",
    ),
    "an attribute that is missing": (
        lambda h: h.node("MaxPool", "x"),
        "node 0, MaxPool: it lacks the attribute 'kernel_shape'",
    ),
    "an operand that is left out": (lambda h: h.node("Gemm", flat(h), ""), "node 2, Gemm: operand 1 is missing"),
    "a constant in place of an activation": (
        lambda h: h.node("GlobalAveragePool", h.weight(1, 4, 8, 8)),
        "node 0, GlobalAveragePool: it is none of our operations",
    ),
    "an activation in place of a weight": (
        lambda h: h.node("Conv", "x", h.node("Relu", "x")),
        "node 1, Conv: operand 1 is no constant",
    ),
    "control flow": (
        lambda h: h.node("If", h.constant(True, dtype=bool), then_branch=branch(), else_branch=branch()),
        "node 0, If: it is none of our operations",
    ),
    "a loop": (
        lambda h: h.node("Loop", h.integers(3), "", "x", body=branch()),
        "node 0, Loop: it is none of our operations",
    ),
    "a rectangular kernel": (
        lambda h: h.node("Conv", "x", h.weight(4, 4, 1, 3)),
        "node 0, Conv: kernel_shape [1, 3]: not the same along both sides",
    ),
    "a kernel that is not the weight's": (
        lambda h: h.node("Conv", "x", h.weight(4, 4, 3, 3), kernel_shape=[5, 5]),
        "node 0, Conv: kernel_shape [5, 5], and its weight has [3, 3]",
    ),
    "unequal strides": (
        lambda h: h.node("Conv", "x", h.weight(4, 4, 3, 3), strides=[1, 2]),
        "node 0, Conv: strides [1, 2]: not the same along both sides",
    ),
    "a stride of nothing": (
        lambda h: h.node("Conv", "x", h.weight(4, 4, 3, 3), strides=[0, 0]),
        "node 0, Conv: no layer has stride 0",
    ),
    "unequal dilations": (
        lambda h: h.node("Conv", "x", h.weight(4, 4, 3, 3), dilations=[1, 2]),
        "node 0, Conv: dilations [1, 2]: not the same along both sides",
    ),
    "asymmetric padding": (
        lambda h: h.node("Conv", "x", h.weight(4, 4, 3, 3), pads=[0, 0, 1, 1]),
        "node 0, Conv: pads [0, 0, 1, 1]: not the same on every side",
    ),
    "padding that takes away": (
        lambda h: h.node("Conv", "x", h.weight(4, 4, 3, 3), pads=[-1, -1, -1, -1]),
        "node 0, Conv: no layer has padding -1",
    ),
    "padding to the same that is asymmetric": (
        lambda h: h.node("Conv", "x", h.weight(4, 4, 3, 3), auto_pad="SAME_UPPER", strides=[2, 2]),
        "node 0, Conv: pads [0, 0, 1, 1]: not the same on every side",
    ),
    "padding that nobody knows": (
        lambda h: h.node("Conv", "x", h.weight(4, 4, 3, 3), auto_pad="OTHER"),
        "node 0, Conv: auto_pad 'OTHER' is unknown",
    ),
    "a convolution in three dimensions": (
        lambda h: h.node("Conv", "x", h.weight(4, 4, 3, 3, 3)),
        "node 0, Conv: a convolution along 3 dimensions",
    ),
    "a convolution of other channels": (
        lambda h: h.node("Conv", "x", h.weight(4, 5, 3, 3)),
        "node 0, Conv: its weight is 4x5x3x3, where 4x4x3x3 goes",
    ),
    "groups that do not divide": (
        lambda h: h.node("Conv", "x", h.weight(6, 4, 1, 1), group=3),
        "node 0, Conv: 3 groups do not divide 4 input channels",
    ),
    "a window larger than the map": (
        lambda h: h.node("Conv", "x", h.weight(4, 4, 9, 9)),
        "node 0, Conv: the map has shrunk to 8x8, too small for a 9x9 window",
    ),
    "a bias of another size": (
        lambda h: h.node("Conv", "x", h.weight(4, 4, 3, 3), h.weight(5)),
        "node 0, Conv: 'c1' is [5], not one number for each of 4 channels",
    ),
    "a mirrored border before a convolution": (
        lambda h: h.node("Conv", mirrored(h), h.weight(4, 4, 3, 3)),
        "node 1, Conv: a convolution of a mirrored border that is no 3x3 blur",
    ),
    "another blur": (
        lambda h: h.node("Conv", mirrored(h), h.weight(4, 1, 3, 3), group=4),
        "node 1, Conv: a depthwise convolution of a mirrored border whose numbers are not those of a binomial blur",
    ),
    "a mirrored border before pooling": (
        lambda h: h.node("MaxPool", mirrored(h), kernel_shape=[3, 3]),
        "node 0, Pad: [0, 1, 1] channels, rows and columns before, [0, 1, 1] behind, by mode 'reflect'",
    ),
    "a convolution of a row of positions": (
        lambda h: h.node("Conv", h.node("Reshape", "x", h.integers(0, 4, -1)), h.weight(1, 4, 3)),
        "node 1, Conv: a 1-d convolution that is not along the channels of a map of one pixel",
    ),
    "a matrix turned": (
        lambda h: h.node("Gemm", flat(h), h.weight(4, 3), transA=1),
        "node 2, Gemm: a matrix product whose first operand is turned",
    ),
    "a product of matrices of matrices": (
        lambda h: h.node("MatMul", "x", h.weight(1, 4, 8, 8)),
        "node 0, MatMul: a product of more than matrices",
    ),
    "a product of a map": (
        lambda h: h.node("MatMul", "x", h.weight(8, 8)),
        "node 0, MatMul: a linear layer needs a vector, not a feature map",
    ),
    "batch norm in training": (
        lambda h: h.node("BatchNormalization", "x", *[h.weight(4) for _ in range(4)], training_mode=1, outputs=3),
        "node 0, BatchNormalization: batch normalization in training, with statistics of the batch itself",
    ),
    "batch norm with a strange epsilon": (
        lambda h: h.node("BatchNormalization", "x", *[h.weight(4) for _ in range(4)], epsilon=-1.0),
        "node 0, BatchNormalization: no norm adds -1.0 to the variance",
    ),
    "instance norm of what are no groups": (
        lambda h: h.node(
            "InstanceNormalization", h.node("Reshape", "x", h.integers(0, 8, -1)), h.weight(8), h.weight(8)
        ),
        "node 1, InstanceNormalization: an instance normalization of what are no groups of channels",
    ),
    "instance norm of groups with a scale": (
        lambda h: h.node(
            "InstanceNormalization", h.node("Reshape", "x", h.integers(0, 2, -1)), h.weight(2), h.weight(2)
        ),
        "node 1, InstanceNormalization: an instance normalization with a scale or a shift of each group",
    ),
    "a normalization with two factors": (
        lambda h: h.node("Mul", h.node("Mul", normal(h), h.weight(4, 1, 1)), h.weight(4, 1, 1)),
        "node 4, Mul: two factors behind a normalization",
    ),
    "a normalization with a shift alone": (
        lambda h: h.node("Add", normal(h), h.weight(4, 1, 1)),
        "node 3, Add: a normalization with a shift and no factor",
    ),
    "a normalization alone": (
        lambda h: h.node("Relu", normal(h)),
        "node 1, InstanceNormalization: a normalization without a scale and a shift of each channel",
    ),
    "a factor of each column": (
        lambda h: h.node("Mul", square_normal(h), h.weight(4)),
        "node 4, Mul: 'c4' is [4], not one number for each of 4 channels",
    ),
    "a factor of each row": (
        lambda h: h.node("Mul", square_normal(h), h.weight(1, 4, 1)),
        "node 4, Mul: 'c4' is [1, 4, 1], not one number for each of 4 channels",
    ),
    "a factor of each image": (
        lambda h: h.node("Mul", square_normal(h), h.weight(4, 1, 1, 1)),
        "node 4, Mul: 'c4' is [4, 1, 1, 1], not one number for each of 4 channels",
    ),
    "a shift of each column": (
        lambda h: h.node("Add", h.node("Mul", square_normal(h), h.weight(4, 1, 1)), h.weight(4)),
        "node 5, Add: 'c5' is [4], not one number for each of 4 channels",
    ),
    "a shift in five dimensions": (
        lambda h: h.node("Add", h.node("Mul", square_normal(h), h.weight(4, 1, 1)), h.weight(1, 1, 4, 1, 1)),
        "node 5, Add: 'c5' is [1, 1, 4, 1, 1], not one number for each of 4 channels",
    ),
    "a bias of each image": (
        lambda h: h.node("Add", h.node("MatMul", flat(h), h.weight(4, 3)), h.weight(3, 1)),
        "node 3, Add: 'c1' is [3, 1], not one number for each of 3 channels",
    ),
    "a bias of each image in one": (
        lambda h: h.node("Gemm", flat(h), h.weight(4, 3), h.weight(3, 1)),
        "node 2, Gemm: 'c1' is [3, 1], not one number for each of 3 channels",
    ),
    "a number in five dimensions": (
        lambda h: h.node("Max", "x", h.constant(np.zeros([1] * 5))),
        "node 0, Max: it takes 'c0', a constant of [1, 1, 1, 1, 1]",
    ),
    "a factor of some channels": (
        lambda h: h.node("Mul", normal(h), h.weight(2, 1, 1)),
        "node 3, Mul: 'c4' is [2, 1, 1], not one number for each of 4 channels",
    ),
    "no groups": (
        lambda h: h.node("GroupNormalization", "x", h.weight(4), h.weight(4), num_groups=0),
        "node 0, GroupNormalization: no layer has groups 0",
    ),
    "pooling of a vector": (
        lambda h: h.node("MaxPool", flat(h), kernel_shape=[3, 3]),
        "node 2, MaxPool: pooling of what is no map",
    ),
    "pooling with gaps": (
        lambda h: h.node("MaxPool", "x", kernel_shape=[3, 3], dilations=[2, 2]),
        "node 0, MaxPool: dilations [2, 2]: pooling with gaps",
    ),
    "pooling whose positions are read": (
        lambda h: h.node("Relu", h.node("MaxPool", "x", kernel_shape=[3, 3], outputs=2)),
        "node 0, MaxPool: max pooling whose positions are read",
    ),
    "a maximum with some constant": (
        lambda h: h.node("Max", "x", h.weight(1, 1, 8, 8)),
        "node 0, Max: a maximum with a constant that is no border of zeros",
    ),
    "a maximum with no border": (
        lambda h: h.node("Max", h.node("MaxPool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1]), h.weight(1, 1, 8, 8)),
        "node 1, Max: a maximum with a constant that is no border of zeros",
    ),
    "an average without its padding": (
        lambda h: h.node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        "node 0, AveragePool: average pooling that leaves its padding out of the count",
    ),
    "a mean of everything": (
        lambda h: h.node("ReduceMean", "x"),
        "node 0, ReduceMean: it reduces all axes, the batch among them",
    ),
    "a mean of rows": (
        lambda h: h.node("ReduceMean", "x", axes=[2]),
        "node 0, ReduceMean: means of rows or of columns alone",
    ),
    "a mean of five dimensions": (
        lambda h: h.node("ReduceMean", h.node("Reshape", "x", h.integers(0, 2, 2, 8, 8)), axes=[1]),
        "node 1, ReduceMean: it goes over axes [1]",
    ),
    "a maximum of a stack": (
        lambda h: h.node("ReduceMax", stack(h), axes=[1]),
        "node 3, ReduceMax: activations side by side that are not summed",
    ),
    "a stack in other dimensions": (
        lambda h: h.node("Reshape", stack(h), h.integers(0, 8, 8, 8)),
        "node 3, Reshape: activations side by side in other dimensions",
    ),
    "a stack and a constant": (
        lambda h: h.node("Mul", stack(h), h.constant(2.0)),
        "node 3, Mul: activations side by side, and a constant",
    ),
    "stacks of unequal height": (
        lambda h: h.node("Mul", stack(h), h.node("Reshape", "x", h.integers(0, 4, 1, 8, 8))),
        "node 4, Mul: 2 activations side by side, and 4",
    ),
    "a stack and what is none": (
        lambda h: h.node("Mul", stack(h), h.node("Reshape", "x", h.integers(0, 2, 2, 4, 16))),
        "node 4, Mul: [2, 2, 4, 16] are no activations side by side",
    ),
    "a stack as the result": (lambda h: stack(h), "node 0, Unsqueeze: 4x8x8 is read as 1x4x8x8"),
    "a product with a number": (
        lambda h: h.node("Conv", h.node("Mul", h.node("Relu", "x"), h.constant(2.0)), h.weight(4, 4, 1, 1)),
        "node 1, Mul: Mul(Relu(x), 2) is none of our activations",
    ),
    "a sum of powers": (
        lambda h: h.node("Relu", h.node("Pow", "x", h.constant(2.0))),
        "node 0, Pow: Pow(x, 2) is none of our activations",
    ),
    "relu6": (
        lambda h: h.node("Clip", "x", h.constant(0.0), h.constant(6.0)),
        "node 0, Clip: Clip(x, least=0, most=6) is none of our activations",
    ),
    "relu up to where no small number comes": (
        lambda h: h.node("Clip", "x", h.constant(0.0), h.constant(20.0)),
        "node 0, Clip: Clip(x, least=0, most=20) is none of our activations",
    ),
    "relu up to a few thousand": (
        lambda h: h.node("Min", h.node("Relu", "x"), h.constant(5000.0)),
        "node 1, Min: Min(Relu(x), 5000) is none of our activations",
    ),
    "leaky relu between bounds": (
        lambda h: h.node("Clip", h.node("LeakyRelu", "x", alpha=0.125), h.constant(-2.5), h.constant(20.0)),
        "node 1, Clip: Clip(LeakyRelu(x, alpha=0.125), least=-2.5, most=20) is none of our activations",
    ),
    "gelu by tanh": (
        lambda h: h.node("Gelu", "x", approximate="tanh"),
        "node 0, Gelu: Gelu(x, approximate=tanh) is none of our activations",
    ),
    "a difference of two": (
        lambda h: h.node("Sub", "x", h.node("Conv", "x", h.weight(4, 4, 1, 1))),
        "node 1, Sub: it is of two activations",
    ),
    "a maximum of three": (lambda h: h.node("Max", "x", "x", "x"), "node 0, Max: it is of 3 operands"),
    "a factor for each channel": (
        lambda h: h.node("Mul", "x", h.weight(4, 1, 1)),
        "node 0, Mul: it takes 'c0', a constant of [4, 1, 1]",
    ),
    "a sum of shapes that do not go together": (
        lambda h: h.node("Add", "x", h.node("GlobalAveragePool", "x")),
        "node 1, Add: the branch is 4x8x8 and the shortcut 4x1x1: they cannot be joined",
    ),
    "a sum over which one is repeated": (
        lambda h: h.node("Add", "x", h.node("Expand", h.node("GlobalAveragePool", "x"), h.node("Shape", "x"))),
        "node 3, Add: the branch is 4x8x8 and the shortcut 4x1x1: they cannot be joined",
    ),
    "what is repeated alone": (
        lambda h: h.node("Relu", h.node("Expand", h.node("GlobalAveragePool", "x"), h.node("Shape", "x"))),
        "node 2, Expand: values repeated",
    ),
    "repeated beyond": (
        lambda h: h.node("Expand", "x", h.integers(1, 4, 8, 9)),
        "node 0, Expand: [4, 8, 8] cannot be repeated to [4, 8, 9]",
    ),
    "more images": (
        lambda h: h.node("Expand", "x", h.integers(7, 4, 8, 8)),
        "node 0, Expand: the batch does not stay the first dimension",
    ),
    "dropout in training": (
        lambda h: h.node("Dropout", "x", "", h.constant(True, dtype=bool)),
        "node 0, Dropout: dropout in training",
    ),
    "the batch among the channels": (
        lambda h: h.node("Reshape", "x", h.integers(4, -1, 8, 8)),
        "node 0, Reshape: the batch does not stay the first dimension",
    ),
    "the batch somewhere": (
        lambda h: h.node("Reshape", "x", h.integers(-1, 8)),
        "node 0, Reshape: the batch does not stay the first dimension",
    ),
    "the batch nowhere": (
        lambda h: h.node("Reshape", "x", h.constant([], dtype="int64")),
        "node 0, Reshape: the batch does not stay the first dimension",
    ),
    "the batch copied": (
        lambda h: h.node("Reshape", "x", h.integers(0, 4, 8, 8, 0)),
        "node 0, Reshape: the batch does not stay the first dimension",
    ),
    "elements too many": (
        lambda h: h.node("Reshape", "x", h.integers(0, 4, 8, 9)),
        "node 0, Reshape: [4, 8, 8] cannot be read as [4, 8, 9]",
    ),
    "elements that do not go in": (
        lambda h: h.node("Reshape", "x", h.integers(0, 3, -1)),
        "node 0, Reshape: 256 elements cannot be read as [3, -1]",
    ),
    "the batch flattened": (
        lambda h: h.node("Flatten", "x", axis=0),
        "node 0, Flatten: axis 0: the batch does not stay the first dimension",
    ),
    "a squeeze of anything": (lambda h: h.node("Squeeze", "x"), "node 0, Squeeze: it may take the batch away"),
    "a squeeze of sides": (
        lambda h: h.node("Squeeze", "x", h.integers(2)),
        "node 0, Squeeze: axes [2] are not all of size 1: behind the batch stand [4, 8, 8]",
    ),
    "a squeeze of the batch": (
        lambda h: h.node("Squeeze", "x", h.integers(0)),
        "node 0, Squeeze: axis 0 of 4, of which the first is the batch's",
    ),
    "a new dimension twice": (
        lambda h: h.node("Unsqueeze", "x", h.integers(2, 2)),
        "node 0, Unsqueeze: axes [2, 2] twice",
    ),
    "the batch moved": (
        lambda h: h.node("Transpose", "x"),
        "node 0, Transpose: perm [3, 2, 1, 0]: the batch does not stay the first dimension",
    ),
    "channels last": (
        lambda h: h.node("Transpose", "x", perm=[0, 2, 3, 1]),
        "node 0, Transpose: perm [0, 2, 3, 1]: dimensions in another order",
    ),
    "channels turned and read": (
        lambda h: h.node("Conv", h.node("Reshape", turned(h), h.integers(0, -1, 1, 1)), h.weight(4, 4, 1, 1)),
        "node 2, Transpose: channels in another order",
    ),
    "a softmax over positions": (
        lambda h: h.node("Softmax", "x", axis=2),
        "node 0, Softmax: a softmax along axis 2 of 4",
    ),
    "a softmax over channels": (
        lambda h: h.node("Softmax", "x", axis=1),
        "node 0, Softmax: a softmax along axis 1 of 4",
    ),
    "a padding of ones": (
        lambda h: h.node("Pad", "x", h.integers(*[0, 0, 1, 1] * 2), h.constant(1.0)),
        "node 0, Pad: a padding of mode 'constant' or with other numbers than zero",
    ),
    "a padding of the edge": (
        lambda h: h.node("Pad", "x", h.integers(*[0, 0, 1, 1] * 2), mode="edge"),
        "node 0, Pad: a padding of mode 'edge' or with other numbers than zero",
    ),
    "a padding of nothing known": (
        lambda h: h.node("Pad", "x", h.integers(0, 0, 1)),
        "node 0, Pad: pads [0, 0, 1]: no padding of a map",
    ),
    "a padding of the batch": (
        lambda h: h.node("Pad", "x", h.integers(1, 0, 0, 0, 0, 0, 0, 0)),
        "node 0, Pad: pads [1, 0, 0, 0, 0, 0, 0, 0]: more images",
    ),
    "a padding of channels before": (
        lambda h: h.node("Relu", h.node("Pad", "x", h.integers(0, 2, 0, 0, 0, 2, 0, 0))),
        "node 0, Pad: [2, 0, 0] channels, rows and columns before, [2, 0, 0] behind, by mode 'constant'",
    ),
    "a padding that depends on the batch": (
        lambda h: h.node("Pad", "x", h.node("Shape", "x")),
        "node 1, Pad: operand 1 depends on the size of the batch",
    ),
    "a slice of positions": (
        lambda h: h.node("Slice", "x", h.integers(1), h.integers(8), h.integers(2)),
        "node 0, Slice: 1 to 8 at steps of 1 along axis 2",
    ),
    "a slice of the batch": (
        lambda h: h.node("Slice", "x", h.integers(0), h.integers(1), h.integers(0)),
        "node 0, Slice: axis 0 of 4, of which the first is the batch's",
    ),
    "a slice of unequal numbers": (
        lambda h: h.node("Slice", "x", h.integers(0, 0), h.integers(8), h.integers(2)),
        "node 0, Slice: starts, ends, axes and steps of unequal number",
    ),
    "sizes at steps of 0": (
        lambda h: h.node("Reshape", "x", h.node("Slice", h.node("Shape", "x"), *(h.integers(n) for n in (0, 4, 0, 0)))),
        "node 1, Slice: a step of 0",
    ),
    "rows and columns at unequal steps": (
        lambda h: h.node("Relu", h.node("Slice", "x", h.integers(0), h.integers(8), h.integers(2), h.integers(2))),
        "node 0, Slice: rows and columns at unequal steps",
    ),
    "rows split": (lambda h: h.node("Split", "x", outputs=2, axis=2), "node 0, Split: a split along axis 2 of 4"),
    "channels split wrongly": (
        lambda h: h.node("Split", "x", h.integers(3, 2), outputs=2, axis=1),
        "node 0, Split: 4 channels in parts of [3, 2]",
    ),
    "rows joined": (lambda h: h.node("Concat", "x", "x", axis=2), "node 0, Concat: a concatenation along axis 2 of 4"),
    "one map joined": (
        lambda h: h.node("Softmax", h.node("Concat", "x", axis=1), axis=3),
        "node 1, Softmax: a softmax along axis 3 of 4",
    ),
    "maps joined that do not fit": (
        lambda h: h.node("Concat", "x", h.node("GlobalAveragePool", "x"), axis=1),
        "node 1, Concat: 4x8x8 and 4x1x1 cannot be joined",
    ),
    "single channels": (
        lambda h: h.node("Gather", "x", h.integers(1), axis=1),
        "node 0, Gather: single channels or positions",
    ),
    "a part of a stack that is not there": (
        lambda h: h.node("Gather", stack(h), h.constant(5, dtype="int64"), axis=1),
        "node 3, Gather: part 5 of 2",
    ),
    "integers that are floats": (
        lambda h: h.node("Reshape", "x", h.constant([0.0, 4.0])),
        "node 0, Reshape: 'c0' is no list of integers",
    ),
    "one number that is two": (
        lambda h: h.node("Clip", "x", h.constant([0.0, 1.0])),
        "node 0, Clip: 'c0' is [2], where one number goes",
    ),
    "a constant that is text": (
        lambda h: h.node("Relu", h.node("Constant", value_string="x")),
        "node 0, Constant: a constant that is no array of numbers",
    ),
    "a shape that is not there": (
        lambda h: h.node("Reshape", "x", h.node("Gather", h.node("Shape", "x"), h.integers(7))),
        "node 1, Gather: integers that are not there",
    ),
    "a shape sliced in two": (
        lambda h: h.node("Reshape", "x", h.node("Slice", h.node("Shape", "x"), h.integers(0, 0), h.integers(4))),
        "node 1, Slice: starts, ends, axes and steps of unequal number",
    ),
    "a weight sliced along nothing": (
        lambda h: h.node(
            "Conv", "x", h.node("Slice", h.weight(4, 4, 1, 1), h.integers(0), h.integers(4), h.integers(9))
        ),
        "node 0, Slice: axis 9 of 4",
    ),
    "a range without end": (
        lambda h: h.node("Reshape", "x", h.node("Range", *[h.constant(n, dtype="int64") for n in (0, 9**9, 1)])),
        "node 0, Range: a range from 0 to 387420489 at steps of 1",
    ),
    "a weight in dimensions that do not go": (
        lambda h: h.node("Conv", "x", h.node("Reshape", h.weight(4, 4), h.integers(3, -1, 1, 1))),
        "node 0, Reshape: [4, 4] cannot be read as [3, -1, 1, 1]",
    ),
    "a weight in more elements": (
        lambda h: h.node("Conv", "x", h.node("Reshape", h.weight(4, 4), h.integers(5, 4, 1, 1))),
        "node 0, Reshape: [4, 4] cannot be read as [5, 4, 1, 1]",
    ),
    "a weight turned wrongly": (
        lambda h: h.node("Conv", "x", h.node("Transpose", h.weight(4, 4, 1, 1), perm=[0, 1])),
        "node 0, Transpose: perm [0, 1] of 4 dimensions",
    ),
    "an activation as integers": (
        lambda h: h.node("Cast", h.node("Cast", "x", to=TensorProto.INT32), to=TensorProto.FLOAT),
        "node 0, Cast: an activation as int32",
    ),
    "an activation as truth": (
        lambda h: h.node("Cast", h.node("Cast", "x", to=TensorProto.BOOL), to=TensorProto.FLOAT),
        "node 0, Cast: an activation as bool",
    ),
    "an activation in a type beyond ours": (
        lambda h: h.node("Cast", "x", to=TensorProto.UINT64),
        "node 0, Cast: element type 13 is not read",
    ),
    "an activation like integers": (
        lambda h: h.node("CastLike", "x", h.integers(1)),
        "node 0, CastLike: an activation as int64",
    ),
    "an activation like a shape": (
        lambda h: h.node("CastLike", "x", h.node("Shape", "x")),
        "node 1, CastLike: an activation as int64",
    ),
    "an activation in eight bits without a scale": (
        lambda h: h.node("Cast", h.node("Cast", "x", to=TensorProto.FLOAT8E4M3FN), to=TensorProto.FLOAT),
        "node 0, Cast: an activation as float8_e4m3fn",
    ),
    "an activation like eight bits": (
        lambda h: h.node("CastLike", "x", h.node("Cast", h.constant(0.0), to=TensorProto.FLOAT8E5M2)),
        "node 1, CastLike: an activation as float8_e5m2",
    ),
    "a weight like an activation of any type": (
        lambda h: h.node("CastLike", h.constant(1.0), h.node("Relu", h.node("Cast", "x", to=TensorProto.FLOAT16))),
        "node 2, CastLike: the type of what it is to be like does not follow",
    ),
    "a weight like truth": (
        lambda h: h.node("CastLike", h.constant(2.0), h.node("Reshape", greater(h), h.integers(0, 4, 64))),
        "node 2, CastLike: the type of what it is to be like does not follow",
    ),
    "a weight like channels last": (
        lambda h: h.node("CastLike", h.constant(2.0), h.node("Transpose", greater(h), perm=[0, 2, 3, 1])),
        "node 2, CastLike: the type of what it is to be like does not follow",
    ),
    "a shape of any batch as numbers": (
        lambda h: h.node("Cast", h.node("Shape", "x"), to=TensorProto.FLOAT),
        "node 1, Cast: a shape of any batch as float32",
    ),
    "a shape of any batch in two dimensions": (
        lambda h: h.node("Unsqueeze", h.node("Shape", "x"), h.integers(0)),
        "node 1, Unsqueeze: 4 sizes as [1, 4]",
    ),
    "a shape of any batch as one number": (
        lambda h: h.node("Squeeze", h.node("Shape", "x"), h.integers(0)),
        "node 1, Squeeze: axes [0] of [4] are not all of size 1",
    ),
    "a shape of any batch in rows": (
        lambda h: h.node("Reshape", h.node("Shape", "x"), h.integers(2, 2)),
        "node 1, Reshape: 4 sizes as [2, 2]",
    ),
    "an integer over zero": (
        lambda h: h.node("Div", h.integers(1), h.integers(0)),
        "node 0, Div: the numbers of an integer over zero, or of one beyond its type, are the runtime's choice",
    ),
    "constants of two types": (
        lambda h: h.node("Add", h.integers(1), h.constant([1.0])),
        "node 0, Add: it takes int64 and float32",
    ),
    "a number of which nothing is left but rounding": (
        lambda h: h.node("Clip", "x", h.node("ReduceMean", h.constant([2.0**40, 1.0, -(2.0**40)]), keepdims=0)),
        "node 1, Clip: the numbers of 't0' depend on how a runtime rounds, and it depends on them",
    ),
    "an array beyond any machine": (
        lambda h: h.node("Conv", "x", h.weight(4, 4, 1, 1), h.node("ConstantOfShape", h.integers(1 << 40))),
        "node 0, ConstantOfShape: an array of [1099511627776]",
    ),
    "a weight as text": (
        lambda h: h.node("Conv", "x", h.node("Cast", h.weight(4, 4, 1, 1), to=8)),
        "node 0, Cast: element type 8 is not read",
    ),
    "scales and zero points": (
        lambda h: h.node(
            "Conv",
            "x",
            h.node(
                "DequantizeLinear",
                h.constant(np.ones((4, 4, 1, 1)), dtype="int8"),
                h.weight(4),
                h.constant(0, dtype="int8"),
                axis=0,
            ),
        ),
        "node 0, DequantizeLinear: scales and zero points of unequal number",
    ),
    "dequantized by another scale": (
        lambda h: undone(h, eight(h), scale=1.0),
        "node 1, DequantizeLinear: it has another scale than what it reads was quantized with",
    ),
    "dequantized by another zero point": (
        lambda h: undone(h, eight(h), zero=4),
        "node 1, DequantizeLinear: it has another zero point than what it reads was quantized with",
    ),
    "dequantized by no zero point": (
        lambda h: h.node("DequantizeLinear", eight(h, 1.0), h.constant(1.0)),
        "node 1, DequantizeLinear: it has another zero point than what it reads was quantized with",
    ),
    "dequantized from another type": (
        lambda h: undone(h, eight(h), dtype=np.int8),
        "node 1, DequantizeLinear: its zero point is int8, and it reads uint8",
    ),
    "dequantized along another axis": (
        lambda h: undone(h, eight(h, **FOUR), **FOUR, axis=2),
        "node 1, DequantizeLinear: its scales go along another axis than those that what it reads was quantized with",
    ),
    "dequantized and never quantized": (
        lambda h: undone(h, "x"),
        "node 0, DequantizeLinear: what it reads was not quantized",
    ),
    "quantized twice": (
        lambda h: undone(h, undone(h, eight(h, of=eight(h)))),
        "node 1, QuantizeLinear: it reads an activation as uint8, before a DequantizeLinear",
    ),
    "quantized by a scale that is computed": (
        lambda h: h.node("QuantizeLinear", "x", h.node("Sigmoid", "x")),
        "node 1, QuantizeLinear: operand 1 is no constant",
    ),
    "a constant quantized by a scale that is computed": (
        lambda h: h.node("QuantizeLinear", h.weight(4), h.node("Sigmoid", "x")),
        "node 1, QuantizeLinear: operand 0 is no activation",
    ),
    "quantized to four bits": (
        lambda h: h.node("QuantizeLinear", "x", h.constant(1.0), output_dtype=TensorProto.INT4),
        "node 0, QuantizeLinear: element type 22 is not read",
    ),
    "quantized without an end": (
        lambda h: h.node("QuantizeLinear", "x", h.constant(1.0), output_dtype=TensorProto.FLOAT8E4M3FN, saturate=0),
        "node 0, QuantizeLinear: what its type does not hold becomes no number",
    ),
    "quantized to the end": (lambda h: eight(h), "node 0, QuantizeLinear: no DequantizeLinear is behind it"),
    "quantized and cast": (
        lambda h: h.node("Cast", eight(h), to=TensorProto.FLOAT),
        "node 1, Cast: it reads an activation as uint8, before a DequantizeLinear",
    ),
    "quantized and read": (
        lambda h: undone(h, h.node("MaxPool", h.node("Identity", eight(h)), kernel_shape=[2, 2])),
        "node 2, MaxPool: it reads an activation as uint8, before a DequantizeLinear",
    ),
    "scales along the wrong axis": (
        lambda h: h.node(
            "Conv",
            "x",
            h.node("DequantizeLinear", h.constant(np.ones((4, 4, 1, 1)), dtype="int8"), h.weight(4), axis=1),
        ),
        "node 0, DequantizeLinear: scales that are neither one for all nor one a row",
    ),
    "constants that do not go together": (
        lambda h: h.node("Conv", "x", h.node("Mul", h.weight(4, 4, 1, 1), h.weight(3, 1, 1, 1))),
        "node 0, Mul: [4, 4, 1, 1] and [3, 1, 1, 1] do not go together",
    ),
    "a normalized weight without a scale": (
        lambda h: h.node(
            "Conv", "x", h.node("BatchNormalization", h.weight(4, 4, 1, 1), *[h.weight(3) for _ in range(4)])
        ),
        "node 0, BatchNormalization: a normalized constant without a scale and a shift for each filter",
    ),
    "a shape of a shape": (
        lambda h: h.node("Reshape", "x", h.node("Shape", h.node("Shape", "x"))),
        "node 1, Shape: the shape of a shape",
    ),
    "a network beyond any machine": (
        lambda h: h.node("Unsqueeze", h.node("Conv", "x", h.weight(4, 4, 1, 1), pads=[1 << 20] * 4), h.integers(1)),
        "node 0, Conv: an activation of 4x2097160x2097160 is beyond any machine",
    ),
    "a chain of functions": (lambda h: chain(h), "node 40, Add: an elementwise function of too many operators"),
    "an unknown input": (lambda h: h.node("Relu", "nobody"), "node 0, Relu: it reads 'nobody', which nothing makes"),
    "numbers that are not there": (
        lambda h: h.node("Mul", "x", absent(h)),
        "node 0, Mul: the numbers of 'absent' are not in the file, and it depends on them",
    ),
}
"""A network made by hand, and what is said of it."""
NEWER = (
    "no groups", "gelu by tanh", "quantized to four bits", "an activation in eight bits without a scale",
    "an activation like eight bits", "quantized without an end",
)  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_node_that_is_not_explained_is_named(case, tmp_path):
    make, message = CASES[case]
    hand, path = Hand(opset=21 if case in NEWER else 17), tmp_path / "n.onnx"
    with pytest.raises(Refused) as refused:
        hand.read(path, make(hand))
    assert str(refused.value) == f"{path}: error: {message}"


READERS = {
    "nobody": lambda h, value: value,
    "an activation": lambda h, value: h.node("Relu", value),
    "a function": lambda h, value: h.node("Exp", value),
    "a convolution": lambda h, value: h.node("Conv", value, h.weight(4, 4, 1, 1)),
    "a pool": lambda h, value: h.node("GlobalAveragePool", value),
    "a sum": lambda h, value: h.node("Add", value, "x"),
    "another padding": lambda h, value: h.node("Pad", value, h.integers(0, 0, 1, 1, 0, 0, 1, 1)),
    "what is foreign": lambda h, value: h.node("Softsign", value),
}
"""Who reads an activation, and thereby says when it becomes a node of ours."""
VAST = {
    "a padding": lambda h: h.node("Pad", "x", h.integers(0, 0, 10**9, 10**9, 0, 0, 10**9, 10**9)),
    "a convolution": lambda h: h.node("Conv", "x", h.weight(4, 4, 1, 1), pads=[10**9] * 4),
    "channels": lambda h: h.node("Pad", "x", h.integers(0, 10**9, 0, 0, 0, 10**9, 0, 0)),
}


@pytest.mark.parametrize("partial", [False, True], ids=["whole", "partial"])
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("vast", VAST)
def test_what_is_beyond_any_machine_is_refused_with_its_file_and_node(vast, reader, partial, tmp_path):
    hand, path = Hand(), tmp_path / "n.onnx"
    with pytest.raises(Refused) as refused:
        hand.read(path, READERS[reader](hand, VAST[vast](hand)), partial=partial)
    assert str(refused.value).startswith(f"{path}: error: node ")
