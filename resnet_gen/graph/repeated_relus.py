"""ReLUs of what a ReLU has made, which change nothing: exporters write them where a module is called twice."""

from __future__ import annotations

from resnet_gen.graph import Graph, Node, Value
from resnet_gen.graph.rewiring import rewire_graph
from resnet_gen.ops import Activation


def without_repeated_relus(graph: Graph) -> Graph:
    """The graph without the ReLUs whose operand is a ReLU's result."""
    made: set[str] = set()
    same: dict[str, Value] = {}
    for node in filter(_is_relu, graph.nodes):
        before = same.get(node.inputs[0].name, node.inputs[0])
        if before.name in made:
            same[node.output.name] = before
        else:
            made.add(node.output.name)
    return rewire_graph(graph, [node for node in graph.nodes if node.output.name not in same], same) if same else graph


def _is_relu(node: Node) -> bool:
    return isinstance(node.op, Activation) and node.op.function == "relu"
