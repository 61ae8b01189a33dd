"""A graph's nodes in an order that follows from what they read, and not from the order in which a file lists them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from resnet_gen.graph import Graph, Node, Value
from resnet_gen.graph.matching import is_commutative


def order_nodes(graph: Graph) -> Graph:
    """The graph, each node behind all that it reads: first what the main path is, then what a shortcut is.

    What no output depends on stands behind all else.
    """
    makers = {node.output.name: node for node in graph.nodes}
    found: dict[str, Node] = {}
    waiting = [(node, False) for node in reversed((*_find_makers(graph.outputs, makers), *graph.nodes))]
    while waiting:
        node, ready = waiting.pop()
        if ready:
            found[node.name] = node
        elif node.name not in found:
            waiting.append((node, True))
            waiting += ((before, False) for before in reversed(_find_makers(_order_operands(node, makers), makers)))
    return replace(graph, nodes=tuple(found.values()))


def _find_makers(values: Sequence[Value], makers: dict[str, Node]) -> list[Node]:
    return [makers[value.name] for value in values if value.name in makers]


def _order_operands(node: Node, makers: dict[str, Node]) -> list[Value]:
    """What a node reads; where the order means nothing, the shortcut last."""
    if not is_commutative(node):
        return list(node.inputs)
    return sorted(node.inputs, key=lambda value: value.name in makers and makers[value.name].role == "shortcut")
