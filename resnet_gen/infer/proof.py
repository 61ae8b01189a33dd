"""The proof that a specification makes a graph: it is written, read, lowered and matched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from resnet_gen.graph import Graph, Node, live
from resnet_gen.graph.matching import Match, drop_invisible, hash_values, match
from resnet_gen.infer.assembly import assemble_spec
from resnet_gen.infer.chains import NetworkChain
from resnet_gen.infer.flow import INPUT, Flow
from resnet_gen.infer.naming_schemes import SchemeMatch, find_best_naming
from resnet_gen.infer.spec_text import spec_yaml
from resnet_gen.language.load import Loaded, load_text
from resnet_gen.language.lower import lower
from resnet_gen.language.source import read_text
from resnet_gen.ops import Conv
from resnet_gen.parts.heads.none import NoHead
from resnet_gen.problems import Document, Refused
from resnet_gen.weights.folding import folded_graph


class RecoveredSpec(NamedTuple):
    """A specification, and the proof that it makes the graph.

    `graph` is what the specification is lowered to; `match` pairs that graph, with
    its batch norms folded if `folded`, with the one that was given.
    """

    data: dict[str, Any]
    loaded: Loaded
    graph: Graph
    match: Match
    folded: bool
    naming: SchemeMatch


def prove_spec(flow: Flow, chain: NetworkChain, name: str) -> RecoveredSpec | Node | None:
    """The specification of a chain, if its text makes the very graph; else the first node that it does not make.

    None where that is none of them.
    """
    data = assemble_spec(flow, chain, name)
    graph = _lower_data(data) if data else None
    if data is None or graph is None:
        return _find_strange_node(flow, chain, name)
    given = live(flow.graph)
    found = match(graph, given)
    if found.same:
        return _add_naming(data, graph, found, folded=False)
    if chain.choice.folds:
        found = match_folded(graph, given)
    return _add_naming(data, graph, found, folded=True) if found.same else next(iter(found.unexplained), None)


def match_folded(graph: Graph, given: Graph) -> Match:
    """The graph with its batch norms folded, paired with one in which biases that would be zero may be left out."""
    other = folded_graph(graph)
    found = match(other, given)
    if found.same or all(node.op.bias for node in given.nodes if isinstance(node.op, Conv)):
        return found
    ours, theirs = ({node.name: node for node in g.nodes} for g in (other, given))
    had = {node.name: node.op.bias for node in graph.nodes if isinstance(node.op, Conv)}
    bare = match(_drop_biases(other), _drop_biases(given))
    pairs = tuple((ours[a.name], theirs[b.name]) for a, b in bare.pairs)
    # A bias that a convolution had must be there; one that came by folding alone may be left out.
    wrong = [b for a, b in pairs if had.get(a.name) and drop_invisible(a.op) != drop_invisible(b.op)]
    same = bare.same and not wrong
    return Match(pairs, bare.missing, (*wrong, *(theirs[node.name] for node in bare.unexplained)), same)


def _drop_biases(graph: Graph) -> Graph:
    nodes = (replace(n, op=replace(n.op, bias=False)) if isinstance(n.op, Conv) else n for n in graph.nodes)
    return replace(graph, nodes=tuple(nodes))


def _lower_data(data: dict[str, Any]) -> Graph | None:
    """What a specification is lowered to; None if it cannot be."""
    try:
        return lower(load_recovered(spec_yaml(data)))
    except Refused:
        return None


def _find_strange_node(flow: Flow, chain: NetworkChain, name: str) -> Node | None:
    """The first node of the first block that no specification makes beside all before it."""
    few, many, known = 0, len(chain.units) - 1, frozenset(hash_values(flow.graph).values())
    while few < many:
        middle = (few + many + 1) // 2
        if _makes_blocks(flow, chain._replace(units=chain.units[:middle], head=NoHead()), name, known):
            few = middle
        else:
            many = middle - 1
    start = chain.units[few - 1].end if few else INPUT
    readers = set(flow.readers[start])
    return next((node for node in flow.graph.nodes if flow.numbers[node.output.name] in readers), None)


def _makes_blocks(flow: Flow, chain: NetworkChain, name: str, known: frozenset[str]) -> bool:
    """Whether a specification makes these blocks and nothing else; `known` are the keys of the whole graph."""
    data = assemble_spec(flow, chain, name)
    graph = data and _lower_data({**data, "outputs": [f"stage{len(data['stages']['depths'])}"]})
    if not graph:
        return False
    forms = [graph, folded_graph(graph), _drop_biases(folded_graph(graph))] if chain.choice.folds else [graph]
    return any(known.issuperset(hash_values(form).values()) for form in forms)


def _add_naming(data: dict[str, Any], graph: Graph, found: Match, *, folded: bool) -> RecoveredSpec:
    """The specification with the naming scheme that gives most layers the names that they have."""
    naming = find_best_naming(graph, found.pairs)
    if naming.kind != "paths":
        data = {**data, "naming": naming.kind}
    loaded = load_recovered(spec_yaml(data))
    named = lower(loaded)
    new = {old.path: node for old, node in zip(graph.nodes, named.nodes, strict=True)}
    pairs = tuple((replace(ours, name=new[ours.path].name), theirs) for ours, theirs in found.pairs)
    return RecoveredSpec(data, loaded, named, found._replace(pairs=pairs), folded, naming)


def load_recovered(text: str, called: str = "spec") -> Loaded:
    """The text of a specification, checked; messages call it `called`. Raises `Refused`."""
    return load_text(read_text(Document(called, text)))
