"""Arithmetic on constants, in the types and by the rules that ONNX has for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from resnet_gen.onnx.reading.constants import FileConstant, derived_constant, known_constant
from resnet_gen.onnx.reading.operator_call import OperatorCall, numbers
from resnet_gen.onnx.reading.rounding_error import MissingNumbersError, Numbers, largest_number, round_numbers, ulp
from resnet_gen.onnx.reading.rules.constants import SMALL, broadcast, resolve_axes
from resnet_gen.onnx.reading.signals import UnexplainedOperator, Wire
from resnet_gen.ops import Shape


def _divide(first: Numbers, second: Numbers) -> Numbers:
    """A quotient; of integers, what is left of it towards zero."""
    if first.dtype.kind not in "iu":
        return np.asarray(first / second)
    signed = first.dtype.kind == "i"
    if not second.all() or (signed and (second == -1).any() and (first == np.iinfo(first.dtype).min).any()):
        raise MissingNumbersError(
            "the numbers of an integer over zero, or of one beyond its type, are the runtime's choice"
        )
    quotient = np.floor_divide(first, second)
    return np.asarray(quotient + ((quotient < 0) & (quotient * second != first)).astype(first.dtype))


def _round_power(made: Numbers, base: Numbers, exponent: Numbers) -> Numbers:
    """A power of floating point: squares are rounded once; of others, runtimes part where the base is below zero."""
    if ((exponent == 1) | (exponent == 2)).all():
        return np.asarray(made.astype(base.dtype))
    if np.signbit(base).any() or not np.isfinite(base).all() or not np.isfinite(exponent.astype(np.float64)).all():
        raise MissingNumbersError("the numbers of a power of one below zero, or of none, are the runtime's choice")
    return round_numbers(made, 0.0, base.dtype)


def _choose(asked: Numbers, yes: Numbers, no: Numbers) -> Numbers:
    """Numbers out of two; no zero below zero among them, which some runtimes add up to one above."""
    made = np.where(asked, yes, no)
    if made.dtype.kind not in "iub" and (np.signbit(made) & (made == 0)).any():
        raise MissingNumbersError("the numbers of a choice of which one is -0 are the runtime's choice")
    return made


def _power(base: Numbers, exponent: Numbers) -> Numbers:
    """A power, of the base's type: of integers exactly, of others but squares to within an ulp."""
    made = np.power(base.astype(np.float64), exponent.astype(np.float64))
    if base.dtype.kind not in "iu":
        return _round_power(made, base, exponent)
    most = min(np.iinfo(base.dtype).max, _EXACT)
    if exponent.dtype.kind not in "iu" or (exponent < 0).any() or (np.abs(made) > most).any():
        raise MissingNumbersError("the numbers of a power that is no integer of its type are the runtime's choice")
    return np.asarray(made.astype(base.dtype))


_EXACT = 2.0**53
"""Up to where every integer is one of float64."""
_ANY, _NUMBERS, _SIGNED, _FLOATS = "biuf8", "iuf", "if", "f"
"""Types by their kind: truth, integers with a sign and without, floating point, and that in eight bits."""
FUNCTIONS: dict[str, tuple[Callable[..., Any], str]] = {
    "Add": (np.add, _NUMBERS),
    "Sub": (np.subtract, _NUMBERS),
    "Mul": (np.multiply, _NUMBERS),
    "Div": (_divide, _NUMBERS),
    "Sqrt": (np.sqrt, _FLOATS),
    "Neg": (np.negative, _SIGNED),
    "Reciprocal": (lambda x: x.dtype.type(1) / x, _FLOATS),
    "Pow": (_power, _NUMBERS),
    "Equal": (np.equal, "biuf"),
    "Where": (_choose, _ANY),
}
"""What each operator computes, and of which types."""


def arithmetic(call: OperatorCall) -> Wire:
    """Arithmetic on constants."""
    operands = [call.constant(place) for place in range(len(call.wires))]
    function, _ = FUNCTIONS[call.node.op_type]
    dtype = _dtype(call.node.op_type, operands)
    dims: Shape = ()
    for operand in operands:
        dims = broadcast(dims, operand.dims)

    def load() -> Numbers:
        return np.asarray(function(*(o.array() for o in operands)), dtype)

    named = max(operands, key=lambda o: o.size)
    if math.prod(dims) <= SMALL and all(o.dtype.kind in "iub" for o in operands):
        [numbers(o) for o in operands]  # their absence is noticed here
        return known_constant(_compute_now(load), named.names[0])
    return derived_constant(named, dims, load, dtype)


