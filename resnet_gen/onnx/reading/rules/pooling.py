"""Pooling, means, sums and maxima."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from resnet_gen import ops
from resnet_gen.onnx.reading.constants import FileConstant
from resnet_gen.onnx.reading.operator_call import OperatorCall, check_limits, numbers
from resnet_gen.onnx.reading.rules.arrangement import stack_maps
from resnet_gen.onnx.reading.rules.layers import dilations, pads, square_setting, uniform_padding
from resnet_gen.onnx.reading.signals import (
    AxisMean,
    PaddedMap,
    PendingNode,
    Signal,
    StackedMaps,
    UnexplainedOperator,
    ValueSignal,
)
from resnet_gen.onnx.writing.rules import windows_inside


def _read_window(call: OperatorCall, shape: ops.Shape) -> tuple[int, int, int, bool]:
    """Kernel, stride, padding, and whether the last window may hang over the map's end."""
    if len(shape) != 3:
        raise UnexplainedOperator("pooling of what is no map")
    kernel = square_setting("kernel_shape", call.attribute("kernel_shape"))
    stride = square_setting("strides", call.attribute("strides", [1, 1]))
    if list(dilations(call)) != [1, 1]:
        raise UnexplainedOperator(f"dilations {list(dilations(call))}: pooling with gaps")
    ceil = bool(call.attribute("ceil_mode", 0))
    given = call.attribute("pads", [0])
    if not ceil and _hangs_over(call, given, shape[1:], kernel, stride):
        return kernel, stride, int(given[0]), True
    if ceil and len(set(given)) != 1:
        raise UnexplainedOperator(f"pads {list(given)}: not the same on every side")
    return kernel, stride, pads(call, shape[1:], kernel, stride), ceil


