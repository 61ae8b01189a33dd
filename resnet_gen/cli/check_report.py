"""What `check-engine` found of files, for people and for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from resnet_gen.build.engine_check import all_fit
from resnet_gen.build.option_checks import Check
from resnet_gen.cli.output import say


def make_entry(file: Path, checks: list[Check]) -> dict[str, Any]:
    """What was found of one file, as JSON has it."""
    found = [{"check": c.what, "state": c.state, "reason": c.reason} for c in checks]
    return {"file": str(file), "fits": all_fit(checks), "checks": found}


def say_checks(checks: list[Check]) -> None:
    """Print what was found, a line each."""
    for c in checks:
        say(f"{c.state:<8} {c.what}: {c.reason}")
