"""Claims: published figures, compared with the exact counts."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_gen.language.figures import PrintedFigure
from resnet_gen.language.spec import Claim
from resnet_gen.problems import Loc, Problem, several
from resnet_gen.verify.rules.base import Rule
from resnet_gen.verify.subject import Subject, counts_by_size


class ClaimMet(Rule):
    """A published figure is met exactly, or within one unit of its last printed digit.

    Each entry of `claims` holds a figure that somebody published about the network. One with a `value` must equal
    the count of the graph; one that is `printed`, as in a paper's table, may differ by less than one unit of its
    last digit: `25.5M` is met by anything between 25,400,001 and 25,599,999. A network that is not the published
    one has other counts, so that this notices a moved stride, a missing projection or a changed width. What each
    count holds stands in docs/counting.md; `resnet-gen count SPEC` prints them.

    Source: the `source` of each claim. This spec breaks it:

        name: mine
        extends: resnet50
        stages: {depths: [3, 4, 6, 2]}
        claims:
          - {what: params, printed: "25.5M", source: "Xie et al. 2016, Table 1"}

    To mend it, change the network, or the figure if it was copied wrongly. If the figure itself is wrong, say so
    with `exception: {value: 25557032, reason: "..."}`: the exact count is then checked in its place, and the
    exception is a finding once the figure is met.
    """

    id = "claim"

    def covers(self, subject: Subject) -> str:
        return several(len(subject.loaded.spec.claims), "claim")

    def check(self, subject: Subject) -> Iterator[Problem]:
        counts = counts_by_size(subject.loaded, subject.counts, subject.work)
        for index, claim in enumerate(subject.loaded.spec.claims):
            message = _find_fault(claim, getattr(counts[claim.size], claim.what))
            if message:
                loc: Loc = ("claims", index, "value" if claim.value is not None else "printed")
                yield self.finding(subject, loc, f"{claim.what}: {message} ({claim.source})")


def _find_fault(claim: Claim, exact: int) -> str | None:
    """What is wrong with a claim about a figure that is `exact`; None if nothing is."""
    if claim.value is not None:
        return None if exact == claim.value else f"{claim.value:,} is claimed, the graph has {exact:,}"
    assert claim.printed is not None
    met = PrintedFigure.parse(claim.printed).admits(exact)
    if claim.exception is None:
        return None if met else f"'{claim.printed}' is printed, the graph has {exact:,}"
    if met:
        return f"'{claim.printed}' is met by {exact:,}; the exception is not needed"
    stated = claim.exception.value
    return None if stated == exact else f"the exception states {stated:,}, the graph has {exact:,}"
