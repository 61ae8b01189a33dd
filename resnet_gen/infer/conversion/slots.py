"""The tensors of a network, each in its place: what it is called under a scheme, and how it may be laid out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from resnet_gen.graph import Graph, Node
from resnet_gen.ops import ChannelConv, Conv, Flatten, Linear, Shape


class TensorSlot(NamedTuple):
    """A tensor of a network: the node that has it, its role there, its shape in PyTorch's layout.

    `shapes` are all shapes that the same numbers in the same order have where a layer is written otherwise: a linear
    layer for a convolution that sees the whole map, and the other way round. The first is `shape`.
    """

    node: Node
    role: str
    shapes: tuple[Shape, ...]

    @property
    def shape(self) -> Shape:
        """Its shape in the network's own writing."""
        return self.shapes[0]

    @property
    def key(self) -> tuple[str, str]:
        """Where it stands, whatever it is called: the node's path, and the role."""
        return self.node.path, self.role


def list_slots(graph: Graph) -> list[TensorSlot]:
    """Every tensor of a network, in order."""
    makers = {node.output.name: node for node in graph.nodes}
    return [
        TensorSlot(
            node, tensor.role, (tensor.shape, *(_list_other_shapes(node, makers) if tensor.role == "weight" else ()))
        )
        for node in graph.nodes
        for tensor in node.tensors
    ]


def _list_other_shapes(node: Node, makers: Mapping[str, Node]) -> Iterator[Shape]:
    """The shapes of a layer's weight where it is written as another layer that computes the same."""
    x = node.input_shapes[0]
    match node.op:
        case Conv(out=out, kernel=kernel, padding=0, groups=1) if kernel == 1 or x[1:] == (kernel, kernel):
            yield out, x[0] * kernel**2
        case Linear(out=out):
            yield out, *_map_shape(node, makers)


def _map_shape(node: Node, makers: Mapping[str, Node]) -> Shape:
    """The (C, H, W) whose numbers a linear layer takes in order; (C, 1, 1) where it takes another layer's."""
    maker = makers.get(node.inputs[0].name)
    if maker and isinstance(maker.op, Flatten):
        return maker.input_shapes[0]
    return (*node.input_shapes[0], 1, 1)


LEAVES = {"weight": "kernel", "bias": "bias", "running_mean": "mean", "running_var": "var"}
"""Flax's names of what PyTorch calls so; a norm's weight is its scale."""


def flax_leaf(slot: TensorSlot) -> str:
    """What Flax NNX calls a tensor within its module."""
    layer = isinstance(slot.node.op, (Conv, Linear, ChannelConv))
    return "scale" if slot.role == "weight" and not layer else LEAVES[slot.role]


def flax_axes(slot: TensorSlot) -> tuple[int, ...] | None:
    """The axes of PyTorch's layout in the order of Flax's: HWIO for OIHW; None where both are one.

    A linear layer behind a flattened map needs no more: the code generated for Flax flattens a map channels first.
    """
    if slot.role != "weight":
        return None
    match slot.node.op:
        case Conv():
            return 2, 3, 1, 0
        case ChannelConv():
            return 2, 1, 0
        case Linear():
            return 1, 0
        case _:
            return None


def flax_shape(slot: TensorSlot) -> Shape:
    """Its shape in Flax."""
    axes = flax_axes(slot)
    return tuple(slot.shape[axis] for axis in axes) if axes else slot.shape
