"""What a file makes of constants and shapes alone without computing: other dimensions, parts, lists for a Reshape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from resnet_gen.onnx.reading.constants import FileConstant, derived_constant, known_constant
from resnet_gen.onnx.reading.operator_call import OperatorCall, integers, number
from resnet_gen.onnx.reading.rounding_error import Numbers
from resnet_gen.onnx.reading.signals import QuantizedSignal, ShapeSizes, Signal, StackedMaps, UnexplainedOperator, Wire
from resnet_gen.ops import Shape

SMALL = 4096
"""Numbers that are computed at once: dimensions and their like."""
_NEAR = 1 << 30
"""Up to where runtimes count without rounding."""


def shape(call: OperatorCall) -> Wire:
    """Shape: that of an activation begins with the batch."""
    wire = call.wire(0)
    if isinstance(wire, ShapeSizes):
        raise UnexplainedOperator("the shape of a shape")
    dims: tuple[int | None, ...] = wire.dims
    if isinstance(wire, (Signal, StackedMaps, QuantizedSignal)):
        dims = (call.walk.batch, *dims)
    start, end = call.attribute("start", 0), call.attribute("end", len(dims))
    return make_sizes(dims[slice(start, end)])


def make_sizes(values: Sequence[int | None], dtype: Any = np.int64, *, scalar: bool = False) -> Wire:
    """Integers as a constant, or as sizes where one is the batch's."""
    if any(n is None for n in values):
        return ShapeSizes(tuple(values), scalar)
    return known_constant(np.asarray(values[0] if scalar else values, dtype))


def _check_list(wire: Wire) -> np.dtype[Any]:
    """The type of a list of integers; raises `UnexplainedOperator` for what is no list."""
    if isinstance(wire, FileConstant) and len(wire.dims) == 1:
        return wire.dtype
    if isinstance(wire, ShapeSizes) and not wire.scalar:
        return np.dtype(np.int64)
    raise UnexplainedOperator("what is no list of integers")


def _dims(call: OperatorCall) -> Shape:
    """The dimensions of the sizes or the constant that a node reads first."""
    wire = call.wire(0)
    return (len(wire.values),) * (not wire.scalar) if isinstance(wire, ShapeSizes) else call.constant(0).dims


