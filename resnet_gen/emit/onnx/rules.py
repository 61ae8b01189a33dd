"""How each operation is spelled in ONNX: one rule an operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from resnet_gen import ops
from resnet_gen.emit.onnx import messages
from resnet_gen.emit.onnx.messages import ELEMENT_OF, INT64, Attribute, Initializer
from resnet_gen.graph import Graph, Node
from resnet_gen.ops import Op
from resnet_gen.weights.base import Array
from resnet_gen.weights.stream import ELEMENTS


@dataclass
class _Call:
    """A node being written: its inputs so far, and the constants that it needs."""

    node: Node
    inputs: list[str]
    constants: list[Initializer] = field(default_factory=list)

    def integers(self, role: str, values: list[int]) -> None:
        """Add an input of 64-bit integers, called after the node and `role`."""
        self._constant(role, INT64, np.asarray(values, "<i8"))

    def numbers(self, role: str, values: list[float]) -> None:
        """Add an input of the node's own type, called after the node and `role`."""
        dtype = self.node.output.dtype
        self._constant(role, ELEMENT_OF[dtype], np.asarray(values, ELEMENTS[dtype]))

    def _constant(self, role: str, element: int, array: Array) -> None:
        name = f"{self.node.name}.{role}"
        self.constants.append(Initializer(name, array.shape, element, array.itemsize, array.tobytes()))
        self.inputs.append(name)


Attributes = dict[str, Attribute]
Rule = Callable[[Any, _Call], tuple[str, Attributes]]


def _square(side: int, times: int = 2) -> list[int]:
    return [side] * times


def _conv(op: ops.Conv, call: _Call) -> tuple[str, Attributes]:
    return "Conv", {
        "dilations": _square(1),
        "group": op.groups,
        "kernel_shape": _square(op.kernel),
        "pads": _square(op.padding, 4),
        "strides": _square(op.stride),
    }


def _activation(op: ops.Activation, call: _Call) -> tuple[str, Attributes]:
    names = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "silu": "Sigmoid", "leaky_relu": "LeakyRelu"}
    return names[op.function], {"alpha": float(op.slope)} if op.function == "leaky_relu" else {}


def _max_pool(op: ops.MaxPool, call: _Call) -> tuple[str, Attributes]:
    window = {"kernel_shape": _square(op.kernel), "strides": _square(op.stride)}
    return "MaxPool", {**window, "pads": _square(op.padding, 4)}


def _avg_pool(op: ops.AvgPool, call: _Call) -> tuple[str, Attributes]:
    return "AveragePool", {"kernel_shape": _square(op.kernel), "strides": _square(op.stride)}


def _one_minus(op: ops.OneMinus, call: _Call) -> tuple[str, Attributes]:
    signal = call.inputs.pop()
    call.numbers("one", [1.0])
    call.inputs.append(signal)
    return "Sub", {}


def _pad_channels(op: ops.PadChannels, call: _Call) -> tuple[str, Attributes]:
    more = op.out - call.node.input_shapes[0][0]
    call.integers("pads", [0, 0, 0, 0, 0, more, 0, 0])
    return "Pad", {"mode": "constant"}


def _subsample(op: ops.Subsample, call: _Call) -> tuple[str, Attributes]:
    _, h, w = call.node.input_shapes[0]
    call.integers("starts", [0, 0])
    call.integers("ends", [h, w])
    call.integers("axes", [2, 3])
    call.integers("steps", [op.stride, op.stride])
    return "Slice", {}


def _named(op_type: str, **attributes: Attribute) -> Rule:
    """A rule for an operation whose ONNX operator has these attributes whatever its settings."""

    def rule(op: Op, call: _Call) -> tuple[str, Attributes]:
        return op_type, attributes

    return rule


def _batch_norm(op: ops.BatchNorm, call: _Call) -> tuple[str, Attributes]:
    return "BatchNormalization", {"epsilon": op.eps}


def _cast(op: ops.Cast, call: _Call) -> tuple[str, Attributes]:
    return "Cast", {"to": ELEMENT_OF[op.to]}


RULES: dict[type[Op], Rule] = {
    ops.Conv: _conv,
    ops.Linear: _named("Gemm", alpha=1.0, beta=1.0, transA=0, transB=1),
    ops.BatchNorm: _batch_norm,
    ops.Activation: _activation,
    ops.MaxPool: _max_pool,
    ops.AvgPool: _avg_pool,
    ops.GlobalAvgPool: _named("GlobalAveragePool"),
    ops.Flatten: _named("Flatten", axis=1),
    ops.Add: _named("Add"),
    ops.Mul: _named("Mul"),
    ops.OneMinus: _one_minus,
    ops.PadChannels: _pad_channels,
    ops.Subsample: _subsample,
    ops.Softmax: _named("Softmax", axis=1),
    ops.Cast: _cast,
}
"""How each operation is spelled in ONNX: operator type and attributes."""


def emitted(graph: Graph) -> tuple[list[Initializer], list[bytes]]:
    """The initializers and the nodes of a graph, in order."""
    initializers: list[Initializer] = []
    nodes: list[bytes] = []
    for node in graph.nodes:
        weights = [_weight(node, tensor) for tensor in node.tensors]
        call = _Call(node, [v.name for v in node.inputs] + [w.name for w in weights])
        op_type, attributes = RULES[type(node.op)](node.op, call)
        initializers += weights + call.constants
        nodes += _nodes(node, op_type, call.inputs, attributes)
    return initializers, nodes


def _weight(node: Node, tensor: ops.Tensor) -> Initializer:
    dtype = node.output.dtype
    name = node.weight_name(tensor.role)
    return Initializer(name, tensor.shape, ELEMENT_OF[dtype], np.dtype(ELEMENTS[dtype]).itemsize)


def _nodes(node: Node, op_type: str, inputs: list[str], attributes: Attributes) -> list[bytes]:
    output = node.output.name
    if not (isinstance(node.op, ops.Activation) and node.op.function == "silu"):
        return [messages.node(node.name, op_type, inputs, output, attributes)]
    gate = f"{node.name}.sigmoid"
    return [
        messages.node(gate, op_type, inputs, gate, attributes),
        messages.node(node.name, "Mul", [*inputs, gate], output, {}),
    ]
