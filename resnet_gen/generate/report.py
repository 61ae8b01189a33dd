"""The text that a spec generates: a page, exact counts, and one line an operation.

These files stand in `generated/` for the shipped specs; their diff is what a
reviewer reads when a spec or a part changes.
"""

from __future__ import annotations

import json
from typing import Any

from resnet_gen.graph import Graph, tables
from resnet_gen.graph.counts import Counts, count
from resnet_gen.language.load import Loaded
from resnet_gen.language.lower import lower
from resnet_gen.language.spec import Claim
from resnet_gen.system.templates import render
from resnet_gen.verify.outcome import examine_loaded
from resnet_gen.verify.subject import WorkBudget, counts_by_size


def report_files(loaded: Loaded) -> dict[str, str]:
    """The files of one spec's report: name to text."""
    graph = lower(loaded)
    counts = {"name": loaded.spec.name, "input": list(graph.input.shape), **count(graph).as_dict()}
    return {
        "README.md": render("report/README.md.jinja", **collect_facts(loaded, graph)),
        "counts.json": json.dumps(counts, indent=2) + "\n",
        "layers.txt": tables.layer_table(graph),
    }


def collect_facts(loaded: Loaded, graph: Graph) -> dict[str, Any]:
    """What pages say of a network: its table, counts, claims and findings, those that comments suppress apart."""
    counts = count(graph)
    outcome = examine_loaded(loaded)
    by_size = counts_by_size(loaded, counts, WorkBudget(graph))
    return {
        "spec": loaded.spec,
        "counts": counts.as_dict(),
        "rows": tables.stage_rows(graph),
        "sides": tables.sides,
        "input": graph.input.shape,
        "claims": [_claim_row(claim, by_size[claim.size]) for claim in loaded.spec.claims],
        "findings": outcome.findings,
        "suppressed": outcome.suppressed,
        "tensors": len(graph.state()),
    }


def _claim_row(claim: Claim, counts: Counts) -> dict[str, Any]:
    """One claim as the page shows it: what, the figure, the exact count, and how it is met."""
    if claim.value is not None:
        figure, met = f"{claim.value:,}", "exactly"
    else:
        figure, met = str(claim.printed), "within its last digit"
    if claim.exception:
        met = f"not met: {claim.exception.reason}"
    what = claim.what if claim.size is None else f"{claim.what} at {claim.size} pixels"
    return {"what": what, "figure": figure, "exact": getattr(counts, claim.what), "met": met, "source": claim.source}
