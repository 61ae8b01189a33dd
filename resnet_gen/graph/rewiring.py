"""What passes share: a graph with other nodes, and values that stand for others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from resnet_gen.graph import Graph, Node, Value


def rewire_graph(graph: Graph, nodes: Iterable[Node], same: Mapping[str, Value]) -> Graph:
    """The graph with these nodes, where each value named in `same` is read from its stand-in."""
    new = tuple(replace(n, inputs=tuple(same.get(v.name, v) for v in n.inputs)) for n in nodes)
    return replace(graph, nodes=new, outputs=tuple(same.get(v.name, v) for v in graph.outputs))
