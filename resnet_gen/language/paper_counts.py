"""What a network's paper counts, as far as a figure that it prints says so."""

from __future__ import annotations

from resnet_gen.graph.conventions import CONVENTIONS, Convention, convention_of_count
from resnet_gen.language.load import Loaded
from resnet_gen.language.spec import Claim
from resnet_gen.problems import refuse

COUNTED = ("macs", "flops", "conv_macs")
"""Counts of operations, as which claims read what papers call FLOPs."""


def convention_of(name: str, loaded: Loaded) -> tuple[Convention, str]:
    """The convention of that name, and what is to be said of it; raises `Refused` where the paper says nothing."""
    if name != "paper":
        return CONVENTIONS[name], ""
    claim = counting_claim(loaded)
    at = f" at {claim.size}" if claim.size else ""
    return convention_of_count(claim.what, claim.source), f"{claim.source}: {claim.printed or claim.value}{at}"


def counting_claim(loaded: Loaded) -> Claim:
    """The claim that says what the paper counts: one that is met, for this input if there is one.

    A source is a paper, or its code, where it names authors. Raises `Refused` where no figure says.
    """
    printed = [claim for claim in loaded.spec.claims if claim.what in COUNTED and " et al. " in claim.source]
    met = [claim for claim in printed if not claim.exception]
    if met:
        return min(met, key=lambda claim: (claim.size not in loaded.spec.input.size, claim.size is not None))
    name = loaded.spec.name
    if not printed:
        hint = "most papers' FLOPs are what --convention macs counts"
        raise refuse(f"--convention paper: no claim of '{name}' says what a paper counts", hint=hint)
    claim = printed[0]
    assert claim.exception
    where = loaded.source.span(("claims", loaded.spec.claims.index(claim), "printed"))
    message = f"--convention paper: '{claim.printed}' of {claim.source} is no count of '{name}'"
    raise refuse(message, where, claim.exception.reason)
