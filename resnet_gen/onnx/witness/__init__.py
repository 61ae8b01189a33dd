"""What emitted files really hold, read back and compared with the graph.

The reading shares nothing with the emitters: it takes ONNX's own shape
inference, or TensorRT's parsed network, and counts again from there.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from typing import NamedTuple

from resnet_gen.graph import Graph, Node
from resnet_gen.graph.counts import macs
from resnet_gen.ops import ChannelConv, Linear, Shape


class WitnessError(Exception):
    """An emitted file does not hold the graph that it was made from: a defect of this tool."""


class FileLayer(NamedTuple):
    """A convolution or linear layer as a file has it; the shape is that of one image."""

    name: str
    kind: str
    shape: Shape
    dtype: str

    def __str__(self) -> str:
        """As messages show it."""
        return repr(self).removeprefix("File")


def list_layers(graph: Graph, row: Shape = ()) -> list[FileLayer]:
    """The convolution and linear layers of a graph as files have them, in order.

    `row` ends the shape of what a convolution along channels outputs.
    """
    return [_layer(node, row) for node in graph.nodes if macs(node)]


def _layer(node: Node, row: Shape) -> FileLayer:
    """A blur is a convolution in a file too; one along channels stands between two changes of shape."""
    dtype = node.output.dtype
    if isinstance(node.op, ChannelConv):
        return FileLayer(f"{node.name}.conv", "conv", (1, node.shape[0], *row), dtype)
    return FileLayer(node.name, "linear" if isinstance(node.op, Linear) else "conv", node.shape, dtype)


def check_layers(graph: Graph, found: list[FileLayer], where: str, row: Shape = ()) -> None:
    """Raise `WitnessError` unless `found` are exactly the graph's layers, in order; `row` as for `list_layers`."""
    compare_sequences(f"{where}: layer", list_layers(graph, row), found)


def compare_sequences(what: str, wanted: Iterable[object], found: Iterable[object]) -> None:
    """Raise `WitnessError` at the first place where two sequences differ."""
    for index, (ours, theirs) in enumerate(zip_longest(wanted, found)):
        if ours != theirs:
            raise WitnessError(f"{what} {index} is {theirs}, the graph has {ours}")
