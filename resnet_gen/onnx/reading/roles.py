"""What the nodes of a graph that was read are for, known by their place: gates of products, shortcuts of sums.

A node belongs to a gate or a shortcut if nothing else depends on it. Which
operand of a sum is the shortcut is known by its layers: it has fewer of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from resnet_gen.graph import Graph, Node, Role
from resnet_gen.ops import Activation, Add, Mul, OneMinus, Op, SplitSoftmax, TakeChannels

_Edge = tuple[str, int]
"""A node by name, and one of its operands by position."""


def with_roles(graph: Graph) -> Graph:
    """The graph with the role of each node: main path, attention, or shortcut."""
    makers = {node.output.name: node for node in graph.nodes}
    readers = _readers(graph)
    attention = _find_leading(graph, readers, set(_find_gates(graph, makers)))
    shortcuts = {edge for node in graph.nodes for edge in _find_shortcut(node, makers, readers, attention)}
    around = _find_leading(graph, readers, shortcuts)

    def role(name: str) -> Role:
        return "attention" if name in attention else "shortcut" if name in around else "main"

    return replace(graph, nodes=tuple(replace(node, role=role(node.name)) for node in graph.nodes))


def _readers(graph: Graph) -> dict[str, list[_Edge]]:
    """Who reads each value; the outside, which has no name, reads the outputs."""
    found: dict[str, list[_Edge]] = {}
    for node in graph.nodes:
        for place, value in enumerate(node.inputs):
            found.setdefault(value.name, []).append((node.name, place))
    for value in graph.outputs:
        found.setdefault(value.name, []).append(("", 0))
    return found


def _find_leading(graph: Graph, readers: Mapping[str, list[_Edge]], edges: set[_Edge]) -> set[str]:
    """The nodes that lead to these operands and to nothing else."""
    found: set[str] = set()
    for node in reversed(graph.nodes):
        if all(edge in edges or edge[0] in found for edge in readers[node.output.name]):
            found.add(node.name)
    return found


def _find_gates(graph: Graph, makers: Mapping[str, Node]) -> Iterator[_Edge]:
    for node in graph.nodes:
        if isinstance(node.op, Mul):
            for place, value in enumerate(node.inputs):
                maker = makers.get(value.name)
                if value.shape != node.shape or (maker and _is_weight(maker, makers)):
                    yield node.name, place


def _is_weight(node: Node, makers: Mapping[str, Node]) -> bool:
    """Whether what a node makes lies in 0..1."""
    if isinstance(node.op, (OneMinus, TakeChannels)):
        before = makers.get(node.inputs[0].name)
        return before is not None and _is_bounded(before.op)
    return _is_bounded(node.op)


def _is_bounded(op: Op) -> bool:
    return isinstance(op, SplitSoftmax) or (isinstance(op, Activation) and op.function in ("sigmoid", "hard_sigmoid"))


def _find_shortcut(
    node: Node, makers: Mapping[str, Node], readers: Mapping[str, list[_Edge]], attention: set[str]
) -> Iterator[_Edge]:
    """The operand of a sum that is the shortcut, if one is."""
    if isinstance(node.op, Add):
        first, second = (
            _count_layers((node.name, i), v.name, makers, readers, attention) for i, v in enumerate(node.inputs)
        )
        if first != second:
            yield node.name, int(second < first)


def _count_layers(
    edge: _Edge, value: str, makers: Mapping[str, Node], readers: Mapping[str, list[_Edge]], attention: set[str]
) -> int:
    """Layers that lead to one operand and to nothing else."""
    own: set[str] = set()
    waiting, count = [value], 0
    while waiting:
        name = waiting.pop()
        node = makers.get(name)
        if node is None or node.name in own:
            continue
        if all(reader == edge or reader[0] in own for reader in readers[name]):
            own.add(node.name)
            count += node.op.is_layer and node.name not in attention
            waiting += [v.name for v in node.inputs]
    return count
