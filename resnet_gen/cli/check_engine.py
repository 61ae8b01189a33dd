"""`check-engine`: whether an engine or a model fits, before it is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from resnet_gen.cli import options
from resnet_gen.problems import refuse
from resnet_gen.weights.downloads.names import METAVAR, WeightsSource
from resnet_gen.weights.seeds import SEEDS

if TYPE_CHECKING:
    from resnet_gen.build.option_checks import EngineRequirements


@click.command("check-engine")
@click.argument("file", type=options.FILE, required=False)
@click.option("--spec", metavar="SPEC", help="Spec that it must have been built from.")
@options.spec_options
@click.option("--weights", type=options.WEIGHTS, metavar=METAVAR, help="Weights that it must have been built with.")
@click.option("--seed", type=click.IntRange(*SEEDS), help="Seed that it must have been built with.")
@click.option("--for", "device", metavar="DEVICE", help="Device that it must be for.  [default: the GPUs here]")
@options.output_format("text", "json")
@options.project
@options.builds
def check_engine(
    file: Path | None,
    spec: str | None,
    settings: tuple[str, ...],
    weights: WeightsSource | None,
    seed: int | None,
    device: str | None,
    form: str,
    config: Path | None,
    no_config: bool,
    builds: tuple[str, ...],
) -> int:
    """Say whether an engine, or an ONNX file, fits: before it is loaded, and without a GPU.

    Its manifest is compared with its bytes, the TensorRT and the GPUs of this
    machine, a spec and weights. Exits with 1 if anything does not fit; what
    cannot be known here is `unknown`, and does not count. Without a FILE, all
    that [builds] of the project file says is held against it.

    \b
    Example: resnet-gen check-engine build/resnet50.fp16.sm86.sm89.sm120.engine --spec resnet50
             resnet-gen check-engine --builds edge
    """
    from resnet_gen.cli.projects import find_builds

    project = find_builds((str(file),) if file else (), builds, config, no_config)
    if project:
        from resnet_gen.cli.project_checks import check_project

        return check_project(project, builds, form)
    if file is None:
        raise refuse("no FILE is named, and no project file has [builds]", hint="name an engine or a model")
    if settings and spec is None:
        raise refuse("--set means nothing without --spec")
    if weights and seed is not None:
        raise refuse("--seed means nothing beside --weights")
    from resnet_gen.build.option_checks import EngineRequirements
    from resnet_gen.language.load import load
    from resnet_gen.speed.targets import load_target

    loaded = load(spec, settings) if spec is not None else None
    target = load_target(device) if device is not None else None
    return _check_file(file, EngineRequirements(loaded, weights, seed, target), form)


def _check_file(file: Path, asked: EngineRequirements, form: str) -> int:
    from resnet_gen.build.engine_check import all_fit, check
    from resnet_gen.cli.check_report import make_entry, say_checks
    from resnet_gen.cli.output import say_json

    found = check(file, asked)
    if form == "json":
        say_json(make_entry(file, found))
    else:
        say_checks(found)
    return 0 if all_fit(found) else 1
