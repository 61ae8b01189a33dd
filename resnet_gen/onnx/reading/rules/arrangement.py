"""Changes of dimensions, and channels and positions taken, joined and padded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from resnet_gen.onnx.reading.operator_call import OperatorCall, number
from resnet_gen.onnx.reading.rules.constants import deduce_dims
from resnet_gen.onnx.reading.signals import (
    BroadcastGate,
    PaddedMap,
    PendingNode,
    PermutedMap,
    Signal,
    StackedMaps,
    StridedMap,
    Transposed,
    UnexplainedOperator,
    Wire,
)
from resnet_gen.ops import Concat, Shape, Softmax, SplitSoftmax, TakeChannels


def identity(call: OperatorCall) -> Wire:
    """Identity, and whatever changes no number that we keep."""
    return call.wire(0)


def dropout(call: OperatorCall) -> Wire:
    """Dropout outside training."""
    if call.has(2) and number(call.constant(2)):
        raise UnexplainedOperator("dropout in training")
    return call.wire(0)


def _view_as(call: OperatorCall, dims: Sequence[int]) -> Signal:
    signal = call.signal()
    if math.prod(dims) != math.prod(signal.dims) or any(n < 1 for n in dims):
        raise UnexplainedOperator(f"{list(signal.dims)} cannot be read as {list(dims)}")
    term = signal.term
    if isinstance(term, PendingNode) and isinstance(term.op, SplitSoftmax) and tuple(dims) == term.shape:
        term = replace(term, origin=call.index)  # emitted with this at its end, whose name is the whole's
    return Signal(term, tuple(dims), call.index)


def reshape(call: OperatorCall) -> Signal:
    """Reshape that keeps the batch where it is."""
    wire = call.wire(0)
    if isinstance(wire, StackedMaps):
        raise UnexplainedOperator("activations side by side in other dimensions")
    signal = call.signal()
    wanted = list(call.sizes(1))
    zeros = not call.attribute("allowzero", 0)
    each = math.prod(signal.dims)
    if not wanted:
        raise UnexplainedOperator("the batch does not stay the first dimension")
    first, rest = wanted[0], _copy_dims(wanted[1:], signal.dims, zeros=zeros)
    stays = first in (None, call.walk.batch) or (first == 0 and zeros)
    if first == -1 and -1 not in rest:
        stays = math.prod(rest) == each
    if not stays:
        raise UnexplainedOperator("the batch does not stay the first dimension")
    return _view_as(call, deduce_dims(rest, each, f"{each} elements"))


def _copy_dims(wanted: Sequence[int | None], dims: Shape, *, zeros: bool) -> list[int]:
    found = []
    for place, n in enumerate(wanted):
        if n is None or (n == 0 and zeros and place >= len(dims)):
            raise UnexplainedOperator("the batch does not stay the first dimension")
        found.append(dims[place] if n == 0 and zeros else n)
    return found


def flatten(call: OperatorCall) -> Signal:
    """Flatten behind the batch."""
    rank = len(call.signal().dims) + 1
    if call.attribute("axis") % rank != 1:
        raise UnexplainedOperator(f"axis {call.attribute('axis')}: the batch does not stay the first dimension")
    return _view_as(call, [math.prod(call.signal().dims)])


def squeeze(call: OperatorCall) -> Signal:
    """Squeeze of dimensions of 1, never of the batch."""
    signal, axes = call.signal(), call.axes()
    rank = len(signal.dims) + 1
    if axes is None:
        raise UnexplainedOperator("it may take the batch away")
    gone = {_axis(axis, rank) for axis in axes}
    if any(signal.dims[axis - 1] != 1 for axis in gone):
        raise UnexplainedOperator(
            f"axes {list(axes)} are not all of size 1: behind the batch stand {list(signal.dims)}"
        )
    return _view_as(call, [n for place, n in enumerate(signal.dims, 1) if place not in gone])


def unsqueeze(call: OperatorCall) -> Signal:
    """Unsqueeze behind the batch."""
    signal, axes = call.signal(), call.axes() or ()
    rank = len(signal.dims) + 1 + len(axes)
    new, old = {_axis(axis, rank) for axis in axes}, iter(signal.dims)
    if len(new) != len(axes):
        raise UnexplainedOperator(f"axes {list(axes)} twice")
    return _view_as(call, [1 if place in new else next(old) for place in range(1, rank)])


def _axis(axis: int, rank: int) -> int:
    """An axis of what has this rank, counted from the front; never that of the batch."""
    if not -rank <= axis < rank or axis % rank == 0:
        raise UnexplainedOperator(f"axis {axis} of {rank}, of which the first is the batch's")
    return axis % rank


def transpose(call: OperatorCall) -> Signal:
    """Transpose that moves only dimensions of 1, or turns groups and splits; or one that the next takes back."""
    signal = call.signal()
    rank = len(signal.dims) + 1
    order = call.attribute("perm", list(range(rank))[::-1])
    if sorted(order) != list(range(rank)) or order[0] != 0:
        raise UnexplainedOperator(f"perm {list(order)}: the batch does not stay the first dimension")
    dims = [signal.dims[place - 1] for place in order[1:]]
    before = signal.term
    if isinstance(before, Transposed) and signal.dims == before.shape:
        both = [before.order[place] for place in order]
        if both == sorted(both):
            return before.inner
        signal, order = before.inner, both
    moved = [place for place in order[1:] if signal.dims[place - 1] > 1]
    if moved == sorted(moved):
        return _view_as(call, dims)
    if list(order) == [0, 2, 1, 3] and signal.term.shape == (math.prod(dims), 1, 1):
        return call.make_signal(
            PermutedMap(signal.term.shape, call.index, signal.term, signal.dims[0], signal.dims[1]), tuple(dims)
        )
    return call.make_signal(Transposed(tuple(dims), call.index, signal, tuple(order)))


def softmax(call: OperatorCall) -> Signal:
    """Softmax of a vector, or over splits that compete for each channel."""
    signal = call.signal()
    rank = len(signal.dims) + 1
    axis = _axis(call.attribute("axis"), rank)
    if len(signal.dims) == 1:
        return call.add_node(Softmax(), call.value())
    if axis != 1 or call.opset < 13:
        raise UnexplainedOperator(f"a softmax along axis {axis} of {rank}")
    term = signal.term
    if isinstance(term, PermutedMap):
        op = SplitSoftmax(term.splits, term.groups)
        if signal.dims[0] != term.splits:
            raise UnexplainedOperator(f"a softmax over {signal.dims[0]} of {term.splits} splits")
        term = term.inner
    elif len(term.shape) == 3 and term.shape[1:] == (1, 1) and signal.dims != term.shape:
        op = SplitSoftmax(signal.dims[0])
    else:
        raise UnexplainedOperator(f"a softmax along axis {axis} of {rank}")
    return call.make_signal(call.defer_node(op, term).term, signal.dims)


def expand(call: OperatorCall) -> Signal:
    """Expand of a gate to what it is for."""
    signal, (first, *rest) = call.signal(), call.sizes(1)
    if first not in (None, 1, call.walk.batch) or len(rest) != len(signal.dims):
        raise UnexplainedOperator("the batch does not stay the first dimension")
    if any(n not in (1, old) and old != 1 for n, old in zip(rest, signal.dims, strict=True)):
        raise UnexplainedOperator(f"{list(signal.dims)} cannot be repeated to {rest}")
    dims = tuple(max(n or 0, old) for n, old in zip(rest, signal.dims, strict=True))
    if dims == signal.dims:
        return signal
    term = call.term()
    return call.make_signal(BroadcastGate(dims, call.index, term))


def pad(call: OperatorCall) -> Signal:
    """Pad with zeros or a mirrored border."""
    term, mode = call.term(), call.attribute("mode").decode("utf-8", "replace")
    if mode not in ("constant", "reflect") or (call.has(2) and number(call.constant(2))):
        raise UnexplainedOperator(f"a padding of mode '{mode}' or with other numbers than zero")
    counts = call.integers(1)
    rank = len(term.shape) + 1
    axes = list(call.integers(3)) if call.has(3) else list(range(rank))
    if len(counts) != 2 * len(axes) or len(term.shape) != 3 or not all(0 <= n < 1 << 24 for n in counts):
        raise UnexplainedOperator(f"pads {list(counts)}: no padding of a map")
    before, after = [0] * rank, [0] * rank
    for axis, first, last in zip(axes, counts, counts[len(axes) :], strict=False):
        before[axis % rank], after[axis % rank] = first, last
    if before[0] or after[0]:
        raise UnexplainedOperator(f"pads {list(counts)}: more images")
    if not any(counts):
        return call.signal()
    shape = tuple(b + n + a for b, n, a in zip(before[1:], term.shape, after[1:], strict=True))
    return call.make_signal(PaddedMap(shape, call.index, term, tuple(before[1:]), tuple(after[1:]), mode))


def slices(call: OperatorCall) -> Signal:
    """Slice: channels from one to another, or every n-th row and column."""
    signal, starts, ends = call.signal(), call.integers(1), call.integers(2)
    rank = len(signal.dims) + 1
    axes = call.integers(3) if call.has(3) else tuple(range(len(starts)))
    steps = call.integers(4) if call.has(4) else (1,) * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise UnexplainedOperator("starts, ends, axes and steps of unequal number")
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        place = _axis(axis, rank) - 1
        first, last, _ = slice(start, end, step).indices(signal.dims[place]) if step > 0 else (-1, -1, 0)
        signal = _slice_axis(call, signal, place, first, last, step)
    return signal


def _slice_axis(call: OperatorCall, signal: Signal, place: int, first: int, last: int, step: int) -> Signal:
    side = signal.dims[place]
    if (first, last, step) == (0, side, 1):
        return signal
    term = call.walk.resolve_dims(signal)
    if place == 0 and step == 1 and len(term.shape) == 3:
        return call.defer_node(TakeChannels(first, last), term)
    if place == 0 or first or last != side or step < 2:
        raise UnexplainedOperator(f"{first} to {last} at steps of {step} along axis {place + 1}")
    steps, inner = ((step, 1) if place == 1 else (1, step)), term
    if isinstance(term, StridedMap):
        inner, steps = term.inner, (term.steps[0] * steps[0], term.steps[1] * steps[1])
    shape = tuple(-(-n // s) for n, s in zip(inner.shape, (1, *steps), strict=True))
    return call.make_signal(StridedMap(shape, call.index, inner, steps))


def split(call: OperatorCall) -> list[Wire]:
    """Split of channels."""
    signal = call.signal()
    if _axis(call.attribute("axis"), len(signal.dims) + 1) != 1 or len(signal.dims) != 3:
        raise UnexplainedOperator(f"a split along axis {call.attribute('axis')} of {len(signal.dims) + 1}")
    parts = len(call.node.output)
    sizes = call.axes("split", 1)
    if sizes is None:
        each = -(-signal.dims[0] // parts)
        sizes = tuple(min(each, signal.dims[0] - i * each) for i in range(parts))
    if len(sizes) != parts or sum(sizes) != signal.dims[0] or min(sizes) < 1:
        raise UnexplainedOperator(f"{signal.dims[0]} channels in parts of {list(sizes)}")
    term = call.term()
    starts = [sum(sizes[:i]) for i in range(parts)]
    return [call.defer_node(TakeChannels(start, start + n), term) for start, n in zip(starts, sizes, strict=True)]


def concat(call: OperatorCall) -> Wire:
    """Concat of channels or columns, or of activations that stand side by side."""
    signals = [call.signal(place) for place in range(len(call.wires))]
    rank = len(signals[0].dims) + 1
    axis = _axis(call.attribute("axis"), rank)
    if rank == 5 and axis == 1 and all(s.dims == (1, *s.term.shape) == signals[0].dims for s in signals):
        return StackedMaps(tuple(Signal(s.term, s.term.shape, s.origin) for s in signals), call.index)
    if rank != 4 or axis not in (1, 3):
        raise UnexplainedOperator(f"a concatenation along axis {axis} of {rank}")
    if len(signals) == 1:
        return signals[0]
    return call.add_node(Concat(axis - 1), *(call.value(place) for place in range(len(signals))))


def gather(call: OperatorCall) -> Signal:
    """Gather of one activation out of a stack."""
    wire = call.wire(0)
    if not isinstance(wire, (Signal, StackedMaps)) or len(wire.dims) != 4 or call.attribute("axis") % 5 != 1:
        raise UnexplainedOperator("single channels or positions")
    parts, index = stack_maps(call, wire).parts, int(number(call.constant(1)))
    if not -len(parts) <= index < len(parts):
        raise UnexplainedOperator(f"part {index} of {len(parts)}")
    part = parts[index]
    return part if not call.constant(1).dims else Signal(part.term, (1, *part.dims), call.index)


def stack_maps(call: OperatorCall, wire: Signal | StackedMaps) -> StackedMaps:
    """Activations side by side, or the channels of one in as many parts as its first dimension says."""
    if isinstance(wire, StackedMaps):
        return wire
    count, channels, *_ = wire.dims
    if len(wire.dims) != 4 or wire.term.shape != (count * channels, *wire.dims[2:]) or count > 1024:
        raise UnexplainedOperator(f"{list(wire.dims)} are no activations side by side")
    key = id(wire.term), wire.dims
    if key not in call.walk.stacks:  # whoever reads it, its channels are taken once
        parts = [call.defer_node(TakeChannels(i * channels, (i + 1) * channels), wire.term) for i in range(count)]
        call.walk.stacks[key] = StackedMaps(tuple(parts), call.index)
    return call.walk.stacks[key]
