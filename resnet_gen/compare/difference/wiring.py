"""Whether paired layers take what their partners take, seen through what was added and removed between them."""

from __future__ import annotations

from resnet_gen.compare.difference.align import Pairs
from resnet_gen.graph import Graph, Node, Value
from resnet_gen.graph.matching import is_commutative

MOST_SOURCES = 16
"""Of a value, how many paired layers are looked for through those that have no partner."""

INPUT = -1


class Wiring:
    """Where operands come from, in terms of the pairs of layers.

    A value's sources are the number of the pair that makes it; where its maker has no partner, those of what
    its maker takes. An operand is unchanged if it has a source in common with its partner's.
    """

    def __init__(self, before: Graph, after: Graph, nodes: Pairs[Node]) -> None:
        self._graphs = before, after
        numbers = {id(node): index for index, (a, b) in enumerate(nodes) if a and b for node in (a, b)}
        self._before, self._after = (_find_sources(graph, numbers) for graph in (before, after))

    def is_rewired(self, a: Node, b: Node) -> bool:
        """Whether a pair takes its operands from elsewhere, or in another order."""
        if len(a.inputs) != len(b.inputs):
            return True
        straight = self._are_alike(a.inputs, b.inputs)
        return not straight and not (
            is_commutative(a) and is_commutative(b) and self._are_alike(a.inputs[::-1], b.inputs)
        )

    def outputs_differ(self) -> bool:
        """Whether the networks output other values, or in another order."""
        first, second = (graph.outputs for graph in self._graphs)
        return len(first) != len(second) or not self._are_alike(first, second)

    def _are_alike(self, first: tuple[Value, ...], second: tuple[Value, ...]) -> bool:
        pairs = zip(first, second, strict=True)
        return all(self._before[a.name] & self._after[b.name] for a, b in pairs)


def _find_sources(graph: Graph, numbers: dict[int, int]) -> dict[str, frozenset[int]]:
    """The sources of each value by its name."""
    found = {graph.input.name: frozenset((INPUT,))}
    for node in graph.nodes:
        number = numbers.get(id(node))
        if number is not None:
            found[node.output.name] = frozenset((number,))
        else:
            every = frozenset().union(*(found[value.name] for value in node.inputs))
            found[node.output.name] = frozenset(sorted(every)[-MOST_SOURCES:])
    return found
