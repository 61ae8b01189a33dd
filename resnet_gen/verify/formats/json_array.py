"""For scripts: one JSON array of all findings."""

from __future__ import annotations

from collections.abc import Sequence

from resnet_gen.problems import Span, json_text
from resnet_gen.verify.outcome import Finding, Outcome


def render(outcomes: Sequence[Outcome]) -> str:
    """One object a finding, those of specs that cannot be read included; suppressed ones are left out."""
    found = [_describe_finding(o.name, finding) for o in outcomes for finding in (*o.invalid, *o.findings)]
    return json_text(found) + "\n"


def _describe_finding(spec: str, finding: Finding) -> dict[str, object]:
    problem, where = finding.problem, finding.problem.where
    entry: dict[str, object] = {"spec": spec, "rule": finding.rule, "message": problem.message, "hint": problem.hint}
    if isinstance(where, Span):
        entry.update(file=where.document.name, line=where.line + 1, column=where.column + 1)
    elif where:
        entry.update(file=where)
    return entry
