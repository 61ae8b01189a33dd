"""What `bench` does with its options."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np

from resnet_gen.build.models import ModelSource, choose_runners, find_own_image
from resnet_gen.build.shapes import HINT, parse_shapes
from resnet_gen.cli.bench_report import as_json, as_text, format_title
from resnet_gen.cli.hints import tell_saturation, tell_slow_bfloat16
from resnet_gen.cli.named_models import NamedModel, list_models, open_models
from resnet_gen.cli.output import say, say_lines, write_files
from resnet_gen.engine.base import Runner, Tuning, draw_input
from resnet_gen.language.load import list_spec_files
from resnet_gen.problems import refuse, shorten
from resnet_gen.speed import plot as pictures
from resnet_gen.speed.benchmark import BenchProgress, Effort, Result, find_common_shape, measure
from resnet_gen.speed.limits import DEFAULT_SECONDS, MEASURED_BATCHES
from resnet_gen.system.write import check_writable
from resnet_gen.weights.downloads.names import WeightsSource, list_local_files
from resnet_gen.weights.seeds import DEFAULT_SEED

MAX_VALUES = 1 << 28
"""Of one input: a gigabyte of float32."""


_BatchShapes: TypeAlias = tuple[int | None, dict[str, tuple[int, ...]]]
"""A batch size, and shapes by the names of inputs where those were asked for."""
_BeginBatch: TypeAlias = Callable[[int], BenchProgress | None]
"""Called with a batch size when it is begun; what is to be said about it."""


def bench_models(
    model: str,
    settings: tuple[str, ...],
    *,
    against: str | None,
    runtime: str | None,
    against_runtime: str | None,
    batch: str | None,
    shapes: str | None,
    precision_hint: str | None,
    threads: int | None,
    cuda_graphs: bool,
    seconds: float | None,
    repeat: int | None,
    weights: WeightsSource | None,
    seed: int | None,
    fold: bool,
    form: str,
    output: Path | None,
    plot: Path | None,
) -> None:
    """Measure one or two models and print, write and draw the figures."""
    if seconds is None and repeat is None:
        seconds = DEFAULT_SECONDS
    _check_files(
        output, plot, [*list_spec_files(model), *list_spec_files(against or model), *list_local_files(weights)]
    )
    wanted = _parse_batches(batch, shapes)
    models = list_models(NamedModel(model, runtime), against, against_runtime)
    source = ModelSource(settings, weights, seed, fold)
    tuning = Tuning(threads, precision_hint, takes_turns=len(models) > 1, tells_types=True, cuda_graphs=cuda_graphs)
    opened = open_models(models, source, tuning, [n for n, _ in wanted if n])
    runners = choose_runners(opened)
    measured = _choose_shapes(runners, wanted, None if shapes else find_own_image(opened))
    results = _measure_shapes(runners, measured, Effort(seconds, repeat), seed or DEFAULT_SEED)
    for runner in runners:
        tell_saturation(runner)
        tell_slow_bfloat16(runner)
    text = as_json(runners, results) if form == "json" else as_text(runners, results)
    _output_results(text, runners, results, output, plot)


def _parse_batches(batch: str | None, shapes: str | None) -> list[_BatchShapes]:
    """Batch sizes, with the shapes that were asked for by name; one (None, {}) for what the models take."""
    if batch is not None and shapes is not None:
        raise refuse("--batch and --shapes both say how large a batch is", hint="leave one of them away")
    if shapes is not None:
        by_name = parse_shapes(shapes)
        return [(next(iter(by_name.values()))[0], by_name)]
    if batch is None:
        return [(None, {})]
    parts, (least, most) = [part.strip() for part in batch.split(",")], MEASURED_BATCHES
    if not all(p.isascii() and p.isdecimal() and len(p) < 6 and least <= int(p) <= most for p in parts):
        hint = f"write --batch 1,8; {least} to {most:,}"
        raise refuse(f"--batch: '{shorten(batch)}' is not a list of batch sizes", hint=hint)
    return [(n, {}) for n in sorted({int(part) for part in parts})]


def _choose_shapes(
    runners: Sequence[Runner], wanted: Sequence[_BatchShapes], image: tuple[int, ...] | None
) -> list[tuple[int, ...]]:
    """The shapes to measure at, which every model takes; `image` is what is taken for sides that they leave open."""
    found = [find_common_shape(runners, _find_input_shape(runners, by_name), batch, image) for batch, by_name in wanted]
    for shape in found:
        if np.prod(shape, dtype=float) > MAX_VALUES:
            raise refuse(f"an input of {'x'.join(map(str, shape))} is larger than any that is measured")
    return found


def _find_input_shape(runners: Sequence[Runner], by_name: dict[str, tuple[int, ...]]) -> tuple[int, ...] | None:
    """The shape of the models' one input, which may stand there under the name of either, or under none."""
    if not by_name:
        return None
    known = {"", *(runner.input for runner in runners)}
    unknown = sorted(by_name.keys() - known)
    if unknown:
        raise refuse(f"there is no input '{shorten(unknown[0])}'", runners[0].where, f"it is '{runners[0].input}'")
    if len(set(by_name.values())) > 1:
        raise refuse("--shapes: two shapes for one input", hint=HINT)
    return next(iter(by_name.values()))


def _measure_shapes(
    runners: Sequence[Runner], shapes: Sequence[tuple[int, ...]], effort: Effort, seed: int
) -> list[Result]:
    results = []
    with _show_progress(len(shapes)) as begin:
        for shape in shapes:
            x = draw_input(shape, seed, of_bytes=any(runner.dtype == np.uint8 for runner in runners))
            results.append(measure(runners, x, effort, begin(shape[0])))
    return results


def _check_files(output: Path | None, plot: Path | None, read: Iterable[Path]) -> None:
    """Refuse before anything is measured what could not be written after it."""
    if plot is not None:
        if plot.suffix.lower() not in pictures.FORMATS:
            raise refuse("a picture is an .svg or a .png file", str(plot))
        pictures.load_matplotlib()
    for path in (output, plot):
        if path is not None:
            check_writable(path, read)
    if output is not None and plot is not None and output.resolve() == plot.resolve():
        raise refuse("--output and --plot name one file", str(plot))


def _output_results(
    text: str, runners: Sequence[Runner], results: Sequence[Result], output: Path | None, plot: Path | None
) -> None:
    """Figures to stdout, or to a file whose path is printed; the picture to its file."""
    files = {output: text.encode() + b"\n"} if output else {}
    if plot:
        files[plot] = pictures.draw([format_title(r) for r in runners], results, plot.suffix.lower())
    write_files(files)
    if output:
        say(output)
    else:
        say_lines(text + "\n")
    if plot:
        say(plot, err=output is None)  # beside figures on stdout it would be none of them


@contextmanager
def _show_progress(shapes: int) -> Iterator[_BeginBatch]:
    """A progress bar on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("warming up", total=shapes)
        begun = [0]

        def begin(batch: int) -> BenchProgress:
            before = begun[0]
            begun[0] += 1
            return lambda share: bar.update(task, description=f"batch {batch}", completed=before + share)

        yield begin
