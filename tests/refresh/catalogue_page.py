"""The catalogue of shipped networks: what each has, who published it, and how it was verified."""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

from resnet_gen.graph.counts import Counts, count
from resnet_gen.language.load import Loaded, load
from resnet_gen.language.lower import lower
from resnet_gen.language.spec import Claim
from resnet_gen.system.resources import shipped_specs
from resnet_gen.system.templates import render
from tests.helpers.verification import verify


class Row(NamedTuple):
    """One network of the catalogue."""

    name: str
    title: str
    input: str
    counts: Counts
    reference: str
    claims: str
    verified: str


def catalogue_page() -> str:
    """`docs/catalogue.md`: every shipped network, by family."""
    networks = [load(name) for name in shipped_specs()]
    families = {
        family: [_row(loaded) for loaded in group] for family, group in groupby(networks, key=lambda n: n.family)
    }
    rows = [row for family in families.values() for row in family]
    referenced = sum(bool(row.reference) for row in rows)
    claims = sum(len(loaded.spec.claims) for loaded in networks)
    exceptions = [(n.spec.name, c) for n in networks for c in n.spec.claims if c.exception]
    return render(
        "docs/catalogue.md.jinja",
        families=families,
        networks=len(rows),
        referenced=referenced,
        claims=claims,
        exceptions=exceptions,
    )


def _row(loaded: Loaded) -> Row:
    spec, graph = loaded.spec, lower(loaded)
    findings = verify(loaded, graph)
    return Row(
        spec.name,
        spec.title,
        "x".join(map(str, graph.input.shape)),
        count(graph),
        spec.reference or "",
        "; ".join(map(_claim, spec.claims)),
        f"{len(findings)} findings" if findings else _how(loaded),
    )


def _claim(claim: Claim) -> str:
    """A claim in a few words: what, the figure as its source has it, and the source."""
    figure = f"{claim.value:,}" if claim.value is not None else claim.printed
    at = f" at {claim.size}" if claim.size else ""
    return f"{claim.what} {figure}{at} ({claim.source})" + (" †" if claim.exception else "")


def _how(loaded: Loaded) -> str:
    """The witnesses of a network without findings."""
    reference = ["names", "shapes", "counts", "outputs"] if loaded.spec.reference else []
    return ", ".join([*reference, *(["claims"] if loaded.spec.claims else [])]) or "design rules"
