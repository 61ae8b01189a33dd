"""Constants in other types: cast, and quantized and back."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from resnet_gen.onnx.reading.constants import CODES, DTYPES, FileConstant
from resnet_gen.onnx.reading.operator_call import OperatorCall
from resnet_gen.onnx.reading.rounding_error import MissingNumbersError, Numbers, largest_number
from resnet_gen.onnx.reading.signals import ShapeSizes, UnexplainedOperator, Wire
from resnet_gen.ops import Shape
from resnet_gen.problems import shorten

_OF_ANY_FLOAT = 19
"""The opset from which on scales may have any type of floating point."""
_FAR = 2.0**30
"""Steps up to which every runtime counts."""


def cast(call: OperatorCall) -> Wire:
    """Cast and CastLike of a constant."""
    found, dtype = call.wire(0), target_type(call)
    if isinstance(found, ShapeSizes):
        if dtype != np.int64:
            raise UnexplainedOperator(f"a shape of any batch as {dtype.name}")
        return found
    return _cast_constant(call.constant(0), dtype, saturate=bool(call.attribute("saturate", 1)))


def target_type(call: OperatorCall) -> np.dtype[Any]:
    """The type that Cast and CastLike are to."""
    if call.node.op_type == "CastLike":
        return _type_of(call)
    dtype = DTYPES.get(call.attribute("to"))
    if dtype is None:
        raise UnexplainedOperator(f"element type {call.attribute('to')} is not read")
    return dtype


def _type_of(call: OperatorCall) -> np.dtype[Any]:
    """The type of what CastLike is to be like: that of an activation is known where all have the same."""
    like = call.wire(1)
    if isinstance(like, FileConstant):
        return like.dtype
    if isinstance(like, ShapeSizes):
        return np.dtype(np.int64)
    only = call.walk.type_of(like)
    if only is None:
        raise UnexplainedOperator("the type of what it is to be like does not follow")
    return only


def _cast_constant(found: FileConstant, dtype: np.dtype[Any], *, saturate: bool) -> FileConstant:
    def as_type(array: Numbers) -> Numbers:
        return convert_numbers(array, dtype, found.names[0], saturate=saturate)

    part = found.part
    rows = (lambda start, stop: as_type(part(start, stop))) if part else None
    rounded = found.rounded or (found.dtype if found.dtype.itemsize < dtype.itemsize else None)
    return FileConstant(found.names, found.dims, dtype, lambda: as_type(found.array()), rows, found.zero, rounded)


def convert_numbers(array: Numbers, dtype: np.dtype[Any], name: str, *, saturate: bool = True) -> Numbers:
    """Numbers in another type, as ONNX has it; raises `MissingNumbersError` for what it leaves open."""
    if array.dtype == dtype:
        return array
    if dtype.kind in "iu" and array.dtype.kind not in "iub":
        whole, limits = np.trunc(array.astype(np.float64)), np.iinfo(dtype)
        if not ((whole >= limits.min) & (whole < float(limits.max) + 1)).all():
            raise _runtime_choice_error(name, dtype)
        return whole.astype(dtype)
    if dtype.kind == "b" and array.dtype.name in CODES and (np.signbit(array) & (array == 0)).any():
        raise _runtime_choice_error(name, dtype)  # some runtimes take the sign of zero for something
    if dtype.kind in "iub" or dtype.itemsize > 2:
        return array.astype(dtype)
    return _narrow_numbers(array, dtype, name, saturate=saturate)


def _narrow_numbers(array: Numbers, dtype: np.dtype[Any], name: str, *, saturate: bool) -> Numbers:
    """Numbers in sixteen bits or eight, where it is all one whether a runtime rounds to float32 in between.

    In eight bits, what is beyond the largest is that; without `saturate`, runtimes are of several minds about it.
    """
    exact, between = array.astype(np.float64), array.astype(np.float32)
    if dtype.itemsize == 1:
        most = largest_number(dtype)
        if not saturate and (np.abs(exact) > most).any():
            raise _runtime_choice_error(name, dtype)
        exact, between = np.clip(exact, -most, most), np.clip(between, -most, most)
    made, other = np.asarray(exact).astype(dtype), np.asarray(between).astype(dtype)
    if not ((made == other) | np.isnan(exact)).all():
        raise _runtime_choice_error(name, dtype)
    return made


def _runtime_choice_error(name: str, dtype: np.dtype[Any]) -> MissingNumbersError:
    return MissingNumbersError(f"the numbers of '{shorten(name)}' as {dtype.name} are the runtime's choice")


def dequantize(call: OperatorCall) -> Wire:
    """DequantizeLinear of a constant, by rows."""
    found, scale = call.constant(0), call.constant(1)
    zero = zero_point(call)
    around, dtype = _scale_shape(call, found, scale), dequantized_type(call, scale)
    if zero is not None:
        _check_number(scale, zero)
        _check_type(zero, found.dtype)

    def rows(array: Numbers, start: int, stop: int | None) -> Numbers:
        values = array.astype(np.float32)
        if zero is not None:
            values = values - _read_steps(zero, around, start, stop)
            if array.dtype.itemsize > 2 and zero.array().any():
                raise _runtime_choice_error(found.names[0], dtype)  # ONNX has none there, and sums may wrap around
        return np.asarray(values * _read_steps(scale, around, start, stop)).astype(dtype)

    def part(start: int, stop: int) -> Numbers:
        return rows(found.part(start, stop) if found.part else found.array()[start:stop], start, stop)

    steps = partial(_read_steps, scale, around)
    return FileConstant(
        found.names, found.dims, dtype, lambda: rows(found.array(), 0, None), part if found.dims else None,
        rounded=found.dtype, steps=steps,
    )  # fmt: skip


def zero_point(call: OperatorCall) -> FileConstant | None:
    """The zero point of QuantizeLinear and DequantizeLinear, if they have one."""
    return call.constant(2) if call.has(2) else None


def dequantized_type(call: OperatorCall, scale: FileConstant) -> np.dtype[Any]:
    """The type of what DequantizeLinear makes: that of the scale, if it is not stated."""
    given = call.attribute("output_dtype", 0)
    dtype = DTYPES.get(given) if given else scale.dtype
    if dtype is None or dtype.kind in "iub":
        raise UnexplainedOperator(f"element type {given} is not read")
    if call.opset < _OF_ANY_FLOAT and scale.dtype != np.float32:
        raise UnexplainedOperator(f"a scale in {scale.dtype.name}, which opset {call.opset} has not")
    return dtype


def _check_number(scale: FileConstant, zero: FileConstant) -> None:
    """Raise `UnexplainedOperator` where there are not as many zero points as scales."""
    if zero.dims != scale.dims and not zero.size == scale.size == 1:
        raise UnexplainedOperator("scales and zero points of unequal number")


def _check_type(zero: FileConstant, dtype: np.dtype[Any]) -> None:
    """Raise `UnexplainedOperator` for a zero point of another type than its codes."""
    if zero.dtype != dtype:
        raise UnexplainedOperator(f"its zero point is {zero.dtype.name}, and its codes are {dtype.name}")


def _scale_shape(call: OperatorCall, found: FileConstant, scale: FileConstant) -> Shape:
    """The shape in which scales go with an array; only one for all, or one a row."""
    if scale.size == 1:
        return ()
    if call.attribute("axis", 1) not in (0, -len(found.dims)) or scale.dims != found.dims[:1]:
        raise UnexplainedOperator("scales that are neither one for all nor one a row")
    return (-1, *[1] * (len(found.dims) - 1))


def _read_steps(constant: FileConstant, around: Shape, start: int, stop: int | None) -> Numbers:
    values = constant.array().astype(np.float32)
    return values.reshape(-1)[start:stop].reshape(around) if around else values.reshape(())


def quantize(call: OperatorCall) -> Wire:
    """QuantizeLinear of a constant."""
    found, scale = call.constant(0), call.constant(1)
    zero = zero_point(call)
    dtype, around = code_type(call, zero), _scale_shape(call, found, scale)
    if zero is not None:
        _check_number(scale, zero)
    saturate = bool(call.attribute("saturate", 1))

    def load() -> Numbers:
        offset = _read_steps(zero, around, 0, None) if zero is not None else np.zeros((), np.float32)
        first, *others = (
            _encode_steps(steps, offset, dtype, found.names[0], saturate=saturate)
            for steps in _divide_by_scale(found.array(), _read_steps(scale, around, 0, None))
        )
        if any((first != other).any() for other in others):
            raise _runtime_choice_error(found.names[0], dtype)
        return first

    return FileConstant(found.names, found.dims, dtype, load)


def code_type(call: OperatorCall, zero: FileConstant | None) -> np.dtype[Any]:
    """The type of what QuantizeLinear makes."""
    given = call.attribute("output_dtype", 0)
    default = zero.dtype if zero is not None else np.dtype(np.uint8)
    dtype = DTYPES.get(given) if given else default
    if dtype is None or dtype.name not in CODES:
        raise UnexplainedOperator(f"element type {dtype.name if dtype else given} is not read")
    if zero is not None:
        _check_type(zero, dtype)
    return dtype


def _divide_by_scale(array: Numbers, scale: Numbers) -> Iterator[Numbers]:
    """Numbers over their scale: in float32, and in each other type that a runtime may divide in."""
    yield np.asarray(array.astype(np.float32) / scale)
    if array.dtype != np.float32:
        other = np.float64 if array.dtype.kind in "iu" else array.dtype
        yield np.asarray(array.astype(other) / scale.astype(other)).astype(np.float32)


def _encode_steps(steps: Numbers, zero: Numbers, dtype: np.dtype[Any], name: str, *, saturate: bool) -> Numbers:
    """Steps as codes; raises `MissingNumbersError` for what ONNX leaves open."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if not (np.abs(steps) < _FAR).all():
            raise _runtime_choice_error(name, dtype)  # some runtimes make integers of them before they are cut off
        return convert_numbers(np.asarray(np.clip(np.rint(steps) + zero, limits.min, limits.max)), dtype, name)
    if zero.any():
        raise _runtime_choice_error(name, dtype)
    return convert_numbers(steps, dtype, name, saturate=saturate)
