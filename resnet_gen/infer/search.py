"""The search: a graph to a specification that makes exactly it, or the first node that none explains."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from resnet_gen.graph import Graph, Node, Value
from resnet_gen.infer.chains import NetworkChain, find_chains
from resnet_gen.infer.flow import Flow, OutOfPatience
from resnet_gen.infer.network_choices import NetworkChoice, propose_choices
from resnet_gen.infer.proof import RecoveredSpec, prove_spec
from resnet_gen.infer.stages import group_stages
from resnet_gen.parts.registry import load_parts

_PROOF = 8
"""What one proof takes, for each of a graph's operations, beside finding one of them."""


class UnexplainedGraph(NamedTuple):
    """The first node that no specification was found to make, and how far the best one came.

    Where each node is explained alone, `together` says it: `node` is then the
    first that no specification makes beside those before it, or None where it is
    `output` that none outputs. `out_of_patience` says that more was still to be tried.
    """

    node: Node | None
    output: Value | None
    explained: int
    together: bool
    place: str
    out_of_patience: bool


def infer_spec(graph: Graph, name: str, *, norms: bool = True) -> RecoveredSpec | UnexplainedGraph:
    """The specification of a graph, called `name`; names and places of the graph's nodes are not looked at.

    But for one thing: where biases may be plain ones or norms that were folded, it
    is the reading that changes fewer of the layers' names. Without `norms` they
    are always plain.
    """
    load_parts()
    search = _Search(Flow(graph), name)
    out_of_patience = False
    try:
        search.try_choices(propose_choices(search.flow, norms))
    except OutOfPatience:
        out_of_patience = True
    return search.found or search.explain_failure(out_of_patience)


class _Search:
    """The choices tried so far: `found` is the best specification that makes the graph, `best` the farthest chain."""

    def __init__(self, flow: Flow, name: str) -> None:
        self.flow, self.name = flow, name
        self.found: RecoveredSpec | None = None
        self.best: NetworkChain | None = None
        self.strange: Node | None = None
        """The first node that a whole specification did not make."""

    def try_choices(self, choices: Iterable[NetworkChoice]) -> None:
        """Try choices until one makes the graph and, if biases could be norms, another reading of them too."""
        for choice in choices:
            found = self._try_choice(choice)
            if found is None:
                continue
            known, self.found = self.found, found
            if known:
                self.found = min(known, found, key=lambda one: len(one.naming.renamed))
            if known or not (choice.chained and found.naming.renamed):
                return

    def _try_choice(self, choice: NetworkChoice) -> RecoveredSpec | None:
        for chain in find_chains(self.flow, choice):
            found = self._prove_chain(chain) if chain.head else None
            if found:
                return found
            if self.best is None or len(chain.seen) > len(self.best.seen):
                self.best = chain
        return None

    def _prove_chain(self, chain: NetworkChain) -> RecoveredSpec | None:
        """The specification of a chain, if its text makes the very graph."""
        self.flow.patience.take(_PROOF * len(self.flow.graph.nodes))
        found = prove_spec(self.flow, chain, self.name)
        if isinstance(found, RecoveredSpec):
            return found
        self.strange = self.strange or found
        return None

    def explain_failure(self, out_of_patience: bool) -> UnexplainedGraph:
        """What is said where nothing was found."""
        flow, best = self.flow, self.best
        seen = best.seen if best else frozenset()
        missing = [node for node in flow.graph.nodes if flow.numbers[node.output.name] not in seen]
        node = missing[0] if missing else self.strange
        ends = {unit.end for unit in best.units} if best else set()
        output = next((value for value in flow.graph.outputs if flow.numbers[value.name] not in ends), None)
        explained, whole = len(flow.graph.nodes) - len(missing), not missing
        return UnexplainedGraph(node, output, explained, whole, _describe_end(flow, best), out_of_patience)


def _describe_end(flow: Flow, best: NetworkChain | None) -> str:
    """Where the best specification came to its end."""
    if best is None or best.stem is None:
        return "the input"
    if not best.units:
        return f"the stem '{best.stem.kind}'"
    stages = group_stages(flow, best.units)
    last = best.units[-1]
    return f"stage {len(stages)}, block {len(stages[-1].units)} ('{last.kind}')"
