"""The job: a graph to a specification that makes exactly it, or the first node that none explains."""

from __future__ import annotations

from typing import Any, NamedTuple

from resnet_gen.graph import Graph, Node
from resnet_gen.infer.assemble import assembled
from resnet_gen.infer.choices import choices
from resnet_gen.infer.flow import Flow
from resnet_gen.infer.parse import Chain, chains
from resnet_gen.load import Loaded
from resnet_gen.lower import lower
from resnet_gen.matching import Match, match
from resnet_gen.parts.registry import load_parts
from resnet_gen.passes.fold import fold_batch_norm
from resnet_gen.problems import Refused
from resnet_gen.source import Source
from resnet_gen.spec import check
from resnet_gen.weights.seeded import Seeded


class Inferred(NamedTuple):
    """A specification, and the proof that it makes the graph: `graph` is its own, with norms folded if `folded`."""

    data: dict[str, Any]
    loaded: Loaded
    graph: Graph
    match: Match
    folded: bool


class Unexplained(NamedTuple):
    """The first node that no specification was found to make, how many were explained, and where that was."""

    node: Node | None
    explained: int
    chain: Chain | None


def infer(graph: Graph, name: str) -> Inferred | Unexplained:
    """The specification of a graph, called `name`; names and places of the graph's nodes are not looked at."""
    load_parts()
    flow = Flow(graph)
    best: Chain | None = None
    for choice in choices(flow):
        for chain in chains(flow, choice):
            found = proved(flow, chain, name) if chain.head else None
            if found:
                return found
            if best is None or len(chain.seen) > len(best.seen):
                best = chain
    seen = best.seen if best else frozenset()
    missing = [node for node in graph.nodes if flow.numbers[node.output.name] not in seen]
    return Unexplained(next(iter(missing), None), len(graph.nodes) - len(missing), best)


def proved(flow: Flow, chain: Chain, name: str) -> Inferred | None:
    """The specification of a chain, if it makes the very graph; None otherwise."""
    data = assembled(flow, chain, name)
    if data is None:
        return None
    try:
        loaded = loaded_from(data)
        graph = lower(loaded)
    except Refused:
        return None
    for folded in (False, True) if chain.choice.folds else (False,):
        made = fold_batch_norm(graph, Seeded(graph, 0))[0] if folded else graph
        found = match(made, flow.graph)
        if found.same:
            return Inferred(data, loaded, made, found, folded)
    return None


def loaded_from(data: dict[str, Any]) -> Loaded:
    """Plain data as a checked specification; raises `Refused`."""
    source = Source(data)
    return Loaded(check(source), source, "")
