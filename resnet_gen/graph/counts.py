"""Graph to exact integers: parameters, buffers, MACs, depth, activations.

The counts come from the very nodes that are emitted; nothing here knows what a ResNet is. One multiply-accumulate (MAC)
is one multiplication and one addition; FLOPs are 2 x MACs. Biases, norms, pooling and elementwise work count no MACs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from resnet_gen.graph import Graph, Node, longest_path
from resnet_gen.ops import Linear, MaxPool


@dataclass(frozen=True)
class Counts:
    """Exact counts for one image."""

    params: int
    """Trainable elements."""
    buffers: int
    """Elements that are kept but not trained, as the running statistics of norms."""
    macs: int
    """Multiply-accumulates of convolutions and linear layers."""
    conv_macs: int
    """Those of convolutions alone."""
    macs_and_biases: int
    """And one for each bias that is added: pycls' flops."""
    layers: int
    """Depth in the ResNet paper's sense: convolution and linear layers on the longest main path, without projections
    and gates."""
    activations: int
    """Elements that convolutions and linear layers output (Radosavovic et al. 2020, Sec. 3, where linear layers are
    left out)."""
    activations_and_pools: int
    """Those of max pooling too: pycls' acts."""

    @property
    def flops(self) -> int:
        """2 x MACs."""
        return 2 * self.macs

    def as_dict(self) -> dict[str, int]:
        """All counts by name, `flops` included."""
        return {name: getattr(self, name) for name in COUNTS}


CountName: TypeAlias = Literal[
    "params",
    "buffers",
    "macs",
    "flops",
    "conv_macs",
    "macs_and_biases",
    "layers",
    "activations",
    "activations_and_pools",
]
COUNTS: tuple[CountName, ...] = get_args(CountName)
"""Every count by its name."""


def params(node: Node) -> int:
    """Trainable elements of one node."""
    return sum([math.prod(t.shape) for t in node.tensors if t.trainable and not t.scale])


def buffers(node: Node) -> int:
    """Elements of one node that are kept but not trained."""
    return sum([math.prod(t.shape) for t in node.tensors if not t.trainable])


def macs(node: Node) -> int:
    """Multiply-accumulates of one node for one image."""
    return node.op.macs(*node.input_shapes)


def biases(node: Node) -> int:
    """Elements to which a convolution or linear layer adds a bias."""
    biased = node.op.is_layer and any(t.role == "bias" for t in node.tensors)
    return math.prod(node.shape) if biased else 0


def activations(node: Node) -> int:
    """Elements that a convolution or linear layer outputs; 0 for all else."""
    return math.prod(node.shape) if node.op.is_layer else 0


def depth(graph: Graph) -> int:
    """Convolution and linear layers on the longest main path."""
    return longest_path(graph, lambda n: int(n.role == "main" and n.op.is_layer))


def count(graph: Graph) -> Counts:
    """Counts of a whole network."""
    return _sum(graph.nodes, depth(graph))


def count_nodes(nodes: Iterable[Node]) -> Counts:
    """Counts of some nodes, such as a stage's; `layers` is how many main layers they hold."""
    nodes = tuple(nodes)
    return _sum(nodes, sum(n.role == "main" and n.op.is_layer for n in nodes))


def _sum(nodes: tuple[Node, ...], layers: int) -> Counts:
    each = [macs(node) for node in nodes]
    put_out = sum(map(activations, nodes))
    return Counts(
        params=sum(map(params, nodes)),
        buffers=sum(map(buffers, nodes)),
        macs=sum(each),
        conv_macs=sum(n for n, node in zip(each, nodes, strict=True) if not isinstance(node.op, Linear)),
        macs_and_biases=sum(each) + sum(map(biases, nodes)),
        layers=layers,
        activations=put_out,
        activations_and_pools=put_out + sum(math.prod(n.shape) for n in nodes if isinstance(n.op, MaxPool)),
    )
