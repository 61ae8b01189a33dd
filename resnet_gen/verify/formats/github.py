"""For GitHub Actions: workflow commands, which it shows as annotations at their lines.

Escapes are those of actions/toolkit (`packages/core/src/command.ts`).
"""

from __future__ import annotations

from collections.abc import Sequence

from resnet_gen.problems import visible
from resnet_gen.verify.outcome import Finding, Outcome, format_advice


def render(outcomes: Sequence[Outcome]) -> str:
    """One command a finding; nothing where all is well."""
    return "".join(_write_command(finding) for outcome in outcomes for finding in (*outcome.invalid, *outcome.findings))


def _write_command(finding: Finding) -> str:
    place = finding.place
    properties = {
        "file": place.file,
        "line": place.line,
        "col": place.column,
        "endColumn": place.end,
        "title": f"resnet-gen {finding.rule}",
    }
    given = ",".join(f"{key}={_escape_property(str(value))}" for key, value in properties.items() if value is not None)
    command = "warning" if finding.problem.severity == "warning" else "error"
    return f"::{command} {given}::{_escape_data(format_advice(finding))}\n"


def _escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(visible(text)).replace(":", "%3A").replace(",", "%2C")
