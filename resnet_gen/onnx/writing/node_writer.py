"""How a rule writes the ONNX nodes and constants of one operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from resnet_gen.graph import Node
from resnet_gen.onnx.writing import messages
from resnet_gen.onnx.writing.messages import ELEMENT_OF, INT64, Attribute, Initializer
from resnet_gen.ops import DType
from resnet_gen.weights.base import Array
from resnet_gen.weights.stream import element_type


@dataclass
class NodeWriter:
    """A node being written: what it reads, and the ONNX nodes and constants that it takes so far.

    With `open_map` the sides of the map are symbolic, and no node is to say them if it can be helped.
    """

    node: Node
    opset: int
    inputs: list[str]
    open_map: bool = False
    constants: list[Initializer] = field(default_factory=list)
    nodes: list[bytes] = field(default_factory=list)

    def integers(self, role: str, values: Any) -> str:
        """A constant of 64-bit integers, called after the node and `role`."""
        return self._constant(role, INT64, np.asarray(values, "<i8"))

    def numbers(self, role: str, values: Any, dtype: DType | None = None) -> str:
        """A constant of the node's own type, or of `dtype`, called after the node and `role`."""
        dtype = dtype or self.node.output.dtype
        return self._constant(role, ELEMENT_OF[dtype], np.asarray(values, element_type(dtype)))

    def _constant(self, role: str, element: int, array: Array) -> str:
        name = f"{self.node.name}.{role}"
        self.constants.append(Initializer(name, array.shape, element, array.itemsize, array.tobytes()))
        return name

    def step(self, role: str, op_type: str, *inputs: str, **attributes: Attribute) -> str:
        """A node on the way to the result, called after the node and `role`; returns its output."""
        name = f"{self.node.name}.{role}"
        self.nodes.append(messages.node(name, op_type, inputs, [name], attributes))
        return name

    def end(self, op_type: str, *inputs: str, **attributes: Attribute) -> None:
        """The node whose output is the result."""
        self.nodes.append(messages.node(self.node.name, op_type, inputs, [self.node.output.name], attributes))

    def end_second(self, role: str, op_type: str, *inputs: str, **attributes: Attribute) -> None:
        """The node whose second output is the result, and whose first, called after `role`, nobody reads."""
        outputs = [f"{self.node.name}.{role}", self.node.output.name]
        self.nodes.append(messages.node(self.node.name, op_type, inputs, outputs, attributes))


OperationRule = Callable[[Any, NodeWriter], None]
