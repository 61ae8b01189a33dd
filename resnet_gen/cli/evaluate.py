"""`evaluate`: how often models are right on labelled images."""

from __future__ import annotations

from typing import Any

import click

from resnet_gen.cli import options
from resnet_gen.engine.evaluation.limits import CHANGES, DEFAULT_CHANGES, EVALUATED_BATCH
from resnet_gen.ops.limits import EVALUATED_IMAGES
from resnet_gen.speed.limits import MEASURED_BATCHES


@click.command(short_help="Count how often a model is right on labelled images.")
@click.argument("model", metavar="SPEC|FILE")
@options.spec_options
@options.side
@click.option(
    "--data",
    required=True,
    metavar="FOLDER|FILE.csv|FILE.npz",
    help="Labelled images: class folders, a table of file and label, or arrays of images and labels.",
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
    default=DEFAULT_CHANGES,
    show_default=True,
    help="Images to list, of those that the second model says otherwise of.",
)
@options.weights()
@click.option("--fold-bn", "fold", is_flag=True, help="Fold batch norms of a spec into the convolutions before them.")
@options.output_format("text", "json", "markdown")
@click.option("-o", "--output", type=options.FILE, help="File to write the figures to.  [default: stdout]")
def evaluate(model: str, settings: tuple[str, ...], side: int | None, **choices: Any) -> None:
    """Evaluate a spec, FILE.onnx or FILE.engine on labelled images: top-1, top-5, classes, confusions.

    Class folders count in the order of their names, as torchvision has them;
    --classes-file names another. Pictures are resized, cropped and normalized
    as the spec says, which our ONNX files carry with them.

    \b
    Example: resnet-gen evaluate resnet50 --weights resnet50.pth --data imagenet/val
             resnet-gen evaluate resnet50.onnx --data val.csv --against resnet50.int8.onnx
    """
    from resnet_gen.cli.evaluate_models import evaluate_all

    evaluate_all(model, options.with_input(settings, side), **choices)
