"""What `evaluate` does with its options."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from resnet_gen.build import models
from resnet_gen.cli.evaluate_report import FORMATS
from resnet_gen.cli.hints import tell_refused_hint, tell_saturation
from resnet_gen.cli.output import say, say_lines, write_files
from resnet_gen.engine.base import Runner, Tuning
from resnet_gen.engine.evaluation.evaluation import EvaluationEffort, EvaluationProgress, evaluate_models
from resnet_gen.engine.evaluation.sources import open_labelled_images
from resnet_gen.language.load import list_spec_files
from resnet_gen.problems import refuse, shorten
from resnet_gen.system.write import check_writable
from resnet_gen.weights.downloads.names import WeightsSource, list_local_files
from resnet_gen.weights.seeds import DEFAULT_SEED


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
    changes: int,
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
    source = models.ModelSource(settings, weights, seed, fold)
    named = [(model, runtime), *([(against or model, against_runtime)] if against or against_runtime else [])]
    images = open_labelled_images(data, classes_file, limit)
    chosen = models.choose_inputs(_open_models(named, source, precision_hint, batch))
    _tell_seeds([name for name, _ in named], [each.runner for each in chosen.models], source)
    with _show_progress() as progress:
        found = evaluate_models(chosen.models, images, EvaluationEffort(batch, skip_broken, changes), progress)
    for each in chosen.models:
        tell_saturation(each.runner)
    _output_text(FORMATS[form](replace(found, notes=(*chosen.notes, *found.notes))), output)


def _open_models(
    named: Sequence[tuple[str, str | None]], source: models.ModelSource, hint: str | None, batch: int
) -> list[models.RunnableModel]:
    """Load the models; what is set for specs has to mean something for one of them, and a hint for OpenVINO."""
    if all(models.is_model_file(name) for name, _ in named):
        models.refuse_ignored(named[0][0], source)
    if hint and all(runtime != "openvino" for _, runtime in named):
        raise refuse("--precision-hint means something for openvino alone", hint="use --backend openvino")
    found = []
    for name, runtime in named:
        tuning = Tuning(precision_hint=hint if runtime == "openvino" else None, tells_types=True)
        found.append(models.open_model_file(name, source, runtime, tuning, (batch,)))
        tell_refused_hint(found[-1].runner, tuning)
    return found


def _tell_seeds(names: Sequence[str], runners: Sequence[Runner], source: models.ModelSource) -> None:
    """Say of networks whose weights are drawn that what they get right is chance."""
    for name, runner in zip(names, runners, strict=True):
        drawn = None if source.weights else str(source.seed or DEFAULT_SEED)
        if models.is_model_file(name):
            drawn = models.embedded_seed(runner)
        if drawn is not None:  # a file may name it in any words
            words = f"{runner.where}: weights are drawn from seed {shorten(drawn)}: what it gets right is chance"
            say(words, err=True)


def _output_text(text: str, output: Path | None) -> None:
    if output is None:
        say_lines(text)
        return
    write_files({output: text.encode()})
    say(output)


@contextmanager
def _show_progress() -> Iterator[EvaluationProgress | None]:
    """A progress bar on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich import progress
    from rich.console import Console

    columns = (progress.BarColumn(), progress.MofNCompleteColumn(), progress.TimeRemainingColumn())
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("images", total=None)
        yield lambda done, images: bar.update(task, completed=done, total=images)
