"""Nodes of a file that are none of our operations, kept as they stand: with a shape and weights, and no more."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeGuard

import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto

from resnet_gen.graph import Value
from resnet_gen.onnx.reading.activations import shorten_number
from resnet_gen.onnx.reading.constants import CODES, FileConstant
from resnet_gen.onnx.reading.custom_domains import FileFunctions
from resnet_gen.onnx.reading.graph_builder import GraphWalk
from resnet_gen.onnx.reading.rounding_error import MissingNumbersError
from resnet_gen.onnx.reading.shape_inference import infer_shapes
from resnet_gen.onnx.reading.signals import ShapeSizes, Signal, UnexplainedOperator, ValueSignal
from resnet_gen.ops import Op, Shape, Tensor
from resnet_gen.problems import shorten


@dataclass(frozen=True)
class Opaque(Op):
    """An ONNX node as it stands: its operator or function, its attributes as text, and the shape of its result.

    `held` are the weights that it reads; `per_output` is how many
    multiply-accumulates one element of the result takes, where that is known.
    `places` are those of the activations among its operands, `output` is which
    of its results this is.
    """

    op_type: str
    settings: str
    result: Shape
    held: tuple[Tensor, ...] = ()
    per_output: int = 0
    places: tuple[int, ...] = (0,)
    output: int = 0

    @property
    def foreign_name(self) -> str:
        """ONNX's name of it, as tables show it."""
        return shorten(self.op_type if "::" in self.op_type else f"ONNX's {self.op_type}")

    def shape(self, *inputs: Shape) -> Shape:
        return self.result

    def weights(self, *inputs: Shape) -> tuple[Tensor, ...]:
        return self.held

    def macs(self, *inputs: Shape) -> int:
        return math.prod(self.result) * self.per_output


class InferredShapes:
    """The shapes of a file's values by ONNX's own inference, which is asked when the first is wanted."""

    def __init__(self, model: ModelProto) -> None:
        self._model = model

    @cached_property
    def _shapes(self) -> dict[str, Shape]:
        return infer_shapes(self._model)

    def shape_of(self, name: str) -> Shape:
        """Dimensions behind the batch; raises `UnexplainedOperator` where they do not follow."""
        if name not in self._shapes:
            raise UnexplainedOperator(f"no shape follows for '{shorten(name)}'")
        return self._shapes[name]


_FEW = 16
_MOST_TEXT, _MOST_OF_ATTRIBUTE = 300, 60
_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_WITHOUT_WEIGHTS = ("AffineGrid", "DequantizeLinear", "GridSample", "QuantizeLinear", "Resize", "RoiAlign", "Upsample")
"""Operators whose arrays of floating point say what is done, as attributes do."""


def make_opaque(
    walk: GraphWalk,
    node: NodeProto,
    index: int,
    inputs: Mapping[int, Value],
    fixed: Mapping[int, FileConstant | ShapeSizes],
    shapes: InferredShapes,
    functions: FileFunctions,
) -> list[Signal]:
    """A node as it stands, one of ours for each of its results; raises `UnexplainedOperator` where no shape follows.

    `inputs` are those of its operands that are activations, by their position; `fixed` are the others.
    """
    op_type = functions.operator_name(node)
    weights = {place: wire for place, wire in fixed.items() if _is_weight(wire, node)}
    others = {place: wire for place, wire in fixed.items() if place not in weights}
    settings = _format_settings(node, others, functions.format_functions(node))
    by_role = {_weight_role(op_type, nth, place): wire for nth, (place, wire) in enumerate(weights.items())}
    places, found = tuple(inputs), []
    for output, name in enumerate(node.output):
        if name:
            shape = shapes.shape_of(name)
            tensors = tuple(Tensor(role, constant.dims) for role, constant in by_role.items())
            per_output = _count_macs_per_element(node, op_type, by_role, left=0 not in places)
            op = Opaque(op_type, settings, shape, tensors, per_output, places, output)
            value = walk.add(op, list(inputs.values()), by_role, index)
            found.append(Signal(ValueSignal(shape, index, value), shape, index))
            by_role = {}  # counted once
    return found