def _hangs_over(call: OperatorCall, given: Sequence[int], sides: ops.Shape, kernel: int, stride: int) -> bool:
    """Whether padding behind the map holds the ends of windows that begin within it, and no window of its own."""
    if len(given) != 4 or given[0] != given[1] or call.attribute("auto_pad") != b"NOTSET":
        return False
    check_limits({"stride": stride, "kernel": kernel}, 1)
    check_limits({"padding": given[0]})
    whole, hanging = (ops.MaxPool(kernel, stride, given[0], ceil) for ceil in (False, True))
    ends = zip(sides, given[2:], strict=True)
    taken = tuple((side + given[0] + behind - kernel) // stride + 1 for side, behind in ends)
    with suppress(ops.ShapeError):
        return whole.shape((1, *sides))[1:] != taken == hanging.shape((1, *sides))[1:]
    return False


def max_pool(call: OperatorCall) -> Signal:
    """MaxPool; zeros that a Pad puts around the map take part."""
    term = call.term()
    kernel, stride, padding, ceil = _read_window(call, term.shape)
    if len(call.node.output) > 1 and call.node.output[1]:
        raise UnexplainedOperator("max pooling whose positions are read")
    around = uniform_padding(term) if isinstance(term, PaddedMap) and term.mode == "constant" else None
    if isinstance(term, PaddedMap) and around and not padding:
        return call.defer_node(ops.MaxPool(kernel, stride, around, ceil, zeros=True), term.inner)
    return call.defer_node(ops.MaxPool(kernel, stride, padding, ceil), term)


def absorb_border(call: OperatorCall, signal: Signal, border: FileConstant) -> Signal:
    """The maximum of max pooling and a constant that is zero where windows reach over the border, else the least."""
    term = signal.term
    if not (isinstance(term, PendingNode) and isinstance(term.op, ops.MaxPool)) or border.dims[-2:] != term.shape[1:]:
        raise UnexplainedOperator("a maximum with a constant that is no border of zeros")
    op = term.op
    found = numbers(border).reshape(border.dims[-2:]).astype(np.float64)
    within = windows_inside(op, term.inputs[0].shape, term.shape)
    if border.size != within.size or (found[~within] != 0).any() or (found[within] > -1e4).any():
        raise UnexplainedOperator("a maximum with a constant that is no border of zeros")
    return call.defer_node(ops.MaxPool(op.kernel, op.stride, op.padding, op.ceil, zeros=True), *term.inputs)


def avg_pool(call: OperatorCall) -> Signal:
    """AveragePool, padding counted; of single pixels it is nothing, of a whole map the map's mean."""
    term = call.term()
    kernel, stride, padding, ceil = _read_window(call, term.shape)
    counted = bool(call.attribute("count_include_pad", 0))
    if isinstance(term, PaddedMap) and term.mode == "constant":
        around = uniform_padding(term)
        if around and not padding:
            term, padding, counted = term.inner, around, True
    if ceil and counted and any(call.attribute("pads", [0])):
        raise UnexplainedOperator("average pooling that counts padding behind the map alone")
    if padding and not counted:
        raise UnexplainedOperator("average pooling that leaves its padding out of the count")
    if (kernel, stride, padding) == (1, 1, 0):
        return call.make_signal(term)
    if not padding and term.shape[1:] == (kernel, kernel):
        return call.add_node(ops.GlobalAvgPool(), call.walk.value(term))
    return call.add_node(ops.AvgPool(kernel, stride, padding, ceil), call.walk.value(term))


def pool_whole_map(call: OperatorCall) -> Signal:
    """GlobalAveragePool and GlobalMaxPool."""
    return call.add_node(_OVER_MAP[call.node.op_type](), call.value())


_OVER_MAP: dict[str, type[ops.Op]] = {
    **dict.fromkeys(("GlobalAveragePool", "ReduceMean"), ops.GlobalAvgPool),
    **dict.fromkeys(("GlobalMaxPool", "ReduceMax"), ops.GlobalMaxPool),
    "ReduceSum": ops.SumPositions,
}
_OVER_CHANNELS: dict[str, type[ops.Op]] = {"ReduceMean": ops.ChannelMean, "ReduceMax": ops.ChannelMax}


def reduce(call: OperatorCall) -> Signal:
    """ReduceMean, ReduceMax and ReduceSum over positions, over channels, or over a stack."""
    kind, wire = call.node.op_type, call.wire(0)
    axes, keep = call.axes(), bool(call.attribute("keepdims"))
    if not isinstance(wire, (Signal, StackedMaps)) or axes is None:
        raise UnexplainedOperator("it reduces all axes, the batch among them")
    rank = len(wire.dims) + 1
    over = tuple(sorted(axis % rank for axis in axes if -rank <= axis < rank))
    if kind == "ReduceSum" and rank == 5 and over == (1,) and not keep:
        return _sum_stack(call, stack_maps(call, wire))
    if isinstance(wire, StackedMaps):
        raise UnexplainedOperator("activations side by side that are not summed")
    if kind == "ReduceMean" and isinstance(wire.term, AxisMean):
        return _mean_of_other_side(call, wire, wire.term, over, keep=keep)
    if rank == 3 and over == (2,) and len(wire.term.shape) == 3 and wire.dims[0] == wire.term.shape[0]:
        made = call.add_node(_choose_operation(_OVER_MAP, kind, over)(), call.walk.value(wire.term))
        return call.make_signal(made.term, (*wire.dims[:1], 1) if keep else wire.dims[:1])
    if rank != 4:
        raise UnexplainedOperator(f"it goes over axes {list(axes)}")
    if kind == "ReduceMean" and over in ((2,), (3,)) and wire.dims == wire.term.shape:
        return _mean_of_side(call, wire, over[0] - 1, keep=keep)
    op = _choose_operation(
        _OVER_MAP if over == (2, 3) else _OVER_CHANNELS if over == (1,) and keep else {}, kind, over
    )()
    made = call.add_node(op, call.value())
    return made if keep else call.make_signal(made.term, made.dims[:1])


def _mean_of_side(call: OperatorCall, wire: Signal, side: int, *, keep: bool) -> Signal:
    """The mean of a map over its rows or its columns."""
    shape = tuple(1 if place == side else n for place, n in enumerate(wire.dims))
    dims = shape if keep else tuple(n for place, n in enumerate(wire.dims) if place != side)
    return call.make_signal(AxisMean(shape, call.index, wire.term, side), dims)


def _mean_of_other_side(
    call: OperatorCall, wire: Signal, mean: AxisMean, over: tuple[int, ...], *, keep: bool
) -> Signal:
    """The mean of such means over the side that is left: that of the whole map."""
    left = (1 if mean.side == 2 else 2) if wire.dims == mean.shape else 1
    if over != (left + 1,) or math.prod(wire.dims[:left] + wire.dims[left + 1 :]) != mean.shape[0]:
        raise UnexplainedOperator(f"a mean over axes {list(over)} of means over one side")
    made = call.add_node(ops.GlobalAvgPool(), call.walk.value(mean.inner))
    return call.make_signal(made.term, (*wire.dims[:left], *((1,) if keep else ()), *wire.dims[left + 1 :]))


def _choose_operation(table: dict[str, type[ops.Op]], kind: str, axes: tuple[int, ...]) -> type[ops.Op]:
    if kind not in table:
        raise UnexplainedOperator(f"it goes over axes {list(axes)}")
    return table[kind]


def _sum_stack(call: OperatorCall, stack: StackedMaps) -> Signal:
    first, *others = (call.walk.value(call.walk.resolve_dims(part)) for part in stack.parts)
    total = call.make_signal(ValueSignal(first.shape, call.index, first))
    for value in others:
        total = call.add_node(ops.Add(), call.walk.value(total.term), value)
    return total
