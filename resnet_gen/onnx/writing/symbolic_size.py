"""Whether a network may be written with a symbolic height and width: no node of it says how large a map is."""

from __future__ import annotations

from collections.abc import Sequence

from resnet_gen.graph import Graph, Node
from resnet_gen.onnx.writing.rules import emit_node, lowest_opset


def find_size_dependence(graph: Graph, others: Sequence[Graph]) -> Node | None:
    """The first node that is written otherwise for another size of the image; None where all are the same.

    `others` are the same network at other sizes.
    """
    opset = lowest_opset(graph)
    for index, node in enumerate(graph.nodes):
        own = emit_node(node, opset, open_map=True)
        for other in others:
            if emit_node(other.nodes[index], opset, open_map=True) != own:
                return node
    return None


def list_open_values(graph: Graph, others: Sequence[Graph]) -> frozenset[str]:
    """The input, and the outputs whose shape is another at another size."""
    pairs = ((one, two) for other in others for one, two in zip(graph.outputs, other.outputs, strict=True))
    return frozenset((graph.input.name, *(one.name for one, two in pairs if one.shape != two.shape)))
