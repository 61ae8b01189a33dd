"""What `run` does with its options."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from resnet_gen.build import models
from resnet_gen.build.file_input import check_shape, find_unsmoothed
from resnet_gen.cli.hints import find_drawn_seed, tell_refused_hint, tell_saturation, tell_slow_bfloat16
from resnet_gen.cli.output import finite_or_none, say, say_json
from resnet_gen.engine.base import Tuning, format_shape
from resnet_gen.engine.file_serving import FileServing
from resnet_gen.graph.surroundings import RANKED
from resnet_gen.language.spec import Input
from resnet_gen.problems import refuse, shorten
from resnet_gen.weights.base import Array
from resnet_gen.weights.downloads.names import WeightsSource
from resnet_gen.weights.seeds import DEFAULT_SEED


def run_model(
    model: str,
    settings: tuple[str, ...],
    *,
    image: Path | None,
    batch: int | None,
    top: int | None,
    repeat: int,
    weights: WeightsSource | None,
    seed: int | None,
    runtime: str | None,
    precision_hint: str | None,
    form: str,
) -> None:
    """Run a spec, an ONNX file or an engine and print what comes out."""
    draws_input = models.is_model_file(model) and image is None
    source = models.ModelSource(settings, weights, None if draws_input else seed)
    models.refuse_ignored(model, source)
    if weights is not None and image is not None and seed is not None:
        raise refuse("--seed means nothing beside --weights and --image")
    tuning = Tuning(precision_hint=precision_hint, tells_types=True)
    opened = models.open_model_file(model, source, runtime, tuning, (batch or 1,))
    session, taken, serving = opened
    tell_refused_hint(session, tuning)
    taken = taken or models.embedded_input(opened)
    if taken is None:
        taken = models.assumed_input(opened)
        say(f"{session.where}: carries no spec; {models.describe_assumption(serving)}", err=True)
    batch = batch or session.shape[0] or (session.bounds[0][0] if session.bounds else 1)
    check_shape(session, serving, taken, batch)
    drawn = find_drawn_seed(model, source, session)
    if drawn is not None:  # a file may name it in any words
        say(f"weights are drawn from seed {shorten(drawn)}: the classes mean nothing", err=True)
    x = _read_input(image, serving, taken, batch, seed or DEFAULT_SEED)
    outputs, times = session.time_runs(x, repeat)
    models.check_outputs(session, serving, outputs)
    tell_saturation(session)
    tell_slow_bfloat16(session)
    for line in find_unsmoothed(session, serving):
        say(f"warning: {line}", err=True)
    shown = str(image) if image else "random"
    run = _Run(shown, [batch, *x.shape[1:]], median(times), session.runtime)
    if top and (few := _find_fewer_classes(serving, top)):
        say(f"{session.where}: --top {top}: it outputs its best {few:,} alone", err=True)
    _report_outputs(outputs, run, serving, top or _TOP, form)


_TOP = 5


def _find_fewer_classes(serving: FileServing, top: int) -> int | None:
    """How many classes a file names at the most, where it has no score of each, and fewer than was asked for."""
    best = None if serving.has_scores else serving.find_best()
    return best.k if best and best.k and best.k < top else None


def _read_input(image: Path | None, serving: FileServing, taken: Input, batch: int, seed: int) -> Array:
    if image is not None:
        return np.repeat(serving.read(image, taken), batch, axis=0)
    return serving.draw(taken, batch, seed)


class _Run(NamedTuple):
    """What was run: the input and its shape, the median of the seconds that a batch took, and by what it was run."""

    input: str
    shape: list[int]
    seconds: float
    runtime: dict[str, str]

    def describe_types(self) -> str:
        """In which types, as the runtime says, and by what."""
        types = self.runtime.get("precision", "the engine's types")
        return f"computed in {types} by {self.runtime['library']} {self.runtime['version']}"

    def speed_entry(self) -> dict[str, float]:
        """Milliseconds a batch, images a second."""
        images = self.shape[0] or 1
        return {"milliseconds": round(1000 * self.seconds, 3), "images_per_second": round(images / self.seconds, 1)}


def _report_outputs(outputs: dict[str, Array], run: _Run, serving: FileServing, top: int, form: str) -> None:
    outputs, ranked = _split_ranked(outputs, serving)
    found = {name: values[0].astype(np.float64) for name, values in outputs.items()}
    if not all(np.isfinite(values).all() for values in found.values()):
        say("warning: the network outputs values that are not finite", err=True)
    best = _choose_best(ranked, found, serving, top)
    shown_whole = {*found} if len(found) > 1 else serving.list_names("best_scores")
    maps = {name: values for name, values in found.items() if name in shown_whole or values.ndim > 1}
    labels = dict(enumerate(serving.labels))
    if form == "json":
        classes: list[dict[str, Any]] = [{"class": i, "score": finite_or_none(score)} for i, score in best]
        for entry in classes:
            entry.update({"label": labels[entry["class"]]} if entry["class"] in labels else {})
        shown = {"outputs": [_map_entry(*item) for item in maps.items()]} if maps else {}
        head = {"input": run.input, "shape": run.shape, "runtime": run.runtime, "top": classes}
        say_json({**head, **shown, **run.speed_entry()})
        return
    for name, values in maps.items():
        say(f"{name:<14} {format_shape(values.shape):<14} mean {values.mean():9.4f}  std {values.std():9.4f}")
    for i, score in best:
        label = f"  {labels[i]}" if i in labels else ""
        say(f"class {i:>5}" + ("" if np.isnan(score) else f"  score {score:9.4f}") + label)
    speed = run.speed_entry()
    times = f"{speed['milliseconds']} ms a batch of {run.shape[0]}, {speed['images_per_second']} images/s (median)"
    say(f"{times}, {run.describe_types()}")


def _split_ranked(outputs: dict[str, Array], serving: FileServing) -> tuple[dict[str, Array], list[tuple[int, float]]]:
    """The outputs that are scores or maps; and the first image's best classes, where the file ranks them itself."""
    ranks = serving.list_names(*RANKED)
    rest = {name: values for name, values in outputs.items() if name not in ranks}
    best = serving.find_best()
    if best is None or not outputs.keys() >= set(best.names):
        return rest, []
    arrays = [outputs[name][:1].reshape(-1) for name in best.names]
    scores = arrays[0] if len(arrays) > 1 else np.full(len(arrays[0]), np.nan)
    return rest, [(int(c), float(s)) for c, s in zip(arrays[-1], scores, strict=False)]


def _choose_best(
    ranked: list[tuple[int, float]], found: dict[str, Array], serving: FileServing, top: int
) -> list[tuple[int, float]]:
    """The best classes as the file ranks them, or by its scores, if it has any, where it ranks fewer than are shown."""
    if len(ranked) < top and (not ranked or serving.has_scores):
        return _find_best_classes(found, serving, top)
    return ranked[:top]


def _find_best_classes(found: dict[str, Array], serving: FileServing, top: int) -> list[tuple[int, float]]:
    """The classes of the highest scores; none where no output is one row of scores."""
    others = serving.list_names("embedding", "best_scores")
    rows = (values for name, values in found.items() if values.ndim == 1 and name not in others)
    scores = next(rows, None)
    if scores is None:
        return []
    return [(int(i), float(scores[i])) for i in np.argsort(-scores, kind="stable")[:top]]


def _map_entry(name: str, values: Array) -> dict[str, Any]:
    figures = {"mean": finite_or_none(float(values.mean())), "std": finite_or_none(float(values.std()))}
    return {"name": name, "shape": list(values.shape), **figures}
