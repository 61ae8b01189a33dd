"""Nodes of a file that are none of our operations, kept as they stand: with a shape and weights, and no more."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import ModelProto, NodeProto

from resnet_gen.graph import Value
from resnet_gen.ops import Op, Shape, Tensor
from resnet_gen.problems import shortened
from resnet_gen.reading.constants import Constant, MissingNumbersError
from resnet_gen.reading.inference import inferred
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
            self._found = inferred(self._model)
        if name not in self._found:
            raise Unexplained(f"no shape follows for '{shortened(name)}'")
        return self._found[name]


_FEW = 16
_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def opaque(
    walk: Walk, node: NodeProto, index: int, inputs: Sequence[Value], constants: Mapping[int, Constant], shapes: Shapes
) -> list[Signal]:
    """A node as it stands, one of ours for each of its results; raises `Unexplained` where no shape follows.

    `constants` are those of its operands that are, by their position.
    """
    weights = [constant for constant in constants.values() if constant.size > 1 and constant.dtype.kind in "fV"]
    held = {_role(node, place): constant for place, constant in enumerate(weights)}
    settings = _settings(node, constants)
    found = []
    for name in filter(None, node.output):
        shape = shapes.of(name)
        tensors = tuple(Tensor(role, constant.dims) for role, constant in held.items())
        op = Opaque(node.op_type, settings, shape, tensors, _per_output(node, held))
        value = walk.add(op, inputs, held, index)
        found.append(Signal(Made(shape, index, value), shape, index))
        held = {}  # counted once
    return found


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


def _settings(node: NodeProto, constants: Mapping[int, Constant]) -> str:
    """The attributes in the order of their names, and the operands that are one number or a few integers."""
    parts = [f"{a.name}={shortened(_text(a))}" for a in sorted(node.attribute, key=lambda a: a.name)]
    for place, constant in constants.items():
        few = constant.size == 1 or (constant.dtype.kind in "iu" and constant.size <= _FEW)
        try:
            parts += [f"input{place}={constant.array().tolist()}"] if few else []
        except MissingNumbersError:
            parts.append(f"input{place}=?")
    return shortened(", ".join(parts), 300)


def _text(attribute: Any) -> str:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (int, float)):
        return f"{value:g}" if isinstance(value, float) else str(value)
    return str(list(value)) if isinstance(value, (list, tuple)) else type(value).__name__
