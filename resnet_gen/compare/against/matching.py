"""In which of its variants a file writes a spec's network, and which of its nodes is which of the spec's."""

from __future__ import annotations

from typing import NamedTuple

from resnet_gen.compare.against.variants import NetworkVariant, list_variants, without_biases
from resnet_gen.graph import Graph
from resnet_gen.graph.matching import Match, match
from resnet_gen.graph.repeated_relus import without_repeated_relus
from resnet_gen.onnx.reading import OnnxModel
from resnet_gen.weights.base import Weights


class FileMatch(NamedTuple):
    """The way in which a file writes a spec's network, or comes nearest to it; and biases that only one has.

    `match` has the spec's nodes first.
    """

    variant: NetworkVariant
    match: Match
    same: bool
    unbiased: int = 0


def match_file(graph: Graph, weights: Weights, file: OnnxModel) -> FileMatch:
    """How a file that was read writes a spec's graph, or comes nearest to it."""
    theirs = file.graph
    ways = list(list_variants(graph, weights))
    matches = [match(way.graph, theirs) for way in ways]
    for way, matched in zip(ways, matches, strict=True):
        if matched.same:
            return FileMatch(way, matched, same=True)
    once = without_repeated_relus(theirs)
    for way in ways if len(once.nodes) < len(theirs.nodes) else ():
        matched = match(without_repeated_relus(way.graph), once)
        if matched.same:
            return FileMatch(way, matched, same=True)
    for way in ways:
        matched = match(without_biases(way.graph), without_biases(theirs))
        lacking = _count_lacking_biases(matched, way.graph, theirs) if matched.same else None
        if lacking:
            return FileMatch(way, matched, same=True, unbiased=lacking)
    kept = file.batch_norm == "kept"
    best = max(range(len(ways)), key=lambda i: (ways[i].folded != kept, len(matches[i].pairs)))
    return FileMatch(ways[best], matches[best], same=False)


def _count_lacking_biases(matched: Match, graph: Graph, theirs: Graph) -> int | None:
    """How many biases of the spec a file has not; None where it has any that the spec has not."""
    ours, found = ({node.name: node for node in g.nodes} for g in (graph, theirs))
    biased = [
        (getattr(ours[a.name].op, "bias", False), getattr(found[b.name].op, "bias", False)) for a, b in matched.pairs
    ]
    return None if (False, True) in biased else biased.count((True, False))
