"""Graph to the kernels that an engine runs: what TensorRT fuses is one, what moves no data is none.

A convolution, its batch norm, the sum with the shortcut and the activation after it are one kernel, which reads its
input, the shortcut and the weights and writes its result once (NVIDIA, TensorRT Developer Guide, Types of Fusions).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from resnet_gen import ops
from resnet_gen.graph import Graph, Node, Value
from resnet_gen.ops import Op, Shape
from resnet_gen.ops.types import TypeChange

_POINTWISE = (ops.Activation, ops.Add, ops.BatchNorm, ops.Mul, ops.OneMinus, TypeChange)
"""What is done to an element while it is still in a register."""
_NO_WORK = (ops.AsMap, ops.Concat, ops.Flatten, ops.PadMap, ops.TakeChannels)
"""What changes only where others read and write."""


@dataclass(frozen=True)
class Kernel:
    """One kernel: the node that gives it its name, what it reads beside weights, and what it writes.

    `fused` are the nodes that are computed with it, in order.
    """

    node: Node
    reads: tuple[Value, ...]
    output: Value
    fused: tuple[Node, ...] = ()

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All that it computes."""
        return (self.node, *self.fused)

    @property
    def op(self) -> Op:
        """The operation that what follows is fused into."""
        return self.node.op

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return self.op.macs(*self.node.input_shapes)

    @property
    def weights(self) -> int:
        """Elements of its weights; those of a norm that is folded into it are none."""
        return sum(math.prod(tensor.shape) for tensor in self.node.tensors)

    @property
    def activations(self) -> int:
        """Elements of activations that it reads and writes, for one image."""
        return sum(math.prod(value.shape) for value in (*self.reads, self.output))

    @property
    def product(self) -> tuple[int, int, int]:
        """(rows, columns, groups) of the matrix product that a layer is, for one image."""
        shape: Shape = self.node.shape
        groups = self.op.groups if isinstance(self.op, ops.Conv) else 1
        return math.prod(shape[1:]), shape[0] // groups, groups


def find_kernels(graph: Graph) -> list[Kernel]:
    """The kernels of a graph, in order; its batch norms need not be folded before."""
    readers = graph.consumers()
    kept = {value.name for value in graph.outputs}
    found: list[Kernel] = []
    maker: dict[str, int] = {}
    for node in graph.nodes:
        if isinstance(node.op, _NO_WORK):
            continue
        into = [
            (maker[v.name], v)
            for v in node.inputs
            if v.name in maker and v.shape == node.shape and v.name not in kept and len(readers[v.name]) == 1
        ]
        into = [(i, v) for i, v in into if isinstance(node.op, _POINTWISE) and _can_take_more(found[i])]
        if into:
            index, value = max(into, key=lambda pair: pair[0])  # the other operand must be there by then
            others = tuple(v for v in node.inputs if v is not value)
            first = found[index]
            found[index] = Kernel(first.node, (*first.reads, *others), node.output, (*first.fused, node))
        else:
            index = len(found)
            found.append(Kernel(node, node.inputs, node.output))
        maker[node.output.name] = index
    return found


def _can_take_more(kernel: Kernel) -> bool:
    return kernel.op.is_layer or isinstance(kernel.op, _POINTWISE)


def most_activations(found: list[Kernel]) -> int:
    """The most elements of activations, for one image, that must be kept at one time."""
    last = {value.name: index for index, kernel in enumerate(found) for value in kernel.reads}
    alive: dict[str, int] = {}
    most = 0
    for index, kernel in enumerate(found):
        alive.update((value.name, math.prod(value.shape)) for value in (*kernel.reads, kernel.output))
        most = max(most, sum(alive.values()))
        alive = {name: size for name, size in alive.items() if last.get(name, -1) > index}
    return most
