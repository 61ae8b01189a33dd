"""What a file computes from constants and shapes alone: weights out of eight bits, dimensions for a Reshape."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from resnet_gen.ops import Shape
from resnet_gen.reading.call import Call, integers, number, numbers
from resnet_gen.reading.constants import DTYPES, Constant, Numbers, computed, known
from resnet_gen.reading.signals import Quantized, Signal, Sizes, Stack, Unexplained, Wire

_SMALL = 4096


def shape(call: Call) -> Wire:
    """Shape: that of an activation begins with the batch."""
    wire = call.wire(0)
    if isinstance(wire, Sizes):
        raise Unexplained("the shape of a shape")
    dims: tuple[int | None, ...] = wire.dims
    if isinstance(wire, (Signal, Stack, Quantized)):
        dims = (call.walk.batch, *dims)
    start, end = call.attribute("start", 0), call.attribute("end", len(dims))
    return sizes(dims[slice(start, end)])


def sizes(values: Sequence[int | None], *, scalar: bool = False) -> Wire:
    """Integers as a constant, or as sizes where one is the batch's."""
    if any(n is None for n in values):
        return Sizes(tuple(values), scalar)
    return known(np.asarray(values[0] if scalar else values, np.int64))


def constant(call: Call) -> Wire:
    """Constant of an attribute that is numbers."""
    for name in ("value_int", "value_ints", "value_float", "value_floats"):
        found = call.attribute(name)
        if found is not None:
            return known(np.asarray(found, np.int64 if "int" in name else np.float32), call.node.output[0])
    tensor = call.attribute("value")
    if tensor is None:
        raise Unexplained("a constant that is no array of numbers")
    return call.tensor(tensor).called(call.node.output[0])


def gather(call: Call) -> Wire:
    """Gather of integers."""
    values, index = call.sizes(0), integers(call.constant(1))
    if call.attribute("axis") not in (0, -1) or not all(-len(values) <= i < len(values) for i in index):
        raise Unexplained("integers that are not there")
    return sizes([values[i] for i in index], scalar=not call.constant(1).dims)


def concat(call: Call) -> Wire:
    """Concat of integers."""
    return sizes([n for place in range(len(call.wires)) for n in call.sizes(place)])


def slices(call: Call) -> Wire:
    """Slice of integers, along any axes."""
    wire, start, end = call.wire(0), call.integers(1), call.integers(2)
    axes = call.integers(3) if call.has(3) else tuple(range(len(start)))
    step = call.integers(4) if call.has(4) else (1,) * len(start)
    if not len(start) == len(end) == len(axes) == len(step) or 0 in step:
        raise Unexplained("starts, ends, axes and steps of unequal number")
    if isinstance(wire, Sizes):
        return sizes(wire.values[slice(start[0], end[0], step[0])])
    found = call.constant(0)
    places = [slice(None)] * len(found.dims)
    for axis, first, last, each in zip(axes, start, end, step, strict=True):
        if not -len(places) <= axis < len(places):
            raise Unexplained(f"axis {axis} of {len(places)}")
        places[axis] = slice(first, last, each)
    dims = tuple(len(range(n)[place]) for n, place in zip(found.dims, places, strict=True))
    return computed(found, dims, lambda: found.array()[tuple(places)])


def ranges(call: Call) -> Wire:
    """Range of integers."""
    (start,), (end,), (step,) = (call.integers(place) for place in (0, 1, 2))
    if not step or len(range(start, end, step)) > _SMALL:
        raise Unexplained(f"a range from {start} to {end} at steps of {step}")
    return known(np.asarray(range(start, end, step), np.int64))


def redimensioned(call: Call) -> Wire:
    """Squeeze and Unsqueeze."""
    wire = call.wire(0)
    if isinstance(wire, Sizes):
        return Sizes(wire.values, scalar=call.node.op_type == "Squeeze")
    found, axes = call.constant(0), call.axes()
    dims = list(found.dims)
    if call.node.op_type == "Squeeze":
        rank = len(dims)
        gone = {a % max(rank, 1) for a in axes} if axes is not None else {i for i, n in enumerate(dims) if n == 1}
        dims = [n for place, n in enumerate(dims) if place not in gone]
    else:
        for axis in sorted(a % (len(dims) + len(axes or ())) for a in axes or ()):
            dims.insert(axis, 1)
    return _reshaped(found, dims)