def deduce_dims(dims: Sequence[int], size: int, what: str) -> list[int]:
    """Dimensions of `what`, which has so many elements, with the one that is -1 worked out."""
    known = math.prod(n for n in dims if n != -1)
    if dims.count(-1) > 1 or (-1 in dims and (known < 1 or size % known)):
        raise UnexplainedOperator(f"{what} cannot be read as {list(dims)}")
    return [size // known if n == -1 else n for n in dims]


def resolve_axes(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """Axes counted from the front; raises `UnexplainedOperator` for one that is not there, or there twice."""
    found = tuple(axis % max(rank, 1) for axis in axes)
    beyond = next((axis for axis in axes if not -rank <= axis < rank), None)
    if beyond is not None:
        raise UnexplainedOperator(f"axis {beyond} of {rank}")
    if len(set(found)) != len(found):
        raise UnexplainedOperator(f"axes {list(axes)} twice")
    return found


def constant(call: OperatorCall) -> Wire:
    """Constant of an attribute that is numbers."""
    if len(call.node.attribute) != 1:
        raise UnexplainedOperator("a constant of more than one attribute, or of none")
    for name in ("value_int", "value_ints", "value_float", "value_floats"):
        found = call.attribute(name)
        if found is not None:
            return known_constant(np.asarray(found, np.int64 if "int" in name else np.float32), call.node.output[0])
    tensor = call.attribute("value")
    if tensor is None:
        raise UnexplainedOperator("a constant that is no array of numbers")
    return call.tensor(tensor).with_name(call.node.output[0])


def gather(call: OperatorCall) -> Wire:
    """Gather of integers."""
    values, index, dtype = call.sizes(0), integers(call.constant(1)), _check_list(call.wire(0))
    if call.attribute("axis") not in (0, -1) or not all(-len(values) <= i < len(values) for i in index):
        raise UnexplainedOperator("integers that are not there")
    return make_sizes([values[i] for i in index], dtype, scalar=not call.constant(1).dims)


def concat(call: OperatorCall) -> Wire:
    """Concat of integers."""
    dtypes = {_check_list(wire) for wire in map(call.wire, range(len(call.wires)))}
    if call.attribute("axis") not in (0, -1) or len(dtypes) != 1:
        raise UnexplainedOperator("lists of several types, or joined along another axis than theirs")
    return make_sizes([n for place in range(len(call.wires)) for n in call.sizes(place)], dtypes.pop())


def slices(call: OperatorCall) -> Wire:
    """Slice along any axes."""
    start, end = call.integers(1), call.integers(2)
    axes = call.integers(3) if call.has(3) else tuple(range(len(start)))
    step = call.integers(4) if call.has(4) else (1,) * len(start)
    if not len(start) == len(end) == len(axes) == len(step):
        raise UnexplainedOperator("starts, ends, axes and steps of unequal number")
    if 0 in step:
        raise UnexplainedOperator("a step of 0")
    wire = call.wire(0)
    dims = _dims(call)
    taken = [range(n) for n in dims]
    for axis, *cut in zip(resolve_axes(axes, len(dims)), start, end, step, strict=True):
        taken[axis] = _slice_range(dims[axis], *cut)
    if isinstance(wire, ShapeSizes):
        return make_sizes([wire.values[i] for i in taken[0]])
    return _take_part(call.constant(0), taken)


def _slice_range(side: int, start: int, end: int, step: int) -> range:
    """The places that Slice takes along a side; its ends are those of ONNX, which are not Python's."""
    start, end = (n + side if n < 0 else n for n in (start, end))
    if step > 0:
        return range(min(max(start, 0), side), min(max(end, 0), side), step)
    return range(min(max(start, 0), side - 1), min(max(end, -1), side - 1), step)


def _take_part(found: FileConstant, taken: Sequence[range]) -> FileConstant:
    cut = tuple(slice(r.start, r.stop if r.stop >= 0 else None, r.step) if len(r) else slice(0) for r in taken)
    return derived_constant(found, tuple(map(len, taken)), lambda: np.asarray(found.array()[cut]))


def ranges(call: OperatorCall) -> Wire:
    """Range of integers."""
    start, end, step = (_integer(call, place) for place in (0, 1, 2))
    dtypes = {call.constant(place).dtype for place in (0, 1, 2)}
    near = all(abs(n) < _NEAR for n in (start, end, step))
    if not step or not near or len(range(start, end, step)) > SMALL or len(dtypes) != 1:
        raise UnexplainedOperator(f"a range from {start} to {end} at steps of {step}")
    return known_constant(np.asarray(range(start, end, step), dtypes.pop()))


def _integer(call: OperatorCall, place: int) -> int:
    found = call.integers(place)
    if len(found) != 1:
        raise UnexplainedOperator(f"{len(found)} numbers, where one goes")
    return found[0]


def change_dims(call: OperatorCall) -> Wire:
    """Squeeze and Unsqueeze."""
    wire, axes = call.wire(0), call.axes()
    dims = (_squeeze_dims if call.node.op_type == "Squeeze" else _unsqueeze_dims)(_dims(call), axes)
    return _reshape_sizes(wire, dims) if isinstance(wire, ShapeSizes) else _reshape_constant(call.constant(0), dims)


def _squeeze_dims(dims: Sequence[int], axes: Sequence[int] | None) -> list[int]:
    if axes is not None and not len(axes):
        raise UnexplainedOperator("no axes, which may be all or none")
    gone = resolve_axes(axes, len(dims)) if axes is not None else [i for i, n in enumerate(dims) if n == 1]
    if any(dims[axis] != 1 for axis in gone):
        raise UnexplainedOperator(f"axes {list(gone)} of {list(dims)} are not all of size 1")
    return [n for place, n in enumerate(dims) if place not in gone]


def _unsqueeze_dims(dims: Sequence[int], axes: Sequence[int] | None) -> list[int]:
    made = list(dims)
    for axis in sorted(resolve_axes(axes or (), len(dims) + len(axes or ()))):
        made.insert(axis, 1)
    return made


def _reshape_sizes(wire: ShapeSizes, dims: Sequence[int]) -> ShapeSizes:
    """Sizes in other dimensions, of which they have one or none."""
    if len(dims) > 1 or math.prod(dims) != len(wire.values):
        raise UnexplainedOperator(f"{len(wire.values)} sizes as {list(dims)}")
    return ShapeSizes(wire.values, scalar=not dims)


def reshape(call: OperatorCall) -> Wire:
    """Reshape of a constant."""
    wire = call.wire(0)
    dims = _dims(call)
    wanted = call.integers(1)
    if not call.attribute("allowzero", 0):
        wanted = tuple(dims[i] if n == 0 and i < len(dims) else n for i, n in enumerate(wanted))
    made = deduce_dims(wanted, math.prod(dims), str(list(dims)))
    return _reshape_sizes(wire, made) if isinstance(wire, ShapeSizes) else _reshape_constant(call.constant(0), made)


def _reshape_constant(found: FileConstant, dims: Sequence[int]) -> FileConstant:
    if math.prod(dims) != found.size or any(n < 0 for n in dims):
        raise UnexplainedOperator(f"{list(found.dims)} cannot be read as {list(dims)}")
    return derived_constant(found, tuple(dims), lambda: found.array().reshape(tuple(dims)))


def transpose(call: OperatorCall) -> Wire:
    """Transpose of a constant."""
    found = call.constant(0)
    order = call.attribute("perm", list(range(len(found.dims)))[::-1])
    if sorted(order) != list(range(len(found.dims))):
        raise UnexplainedOperator(f"perm {list(order)} of {len(found.dims)} dimensions")
    return derived_constant(found, tuple(found.dims[i] for i in order), lambda: found.array().transpose(order))


def expand(call: OperatorCall) -> Wire:
    """Expand and ConstantOfShape: an array of one number stays that, known to be zero or not."""
    if call.node.op_type == "Expand":
        filled = call.constant(0)
        dims = broadcast(filled.dims, call.integers(1))
    else:
        filled, dims = _fill_value(call), call.integers(0)
        _check_list(call.wire(0))
    zero = filled.zero or (filled.size == 1 and filled.dtype.kind == "f" and number(filled) == 0.0)
    if math.prod(dims) > 1 << 30 or any(n < 0 for n in dims):
        raise UnexplainedOperator(f"an array of {list(dims)}")
    if filled.dims == dims:
        return filled

    def load() -> Numbers:
        return np.broadcast_to(filled.array(), dims)

    return FileConstant((call.node.output[0],), dims, filled.dtype, load, zero=zero, rounded=filled.rounded)


def _fill_value(call: OperatorCall) -> FileConstant:
    """The number that ConstantOfShape repeats."""
    value = call.attribute("value")
    found = call.tensor(value) if value is not None else known_constant(np.zeros(1, np.float32))
    if found.size != 1:
        raise UnexplainedOperator(f"an array filled with {found.size} numbers")
    return _reshape_constant(found, ())


def broadcast(first: Shape, second: Shape) -> Shape:
    """The shape that two have together; raises `UnexplainedOperator` where they have none."""
    try:
        return np.broadcast_shapes(first, second)
    except ValueError:
        raise UnexplainedOperator(f"{list(first)} and {list(second)} do not go together") from None
