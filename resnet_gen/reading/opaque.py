"""Nodes of a file that are none of our operations, kept as they stand: with a shape and weights, and no more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import ModelProto, NodeProto

from resnet_gen.graph import Value
from resnet_gen.ops import Op, Shape, Tensor
from resnet_gen.problems import shortened
from resnet_gen.reading.constants import Constant
from resnet_gen.reading.signals import Made, Signal, Unexplained
from resnet_gen.reading.walk import Walk


@dataclass(frozen=True)
class Opaque(Op):
    """An ONNX node as it stands: its operator, its attributes as text, and the shape of its result.

    `held` are the constants that it reads; `per_output` is how many
    multiply-accumulates one element of the result takes, where that is known.
    """

    op_type: str
    settings: str
    result: Shape
    held: tuple[Tensor, ...] = ()
    per_output: int = 0

    def shape(self, *inputs: Shape) -> Shape:
        return self.result

    def weights(self, *inputs: Shape) -> tuple[Tensor, ...]:
        return self.held

    def macs(self, *inputs: Shape) -> int:
        return math.prod(self.result) * self.per_output


class Shapes:
    """The shapes of a file's values by ONNX's own inference, which is asked when the first is wanted."""

    def __init__(self, model: ModelProto) -> None:
        self._model = model
        self._found: dict[str, Shape] | None = None

    def of(self, name: str) -> Shape:
        """Dimensions behind the batch; raises `Unexplained` where they do not follow."""
        if self._found is None:
            self._found = _inferred(self._model)
        if name not in self._found:
            raise Unexplained(f"no shape follows for '{shortened(name)}'")
        return self._found[name]


def _inferred(model: ModelProto) -> dict[str, Shape]:
    try:
        graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception:  # whatever onnx makes of a damaged model: then no shape follows
        return {}
    found = {}
    for value in (*graph.value_info, *graph.output):
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if len(dims) > 1 and min(dims[1:]) > 0:
            found[value.name] = tuple(dims[1:])
    return found


_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def opaque(
    walk: Walk, node: NodeProto, index: int, inputs: Sequence[Value], constants: Sequence[Constant], shapes: Shapes
) -> list[Signal]:
    """A node as it stands, one of ours for each of its results; raises `Unexplained` where no shape follows."""
    held = {_role(node, place): c for place, c in enumerate(c for c in constants if c.size > 1 and _float(c))}
    found = []
    for name in filter(None, node.output):
        shape = shapes.of(name)
        tensors = tuple(Tensor(role, constant.dims) for role, constant in held.items())
        op = Opaque(node.op_type, _settings(node), shape, tensors, _per_output(node, held))
        value = walk.add(op, inputs, held, index)
        found.append(Signal(Made(shape, index, value), shape, index))
        held = {}  # counted once
    return found


def _float(constant: Constant) -> bool:
    return constant.dtype.kind in "fV"


def _role(node: NodeProto, place: int) -> str:
    names = ("weight", "bias") if node.op_type in _LAYERS else ()
    return names[place] if place < len(names) else f"constant{place}"


def _per_output(node: NodeProto, held: dict[str, Constant]) -> int:
    weight = held.get("weight")
    if weight is None or len(weight.dims) < 2:
        return 0
    if node.op_type == "Conv":
        return math.prod(weight.dims[1:])
    turned = any(a.name == "transB" and a.i for a in node.attribute)
    return weight.dims[-1] if turned else weight.dims[-2] if node.op_type in ("Gemm", "MatMul") else 0


def _settings(node: NodeProto) -> str:
    """The attributes as text, in the order of their names."""
    parts = []
    for attribute in sorted(node.attribute, key=lambda a: a.name):
        parts.append(f"{attribute.name}={shortened(_text(attribute))}")
    return shortened(", ".join(parts), 300)


def _text(attribute: Any) -> str:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (int, float)):
        return f"{value:g}" if isinstance(value, float) else str(value)
    return str(list(value)) if isinstance(value, (list, tuple)) else type(value).__name__
