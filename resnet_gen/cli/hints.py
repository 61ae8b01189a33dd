"""What is said of models that run: where they do not compute what was asked for, and whose weights are drawn."""

from __future__ import annotations

from resnet_gen.build.models import ModelSource, embedded_seed, is_model_file
from resnet_gen.cli.output import say
from resnet_gen.engine.base import Runner, Tuning
from resnet_gen.engine.cpu_numerics import (
    FOR_SATURATION,
    FOR_SLOW_BFLOAT16,
    describe_saturation,
    describe_slow_bfloat16,
    find_other_type,
)
from resnet_gen.weights.seeds import DEFAULT_SEED


def tell_refused_hint(runner: Runner, asked: Tuning) -> None:
    """Say in what the layers are computed where none is in the type that was asked for."""
    if found := find_other_type(runner, asked):
        say(found, err=True)


def tell_saturation(runner: Runner) -> None:
    """Say of a file that was run in eight bits that this CPU does not compute what it says; after the first run."""
    if found := describe_saturation(runner):
        warn_of_saturation(found)


def tell_slow_bfloat16(runner: Runner) -> None:
    """Say of a model that runs in bfloat16 that float32 is faster on this CPU; after the first run."""
    if found := describe_slow_bfloat16(runner):
        say(f"note: {found}", err=True)
        say(f"hint: {FOR_SLOW_BFLOAT16}", err=True)


def warn_of_saturation(found: str) -> None:
    """Say that this CPU has not what eight bits want, and what to build for such ones."""
    say(f"warning: {found}", err=True)
    say(f"hint: {FOR_SATURATION}", err=True)


def find_drawn_seed(model: str, source: ModelSource, runner: Runner) -> str | None:
    """The seed that a model's weights are drawn from: what the command line says of a spec, what a file says itself."""
    if is_model_file(model):
        return embedded_seed(runner)
    return None if source.weights else str(source.seed or DEFAULT_SEED)
