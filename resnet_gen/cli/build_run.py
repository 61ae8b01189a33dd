"""`build` and `run`: files from specs, and trying them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from resnet_gen.build.output_kinds import BATCH_RANGE, BUILD_TARGETS, CAPABILITIES, REPORT
from resnet_gen.cli import options
from resnet_gen.cli.engine_options import engine, take_settings
from resnet_gen.ops.precision import PRECISIONS
from resnet_gen.project.limits import JOBS
from resnet_gen.speed.limits import MEASURED_BATCHES

TARGETS = (*BUILD_TARGETS, REPORT)
_OF_BUILDS = ("jobs", "dry_run", "form")
"""Options that are for the builds of a project."""


@click.command()
@click.argument("specs", metavar="[SPEC...]", nargs=-1)
@options.spec_options
@click.option(
    "-o", "--output", "folder", type=options.FOLDER, default="build", show_default=True, help="Folder to write to."
)
@click.option("--for", "device", metavar="DEVICE", help="Device, as `targets` lists them: picks all that follows.")
@click.option("--target", type=click.Choice(TARGETS), help="What to build.  [default: onnx, or what the device takes]")
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    help="Type that layers compute in.  [default: fp32, or the device's best]",
)
@click.option(
    "--io",
    type=click.Choice(["fp32", "typed"]),
    default="fp32",
    show_default=True,
    help="Type of input and outputs: float32, or what layers compute in.",
)
@click.option(
    "--sm",
    metavar="75,86,...",
    help="Compute capabilities that the engine is for.  "
    f"[default: those of {','.join(map(str, CAPABILITIES))} that have the precision]",
)
@click.option(
    "--tf32", is_flag=True, help="Let a GPU multiply FP32 in TF32, which has 10 bits.  [default: it must not]"
)
@options.quantization
@click.option("--opset", type=int, help="ONNX opset.  [default: the lowest that the graph needs]")
@click.option(
    "--batch",
    metavar="N|MIN:OPT:MAX",
    help=f"Batch size, or the range that an engine accepts.  [default: symbolic, {':'.join(map(str, BATCH_RANGE))}]",
)
@options.shapes
@engine
@options.side
@options.serving
@options.weights()
@click.option(
    "--symbolic-size", is_flag=True, help="Leave height and width open in ONNX, for networks that take any size."
)
@click.option("--fold-bn", "fold", is_flag=True, help="Fold batch norms into the convolutions before them.")
@click.option(
    "--compare/--no-compare",
    default=True,
    help="Hold what is built, unless it is FP32 as it stands, against FP32 on a few images.  [default: compare]",
)
@click.option("--all-shipped", is_flag=True, help="Build every shipped network, which as ONNX is some 50 GB.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if the files there are not what would be written.")
@click.option("--force", is_flag=True, help="Replace what another spec of this name left there.")
@options.project
@options.builds
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(*JOBS),
    default=1,
    show_default=True,
    help="Processes that do the project's builds at once.",
)
@click.option("--dry-run", is_flag=True, help="Say which of the project's builds would be done, and do none.")
@options.output_format("text", "json", "markdown")
def build(specs: tuple[str, ...], settings: tuple[str, ...], folder: Path, side: int | None, **choices: Any) -> int:
    """Build ONNX and engines, each with a manifest; or text reports.

    A bundle holds what builds the engine on the device; triton makes a
    folder for Triton Inference Server.

    Without a SPEC, all that [builds] of the project file says is built, but
    for what did not change (docs/projects.md), and a table is printed; without
    [builds], the project's specs. Else the paths of the files are printed.

    \b
    Example: resnet-gen build resnet50 -o build --precision fp16
             resnet-gen build resnet50 --for rtx-4090 --precision int8 --calibration photos/
             resnet-gen build resnet50 --for jetson-nano --target bundle
             resnet-gen build resnet50 --target tensorrt-rtx --sm 86,89 --batch 1:8:32
             resnet-gen build resnet50 --serve-outputs top5 --labels classes.txt
             resnet-gen build --all-shipped --target report -o generated --check
             resnet-gen build --builds edge -j 4
    """
    # NumPy's imports are nested a dozen deep. CPython allocates its stack in chunks of 16 KiB and
    # frees the last one at once; begun deeper, they cross an edge thousands of times (40 ms).
    import numpy.random  # noqa: F401

    from resnet_gen.build.batches import ShapeOptions
    from resnet_gen.cli import projects
    from resnet_gen.cli.build_files import build_all

    config, no_config, every = (choices.pop(name) for name in ("config", "no_config", "all_shipped"))
    names, jobs, dry_run, form = (choices.pop(name) for name in ("builds", *_OF_BUILDS))
    project = None if every else projects.find_builds(specs, names, config, no_config)
    if project:
        from resnet_gen.cli.project_builds import ProjectRun, run_project

        return run_project(project, ProjectRun(names, jobs, dry_run, form, choices["check"], choices["force"]))
    projects.check_of_builds(click.get_current_context(), _OF_BUILDS)
    scope = projects.choose_specs_to_build(specs, config, no_config, every=every)
    choices["project_engine"] = scope.engine
    choices["engine"] = take_settings(choices)
    choices["shapes"] = ShapeOptions(**{name: choices.pop(name) for name in ShapeOptions._fields})
    settings = options.with_serving(options.with_input(settings, side), choices)
    with scope.locating():
        return build_all(scope.references, settings, folder, whole=not specs, **choices)


@click.command(short_help="Run a spec or a model's file: the top classes, and the time.")
@click.argument("model", metavar="SPEC|FILE")
@options.spec_options
@click.option("--image", type=options.FILE, help="Picture to run on.  [default: random input]")
@options.side
@click.option(
    "--batch", type=click.IntRange(*MEASURED_BATCHES), help="Images in the batch.  [default: the model's, or 1]"
)
@click.option("--top", type=click.IntRange(1, 100), help="Classes to print.  [default: 5]")
@click.option(
    "--repeat", type=click.IntRange(1, 10_000), default=5, show_default=True, help="Timed runs, after one to warm up."
)
@options.weights("and of random input")
@options.runtime()
@options.precision_hint
@options.output_format("text", "json")
def run(model: str, settings: tuple[str, ...], side: int | None, **choices: Any) -> None:
    """Run a spec, FILE.onnx or FILE.engine: the top classes, and the time.

    Resizing, crop and normalization of a picture come from the spec, which our
    ONNX files carry with them.

    \b
    Example: resnet-gen run resnet50 --weights resnet50.pth --image cat.jpg
             resnet-gen run build/resnet50.onnx --backend openvino
    """
    from resnet_gen.cli.run_model import run_model

    run_model(model, options.with_input(settings, side), **choices)
