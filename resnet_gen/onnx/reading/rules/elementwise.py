"""Elementwise work: activations, sums and products."""

from __future__ import annotations

from typing import Any

from resnet_gen.onnx.reading.constants import FileConstant
from resnet_gen.onnx.reading.elementwise_forms import COMPARISONS
from resnet_gen.onnx.reading.graph_builder import have_same_leaf, make_elementwise
from resnet_gen.onnx.reading.operator_call import OperatorCall, number
from resnet_gen.onnx.reading.rules.arrangement import stack_maps
from resnet_gen.onnx.reading.rules.layers import add_bias, scale_normal, shift_normal
from resnet_gen.onnx.reading.rules.pooling import absorb_border
from resnet_gen.onnx.reading.signals import (
    ActivationTerm,
    BroadcastGate,
    Elementwise,
    NormalizedGroups,
    Signal,
    StackedMaps,
    UnexplainedOperator,
    Wire,
)
from resnet_gen.ops import Add, Mul
from resnet_gen.problems import shorten


def apply_unary(call: OperatorCall) -> Wire:
    """A function of one activation."""
    signal = call.signal()
    settings = {name: _convert_setting(setting) for name, setting in call.attributes.items()}
    return _apply_function(call, signal, settings, [_operand(call, signal)])


def _convert_setting(setting: Any) -> Any:
    return setting.decode("utf-8", "replace") if isinstance(setting, bytes) else float(setting)


def _operand(call: OperatorCall, signal: Signal) -> ActivationTerm:
    """The term of a signal: as it stands where its dimensions are ours, else seen through."""
    try:
        return call.walk.resolve_dims(signal)
    except UnexplainedOperator:
        return signal.term


def _apply_function(
    call: OperatorCall, signal: Signal, settings: dict[str, Any], operands: list[ActivationTerm | float]
) -> Signal:
    term = make_elementwise(call.node.op_type, settings, operands, call.index)
    seen = any(t is signal.term for t in operands if isinstance(t, ActivationTerm)) and signal.term.shape != signal.dims
    return call.make_signal(term, signal.dims if seen else None)


def clip(call: OperatorCall) -> Wire:
    """Clip between numbers."""
    limits = {"least": 1, "most": 2}
    settings = {name: number(call.constant(place)) for name, place in limits.items() if call.has(place)}
    signal = call.signal()
    return _apply_function(call, signal, settings, [_operand(call, signal)])


def where(call: OperatorCall) -> Wire:
    """Where: one function of an activation where another is above a number, else a third."""
    operands: list[ActivationTerm | float] = []
    signals: list[Signal] = []
    for place in range(3):
        wire = call.wire(place)
        if isinstance(wire, FileConstant) and wire.size == 1:
            operands.append(number(wire))
        else:
            signals.append(call.signal(place))
            operands.append(_operand(call, signals[-1]))
    if not isinstance(operands[0], Elementwise) or operands[0].op_type not in COMPARISONS:
        raise UnexplainedOperator("it asks what is no comparison")
    if any(signal.dims != signals[0].dims for signal in signals):
        raise UnexplainedOperator("its operands are of several sizes")
    return _apply_function(call, signals[0], {}, operands)


def apply_binary(call: OperatorCall) -> Wire:
    """Add, Mul, Sub, Div, Max, Min, Pow, PRelu, and comparisons."""
    if len(call.wires) != 2:
        raise UnexplainedOperator(f"it is of {len(call.wires)} operands")
    first, second = call.wire(0), call.wire(1)
    five = isinstance(first, Signal) and isinstance(second, Signal) and len(first.dims) == len(second.dims) == 4
    if isinstance(first, StackedMaps) or isinstance(second, StackedMaps) or five:
        return _combine_stacks(call, first, second)
    if isinstance(first, FileConstant) or isinstance(second, FileConstant):
        return _combine_with_constant(call, first, second)
    a, b = call.signal(0), call.signal(1)
    if a.dims == b.dims and a.term.shape == b.term.shape and have_same_leaf(_operand(call, a), _operand(call, b)):
        return _apply_function(call, a, {}, [_operand(call, a), _operand(call, b)])
    return _combine_two(call, a, b)


def _combine_two(call: OperatorCall, a: Signal, b: Signal) -> Signal:
    """A sum, or a product of a signal and its gate, which is the smaller."""
    terms = [call.walk.resolve_dims(s) for s in (a, b)]
    values = [call.walk.value(t.inner if isinstance(t, BroadcastGate) else t) for t in terms]
    if call.node.op_type == "Add":
        return call.add_node(Add(), *values)
    if call.node.op_type != "Mul":
        raise UnexplainedOperator("it is of two activations")
    if any(x < y for x, y in zip(values[0].shape, values[1].shape, strict=False)):
        values.reverse()
    return call.add_node(Mul(), *values)


def _combine_with_constant(call: OperatorCall, first: Wire, second: Wire) -> Wire:
    signal, constant = (second, first) if isinstance(first, FileConstant) else (first, second)
    if not isinstance(signal, Signal) or not isinstance(constant, FileConstant):
        raise UnexplainedOperator("a constant and what is no activation")
    special = _absorb_constant(call, signal, constant)
    if special:
        return special
    if constant.size != 1 or len(constant.dims) > len(signal.dims) + 1:
        raise UnexplainedOperator(f"it takes '{shorten(constant.names[0])}', a constant of {list(constant.dims)}")
    value = number(constant)
    term = _operand(call, signal)
    return _apply_function(call, signal, {}, [value, term] if isinstance(first, FileConstant) else [term, value])


def _absorb_constant(call: OperatorCall, signal: Signal, constant: FileConstant) -> Signal | None:
    """What a constant of many numbers is part of: a norm, a linear layer, or pooling with a border of zeros."""
    kind, term = call.node.op_type, signal.term
    if isinstance(term, NormalizedGroups) and kind in ("Mul", "Add") and signal.dims == term.shape:
        return (scale_normal if kind == "Mul" else shift_normal)(call, term, constant)
    if kind == "Add" and len(signal.dims) == 1:
        return add_bias(call, signal, constant)
    if kind == "Max" and constant.size > 1:
        return absorb_border(call, signal, constant)
    return None


def _combine_stacks(call: OperatorCall, first: Wire, second: Wire) -> StackedMaps:
    """Sums or products of activations that stand side by side, one by one."""
    if not (isinstance(first, (Signal, StackedMaps)) and isinstance(second, (Signal, StackedMaps))):
        raise UnexplainedOperator("activations side by side, and a constant")
    one, other = stack_maps(call, first), stack_maps(call, second)
    if len(one.parts) != len(other.parts):
        raise UnexplainedOperator(f"{len(one.parts)} activations side by side, and {len(other.parts)}")
    return StackedMaps(tuple(_combine_two(call, a, b) for a, b in zip(one.parts, other.parts, strict=True)), call.index)
