"""A node of a file at hand: its operands and attributes, as rules ask for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import onnx
from onnx import AttributeProto, NodeProto, TensorProto

from resnet_gen.graph import Value
from resnet_gen.onnx.reading.constants import FileConstant
from resnet_gen.onnx.reading.graph_builder import GraphWalk
from resnet_gen.onnx.reading.rounding_error import MissingNumbersError
from resnet_gen.onnx.reading.signals import (
    ActivationTerm,
    PendingNode,
    ShapeSizes,
    Signal,
    UnexplainedOperator,
    ValueSignal,
    Wire,
)
from resnet_gen.ops import Op, Shape
from resnet_gen.problems import shorten

_MOST_INTEGERS = 4096
_LARGEST = 1 << 31


class OperatorCall:
    """One node: what it reads, and how its result becomes part of our graph."""

    def __init__(
        self,
        walk: GraphWalk,
        node: NodeProto,
        index: int,
        opset: int,
        wires: list[Wire | None],
        tensor: Callable[[TensorProto], FileConstant],
    ) -> None:
        self.walk, self.node, self.index, self.opset = walk, node, index, opset
        self.wires, self.tensor = wires, tensor
        self.attributes = read_attributes(node, opset, len(wires))

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute, or ONNX's default, or ours."""
        found = self.attributes.get(name)
        return default if found is None else found

    def has(self, place: int) -> bool:
        """Whether there is an operand at this place."""
        return place < len(self.wires) and self.wires[place] is not None

    def wire(self, place: int) -> Wire:
        """The operand at a place, whatever it is."""
        found = self.wires[place] if place < len(self.wires) else None
        if found is None:
            raise UnexplainedOperator(f"operand {place} is missing")
        return found

    def signal(self, place: int = 0) -> Signal:
        """An operand that is an activation."""
        found = self.wire(place)
        if isinstance(found, Signal):
            return found
        raise UnexplainedOperator(f"operand {place} is no activation")

    def term(self, place: int = 0) -> ActivationTerm:
        """An operand that is an activation, in dimensions of ours."""
        return self.walk.resolve_dims(self.signal(place))

    def value(self, place: int = 0) -> Value:
        """An operand that is an activation, as a value of our graph."""
        return self.walk.value(self.term(place))

    def constant(self, place: int) -> FileConstant:
        """An operand that is a constant."""
        found = self.wire(place)
        if isinstance(found, FileConstant):
            return found
        raise UnexplainedOperator(f"operand {place} is no constant")

    def integers(self, place: int) -> tuple[int, ...]:
        """An operand that is integers, all known."""
        found = self.sizes(place)
        if any(n is None for n in found):
            raise UnexplainedOperator(f"operand {place} depends on the size of the batch")
        return tuple(n for n in found if n is not None)

    def sizes(self, place: int) -> tuple[int | None, ...]:
        """An operand that is integers; None is the size of the batch."""
        found = self.wire(place)
        return found.values if isinstance(found, ShapeSizes) else integers(self.constant(place))

    def axes(self, name: str = "axes", place: int = 1) -> tuple[int, ...] | None:
        """Axes from an attribute or, as in newer opsets, from an operand; None where neither is there."""
        if self.has(place):
            return self.integers(place)
        found = self.attribute(name)
        return None if found is None else tuple(found)

    def add_node(self, op: Op, *inputs: Value, **constants: FileConstant) -> Signal:
        """A node of ours that this one is."""
        value = self.walk.add(op, inputs, constants, self.index)
        return Signal(ValueSignal(value.shape, self.index, value), value.shape, self.index)

    def defer_node(self, op: Op, *inputs: ActivationTerm, **constants: FileConstant) -> Signal:
        """An operation that becomes a node when its result is read."""
        self.walk.match_weights(op, [t.shape for t in inputs], constants, self.index)
        shape = op.shape(*(t.shape for t in inputs))
        return self.make_signal(PendingNode(shape, self.index, op, inputs, constants))

    def make_signal(self, term: ActivationTerm, dims: Shape | None = None) -> Signal:
        """A term as this node's result."""
        return Signal(term, term.shape if dims is None else dims, self.index)


def number(constant: FileConstant) -> float:
    """A constant that is one number."""
    if constant.size != 1:
        raise UnexplainedOperator(f"'{shorten(constant.names[0])}' is {list(constant.dims)}, where one number goes")
    return float(_load_array(constant).reshape(-1)[0])


def integers(constant: FileConstant) -> tuple[int, ...]:
    """A constant that is integers, of a size that shapes have."""
    if constant.dtype.kind not in "iu" or len(constant.dims) > 1 or constant.size > _MOST_INTEGERS:
        raise UnexplainedOperator(f"'{shorten(constant.names[0])}' is no list of integers")
    return tuple(int(n) for n in _load_array(constant).reshape(-1))


def numbers(constant: FileConstant) -> Any:
    """The array of a constant."""
    return _load_array(constant)


def _load_array(constant: FileConstant) -> Any:
    try:
        return constant.array()
    except MissingNumbersError as missing:
        raise UnexplainedOperator(f"{missing}, and it depends on them") from None


def read_attributes(node: NodeProto, opset: int, operands: int) -> dict[str, Any]:
    """The attributes by name, ONNX's defaults filled in; raises `UnexplainedOperator` for what the operator has not."""
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, "")
    except onnx.defs.SchemaError:
        raise UnexplainedOperator(f"opset {opset} has no such operator") from None
    _check_number("operands, and the operator takes", operands, schema.min_input, schema.max_input)
    _check_number("results, and the operator makes", len(node.output), schema.min_output, schema.max_output)
    _check_once(node)
    found = {}
    for name, known in schema.attributes.items():
        if known.default_value.type != AttributeProto.UNDEFINED:
            found[name] = onnx.helper.get_attribute_value(known.default_value)
    found |= {attribute.name: _read_setting(attribute, schema) for attribute in node.attribute}
    missing = [name for name, known in schema.attributes.items() if known.required and name not in found]
    if missing:
        raise UnexplainedOperator(f"it lacks the attribute '{missing[0]}'")
    return found


def _read_setting(attribute: AttributeProto, schema: Any) -> Any:
    """What an attribute says; raises `UnexplainedOperator` for one that the operator has not, or that says nothing."""
    wanted = schema.attributes.get(attribute.name)
    if wanted is None or attribute.type != wanted.type.value:
        raise UnexplainedOperator(f"it has an attribute '{shorten(attribute.name)}' that the operator has not")
    if attribute.ref_attr_name:
        raise UnexplainedOperator(f"its attribute '{shorten(attribute.name)}' is that of a function, and it is in none")
    return onnx.helper.get_attribute_value(attribute)


def _check_once(node: NodeProto) -> None:
    """Raise `UnexplainedOperator` for a node that states an attribute twice: nobody knows which counts."""
    names = [attribute.name for attribute in node.attribute]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UnexplainedOperator(f"it has the attribute '{shorten(twice)}' twice")


def _check_number(what: str, found: int, least: int, most: int) -> None:
    if not least <= found <= most:
        wanted = most if least == most else f"{least} to {most}"
        raise UnexplainedOperator(f"it has {found} {what} {wanted}")


def check_limits(values: Mapping[str, int], least: int = 0) -> None:
    """Raise `UnexplainedOperator` for settings that no layer has."""
    for name, value in values.items():
        if not least <= value < _LARGEST:
            raise UnexplainedOperator(f"no layer has {name} {value}")
