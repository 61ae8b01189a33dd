"""Layers with weights: convolutions, linear layers, and norms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from resnet_gen.onnx.reading.activations import shorten_number
from resnet_gen.onnx.reading.constants import FileConstant, derived_constant
from resnet_gen.onnx.reading.operator_call import OperatorCall, check_limits, numbers
from resnet_gen.onnx.reading.signals import (
    ActivationTerm,
    NormalizedGroups,
    PaddedMap,
    PendingNode,
    Signal,
    UnexplainedOperator,
)
from resnet_gen.ops import BatchNorm, BlurPool, ChannelConv, Conv, GroupNorm, Linear, Shape
from resnet_gen.problems import shorten


def conv(call: OperatorCall) -> Signal:
    """Conv: a convolution, a blur, or one along channels."""
    weight = call.constant(1)
    if len(weight.dims) == 3:
        return _channel_conv(call, weight)
    if len(weight.dims) != 4:
        raise UnexplainedOperator(f"a convolution along {len(weight.dims) - 2} dimensions")
    term = call.term()
    if isinstance(term, PaddedMap) and term.mode == "reflect":
        return _blur(call, term, weight)
    kernel = kernel_side(call, weight.dims[2:])
    stride, dilation = (
        square_setting("strides", call.attribute("strides", [1, 1])),
        square_setting("dilations", dilations(call)),
    )
    term, padding = _absorb_padding(call, term, kernel, stride, dilation)
    groups = call.attribute("group")
    settings = {"kernel": kernel, "stride": stride, "dilation": dilation, "groups": groups}
    check_limits(settings, 1)
    bias = _bias(call, 2, weight.dims[0])
    op = Conv(weight.dims[0], kernel, stride, padding, groups, bool(bias), dilation=dilation)
    return call.add_node(op, call.walk.value(term), weight=weight, **bias)


def _absorb_padding(
    call: OperatorCall, term: ActivationTerm, kernel: int, stride: int, dilation: int
) -> tuple[ActivationTerm, int]:
    """What the window is over, and its padding, to which a Pad before it belongs where it puts zeros all around."""
    padding = pads(call, term.shape[1:], kernel, stride, dilation)
    if isinstance(term, PaddedMap) and term.mode == "constant" and (around := uniform_padding(term)) is not None:
        return term.inner, padding + around
    return term, padding


def uniform_padding(term: PaddedMap) -> int | None:
    """The rows and columns that are put on every side of a map; None where it is not as many on each."""
    (more, *before), (out, *after) = term.before, term.after
    return before[0] if not more + out and len({*before, *after}) == 1 else None


def kernel_side(call: OperatorCall, sides: Sequence[int]) -> int:
    """The side of a square kernel; raises `UnexplainedOperator` for another."""
    given = call.attribute("kernel_shape", list(sides))
    if list(given) != list(sides):
        raise UnexplainedOperator(f"kernel_shape {list(given)}, and its weight has {list(sides)}")
    return square_setting("kernel_shape", given)


def square_setting(name: str, sides: Sequence[int]) -> int:
    """A setting that is the same along both sides of a map."""
    if len(sides) != 2 or sides[0] != sides[1]:
        raise UnexplainedOperator(f"{name} {list(sides)}: not the same along both sides")
    return int(sides[0])


def dilations(call: OperatorCall) -> Any:
    """The dilations along both sides."""
    return call.attribute("dilations", [1, 1])


def pads(call: OperatorCall, sides: Shape, kernel: int, stride: int, dilation: int = 1) -> int:
    """The padding that is the same on every side; raises `UnexplainedOperator` for another."""
    check_limits({"stride": stride, "kernel": kernel, "dilation": dilation}, 1)
    auto = call.attribute("auto_pad", b"NOTSET")
    given = list(call.attribute("pads", [0, 0, 0, 0]))
    if auto != b"NOTSET" and call.attribute("pads") is not None:
        raise UnexplainedOperator(f"auto_pad '{auto.decode(errors='replace')}' beside pads {given}")
    if auto in (b"SAME_UPPER", b"SAME_LOWER"):
        given = _same_padding(sides, stride, dilation * (kernel - 1) + 1, upper=auto == b"SAME_UPPER")
    elif auto not in (b"NOTSET", b"VALID"):
        raise UnexplainedOperator(f"auto_pad '{auto.decode(errors='replace')}' is unknown")
    if len(given) == 4 and _ends_unread(given, sides, stride, dilation * (kernel - 1) + 1):
        given = given[:2] * 2
    if len(given) != 4 or len(set(given)) != 1:
        raise UnexplainedOperator(f"pads {given}: not the same on every side")
    check_limits({"padding": given[0]})
    return int(given[0])


def _ends_unread(given: Sequence[int], sides: Shape, stride: int, reach: int) -> bool:
    """Whether as much padding behind as before makes no more windows, so that none reads where the two differ."""

    def windows(side: int, before: int, after: int) -> int:
        return (side + before + after - reach) // stride

    ends = zip(sides, given[:2], given[2:], strict=True)
    return all(windows(side, before, after) == windows(side, before, before) for side, before, after in ends)


def _same_padding(sides: Shape, stride: int, reach: int, *, upper: bool) -> list[int]:
    """The padding that leaves a map of the sides over the stride, rounded up."""
    before, after = [], []
    for side in sides:
        total = max(0, (-(-side // stride) - 1) * stride + reach - side)
        small_half, large_half = total // 2, total - total // 2
        before.append(small_half if upper else large_half)
        after.append(large_half if upper else small_half)
    return before + after


def _bias(call: OperatorCall, place: int, out: int) -> dict[str, FileConstant]:
    """The bias as the one constant that there is, if there is one; one that structure makes zero is none."""
    if not call.has(place):
        return {}
    bias = call.constant(place)
    if bias.zero:
        return {}
    return {"bias": bias if bias.dims == (out,) else _check_vector(bias, (out,))}


def _check_vector(constant: FileConstant, shape: Shape) -> FileConstant:
    """One number for each channel of activations of this shape; raises `UnexplainedOperator` for other constants."""
    size, behind = shape[0], len(shape) - 1
    dims = (1,) * (len(shape) + 1 - len(constant.dims)) + constant.dims
    if dims != (1, size, *[1] * behind):
        raise UnexplainedOperator(
            f"'{shorten(constant.names[0])}' is {list(constant.dims)}, not one number for each of {size} channels"
        )
    return derived_constant(constant, (size,), lambda: constant.array().reshape(size))


_BLUR = np.outer([0.25, 0.5, 0.25], [0.25, 0.5, 0.25])


def _blur(call: OperatorCall, term: PaddedMap, weight: FileConstant) -> Signal:
    channels = term.inner.shape[0]
    plain = call.attribute("group") == channels and weight.dims == (channels, 1, 3, 3) and not call.has(2)
    if not plain or uniform_padding(term) != 1 or pads(call, term.shape[1:], 3, 1) or dilations(call) != [1, 1]:
        raise UnexplainedOperator("a convolution of a mirrored border that is no 3x3 blur")
    if not np.allclose(numbers(weight).astype(np.float64), _BLUR, rtol=0, atol=1e-6):
        raise UnexplainedOperator(
            "a depthwise convolution of a mirrored border whose numbers are not those of a binomial blur"
        )
    stride = square_setting("strides", call.attribute("strides", [1, 1]))
    check_limits({"stride": stride}, 1)
    return call.add_node(BlurPool(stride), call.walk.value(term.inner))


def _channel_conv(call: OperatorCall, weight: FileConstant) -> Signal:
    """A convolution along the channels of a map of one pixel, which is read as one row."""
    signal, kernel = call.signal(), weight.dims[2]
    plain = call.attribute("group") == 1 and not call.has(2) and weight.dims[:2] == (1, 1) and kernel % 2
    around = call.attribute("pads", [0, 0])
    still = call.attribute("strides", [1]) == [1] and call.attribute("dilations", [1]) == [1]
    rows = len(signal.term.shape) == 3 and signal.dims == (1, signal.term.shape[0])
    if not (plain and still and rows and list(around) == [kernel // 2] * 2 and call.attribute("auto_pad") == b"NOTSET"):
        raise UnexplainedOperator("a 1-d convolution that is not along the channels of a map of one pixel")
    made = call.add_node(ChannelConv(kernel), call.walk.value(signal.term), weight=weight)
    return call.make_signal(made.term, signal.dims)


def gemm(call: OperatorCall) -> Signal:
    """Gemm: a linear layer."""
    weight = call.constant(1)
    if call.attribute("transA") or len(weight.dims) != 2:
        raise UnexplainedOperator("a matrix product whose first operand is turned")
    weight = _scale_constant(weight, call.attribute("alpha"))
    weight = weight if call.attribute("transB") else _transpose_weight(weight)
    bias = _bias(call, 2, weight.dims[0])
    if bias:
        bias = {"bias": _scale_constant(bias["bias"], call.attribute("beta"))}
    return call.add_node(Linear(weight.dims[0], bool(bias)), call.value(), weight=weight, **bias)


def matmul(call: OperatorCall) -> Signal:
    """MatMul with a constant: a linear layer, whose bias may come with an Add behind it."""
    weight = call.constant(1)
    if len(weight.dims) != 2:
        raise UnexplainedOperator("a product of more than matrices")
    return call.defer_node(Linear(weight.dims[1], bias=False), call.term(), weight=_transpose_weight(weight))


def _transpose_weight(weight: FileConstant) -> FileConstant:
    return derived_constant(weight, weight.dims[::-1], lambda: weight.array().T)


def _scale_constant(constant: FileConstant, factor: float) -> FileConstant:
    if factor == 1.0:
        return constant
    return derived_constant(constant, constant.dims, lambda: constant.array().astype(np.float32) * np.float32(factor))


def batch_norm(call: OperatorCall) -> Signal:
    """BatchNormalization with running statistics, or the scale and shift behind a group's normalization."""
    if call.attribute("training_mode") or len(call.node.output) > 1:
        raise UnexplainedOperator("batch normalization in training, with statistics of the batch itself")
    eps = shorten_number(call.attribute("epsilon"))
    weight, bias, mean, variance = (call.constant(place) for place in (1, 2, 3, 4))
    term = call.term()
    if isinstance(term, NormalizedGroups) and eps == 0.0 and _all_equal(mean, 0.0) and _all_equal(variance, 1.0):
        return _group_norm(call, term, weight, bias)
    if not 0 <= eps < 1:
        raise UnexplainedOperator(f"no norm adds {eps} to the variance")
    return call.add_node(
        BatchNorm(eps), call.walk.value(term), weight=weight, bias=bias, running_mean=mean, running_var=variance
    )


