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
from resnet_gen.onnx.reading.activations import shortest
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
    def _found(self) -> dict[str, Shape]:
        return infer_shapes(self._model)

    def of(self, name: str) -> Shape:
        """Dimensions behind the batch; raises `UnexplainedOperator` where they do not follow."""
        if name not in self._found:
            raise UnexplainedOperator(f"no shape follows for '{shorten(name)}'")
        return self._found[name]


_FEW = 16
_MOST_TEXT, _MOST_OF_ATTRIBUTE = 300, 60
_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_WITHOUT_WEIGHTS = ("AffineGrid", "DequantizeLinear", "GridSample", "QuantizeLinear", "Resize", "RoiAlign", "Upsample")
"""Operators whose arrays of floating point say what is done, as attributes do."""


def opaque(
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
    op_type = functions.name(node)
    weights = {place: wire for place, wire in fixed.items() if _is_weight(wire, node)}
    others = {place: wire for place, wire in fixed.items() if place not in weights}
    settings = _settings(node, others, functions.text(node))
    held = {_role(op_type, nth, place): wire for nth, (place, wire) in enumerate(weights.items())}
    places, found = tuple(inputs), []
    for output, name in enumerate(node.output):
        if name:
            shape = shapes.of(name)
            tensors = tuple(Tensor(role, constant.dims) for role, constant in held.items())
            per_output = _per_output(node, op_type, held, left=0 not in places)
            op = Opaque(op_type, settings, shape, tensors, per_output, places, output)
            value = walk.add(op, list(inputs.values()), held, index)
            found.append(Signal(ValueSignal(shape, index, value), shape, index))
            held = {}  # counted once
    return found


def _is_weight(wire: FileConstant | ShapeSizes, node: NodeProto) -> TypeGuard[FileConstant]:
    if isinstance(wire, ShapeSizes) or node.op_type in _WITHOUT_WEIGHTS:
        return False
    return wire.size > 1 and wire.dtype.kind in "fV"


def _role(op_type: str, nth: int, place: int) -> str:
    names = ("weight", "bias") if op_type in _LAYERS else ()
    return names[nth] if nth < len(names) else f"constant{place}"


def _per_output(node: NodeProto, op_type: str, held: dict[str, FileConstant], *, left: bool) -> int:
    """Multiply-accumulates of one element of the result; `left` is a weight that stands before the activation."""
    weight = held.get("weight")
    if weight is None or len(weight.dims) < 2:
        return 0
    if op_type == "Conv":
        return math.prod(weight.dims[1:])
    turned = any(a.name == ("transA" if left else "transB") and a.i for a in node.attribute)
    return weight.dims[-1 if turned != left else -2] if op_type in ("Gemm", "MatMul") else 0


def _settings(node: NodeProto, fixed: Mapping[int, FileConstant | ShapeSizes], functions: str) -> str:
    """The attributes in the order of their names, operands that are neither activations nor weights, and functions."""
    attributes = sorted(node.attribute, key=lambda a: a.name)
    parts = [f"{a.name}={_cut(_text(a), _MOST_OF_ATTRIBUTE)}" for a in attributes]
    parts += [f"input{place}={_numbers(wire)}" for place, wire in fixed.items()]
    return _cut(", ".join([*parts, *filter(None, [functions])]), _MOST_TEXT)


def _numbers(wire: FileConstant | ShapeSizes) -> str:
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
    return f"{list(wire.dims)}{kind} {_hash(np.ascontiguousarray(plain).tobytes())}"


def _text(attribute: Any) -> str:
    """The value of an attribute; of one that holds none in ONNX's types, a hash of all that it is."""
    field = _PLAIN.get(attribute.type)
    if field is None:
        kind = _KINDS.get(attribute.type, "unknown")
        return f"{kind} {_hash(attribute.SerializeToString(deterministic=True))}"
    value = getattr(attribute, field)
    if isinstance(value, (bytes, float, int)):
        return _shown(value)
    return f"[{', '.join(map(_shown, value))}]"


def _shown(value: bytes | float) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return f"{shortest(value):.9g}" if isinstance(value, float) else str(value)


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


def _cut(text: str, limit: int) -> str:
    """Text of any length as one of at most `limit` characters, which has a hash at its end where it was cut."""
    return text if len(text) <= limit else f"{shorten(text, limit - 17)} {_hash(text.encode())}"


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()
