"""`torch.nn.functional`, and what `torch` itself has of it."""

import numpy as np

from resnet_gen import ops
from tests.standin.tensor import Constant, made


def _activation(function, x, *, inplace=False, needs="input", slope=None):
    """An activation; in place, autograd copies an input that it needs, and a result is only safe from then on."""
    op = ops.Activation(function) if slope is None else ops.Activation(function, slope)
    if inplace:
        x.overwrite(op)
        if needs == "result" or slope is not None:
            assert slope is None or slope >= 0, "backward of a negative slope in place is not supported"
            x._trace.keep(x, function)
        return x
    return made(op, x, needs=[x] if needs == "input" else [], needs_result=needs == "result")


def relu(input, inplace=False):
    return _activation("relu", input, inplace=inplace, needs="result")


def leaky_relu(input, negative_slope=0.01, inplace=False):
    return _activation("leaky_relu", input, inplace=inplace, slope=negative_slope)


def elu(input, alpha=1.0, inplace=False):
    return _activation("elu", input, inplace=inplace, slope=alpha)


def silu(input, inplace=False):
    return _activation("silu", input, inplace=inplace)


def gelu(input, approximate="none"):
    assert approximate == "none"
    return _activation("gelu", input)


def mish(input, inplace=False):
    return _activation("mish", input, inplace=inplace)


def hardswish(input, inplace=False):
    return _activation("hard_swish", input, inplace=inplace)


def hardsigmoid(input, inplace=False):
    return _activation("hard_sigmoid", input, inplace=inplace)


def sigmoid(input):
    return _activation("sigmoid", input, needs="result")


def tanh(input):
    return _activation("tanh", input, needs="result")


def softmax(input, dim=None):
    assert dim == 1, "softmax over the features needs dim=1"
    return made(ops.Softmax(), input, needs_result=True)


def flatten(input, start_dim=0, end_dim=-1):
    assert (start_dim, end_dim) == (1, -1), "the batch is flattened too"
    return made(ops.Flatten(), input, view=True)


def cat(tensors, dim=0):
    axis = {1: 0, 2: 1, 3: 2}[dim]
    return made(ops.Concat(axis), *tensors)


def pad(input, pad, mode="constant", value=None):
    assert (mode, value) in (("constant", None), ("constant", 0))
    if len(pad) == 6:
        assert tuple(pad[:5]) == (0, 0, 0, 0, 0)
        return made(ops.PadChannels(input._shape[0] + pad[5]), input)
    left, right, top, bottom = pad
    assert (left, right) == (top, bottom), "rows and columns are padded alike here"
    return made(ops.PadMap(left, right), input)


def adaptive_avg_pool2d(input, output_size):
    assert output_size == 1
    return made(ops.GlobalAvgPool(), input)


def adaptive_max_pool2d(input, output_size, return_indices=False):
    assert (output_size, return_indices) == (1, False)
    return made(ops.GlobalMaxPool(), input, needs=[input], needs_result=True)


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    assert (dilation, return_indices) == (1, False)
    _check_padding(padding, kernel_size)
    if (kernel_size, padding) == (1, 0):  # the largest of one position
        return made(ops.Subsample(stride or 1), input, needs=[input], needs_result=True)
    op = ops.MaxPool(kernel_size, stride or kernel_size, padding, ceil_mode)
    return made(op, input, needs=[input], needs_result=True)


def avg_pool2d(
    input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    assert (count_include_pad, divisor_override) == (True, None)
    _check_padding(padding, kernel_size)
    return made(ops.AvgPool(kernel_size, stride or kernel_size, padding, ceil_mode), input, needs=[input])


def _check_padding(padding, kernel_size):
    if padding > kernel_size // 2:
        raise RuntimeError("pad should be at most half of effective kernel size")


def tensor(data):
    return Constant(data)


def outer(input, vec2):
    return Constant(np.outer(input, vec2))
