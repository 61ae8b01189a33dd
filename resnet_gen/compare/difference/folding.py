"""What makes a network and a file comparable, of which one has its batch norms folded into convolutions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from resnet_gen.compare.difference.graphs import Difference, compare
from resnet_gen.graph import Graph, Node
from resnet_gen.onnx.reading import Opaque
from resnet_gen.ops import Conv, GroupNorm, Op
from resnet_gen.weights.folding import find_foldable_norms, folded_graph


class Folding(NamedTuple):
    """How many more norms the first has behind convolutions than the second, and biases of zero that were left out."""

    norms: int = 0
    biases: int = 0


def compare_files(before: Graph, after: Graph) -> tuple[Difference, Folding]:
    """What differs, of which one at least was read from a file.

    If one has fewer norms behind convolutions because they were folded, all are folded in both. An exporter leaves
    biases of zero out, which are what folding gives a network that was never trained: if all of them are missing, they
    are as good as there.
    """
    norms = [find_foldable_norms(graph) for graph in (before, after)]
    more = len(norms[0]) - len(norms[1])
    whole = more and not norms[more > 0] and not _has_lasting_norm(after if more > 0 else before)
    if not whole:
        found = compare(before, after, files=True)
        pairs = found.pairs if more > 0 else [(b, a) for a, b in found.pairs]
        if not more or not _gains_biases(pairs, *norms[:: 1 if more > 0 else -1]):
            return found, Folding()
    before, after = folded_graph(before), folded_graph(after)
    found = compare(before, after, files=True)
    gained = {conv.name for conv in norms[more < 0].values()}
    missing = _find_missing_biases(found, gained, first=more < 0)
    if missing:
        before, after = (before, _add_biases(after, missing)) if more > 0 else (_add_biases(before, missing), after)
        found = compare(before, after, files=True)
    return found, Folding(more, len(missing))


def _gains_biases(pairs: Iterable[tuple[Node, Node]], more: Mapping[str, Node], fewer: Mapping[str, Node]) -> bool:
    """Whether the second of a pair has a bias where the first has a norm, and others of the second have theirs."""
    if not fewer:
        return False
    wanted, own = ({conv.name for conv in norms.values()} for norms in (more, fewer))
    gained = (b for a, b in pairs if a.name in wanted and b.name not in own and _count_biases(a) < _count_biases(b))
    return any(node.role != "attention" for node in gained)  # an attention may be replaced by one that has biases


def _count_biases(node: Node) -> int:
    return sum(tensor.role == "bias" for tensor in node.tensors)


def _has_lasting_norm(graph: Graph) -> bool:
    """Whether a norm of a kind that is never folded stands behind a convolution."""
    makers = {node.output.name: node.op for node in graph.nodes}
    return any(_is_norm(node.op) and isinstance(makers.get(node.inputs[0].name), Conv) for node in graph.nodes)


def _is_norm(op: Op) -> bool:
    return isinstance(op, GroupNorm) or (isinstance(op, Opaque) and op.op_type.endswith("Normalization"))


def _find_missing_biases(found: Difference, gained: set[str], *, first: bool) -> set[str]:
    """The convolutions of the first or second network whose partners gained a bias, if none of them has one."""
    pairs = [(a, b) if first else (b, a) for a, b in found.pairs]
    partners = [ours for ours, theirs in pairs if theirs.name in gained]
    biased = any(isinstance(node.op, Conv) and node.op.bias for node in partners)
    return set() if biased else {node.name for node in partners}


def _add_biases(graph: Graph, names: set[str]) -> Graph:
    """The graph with a bias in these convolutions."""
    nodes = (
        replace(node, op=replace(node.op, bias=True)) if node.name in names and isinstance(node.op, Conv) else node
        for node in graph.nodes
    )
    return replace(graph, nodes=tuple(nodes))
