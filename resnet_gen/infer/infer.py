"""The job: a graph to a specification that makes exactly it, or the first node that none explains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from resnet_gen.graph import Graph, Node, Value
from resnet_gen.infer.assemble import assembled
from resnet_gen.infer.choices import Choice, choices
from resnet_gen.infer.flow import Flow, OutOfPatience
from resnet_gen.infer.names import Naming, best_naming
from resnet_gen.infer.parse import Chain, chains
from resnet_gen.infer.stages import staged
from resnet_gen.infer.written import written
from resnet_gen.load import Loaded, load_text
from resnet_gen.lower import lower
from resnet_gen.matching import Match, match
from resnet_gen.parts.registry import load_parts
from resnet_gen.passes.fold import fold_batch_norm
from resnet_gen.problems import Document, Refused
from resnet_gen.source import read_text
from resnet_gen.weights.seeded import Seeded

_PROOF = 8
"""What one proof takes, for each of a graph's operations, beside finding one of them."""


class Inferred(NamedTuple):
    """A specification, and the proof that it makes the graph.

    `graph` is what the specification is lowered to; `match` pairs that graph, with
    its batch norms folded if `folded`, with the one that was given.
    """

    data: dict[str, Any]
    loaded: Loaded
    graph: Graph
    match: Match
    folded: bool
    naming: Naming


class Unexplained(NamedTuple):
    """The first node that no specification was found to make, and how far the best one came.

    Where each node is explained, `node` is None and `output` is what no specification puts out there, if
    it is one value. `given_up` tells that more was still to be tried.
    """

    node: Node | None
    output: Value | None
    explained: int
    place: str
    operands: tuple[str, ...]
    given_up: bool


def infer(graph: Graph, name: str, *, norms: bool = True) -> Inferred | Unexplained:
    """The specification of a graph, called `name`; names and places of the graph's nodes are not looked at.

    But for one thing: where biases may be plain ones or norms that were folded, it
    is the reading that changes fewer of the layers' names. Without `norms` they
    are always plain.
    """
    load_parts()
    search = _Search(Flow(graph), name)
    given_up = False
    try:
        search.through(choices(search.flow, norms))
    except OutOfPatience:
        given_up = True
    return search.found or _unexplained(search.flow, search.best, given_up)


class _Search:
    """The choices tried so far: `found` is the best specification that makes the graph, `best` the farthest chain."""

    def __init__(self, flow: Flow, name: str) -> None:
        self.flow, self.name = flow, name
        self.found: Inferred | None = None
        self.best: Chain | None = None

    def through(self, tried: Iterable[Choice]) -> None:
        """Try choices until one makes the graph and, if biases could be norms, another reading of them too."""
        for choice in tried:
            found = self._first(choice)
            if found is None:
                continue
            known, self.found = self.found, found
            if known:
                self.found = min(known, found, key=lambda one: len(one.naming.renamed))
            if known or not (choice.chained and found.naming.renamed):
                return

    def _first(self, choice: Choice) -> Inferred | None:
        for chain in chains(self.flow, choice):
            if chain.head:
                self.flow.spend(_PROOF * len(self.flow.graph.nodes))
            found = proved(self.flow, chain, self.name) if chain.head else None
            if found:
                return found
            if self.best is None or len(chain.seen) > len(self.best.seen):
                self.best = chain
        return None


def _unexplained(flow: Flow, best: Chain | None, given_up: bool) -> Unexplained:
    nodes, seen = flow.graph.nodes, best.seen if best else frozenset()
    missing = [node for node in nodes if flow.numbers[node.output.name] not in seen]
    makers = {node.output.name: node.name for node in nodes}
    node = next(iter(missing), None)
    operands = tuple(makers.get(value.name, value.name) for value in node.inputs) if node else ()
    ends = {unit.end for unit in best.units} if best else set()
    output = next((value for value in flow.graph.outputs if flow.numbers[value.name] not in ends), None)
    return Unexplained(node, output, len(nodes) - len(missing), _place(flow, best), operands, given_up)


def _place(flow: Flow, best: Chain | None) -> str:
    """Where the best specification came to its end."""
    if best is None or best.stem is None:
        return "at the input"
    if not best.units:
        return f"behind the stem '{best.stem.kind}'"
    stages = staged(flow, best.units)
    last = best.units[-1]
    return f"behind stage {len(stages)}, block {len(stages[-1].units)} ('{last.kind}')"


def proved(flow: Flow, chain: Chain, name: str) -> Inferred | None:
    """The specification of a chain, if its text makes the very graph; None otherwise."""
    data = assembled(flow, chain, name)
    if data is None:
        return None
    try:
        graph = live(lower(loaded_from(written(data))))
    except Refused:
        return None
    given = live(flow.graph)
    for folded in (False, True) if chain.choice.folds else (False,):
        made = fold_batch_norm(graph, Seeded(graph, 0))[0] if folded else graph
        found = match(made, given)
        if found.same:
            return _named(data, graph, found, folded)
    return None


def _named(data: dict[str, Any], graph: Graph, found: Match, folded: bool) -> Inferred:
    """The specification with the naming scheme that gives most layers the names that they have."""
    naming = best_naming(graph, found.pairs)
    if naming.kind != "paths":
        data = {**data, "naming": naming.kind}
    loaded = loaded_from(written(data))
    named = live(lower(loaded))
    new = {old.path: node for old, node in zip(graph.nodes, named.nodes, strict=True)}
    pairs = tuple((replace(ours, name=new[ours.path].name), theirs) for ours, theirs in found.pairs)
    return Inferred(data, loaded, named, found._replace(pairs=pairs), folded, naming)


def loaded_from(text: str) -> Loaded:
    """The text of a specification, checked; raises `Refused`."""
    return load_text(read_text(Document("spec", text)))


def live(graph: Graph) -> Graph:
    """The graph without nodes that no output depends on."""
    wanted = {value.name for value in graph.outputs}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if node.output.name in wanted:
            kept.append(node)
            wanted.update(value.name for value in node.inputs)
    return replace(graph, nodes=tuple(reversed(kept)))
