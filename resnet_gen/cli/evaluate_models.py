"""What `evaluate` does with its options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from resnet_gen.build import models
from resnet_gen.cli.evaluate_report import FORMATS
from resnet_gen.cli.hints import find_drawn_seed, tell_saturation
from resnet_gen.cli.image_progress import show_image_progress
from resnet_gen.cli.named_models import NamedModel, list_models, open_models
from resnet_gen.cli.output import output_text, say
from resnet_gen.engine.base import Runner, Tuning
from resnet_gen.engine.evaluation.evaluation import EvaluationEffort, evaluate_models
from resnet_gen.engine.evaluation.limits import DEFAULT_CHANGES
from resnet_gen.engine.evaluation.sources import open_labelled_images
from resnet_gen.language.load import list_spec_files
from resnet_gen.problems import refuse, shorten
from resnet_gen.system.write import check_writable
from resnet_gen.weights.downloads.names import WeightsSource, list_local_files


def evaluate_all(
    model: str,
    settings: tuple[str, ...],
    *,
    data: str,
    classes_file: Path | None,
    against: str | None,
    runtime: str | None,
    against_runtime: str | None,
    precision_hint: str | None,
    batch: int,
    limit: int | None,
    skip_broken: bool,
    changes: int | None,
    weights: WeightsSource | None,
    seed: int | None,
    fold: bool,
    form: str,
    output: Path | None,
) -> None:
    """Evaluate one or two models, and print or write the figures."""
    if output is not None:
        read = (*list_spec_files(model), *list_spec_files(against or model), *list_local_files(weights, classes_file))
        check_writable(output, [*read, Path(data)])
    if weights is not None and seed is not None:
        raise refuse("--seed means nothing beside --weights")
    if changes is not None and not (against or against_runtime):
        raise refuse("--changes means nothing without a second model", hint="--against or --against-backend names one")
    source = models.ModelSource(settings, weights, seed, fold)
    named = list_models(NamedModel(model, runtime), against, against_runtime)
    images = open_labelled_images(data, classes_file, limit)
    tuning = Tuning(precision_hint=precision_hint, tells_types=True)
    chosen = models.choose_inputs(open_models(named, source, tuning, (batch,)))
    _tell_seeds([each.name for each in named], [each.runner for each in chosen.models], source)
    effort = EvaluationEffort(batch, skip_broken, DEFAULT_CHANGES if changes is None else changes)
    with show_image_progress() as progress:
        found = evaluate_models(chosen.models, images, effort, progress)
    for each in chosen.models:
        tell_saturation(each.runner)
    output_text(FORMATS[form](replace(found, notes=(*chosen.notes, *found.notes))), output)


def _tell_seeds(names: Sequence[str], runners: Sequence[Runner], source: models.ModelSource) -> None:
    """Say of networks whose weights are drawn that what they get right is chance."""
    for name, runner in zip(names, runners, strict=True):
        drawn = find_drawn_seed(name, source, runner)
        if drawn is not None:  # a file may name it in any words
            words = f"{runner.where}: weights are drawn from seed {shorten(drawn)}: what it gets right is chance"
            say(words, err=True)
