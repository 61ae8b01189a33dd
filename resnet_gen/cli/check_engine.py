"""`check-engine`: whether an engine or a model fits, before it is loaded."""

from __future__ import annotations

from pathlib import Path

import click

from resnet_gen.cli import options
from resnet_gen.cli.output import say, say_json
from resnet_gen.problems import refuse
from resnet_gen.weights.downloads.names import METAVAR, WeightsSource
from resnet_gen.weights.seeds import SEEDS


@click.command("check-engine")
@click.argument("file", type=options.FILE)
@click.option("--spec", metavar="SPEC", help="Spec that it must have been built from.")
@options.spec_options
@click.option("--weights", type=options.WEIGHTS, metavar=METAVAR, help="Weights that it must have been built with.")
@click.option("--seed", type=click.IntRange(*SEEDS), help="Seed that it must have been built with.")
@click.option("--for", "device", metavar="DEVICE", help="Device that it must be for.  [default: the GPUs here]")
@options.output_format("text", "json")
def check_engine(
    file: Path,
    spec: str | None,
    settings: tuple[str, ...],
    weights: WeightsSource | None,
    seed: int | None,
    device: str | None,
    form: str,
) -> int:
    """Say whether an engine, or an ONNX file, fits: before it is loaded, and without a GPU.

    Its manifest is compared with its bytes, the TensorRT and the GPUs of this
    machine, a spec and weights. Exits with 1 if anything does not fit; what
    cannot be known here is `unknown`, and does not count.

    \b
    Example: resnet-gen check-engine build/resnet50.fp16.sm86.sm89.sm120.engine --spec resnet50
    """
    from resnet_gen.build.engine_check import EngineRequirements, all_fit, check
    from resnet_gen.language.load import load
    from resnet_gen.speed.targets import load_target

    if settings and spec is None:
        raise refuse("--set means nothing without --spec")
    if weights and seed is not None:
        raise refuse("--seed means nothing beside --weights")
    loaded = load(spec, settings) if spec is not None else None
    found = check(file, EngineRequirements(loaded, weights, seed, load_target(device) if device is not None else None))
    well = all_fit(found)
    if form == "json":
        checks = [{"check": c.what, "state": c.state, "reason": c.reason} for c in found]
        say_json({"file": str(file), "fits": well, "checks": checks})
    else:
        for c in found:
            say(f"{c.state:<8} {c.what}: {c.reason}")
    return 0 if well else 1
