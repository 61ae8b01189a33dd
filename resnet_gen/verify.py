"""The contract of a spec, checked: claims, reference, and the paper's design rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, zip_longest

from resnet_gen import reference
from resnet_gen.count import Counts, count
from resnet_gen.graph import Graph
from resnet_gen.load import Loaded
from resnet_gen.lower import lower
from resnet_gen.ops import Shape
from resnet_gen.plan import StagePlan, plan
from resnet_gen.printed import Printed
from resnet_gen.problems import Problem
from resnet_gen.source import Loc
from resnet_gen.spec import Claim


@dataclass(frozen=True)
class Subject:
    """What is verified: a specification, its graph, and the graph's counts."""

    loaded: Loaded
    graph: Graph
    counts: Counts

    def finding(self, rule: str, loc: Loc, message: str, hint: str | None = None) -> Problem:
        """A broken rule, at the line that states it."""
        return Problem(message, self.loaded.source.span(loc), hint, rule)


def verify(loaded: Loaded, graph: Graph) -> list[Problem]:
    """Every finding about one specification, in the order of its lines' kinds."""
    subject = Subject(loaded, graph, count(graph))
    return [finding for check in CHECKS for finding in check(subject)]


def counts_at(loaded: Loaded, counts: Counts, size: int) -> Counts:
    """The counts for an image of `size` pixels; those given are for the spec's own."""
    taken = loaded.spec.input
    if taken.size == (size, size):
        return counts
    resized = taken.model_copy(update={"size": (size, size)})
    return count(lower(replace(loaded, spec=loaded.spec.model_copy(update={"input": resized}))))


def counts_by_size(loaded: Loaded, counts: Counts) -> dict[int | None, Counts]:
    """The counts at every input size that a claim is for; those given are for the spec's own, which is None."""
    sizes = {claim.size for claim in loaded.spec.claims if claim.size}
    return {None: counts, **{size: counts_at(loaded, counts, size) for size in sizes}}


def _claims(subject: Subject) -> Iterator[Problem]:
    counts = counts_by_size(subject.loaded, subject.counts)
    for index, claim in enumerate(subject.loaded.spec.claims):
        message = _claim_fault(claim, getattr(counts[claim.size], claim.what))
        if message:
            loc: Loc = ("claims", index, "value" if claim.value is not None else "printed")
            yield subject.finding("claim", loc, f"{claim.what}: {message} ({claim.source})")


def _claim_fault(claim: Claim, exact: int) -> str | None:
    """What is wrong with a claim about a figure that is `exact`; None if nothing is."""
    if claim.value is not None:
        return None if exact == claim.value else f"{claim.value:,} is claimed, the graph has {exact:,}"
    assert claim.printed is not None
    met = Printed.parse(claim.printed).admits(exact)
    if claim.exception is None:
        return None if met else f"'{claim.printed}' is printed, the graph has {exact:,}"
    if met:
        return f"'{claim.printed}' is met by {exact:,}; the exception is not needed"
    stated = claim.exception.value
    return None if stated == exact else f"the exception states {stated:,}, the graph has {exact:,}"


def _reference(subject: Subject) -> Iterator[Problem]:
    spec = subject.loaded.spec
    if spec.reference is None:
        return
    loc: Loc = ("reference",)
    published = reference.read(spec.reference, subject.loaded.source.span(loc))
    tensors = subject.graph.state()
    state = {name: tensors[name].shape for name in spec.naming.registered(list(tensors))}
    if fault := _state_fault(state, published.state):
        yield subject.finding("reference-state", loc, fault)
    counts = counts_at(subject.loaded, subject.counts, published.input)
    for what in ("params", "macs"):
        theirs, ours = getattr(published, what), getattr(counts, what)
        if theirs != ours:
            message = f"{what}: {published.name} has {theirs:,} at {published.input} pixels, the graph {ours:,}"
            yield subject.finding("reference-count", loc, message)


def _state_fault(ours: dict[str, Shape], theirs: dict[str, Shape]) -> str | None:
    """The first place where two state dicts differ, and how many do; None if they are equal."""
    places = enumerate(zip_longest(ours.items(), theirs.items()))
    faults = [(index, a, b) for index, (a, b) in places if a != b]
    if not faults:
        return None
    index, a, b = faults[0]
    return f"tensor {index} is {_entry(b)} in the reference, {_entry(a)} here; {len(faults)} of {len(theirs)} differ"


def _entry(item: tuple[str, Shape] | None) -> str:
    return f"'{item[0]}' {'x'.join(map(str, item[1]))}" if item else "nothing"


def _design_rules(subject: Subject) -> Iterator[Problem]:
    """The two rules of He et al. 2015, Sec. 3.3, between successive stages."""
    stated = subject.loaded.spec.deviations
    broken: set[str] = set()
    for (i, before, size), (j, after, smaller) in pairwise(_stages(subject)):
        rule, wanted = _wanted_width(before.width, size, smaller)
        if rule and after.width != wanted:
            broken.add(rule)
            if rule not in stated:
                widths = f"{before.width} and {after.width} filters"
                message = f"stages {i} and {j}: maps of {size} and {smaller} with {widths}"
                hint = f"{wanted} filters keep the rule; or say why under 'deviations: {{{rule}: ...}}'"
                yield subject.finding(rule, ("stages", "widths"), message, hint)
    for rule in stated:
        if rule not in broken:
            yield subject.finding("deviation-unneeded", ("deviations", rule), f"'{rule}' is kept; nothing deviates")


def _wanted_width(width: int, size: int, smaller: int) -> tuple[str | None, int]:
    """The rule that applies between maps of these sizes, and the filters that it wants."""
    if smaller == size:
        return "same-map-same-filters", width
    if smaller == -(-size // 2):
        return "half-map-double-filters", 2 * width
    return None, width


def _stages(subject: Subject) -> Iterator[tuple[int, StagePlan, int]]:
    """Each stage's index, plan, and the side of the map that its blocks put out, were it not dilated."""
    for index, stage in enumerate(plan(subject.loaded)):
        last = f"stages.{index}.{stage.depth - 1}"
        side = next(n.shape[-1] for n in reversed(subject.graph.nodes) if n.block == last)
        yield index, stage, -(-side // stage.dilation)


CHECKS: tuple[Callable[[Subject], Iterator[Problem]], ...] = (_claims, _reference, _design_rules)

RULES = {
    "claim": "A published figure is met exactly, or within one unit of its last printed digit.",
    "reference-state": "Parameter names and shapes equal the reference's, in order.",
    "reference-count": "Parameters and MACs equal those counted on the reference.",
    "same-map-same-filters": "Stages with maps of one size have the same filters (He et al. 2015, Sec. 3.3).",
    "half-map-double-filters": "Where the map halves, the filters double (He et al. 2015, Sec. 3.3).",
    "deviation-unneeded": "A stated deviation from a design rule is one.",
}
"""Every rule by its id."""
