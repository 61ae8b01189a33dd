"""Rounding of activations: casts to floating point, and quantization that is undone, which are read as nothing.

What quantization cuts off below zero is read: where the lowest code stands for zero, it is a ReLU.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from resnet_gen.onnx.reading.constants import FileConstant
from resnet_gen.onnx.reading.operator_call import OperatorCall, numbers
from resnet_gen.onnx.reading.rules.conversions import code_type, dequantized_type, target_type, zero_point
from resnet_gen.onnx.reading.signals import QuantizedSignal, Signal, StackedMaps, UnexplainedOperator, ValueSignal, Wire
from resnet_gen.ops import Activation


def cast(call: OperatorCall) -> Wire:
    """Cast and CastLike of an activation: nothing to a type of floating point, the end of it to any other.

    So it is to eight bits, which no scale has fitted to what they are to hold.
    """
    dtype = target_type(call)
    if dtype.kind in "iub" or dtype.itemsize == 1:
        raise UnexplainedOperator(f"an activation as {dtype.name}")
    call.walk.types.add(dtype)
    return call.wire(0)


def quantize(call: OperatorCall) -> Wire:
    """QuantizeLinear of an activation, which is nothing if what reads it undoes it."""
    found = call.wire(0)
    if not isinstance(found, (Signal, StackedMaps)):
        raise UnexplainedOperator("operand 0 is no activation")
    zero = zero_point(call)
    dtype = code_type(call, zero)
    if not call.attribute("saturate", 1):
        raise UnexplainedOperator("what its type does not hold becomes no number")
    scales = numbers(call.constant(1)).astype(np.float64)
    if not (np.isfinite(scales) & (scales > 0)).all():
        raise UnexplainedOperator("its scale is no number above zero")
    made = QuantizedSignal(found, call.constant(1), zero, dtype, _scale_axis(call, found), call.index)
    call.walk.quantized_signals.append(made)
    return made


def dequantize(call: OperatorCall) -> Wire:
    """DequantizeLinear of what QuantizeLinear made by the same scale, zero point and type."""
    found, scale, zero = call.wire(0), call.constant(1), zero_point(call)
    if not isinstance(found, QuantizedSignal):
        raise UnexplainedOperator("what it reads was not quantized")
    if zero and zero.dtype != found.dtype:
        raise UnexplainedOperator(f"its zero point is {zero.dtype.name}, and it reads {found.dtype.name}")
    for name, before, here in (("scale", found.scale, scale), ("zero point", found.zero, zero)):
        if not _have_same_numbers(before, here):
            raise UnexplainedOperator(f"it has another {name} than what it reads was quantized with")
    if max(scale.size, found.scale.size) > 1 and _scale_axis(call, found.inner) != found.along:
        raise UnexplainedOperator("its scales go along another axis than those that what it reads was quantized with")
    call.walk.types.add(dequantized_type(call, scale))
    return _cut_off_negative(call, found)


def _cut_off_negative(call: OperatorCall, found: QuantizedSignal) -> Signal | StackedMaps:
    """What was quantized; a ReLU of it, where nothing below zero has a code, and none stands yet."""
    inner = found.inner
    lowest = _flatten_constant(found.zero) == np.iinfo(found.dtype).min if found.dtype.kind in "iu" else np.zeros(1)
    if not lowest.any():
        return inner
    if not lowest.all():
        raise UnexplainedOperator("its zero points cut off what is below zero in a part of what it reads", found.origin)
    if isinstance(inner, StackedMaps):
        return StackedMaps(tuple(_rectify_signal(call, part) for part in inner.parts), inner.origin)
    return _rectify_signal(call, inner)


def _rectify_signal(call: OperatorCall, signal: Signal) -> Signal:
    walk = call.walk
    if signal.term.shape != signal.dims or walk.is_never_negative(signal.term):
        return signal
    value = walk.value(signal.term)
    if value == walk.net.input:
        return signal
    made = call.add_node(Activation("relu"), value)
    assert isinstance(made.term, ValueSignal)
    walk.implied_relus.add(made.term.value.name)
    return made


def _scale_axis(call: OperatorCall, signal: Signal | StackedMaps) -> tuple[int, int]:
    """The axis that several scales go along, and how many elements share one."""
    return call.attribute("axis", 1) % (len(signal.dims) + 1), call.attribute("block_size", 0)


def _have_same_numbers(first: FileConstant | None, second: FileConstant | None) -> bool:
    """Whether constants have the same numbers; one for all may be repeated, and one that is left out is zero."""
    if first is second:
        return True
    a, b = _flatten_constant(first), _flatten_constant(second)
    return (1 in (a.size, b.size) or a.size == b.size) and bool((a == b).all())


def _flatten_constant(constant: FileConstant | None) -> Any:
    return numbers(constant).astype(np.float64).reshape(-1) if constant else np.zeros(1)