def reshape(call: Call) -> Wire:
    """Reshape and Flatten of a constant."""
    if isinstance(call.wire(0), Sizes):
        return call.wire(0)
    found = call.constant(0)
    wanted = [found.dims[i] if n == 0 and i < len(found.dims) else n for i, n in enumerate(call.integers(1))]
    left = math.prod(n for n in wanted if n != -1)
    if wanted.count(-1) > 1 or (-1 in wanted and (left < 1 or found.size % left)):
        raise Unexplained(f"{list(found.dims)} cannot be read as {wanted}")
    return _reshaped(found, [found.size // left if n == -1 else n for n in wanted])


def _reshaped(found: Constant, dims: Sequence[int]) -> Constant:
    if math.prod(dims) != found.size or any(n < 0 for n in dims):
        raise Unexplained(f"{list(found.dims)} cannot be read as {list(dims)}")
    return computed(found, tuple(dims), lambda: found.array().reshape(tuple(dims)))


def transpose(call: Call) -> Wire:
    """Transpose of a constant."""
    found = call.constant(0)
    order = call.attribute("perm", list(range(len(found.dims)))[::-1])
    if sorted(order) != list(range(len(found.dims))):
        raise Unexplained(f"perm {list(order)} of {len(found.dims)} dimensions")
    return computed(found, tuple(found.dims[i] for i in order), lambda: found.array().transpose(order))


def expand(call: Call) -> Wire:
    """Expand and ConstantOfShape: an array of one number stays that, known to be zero or not."""
    if call.node.op_type == "Expand":
        filled, dims = call.constant(0), call.integers(1)
        dims = _broadcast(filled.dims, dims)
    else:
        value, dims = call.attribute("value"), call.integers(0)
        filled = call.tensor(value) if value is not None else known(np.zeros(1, np.float32))
    zero = filled.zero or (filled.size == 1 and filled.dtype.kind == "f" and number(filled) == 0.0)
    if math.prod(dims) > 1 << 30 or any(n < 0 for n in dims):
        raise Unexplained(f"an array of {list(dims)}")
    if filled.dims == dims:
        return filled
    return Constant(
        (call.node.output[0],), dims, filled.dtype, lambda: np.broadcast_to(filled.array(), dims), zero=zero
    )


def cast(call: Call) -> Wire:
    """Cast of a constant; to what is told by a type or by another tensor."""
    found = call.wire(0)
    dtype = DTYPES.get(call.attribute("to", 1))
    if isinstance(found, Sizes) or call.node.op_type == "CastLike":
        return found
    if dtype is None:
        raise Unexplained(f"element type {call.attribute('to')} is not read")
    return _cast(call.constant(0), dtype)


def _cast(found: Constant, dtype: np.dtype[Any]) -> Constant:
    part = found.part
    rows = (lambda start, stop: part(start, stop).astype(dtype)) if part else None
    rounded = found.rounded or (found.dtype if found.dtype.itemsize < dtype.itemsize else None)
    return Constant(found.names, found.dims, dtype, lambda: found.array().astype(dtype), rows, found.zero, rounded)


def dequantize(call: Call) -> Wire:
    """DequantizeLinear of a constant, by rows."""
    found, scale = call.constant(0), call.constant(1)
    zero = call.constant(2) if call.has(2) else None
    around = _along(call, found, scale)
    if zero is not None and zero.dims != scale.dims and not zero.size == scale.size == 1:
        raise Unexplained("scales and zero points of unequal number")

    def rows(array: Numbers, start: int, stop: int) -> Numbers:
        values = array.astype(np.float32)
        if zero is not None:
            values = values - _steps(zero, around, start, stop)
        return np.asarray(values * _steps(scale, around, start, stop))

    def part(start: int, stop: int) -> Numbers:
        return rows(found.part(start, stop) if found.part else found.array()[start:stop], start, stop)

    size = found.dims[0] if found.dims else 0
    steps = partial(_steps, scale, around) if found.dtype.kind in "iu" else None
    return Constant(
        found.names, found.dims, scale.dtype, lambda: rows(found.array(), 0, size), part,
        rounded=found.dtype, steps=steps,
    )  # fmt: skip


def _along(call: Call, found: Constant, scale: Constant) -> Shape:
    """The shape in which scales go with an array; only one for all, or one a row."""
    if scale.size == 1:
        return ()
    if call.attribute("axis", 1) not in (0, -len(found.dims)) or scale.dims != found.dims[:1]:
        raise Unexplained("scales that are neither one for all nor one a row")
    return (-1, *[1] * (len(found.dims) - 1))


def _steps(constant: Constant, around: Shape, start: int, stop: int) -> Numbers:
    values = constant.array().astype(np.float32)
    return values.reshape(-1)[start:stop].reshape(around) if around else values.reshape(())


def quantize(call: Call) -> Wire:
    """QuantizeLinear of a constant, by rows."""
    found, scale = call.constant(0), call.constant(1)
    zero = call.constant(2) if call.has(2) else known(np.uint8(0))
    around = _along(call, found, scale)

    def load() -> Numbers:
        steps = found.array().astype(np.float32) / _steps(scale, around, 0, None)  # type: ignore[arg-type]
        if zero.dtype.kind not in "iu":
            return steps.astype(zero.dtype)
        limits = np.iinfo(zero.dtype)
        rounded = np.rint(steps) + _steps(zero, around if zero.size > 1 else (), 0, None)  # type: ignore[arg-type]
        return np.asarray(np.clip(rounded, limits.min, limits.max), zero.dtype)

    return Constant(found.names, found.dims, zero.dtype, load)


_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Sqrt": np.sqrt,
    "Neg": np.negative,
    "Reciprocal": np.reciprocal,
    "Pow": np.power,
    "Equal": np.equal,
    "Where": np.where,
}


def arithmetic(call: Call) -> Wire:
    """Arithmetic on constants."""
    operands = [call.constant(place) for place in range(len(call.wires))]
    kind = call.node.op_type
    dims: Shape = ()
    for operand in operands:
        dims = _broadcast(dims, operand.dims)
    whole = kind == "Div" and all(o.dtype.kind in "iu" for o in operands)
    function = np.floor_divide if whole else _ARITHMETIC[kind]
    dtype = np.dtype("?") if kind == "Equal" else operands[-1].dtype

    def load() -> Numbers:
        return np.asarray(function(*(o.array() for o in operands)), dtype)

    named = max(operands, key=lambda o: o.size)
    if math.prod(dims) <= _SMALL and all(o.dtype.kind in "iu?" for o in operands):
        [numbers(o) for o in operands]  # their absence is noticed here
        return known(load(), named.names[0])
    return computed(named, dims, load, dtype)


def _broadcast(first: Shape, second: Shape) -> Shape:
    try:
        return np.broadcast_shapes(first, second)
    except ValueError:
        raise Unexplained(f"{list(first)} and {list(second)} do not go together") from None


def mean(call: Call) -> Wire:
    """ReduceMean of a constant: part of a standardized weight."""
    found, axes, keep = call.constant(0), call.axes(), bool(call.attribute("keepdims"))
    over = tuple(a % max(1, len(found.dims)) for a in axes) if axes is not None else tuple(range(len(found.dims)))
    dims = [1 if i in over else n for i, n in enumerate(found.dims) if keep or i not in over]
    return computed(found, tuple(dims), lambda: _mean(found, over, keep=keep))


def _mean(found: Constant, axes: tuple[int, ...], *, keep: bool) -> Numbers:
    return np.asarray(found.array().mean(axis=axes, dtype=np.float64, keepdims=keep), np.float32)


def batch_norm(call: Call) -> Wire:
    """BatchNormalization of a constant: a standardized weight, whose filters are the channels."""
    found, eps = call.constant(0), call.attribute("epsilon")
    scale, shift, mean, variance = (call.constant(place) for place in (1, 2, 3, 4))
    if len(found.dims) < 2 or any(c.dims != (found.dims[1],) for c in (scale, shift)):
        raise Unexplained("a normalized constant without a scale and a shift for each filter")
    others = (0, *range(2, len(found.dims)))
    column = (-1, *[1] * (len(found.dims) - 2))

    def load() -> Numbers:
        values = found.array().astype(np.float64)
        own = bool(call.attribute("training_mode", 0))
        center = values.mean(axis=others) if own else mean.array().astype(np.float64)
        spread = values.var(axis=others) if own else variance.array().astype(np.float64)
        values = (values - center.reshape(column)) / np.sqrt(spread.reshape(column) + eps)
        return np.asarray(values * scale.array().reshape(column) + shift.array().reshape(column), np.float32)

    return computed(found, found.dims, load)