def _is_weight(wire: FileConstant | ShapeSizes, node: NodeProto) -> TypeGuard[FileConstant]:
    if isinstance(wire, ShapeSizes) or node.op_type in _WITHOUT_WEIGHTS:
        return False
    return wire.size > 1 and wire.dtype.kind in "fV"


def _weight_role(op_type: str, nth: int, place: int) -> str:
    names = ("weight", "bias") if op_type in _LAYERS else ()
    return names[nth] if nth < len(names) else f"constant{place}"


def _count_macs_per_element(node: NodeProto, op_type: str, by_role: dict[str, FileConstant], *, left: bool) -> int:
    """Multiply-accumulates of one element of the result; `left` is a weight that stands before the activation."""
    weight = by_role.get("weight")
    if weight is None or len(weight.dims) < 2:
        return 0
    if op_type == "Conv":
        return math.prod(weight.dims[1:])
    turned = any(a.name == ("transA" if left else "transB") and a.i for a in node.attribute)
    return weight.dims[-1 if turned != left else -2] if op_type in ("Gemm", "MatMul") else 0


def _format_settings(node: NodeProto, fixed: Mapping[int, FileConstant | ShapeSizes], functions: str) -> str:
    """The attributes in the order of their names, operands that are neither activations nor weights, and functions."""
    attributes = sorted(node.attribute, key=lambda a: a.name)
    parts = [f"{a.name}={_cut_text(_format_attribute(a), _MOST_OF_ATTRIBUTE)}" for a in attributes]
    parts += [f"input{place}={_format_numbers(wire)}" for place, wire in fixed.items()]
    return _cut_text(", ".join([*parts, *filter(None, [functions])]), _MOST_TEXT)


def _format_numbers(wire: FileConstant | ShapeSizes) -> str:
    """The numbers themselves where they are few, else a hash of them."""
    if isinstance(wire, ShapeSizes):
        return str(["N" if n is None else n for n in wire.values]).replace("'", "")
    try:
        array = wire.array()
    except MissingNumbersError:
        return "?"
    kind = f" {wire.dtype.name}" if wire.dtype.name in CODES else ""  # what quantizes to them does so by their range
    if wire.size <= _FEW:
        return f"{array.tolist()}{kind}"
    plain = array.astype("<i8" if wire.dtype.kind in "iub" else "<f8")
    return f"{list(wire.dims)}{kind} {_hash_bytes(np.ascontiguousarray(plain).tobytes())}"


def _format_attribute(attribute: Any) -> str:
    """The value of an attribute; of one that holds none in ONNX's types, a hash of all that it is."""
    field = _PLAIN.get(attribute.type)
    if field is None:
        kind = _KINDS.get(attribute.type, "unknown")
        return f"{kind} {_hash_bytes(attribute.SerializeToString(deterministic=True))}"
    value = getattr(attribute, field)
    if isinstance(value, (bytes, float, int)):
        return _format_value(value)
    return f"[{', '.join(map(_format_value, value))}]"


def _format_value(value: bytes | float) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return f"{shorten_number(value):.9g}" if isinstance(value, float) else str(value)


_PLAIN = {
    AttributeProto.FLOAT: "f",
    AttributeProto.INT: "i",
    AttributeProto.STRING: "s",
    AttributeProto.FLOATS: "floats",
    AttributeProto.INTS: "ints",
    AttributeProto.STRINGS: "strings",
}
"""The field that holds the value of each type of attribute that has a short text."""
_KINDS = {number: name.lower() for name, number in AttributeProto.AttributeType.items()}


def _cut_text(text: str, limit: int) -> str:
    """Text of any length as one of at most `limit` characters, which has a hash at its end where it was cut."""
    return text if len(text) <= limit else f"{shorten(text, limit - 17)} {_hash_bytes(text.encode())}"


def _hash_bytes(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()
