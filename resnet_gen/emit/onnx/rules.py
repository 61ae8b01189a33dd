"""How each operation is spelled in ONNX: one rule an operation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, NodeProto, TensorProto

from resnet_gen import ops
from resnet_gen.graph import Graph, Node
from resnet_gen.ops import DType, Op, Shape
from resnet_gen.weights.stream import ELEMENTS

ONNX_ELEMENTS: dict[DType, int] = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16}
"""ONNX's number of each element type."""


@dataclass(frozen=True)
class Initializer:
    """One tensor of the file: a weight to be read in rows, or `data` known already."""

    name: str
    shape: Shape
    element: int
    itemsize: int
    data: bytes | None = None

    @property
    def nbytes(self) -> int:
        """Size of its data."""
        return math.prod(self.shape) * self.itemsize


@dataclass
class _Call:
    """A node being written: its inputs so far, and the constants that it needs."""

    node: Node
    inputs: list[str]
    constants: list[Initializer] = field(default_factory=list)

    def constant(self, role: str, values: list[int] | list[float], dtype: str = "<i8") -> None:
        """Add a constant input called after the node and `role`."""
        array = np.asarray(values, dtype)
        element = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        name = f"{self.node.name}.{role}"
        shape = array.shape
        self.constants.append(Initializer(name, shape, element, array.itemsize, array.tobytes()))
        self.inputs.append(name)


Rule = Callable[[Any, _Call], tuple[str, dict[str, object]]]


def _square(side: int, times: int = 2) -> list[int]:
    return [side] * times


def _conv(op: ops.Conv, call: _Call) -> tuple[str, dict[str, object]]:
    return "Conv", {
        "dilations": _square(1),
        "group": op.groups,
        "kernel_shape": _square(op.kernel),
        "pads": _square(op.padding, 4),
        "strides": _square(op.stride),
    }


def _activation(op: ops.Activation, call: _Call) -> tuple[str, dict[str, object]]:
    names = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "silu": "Sigmoid", "leaky_relu": "LeakyRelu"}
    return names[op.function], {"alpha": float(op.slope)} if op.function == "leaky_relu" else {}


def _max_pool(op: ops.MaxPool, call: _Call) -> tuple[str, dict[str, object]]:
    window = {"kernel_shape": _square(op.kernel), "strides": _square(op.stride)}
    return "MaxPool", {**window, "pads": _square(op.padding, 4)}


def _avg_pool(op: ops.AvgPool, call: _Call) -> tuple[str, dict[str, object]]:
    return "AveragePool", {"kernel_shape": _square(op.kernel), "strides": _square(op.stride)}


def _one_minus(op: ops.OneMinus, call: _Call) -> tuple[str, dict[str, object]]:
    signal = call.inputs.pop()
    call.constant("one", [1.0], ELEMENTS[call.node.output.dtype])
    call.inputs.append(signal)
    return "Sub", {}


def _pad_channels(op: ops.PadChannels, call: _Call) -> tuple[str, dict[str, object]]:
    more = op.out - call.node.input_shapes[0][0]
    call.constant("pads", [0, 0, 0, 0, 0, more, 0, 0])
    return "Pad", {"mode": "constant"}


def _subsample(op: ops.Subsample, call: _Call) -> tuple[str, dict[str, object]]:
    _, h, w = call.node.input_shapes[0]
    call.constant("starts", [0, 0])
    call.constant("ends", [h, w])
    call.constant("axes", [2, 3])
    call.constant("steps", [op.stride, op.stride])
    return "Slice", {}


def _named(op_type: str, **attributes: object) -> Rule:
    """A rule for an operation whose ONNX operator has these attributes whatever its settings."""

    def rule(op: Op, call: _Call) -> tuple[str, dict[str, object]]:
        return op_type, attributes

    return rule


def _batch_norm(op: ops.BatchNorm, call: _Call) -> tuple[str, dict[str, object]]:
    return "BatchNormalization", {"epsilon": op.eps}


def _cast(op: ops.Cast, call: _Call) -> tuple[str, dict[str, object]]:
    return "Cast", {"to": ONNX_ELEMENTS[op.to]}


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


def emitted(graph: Graph) -> tuple[list[Initializer], list[NodeProto]]:
    """The initializers and the nodes of a graph, in order."""
    initializers: list[Initializer] = []
    nodes: list[NodeProto] = []
    for node in graph.nodes:
        weights = [_weight(node, tensor) for tensor in node.tensors]
        call = _Call(node, [v.name for v in node.inputs] + [w.name for w in weights])
        op_type, attributes = RULES[type(node.op)](node.op, call)
        initializers += weights + call.constants
        nodes += _node_protos(node, op_type, call.inputs, attributes)
    return initializers, nodes


def _weight(node: Node, tensor: ops.Tensor) -> Initializer:
    dtype = node.output.dtype
    name = node.weight_name(tensor.role)
    return Initializer(name, tensor.shape, ONNX_ELEMENTS[dtype], np.dtype(ELEMENTS[dtype]).itemsize)


def _node_protos(node: Node, op_type: str, inputs: list[str], attributes: dict[str, object]) -> list[NodeProto]:
    output = node.output.name
    proto = NodeProto(name=node.name, op_type=op_type, input=inputs, output=[output])
    proto.attribute.extend(_attribute(name, value) for name, value in sorted(attributes.items()))
    if not (isinstance(node.op, ops.Activation) and node.op.function == "silu"):
        return [proto]
    gate = f"{node.name}.sigmoid"
    proto.name, proto.output[0] = gate, gate
    return [proto, NodeProto(name=node.name, op_type="Mul", input=[*inputs, gate], output=[output])]


def _attribute(name: str, value: object) -> AttributeProto:
    return onnx.helper.make_attribute(name, value)
