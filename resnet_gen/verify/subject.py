"""What is verified, and what rules share in looking at it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from resnet_gen import reference
from resnet_gen.count import Counts, count
from resnet_gen.graph import Graph
from resnet_gen.load import Loaded
from resnet_gen.lower import at_size, lower
from resnet_gen.source import Loc


@dataclass(frozen=True, eq=False)
class Subject:
    """What is verified: a specification, its graph, and the graph's counts; equal to itself alone."""

    loaded: Loaded
    graph: Graph
    counts: Counts

    @cached_property
    def published(self) -> reference.Reference | None:
        """The reference that the spec names; raises `Refused` if there is none of that name."""
        loc: Loc = ("reference",)
        name = self.loaded.spec.reference
        return None if name is None else reference.read(name, self.loaded.source.span(loc))


def counts_at(loaded: Loaded, counts: Counts, size: int) -> Counts:
    """The counts for an image of `size` pixels; those given are for the spec's own."""
    if loaded.spec.input.size == (size, size):
        return counts
    return count(lower(at_size(loaded, (size, size))))


def counts_by_size(loaded: Loaded, counts: Counts) -> dict[int | None, Counts]:
    """The counts at every input size that a claim is for; those given are for the spec's own, which is None."""
    sizes = {claim.size for claim in loaded.spec.claims if claim.size}
    return {None: counts, **{size: counts_at(loaded, counts, size) for size in sizes}}
