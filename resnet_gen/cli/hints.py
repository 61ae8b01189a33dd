"""What is said where a runtime does not compute what it was asked for."""

from __future__ import annotations

from pathlib import Path

from resnet_gen.cli.output import say
from resnet_gen.engine.base import Runner, Tuning
from resnet_gen.engine.processor import has_seven_bits, sums_saturate
from resnet_gen.engine.runtimes import ONNX


def tell_refused_hint(runner: Runner, asked: Tuning) -> None:
    """Say in what the layers are computed where none is in the type that was asked for."""
    used = runner.runtime.get("precision", "")
    if asked.precision_hint and asked.precision_hint not in used.split(", "):
        say(f"{runner.where}: {runner.runtime['library']} computes in {used} on this processor", err=True)


def tell_saturation(runner: Runner) -> None:
    """Say of a file that was run in eight bits that this CPU does not compute what it says; after the first run."""
    path, used = Path(runner.where), runner.runtime.get("precision", "").split(", ")
    if path.suffix == ONNX and {"u8", "i8"}.intersection(used) and sums_saturate() and not has_seven_bits(path):
        warn_of_saturation(str(path), runner.runtime["library"])


def warn_of_saturation(where: str, library: str) -> None:
    """Say that this CPU has not what eight bits want, and what to build for such ones."""
    say(f"warning: {where}: this CPU has no VNNI: {library} saturates sums of 8-bit products here", err=True)
    say("hint: for such CPUs, build --for cpu-avx2, or with --reduce-range", err=True)
