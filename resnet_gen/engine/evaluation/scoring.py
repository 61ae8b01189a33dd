"""A model run on any number of images, in batches that it takes: their scores, and how long that took."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

import numpy as np

from resnet_gen.engine.base import Runner, format_shape
from resnet_gen.engine.evaluation.limits import MOST_CLASSES
from resnet_gen.engine.file_serving import FileServing, ImageForm
from resnet_gen.graph.surroundings import SCORES, ServedOutput
from resnet_gen.problems import refuse
from resnet_gen.weights.base import Array

_PREFERRED = (*SCORES, "scores")
"""What such outputs are called, the first that there is counts."""


class EvaluatedModel(NamedTuple):
    """A loaded model, and how pictures become its input."""

    runner: Runner
    form: ImageForm


class _TimedRun(NamedTuple):
    images: int
    seconds: float


@dataclass(eq=False)
class Scorer:
    """Runs a model on batches: one of a fixed batch gets it filled up, and what it says of the filling is dropped."""

    model: EvaluatedModel
    _runs: list[_TimedRun] = field(default_factory=list)

    def score(self, images: Array) -> Array:
        """The scores (N, classes), float64, of images (N, C, H, W); raises `Refused` where it outputs none."""
        size = self._choose_batch(len(images))
        return np.concatenate([self._run(images[at : at + size], size) for at in range(0, len(images), size)])

    def _choose_batch(self, images: int) -> int:
        """The fixed batch of the model, or as many images as there are, within the range that it takes."""
        runner = self.model.runner
        if runner.shape[0] is not None:
            return runner.shape[0]
        least, most = (bound[0] for bound in runner.bounds) if runner.bounds else (1, images)
        return max(least, min(images, most))

    def _run(self, images: Array, size: int) -> Array:
        filled = images
        if len(images) < size and (self.model.runner.shape[0] is not None or self.model.runner.bounds):
            filled = np.concatenate([images, np.repeat(images[-1:], size - len(images), axis=0)])
        x = self.model.runner.prepare_input(filled)
        start = time.perf_counter()
        outputs = self.model.runner.run(x)
        self._runs.append(_TimedRun(len(filled), time.perf_counter() - start))
        return _find_scores(outputs, len(filled), self.model)[: len(images)].astype(np.float64)

    @property
    def best(self) -> int | None:
        """How many classes it names of each image, where it outputs no scores; None where it does."""
        found = _find_best(self.model.form.serving)
        return found.k if found else None

    @property
    def images_per_second(self) -> float:
        """Images through the model, without reading them; the first run, which warms it up, counts if it is alone."""
        return sum(run.images for run in self._counted) / max(1e-9, sum(run.seconds for run in self._counted))

    @property
    def median_ms(self) -> float:
        """Milliseconds of a run: the median of the same."""
        return 1e3 * median(run.seconds for run in self._counted)

    @property
    def timed_runs(self) -> int:
        """How many runs that is of."""
        return len(self._counted)

    @property
    def warmed_up(self) -> bool:
        """Whether the first run is none of them, as there are others."""
        return len(self._runs) > 1

    @property
    def _counted(self) -> list[_TimedRun]:
        return self._runs[1:] if self.warmed_up else self._runs


def _find_scores(outputs: dict[str, Array], images: int, model: EvaluatedModel) -> Array:
    """The output that has one score for each class; raises `Refused` where it cannot be told."""
    where = model.runner.where
    if best := _find_best(model.form.serving):
        return _rank_best(outputs, images, model, best)
    if reason := explain_unscored(model.form.serving):
        raise refuse(reason, where, "serve logits or probabilities too")
    scores = model.form.serving.list_names(*SCORES)
    known = {name: values for name, values in outputs.items() if not scores or name in scores}
    found = {k: v for k, v in known.items() if v.ndim == 2 and v.dtype.kind == "f" and v.shape[1] > 1}
    name = next((name for name in _PREFERRED if name in found), next(iter(found), None))
    if name is None or (len(found) > 1 and name not in _PREFERRED):
        shapes = ", ".join(f"'{k}' {format_shape(v.shape)}" for k, v in outputs.items())
        message = f"outputs {'no scores' if name is None else 'several rows of scores'} of classes: {shapes}"
        raise refuse(message, where, "a classifier is evaluated: one output of N x classes")
    if len(found[name]) != images:
        raise refuse(f"outputs {format_shape(found[name].shape)} for {images:,} images", where)
    return found[name]


def explain_unscored(serving: FileServing) -> str | None:
    """What a file outputs that says so, where it is nothing of classes; None where it is."""
    if not serving.outputs or serving.has_scores or _find_best(serving):
        return None
    names = ", ".join(f"'{name}'" for output in serving.outputs for name in output.names)
    return f"outputs {names}, and no score of each class"


def _find_best(serving: FileServing) -> ServedOutput | None:
    """The best classes that a file names and that count, as it has no score of each; None where it has."""
    return None if serving.has_scores else serving.find_best()


def _rank_best(outputs: dict[str, Array], images: int, model: EvaluatedModel, best: ServedOutput) -> Array:
    """Scores by which classes stand as the file names them: those that it does not name share the last place, 0."""
    where, classes = model.runner.where, model.form.serving.classes
    if classes is None:
        hint = "serve logits or probabilities too, or state its labels"
        raise refuse(f"names its {best.k} best classes, and says nowhere of how many", where, hint)
    if classes > MOST_CLASSES:
        raise refuse(f"of {classes:,} classes, at most {MOST_CLASSES:,} where the best alone are named", where)
    found = [outputs[name] for name in best.names if name in outputs]
    if len(found) < len(best.names) or any(each.size != images * (best.k or 0) for each in found):
        raise refuse(f"does not output the {best.k} best classes of {images:,} images", where)
    values, places = (each.reshape(images, -1) for each in (found[0], found[-1]))
    whole = places.dtype.kind in "iu" or (best.kind == "best_indices" and (places == np.rint(places)).all())
    if not whole or (places < 0).any() or (places >= classes).any():
        raise refuse(f"names what is none of its {classes:,} classes", where)
    scores = np.zeros((images, classes), np.float32)
    np.put_along_axis(scores, places.astype(np.int64), np.arange(best.k or 0, 0, -1, dtype=np.float32)[None], axis=1)
    scores[~np.isfinite(values).all(axis=1)] = np.nan
    return scores
