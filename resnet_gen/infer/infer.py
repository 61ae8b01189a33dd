"""The job: a graph to a specification that makes exactly it, or the first node that none explains."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from resnet_gen.graph import Graph, Node
from resnet_gen.infer.assemble import assembled
from resnet_gen.infer.choices import Choice, choices
from resnet_gen.infer.flow import Flow
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

    `node` is None where each node is explained and the whole is still another network.
    """

    node: Node | None
    explained: int
    place: str
    operands: tuple[str, ...]


def infer(graph: Graph, name: str, *, norms: bool = True) -> Inferred | Unexplained:
    """The specification of a graph, called `name`; names and places of the graph's nodes are not looked at.

    But for one thing: where biases may be plain ones or norms that were folded, it
    is the reading that changes fewer of the layers' names. Without `norms` they
    are always plain.
    """
    load_parts()
    flow = Flow(graph)
    best: Chain | None = None
    plain: Inferred | None = None
    for choice in choices(flow, norms):
        found, farthest = _first(flow, choice, name)
        if found and not (choice.chained and found.naming.renamed):
            return found if plain is None else min(plain, found, key=lambda one: len(one.naming.renamed))
        plain = plain or found
        best = max(best, farthest, key=lambda chain: len(chain.seen)) if best else farthest
    return plain or _unexplained(flow, best)


def _first(flow: Flow, choice: Choice, name: str) -> tuple[Inferred | None, Chain]:
    """The first specification with these choices that makes the graph, and the chain that came farthest."""
    best = Chain(choice, None, (), None, frozenset())
    for chain in chains(flow, choice):
        found = proved(flow, chain, name) if chain.head else None
        if found:
            return found, chain
        best = max(best, chain, key=lambda one: len(one.seen))
    return None, best


def _unexplained(flow: Flow, best: Chain | None) -> Unexplained:
    nodes, seen = flow.graph.nodes, best.seen if best else frozenset()
    missing = [node for node in nodes if flow.numbers[node.output.name] not in seen]
    makers = {node.output.name: node.name for node in nodes}
    node = next(iter(missing), None)
    operands = tuple(makers.get(value.name, value.name) for value in node.inputs) if node else ()
    return Unexplained(node, len(nodes) - len(missing), _place(flow, best), operands)


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
