"""Models on labelled images: read once, in batches, run by each in turn, counted and compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np

from resnet_gen.engine.evaluation.comparison import Agreement, Comparer
from resnet_gen.engine.evaluation.labelled_images import BrokenImage, LabelledImages, ReadImage
from resnet_gen.engine.evaluation.limits import DEFAULT_CHANGES, EVALUATED_BATCH
from resnet_gen.engine.evaluation.scoring import EvaluatedModel, Scorer
from resnet_gen.engine.evaluation.tally import Accuracy, Tally
from resnet_gen.problems import Refused, refuse, several
from resnet_gen.weights.base import Array

EvaluationProgress: TypeAlias = Callable[[int, int], None]
"""Called with how many images are done, and of how many."""
_MOST_VALUES = 1 << 26
"""Of the images that are held at once, for all models together."""
_MOST_LISTED = 1_000
"""Broken images that are listed."""


class EvaluationEffort(NamedTuple):
    """How images are evaluated: so many at once, broken ones left out or refused, and so many changes listed.

    `advice` is what whoever asked may do about a broken image.
    """

    batch: int = EVALUATED_BATCH
    skip_broken: bool = False
    changes: int = DEFAULT_CHANGES
    advice: str | None = "--skip-broken leaves such images out, and says how many"


class ModelEvaluation(NamedTuple):
    """A model, by what it was run, what it gets right, and its images a second without reading them.

    Its speed is that of `timed_runs`, each of up to a batch, of which `median_ms` is the median time; the first run is
    none of them where it only `warmed_up` the model.
    """

    model: str
    runtime: dict[str, str]
    accuracy: Accuracy
    images_per_second: float
    median_ms: float
    timed_runs: int
    warmed_up: bool = True


class BrokenPicture(NamedTuple):
    """An image that was left out, and why."""

    image: str
    reason: str


@dataclass(frozen=True)
class Evaluation:
    """What models get right of labelled images."""

    data: str
    """Where the images are from."""
    total: int
    """How many there are."""
    images: int
    """How many of them were evaluated."""
    classes: tuple[str, ...]
    """The names of the classes, in the order of the outputs; empty where labels are indices."""
    notes: tuple[str, ...]
    """What is to be known of images and classes."""
    broken: int
    """How many images were left out, as they cannot be read."""
    broken_images: tuple[BrokenPicture, ...]
    """The first 1,000 of them: `image` and `reason`."""
    models: tuple[ModelEvaluation, ...]
    """Each model: `accuracy`, by what it was run, and its speed without reading."""
    agreement: Agreement | None
    """How two models compare: images with the `same` class, `lost` and `gained`, `p_value`, `decibels`, `changes`."""
    images_read_per_second: float
    """How fast images were read and prepared, in one thread."""
    batch: int
    """Images at once."""

    @property
    def image_notes(self) -> tuple[str, ...]:
        """What is to be known of images and classes, and how many images were left out."""
        left = f"{several(self.broken, 'image')} left out that cannot be read"
        return (*self.notes, left) if self.broken else self.notes

    def name_class(self, index: int) -> str:
        """The name of a class, or its number; `none` where scores were not finite."""
        if index < 0:
            return "none"
        return self.classes[index] if self.classes else str(index)


class _Batch(NamedTuple):
    """The places of images among those that are chosen, and the images as each model takes them."""

    places: list[int]
    arrays: list[Array]


class _ImageReader:
    """Images in batches, with what was left out and the time that reading took."""

    def __init__(self, images: LabelledImages, models: Sequence[EvaluatedModel], effort: EvaluationEffort) -> None:
        self._images, self._effort = images, effort
        self._walk = images.walk([model.form for model in models])
        self.broken: list[BrokenImage] = []
        self.read, self.seconds, self.left_out = 0, 0.0, 0

    def batches(self) -> Iterator[_Batch]:
        """Images in batches; raises `Refused` for a broken one unless those are left out."""
        while batch := self._read_batch():
            yield batch

    def _read_batch(self) -> _Batch | None:
        start = time.perf_counter()
        found: list[ReadImage] = []
        while len(found) < self._effort.batch and (image := next(self._walk, None)):
            if isinstance(image, ReadImage):
                found.append(image)
            else:
                self._leave_out(image)
        self.seconds += time.perf_counter() - start
        self.read += len(found)
        if not found:
            return None
        arrays = zip(*(image.arrays for image in found), strict=True)
        return _Batch([image.place for image in found], [np.stack(of) for of in arrays])

    def _leave_out(self, image: BrokenImage) -> None:
        if not self._effort.skip_broken:
            *others, last = image.refused.problems
            hint = "; ".join(filter(None, (last.hint, self._effort.advice))) or None
            raise Refused([*others, replace(last, hint=hint)])
        self.left_out += 1
        if self.left_out <= _MOST_LISTED:
            self.broken.append(image)


def evaluate_models(
    models: Sequence[EvaluatedModel],
    images: LabelledImages,
    effort: EvaluationEffort,
    progress: EvaluationProgress | None = None,
    *,
    compare: bool = True,
) -> Evaluation:
    """Run models on labelled images, and compare the second with the first unless that is not wanted.

    Raises `Refused` for images and models that do not fit.
    """
    effort = effort._replace(batch=_limit_batch(models, effort.batch))
    reader = _ImageReader(images, models, effort)
    scorers, tallies = [Scorer(model) for model in models], list[Tally]()
    comparer = _begin_comparison(scorers, effort) if compare and len(models) > 1 else None
    for batch in reader.batches():
        labels = images.labels[batch.places]
        scores = [scorer.score(arrays) for scorer, arrays in zip(scorers, batch.arrays, strict=True)]
        tallies = tallies or [_begin_tally(images, each, of) for each, of in zip(scorers, scores, strict=True)]
        predicted = [tally.add(of, labels) for tally, of in zip(tallies, scores, strict=True)]
        if comparer:
            comparer.add(scores, predicted, labels, map(images.name, batch.places))
        if progress:
            progress(reader.read + reader.left_out, len(images))
    if not tallies:
        raise refuse("none of its images can be read", images.where)
    found = (_describe_model(*each) for each in zip(scorers, tallies, strict=True))
    return Evaluation(
        images.where,
        images.total,
        reader.read,
        images.classes,
        images.notes,
        reader.left_out,
        tuple(BrokenPicture(images.name(each.place), each.refused.problems[0].message) for each in reader.broken),
        tuple(found),
        comparer.result() if comparer else None,
        reader.read / max(1e-9, reader.seconds),
        effort.batch,
    )


def _begin_comparison(scorers: Sequence[Scorer], effort: EvaluationEffort) -> Comparer:
    return Comparer(effort.changes, scored=all(scorer.best is None for scorer in scorers))


def _limit_batch(models: Sequence[EvaluatedModel], asked: int) -> int:
    """As many images as are held without taking much memory, however large they are."""
    if any(model.form.serving.takes_any_size for model in models):
        return 1
    each = sum(int(np.prod(model.form.taken.shape, dtype=float)) for model in models)
    return max(1, min(asked, _MOST_VALUES // each))


def _begin_tally(images: LabelledImages, scorer: Scorer, scores: Array) -> Tally:
    images.check_classes(scores.shape[1], scorer.model.runner.where)
    return Tally(scores.shape[1], scorer.best)


def _describe_model(scorer: Scorer, tally: Tally) -> ModelEvaluation:
    runner, accuracy = scorer.model.runner, tally.result()
    speed = (scorer.images_per_second, scorer.median_ms, scorer.timed_runs, scorer.warmed_up)
    return ModelEvaluation(runner.where, runner.runtime, accuracy, *speed)