def _compute_now(load: Callable[[], Numbers]) -> Numbers:
    try:
        with np.errstate(all="ignore"):
            return load()
    except MissingNumbersError as missing:
        raise UnexplainedOperator(str(missing)) from None


def _dtype(kind: str, operands: Sequence[FileConstant]) -> np.dtype[Any]:
    """The type of the result; raises `UnexplainedOperator` for operands of types that do not go together."""
    _, kinds = FUNCTIONS[kind]
    asked, alike = (operands[:1], operands[1:]) if kind == "Where" else ([], operands)
    types = [operand.dtype for operand in alike]
    mixed = kind != "Pow" and len(set(types)) > 1
    if mixed or any(_kind_of(dtype) not in kinds for dtype in types) or any(o.dtype.kind != "b" for o in asked):
        raise UnexplainedOperator(f"it takes {' and '.join(o.dtype.name for o in operands)}")
    return np.dtype(np.bool_) if kind == "Equal" else types[0]


def _kind_of(dtype: np.dtype[Any]) -> str:
    if dtype.kind in "biu":
        return dtype.kind
    return "8" if dtype.itemsize == 1 else "f"


def mean(call: OperatorCall) -> Wire:
    """ReduceMean of a constant: part of a standardized weight."""
    found, axes, keep = call.constant(0), call.axes(), bool(call.attribute("keepdims"))
    if _kind_of(found.dtype) != "f" or not found.size:
        raise UnexplainedOperator(f"a mean of {list(found.dims)} in {found.dtype.name}")
    if not axes and call.attribute("noop_with_empty_axes", 0):
        return found
    over = resolve_axes(axes, len(found.dims)) if axes else tuple(range(len(found.dims)))
    dims = [1 if i in over else n for i, n in enumerate(found.dims) if keep or i not in over]
    return derived_constant(found, tuple(dims), lambda: _mean(found.array(), over, keep=keep))


def _mean(array: Numbers, axes: tuple[int, ...], *, keep: bool) -> Numbers:
    sizes = np.abs(array).mean(axis=axes, dtype=np.float64, keepdims=keep)
    count = math.prod(array.shape[axis] for axis in axes)
    if (sizes * count > largest_number(array.dtype)).any():
        raise MissingNumbersError("the numbers of a mean whose sum its type may not hold are the runtime's choice")
    exact = np.asarray(array.mean(axis=axes, dtype=np.float64, keepdims=keep))
    return round_numbers(exact, count * ulp(array.dtype) * sizes, array.dtype)


def batch_norm(call: OperatorCall) -> Wire:
    """BatchNormalization of a constant: a standardized weight, whose filters are the channels."""
    found, *rest = (call.constant(place) for place in range(5))
    if len(found.dims) < 2 or not found.size or any(c.dims != (found.dims[1],) for c in rest):
        raise UnexplainedOperator("a normalized constant without a scale and a shift for each filter")
    if any(c.dtype != np.float32 for c in (found, *rest)):
        raise UnexplainedOperator("a normalized constant that is not float32")
    own, eps = bool(call.attribute("training_mode", 0)), call.attribute("epsilon")
    if call.opset < 14 and len(call.node.output) > 1:
        raise UnexplainedOperator("batch normalization in training")
    return derived_constant(
        found, found.dims, lambda: _normalize(found.array(), [c.array() for c in rest], eps, own=own)
    )


def _normalize(array: Numbers, rest: Sequence[Numbers], eps: float, *, own: bool) -> Numbers:
    """A normalized array; `own` are a mean and a variance that are its own, and not those that are given."""
    column = (-1, *[1] * (array.ndim - 2))
    values = array.astype(np.float64)
    scale, shift, center, spread = (c.astype(np.float64).reshape(column) for c in rest)
    if own:
        center, spread = _own_statistics(
            values, (0, *range(2, array.ndim)), ulp(array.dtype) * array.size / array.shape[1]
        )
    factor = scale / np.sqrt(spread + eps)
    sizes = np.abs(values * factor) + np.abs(center * factor) + np.abs(shift)
    return round_numbers((values - center) * factor + shift, 4 * ulp(array.dtype) * sizes, array.dtype)


def _own_statistics(values: Numbers, axes: tuple[int, ...], off: float) -> tuple[Numbers, Numbers]:
    """The mean and the variance of numbers; sums may be `off` by so much of what is summed up."""
    center = values.mean(axis=axes, keepdims=True)
    center = round_numbers(center, off * np.abs(values).mean(axis=axes, keepdims=True), values.dtype)
    spread = ((values - center) ** 2).mean(axis=axes, keepdims=True)
    return center, round_numbers(spread, off * spread, values.dtype)
