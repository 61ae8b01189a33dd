"""`evaluate`: how often models are right on labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resnet_gen.cli import options
from resnet_gen.engine.evaluation.limits import CHANGES, DEFAULT_CHANGES, EVALUATED_BATCH
from resnet_gen.ops.limits import EVALUATED_IMAGES
from resnet_gen.problems import refuse
from resnet_gen.speed.limits import MEASURED_BATCHES

if TYPE_CHECKING:
    from resnet_gen.project.project_file import Project


@click.command(short_help="Count how often a model is right on labelled images.")
@click.argument("model", metavar="[SPEC|FILE]", required=False)
@options.spec_options
@options.side
@click.option(
    "--data",
    metavar="FOLDER|FILE.csv|FILE.npz",
    help="Labelled images: class folders, a table of file and label, or arrays of images and labels.  "
    "[default: of a project's builds, those of its budgets]",
)
@click.option(
    "--classes-file",
    type=options.FILE,
    help="Names of the classes, one a line in the order of the outputs.  [default: names as they are sorted]",
)
@click.option("--against", metavar="SPEC|FILE", help="A second model, evaluated on the same images and compared.")
@options.runtime()
@options.runtime("--against-backend", "against_runtime", "the second model")
@options.precision_hint
@click.option(
    "--batch",
    type=click.IntRange(*MEASURED_BATCHES),
    default=EVALUATED_BATCH,
    show_default=True,
    help="Images at once.",
)
@click.option(
    "--limit",
    type=click.IntRange(*EVALUATED_IMAGES),
    help="Evaluate so many of the images, evenly spaced.",
)
@click.option("--skip-broken", is_flag=True, help="Leave out images that cannot be read, and list them.")
@click.option(
    "--changes",
    type=click.IntRange(*CHANGES),
    help=f"Images to list, of those that the second model says otherwise of.  [default: {DEFAULT_CHANGES}]",
)
@options.weights()
@click.option("--fold-bn", "fold", is_flag=True, help="Fold batch norms of a spec into the convolutions before them.")
@options.output_format("text", "json", "markdown")
@click.option("-o", "--output", type=options.FILE, help="File to write the figures to.  [default: stdout]")
@options.project
@options.builds
def evaluate(
    model: str | None,
    settings: tuple[str, ...],
    side: int | None,
    config: Path | None,
    no_config: bool,
    builds: tuple[str, ...],
    **choices: Any,
) -> int:
    """Evaluate a spec, FILE.onnx or FILE.engine on labelled images: top-1, top-5, classes, confusions.

    Class folders count in the order of their names, as torchvision has them;
    --classes-file names another. Pictures are resized, cropped and normalized
    as the spec says, which our ONNX files carry with them.

    Without a SPEC or FILE, all that [builds] of the project file says is
    evaluated as it was built, on the images of its budgets of accuracy, and
    these are held; exit code 1 where one is broken.

    \b
    Example: resnet-gen evaluate resnet50 --weights resnet50.pth --data imagenet/val
             resnet-gen evaluate resnet50.onnx --data val.csv --against resnet50.int8.onnx
             resnet-gen evaluate --builds server
    """
    from resnet_gen.cli.projects import find_builds

    project = find_builds((model,) if model else (), builds, config, no_config)
    if project:
        return _evaluate_builds(project, builds, **choices)
    if model is None:
        raise refuse("no SPEC or FILE is named, and no project file has [builds]", hint="name a model")
    if config:
        raise refuse("--config means nothing where a SPEC or FILE is named", hint="leave one of them away")
    if choices["data"] is None:
        raise refuse("--data: on which images?", hint="--data takes class folders, FILE.csv or FILE.npz")
    from resnet_gen.cli.evaluate_models import evaluate_all

    evaluate_all(model, options.with_input(settings, side), **choices)
    return 0


def _evaluate_builds(project: Project, names: tuple[str, ...], **choices: Any) -> int:
    from resnet_gen.cli.project_evaluate import ProjectEvaluation, evaluate_project
    from resnet_gen.engine.evaluation.evaluation import EvaluationEffort
    from resnet_gen.verify.build_trials import ImageChoice

    choice = ImageChoice(*(choices[key] for key in ImageChoice._fields))
    effort = EvaluationEffort(choices["batch"], choices["skip_broken"])
    return evaluate_project(project, ProjectEvaluation(names, choice, effort, choices["form"], choices["output"]))