def _all_equal(constant: FileConstant, value: float) -> bool:
    return bool((numbers(constant).astype(np.float64) == value).all())


def instance_norm(call: OperatorCall) -> Signal:
    """InstanceNormalization: of groups of channels that a Reshape put side by side, or of each channel."""
    eps, signal = shorten_number(call.attribute("epsilon")), call.signal()
    weight, bias = call.constant(1), call.constant(2)
    if len(signal.dims) == 3 and signal.dims == signal.term.shape:
        op = GroupNorm(signal.dims[0], eps)
        return call.add_node(op, call.walk.value(signal.term), weight=weight, bias=bias)
    groups = signal.dims[0]
    if len(signal.dims) != 2 or len(signal.term.shape) != 3 or signal.term.shape[0] % groups:
        raise UnexplainedOperator("an instance normalization of what are no groups of channels")
    if weight.dims != (groups,) or not (_all_equal(weight, 1.0) and _all_equal(bias, 0.0)):
        raise UnexplainedOperator("an instance normalization with a scale or a shift of each group")
    return call.make_signal(NormalizedGroups(signal.term.shape, call.index, signal.term, groups, eps), signal.dims)


def group_norm(call: OperatorCall) -> Signal:
    """GroupNormalization with a scale and a shift of each channel."""
    term = call.term()
    normal = NormalizedGroups(
        term.shape, call.index, term, call.attribute("num_groups"), shorten_number(call.attribute("epsilon"))
    )
    check_limits({"groups": normal.groups}, 1)
    return _group_norm(call, normal, call.constant(1), call.constant(2))


