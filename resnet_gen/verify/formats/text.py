"""For people: one line a spec, and below it its findings with their lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from resnet_gen.problems import visible
from resnet_gen.verify.outcome import Outcome


def render(outcomes: Sequence[Outcome]) -> str:
    """All specs that could be read; what is wrong with the others goes to stderr."""
    return "".join(f"{line}\n" for outcome in outcomes if not outcome.invalid for line in _write_lines(outcome))


def _write_lines(outcome: Outcome) -> Iterator[str]:
    covered = f": {', '.join(outcome.covered)}" if outcome.covered else ""
    yield visible(f"{'failed' if outcome.findings else 'ok':6} {outcome.name}{covered}")
    yield from (str(finding.problem) for finding in outcome.findings)
