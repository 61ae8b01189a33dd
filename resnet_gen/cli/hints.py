"""What is said where a runtime does not compute in the type that it was asked for."""

from __future__ import annotations

from resnet_gen.cli.output import say
from resnet_gen.engine.base import Runner, Tuning


def tell_refused_hint(runner: Runner, asked: Tuning) -> None:
    """Say in what the layers are computed where none is in the type that was asked for."""
    used = runner.runtime.get("precision", "")
    if asked.precision_hint and asked.precision_hint not in used.split(", "):
        say(f"{runner.where}: {runner.runtime['library']} computes in {used} on this processor", err=True)