def _group_norm(call: OperatorCall, normal: NormalizedGroups, weight: FileConstant, bias: FileConstant) -> Signal:
    op = GroupNorm(normal.groups, normal.eps)
    return call.add_node(op, call.walk.value(normal.inner), weight=weight, bias=bias)


def scale_normal(call: OperatorCall, normal: NormalizedGroups, factor: FileConstant) -> Signal:
    """A factor for each channel behind a group's normalization."""
    weight = _check_vector(factor, normal.shape)
    if normal.weight is not None:
        raise UnexplainedOperator("two factors behind a normalization")
    return call.make_signal(NormalizedGroups(normal.shape, call.index, normal.inner, normal.groups, normal.eps, weight))


def shift_normal(call: OperatorCall, normal: NormalizedGroups, shift: FileConstant) -> Signal:
    """A shift of each channel behind a group's normalization and its factor: a group norm."""
    if normal.weight is None:
        raise UnexplainedOperator("a normalization with a shift and no factor")
    return _group_norm(call, normal, normal.weight, _check_vector(shift, normal.shape))


def add_bias(call: OperatorCall, signal: Signal, bias: FileConstant) -> Signal | None:
    """The sum of a matrix product and a constant: a linear layer with a bias; None where it is another."""
    term = signal.term
    if not (isinstance(term, PendingNode) and isinstance(term.op, Linear) and not term.op.bias):
        return None
    constants = {**term.constants, "bias": _check_vector(bias, term.shape)}
    return call.defer_node(Linear(term.op.out, bias=True), *term.inputs, **constants)
