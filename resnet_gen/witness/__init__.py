"""What emitted files really hold, read back and compared with the graph.

The reading shares nothing with the emitters: it takes ONNX's own shape
inference, or TensorRT's parsed network, and counts again from there.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from typing import NamedTuple

from resnet_gen.count import weighted
from resnet_gen.graph import Graph
from resnet_gen.ops import Conv, Shape


class WitnessError(Exception):
    """An emitted file does not hold the graph that it was made from: a defect of this tool."""


class Layer(NamedTuple):
    """A convolution or linear layer as a file has it; the shape is that of one image."""

    name: str
    kind: str
    shape: Shape
    dtype: str


def layers(graph: Graph) -> list[Layer]:
    """The convolution and linear layers of a graph, in order."""
    return [
        Layer(n.name, "conv" if isinstance(n.op, Conv) else "linear", n.shape, n.output.dtype)
        for n in graph.nodes
        if weighted(n)
    ]


def check_layers(graph: Graph, found: list[Layer], where: str) -> None:
    """Raise `WitnessError` unless `found` are exactly the graph's layers, in order."""
    compare(f"{where}: layer", layers(graph), found)


def compare(what: str, wanted: Iterable[object], found: Iterable[object]) -> None:
    """Raise `WitnessError` at the first place where two sequences differ."""
    for index, (ours, theirs) in enumerate(zip_longest(wanted, found)):
        if ours != theirs:
            raise WitnessError(f"{what} {index} is {theirs}, the graph has {ours}")
