"""The job: a graph to a specification that makes exactly it, or the first node that none explains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from resnet_gen.graph import Graph, Node, Value
from resnet_gen.infer.assemble import assembled
from resnet_gen.infer.choices import Choice, choices
from resnet_gen.infer.flow import INPUT, Flow, OutOfPatience
from resnet_gen.infer.names import Naming, best_naming
from resnet_gen.infer.parse import Chain, chains
from resnet_gen.infer.stages import staged
from resnet_gen.infer.written import written
from resnet_gen.load import Loaded, load_text
from resnet_gen.lower import lower
from resnet_gen.matching import Match, keys, match
from resnet_gen.parts.heads.none import NoHead
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

    Where each node is explained alone, `together` tells it: `node` is then the
    first that no specification makes beside those before it, or None where it is
    `output` that none puts out. `given_up` tells that more was still to be tried.
    """

    node: Node | None
    output: Value | None
    explained: int
    together: bool
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
    return search.found or search.unexplained(given_up)


class _Search:
    """The choices tried so far: `found` is the best specification that makes the graph, `best` the farthest chain."""

    def __init__(self, flow: Flow, name: str) -> None:
        self.flow, self.name = flow, name
        self.found: Inferred | None = None
        self.best: Chain | None = None
        self.strange: Node | None = None
        """The first node that a whole specification did not make."""

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
            found = self._proved(chain) if chain.head else None
            if found:
                return found
            if self.best is None or len(chain.seen) > len(self.best.seen):
                self.best = chain
        return None

    def _proved(self, chain: Chain) -> Inferred | None:
        """The specification of a chain, if its text makes the very graph."""
        self.flow.spend(_PROOF * len(self.flow.graph.nodes))
        found = proved(self.flow, chain, self.name)
        if isinstance(found, Inferred):
            return found
        self.strange = self.strange or found
        return None

    def unexplained(self, given_up: bool) -> Unexplained:
        """What is said where nothing was found."""
        flow, best = self.flow, self.best
        seen = best.seen if best else frozenset()
        missing = [node for node in flow.graph.nodes if flow.numbers[node.output.name] not in seen]
        node = missing[0] if missing else self.strange
        makers = {node.output.name: node.name for node in flow.graph.nodes}
        operands = tuple(makers.get(value.name, value.name) for value in node.inputs) if node else ()
        ends = {unit.end for unit in best.units} if best else set()
        output = next((value for value in flow.graph.outputs if flow.numbers[value.name] not in ends), None)
        explained, whole = len(flow.graph.nodes) - len(missing), not missing
        return Unexplained(node, output, explained, whole, _place(flow, best), operands, given_up)


def _place(flow: Flow, best: Chain | None) -> str:
    """Where the best specification came to its end."""
    if best is None or best.stem is None:
        return "the input"
    if not best.units:
        return f"the stem '{best.stem.kind}'"
    stages = staged(flow, best.units)
    last = best.units[-1]
    return f"stage {len(stages)}, block {len(stages[-1].units)} ('{last.kind}')"


def proved(flow: Flow, chain: Chain, name: str) -> Inferred | Node | None:
    """The specification of a chain, if its text makes the very graph; else the first node that it does not make.

    None where that is none of them.
    """
    data = assembled(flow, chain, name)
    graph = _made(data) if data else None
    if data is None or graph is None:
        return _apart(flow, chain, name)
    given, strange = live(flow.graph), None
    for folded in (True, False) if chain.choice.folds else (False,):
        other = fold_batch_norm(graph, Seeded(graph, 0))[0] if folded else graph
        found = match(other, given)
        if found.same:
            return _named(data, graph, found, folded and len(other.nodes) < len(graph.nodes))
        strange = strange or next(iter(found.unexplained), None)
    return strange


def _made(data: dict[str, Any]) -> Graph | None:
    """What a specification is lowered to; None if it cannot be."""
    try:
        return live(lower(loaded_from(written(data))))
    except Refused:
        return None


def _apart(flow: Flow, chain: Chain, name: str) -> Node | None:
    """The first node of the first block that no specification makes beside all before it."""
    few, many, known = 0, len(chain.units) - 1, frozenset(keys(flow.graph).values())
    while few < many:
        middle = (few + many + 1) // 2
        if _begins(flow, chain._replace(units=chain.units[:middle], head=NoHead()), name, known):
            few = middle
        else:
            many = middle - 1
    start = chain.units[few - 1].end if few else INPUT
    readers = set(flow.readers[start])
    return next((node for node in flow.graph.nodes if flow.numbers[node.output.name] in readers), None)


def _begins(flow: Flow, chain: Chain, name: str, known: frozenset[str]) -> bool:
    """Whether a specification makes these blocks and nothing else; `known` are the keys of the whole graph."""
    data = assembled(flow, chain, name)
    graph = data and _made({**data, "outputs": [f"stage{len(data['stages']['depths'])}"]})
    if not graph:
        return False
    forms = [graph, fold_batch_norm(graph, Seeded(graph, 0))[0]] if chain.choice.folds else [graph]
    return any(known.issuperset(keys(form).values()) for form in forms)


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
