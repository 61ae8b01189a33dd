"""Right answers counted: overall, among the best five, by class, and which class is taken for which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from resnet_gen.engine.evaluation.labelled_images import Labels
from resnet_gen.engine.evaluation.statistics import Proportion
from resnet_gen.problems import several
from resnet_gen.weights.base import Array

BEST = 5
"""Classes of the highest scores, among which the label counts as found."""
NO_CLASS = -1
"""What is predicted where scores are not finite."""


class ClassAccuracy(NamedTuple):
    """A class: how many images of it there are, how many of them are right, and how many images are taken for it."""

    label: int
    images: int
    right: int
    predicted: int

    @property
    def recall(self) -> float | None:
        """The part of its images that are right; None without images."""
        return self.right / self.images if self.images else None

    @property
    def precision(self) -> float | None:
        """The part that is right of what is taken for it; None where nothing is."""
        return self.right / self.predicted if self.predicted else None


class Confusion(NamedTuple):
    """So many images of one class that are taken for another."""

    label: int
    predicted: int
    images: int


@dataclass(frozen=True)
class Accuracy:
    """What a model gets right: `top5` is None of five classes and fewer, `unfinite` counts images without a class.

    `classes` are those that have images or are predicted, `confusions` all pairs that occur, the most frequent first.
    `best` is how many classes the model names of each image, where it names the best alone and outputs no scores.
    """

    outputs: int
    top1: Proportion
    top5: Proportion | None
    classes: tuple[ClassAccuracy, ...]
    confusions: tuple[Confusion, ...]
    unfinite: int
    best: int | None = None

    @property
    def balanced(self) -> float:
        """The mean recall of the classes that have images."""
        found = [each.right / each.images for each in self.classes if each.images]
        return sum(found) / len(found) if found else 0.0

    def list_caveats(self) -> Iterator[str]:
        """What is to be known of these figures, a sentence each."""
        if self.best:
            unknown = "" if self.best >= BEST else f": top-{BEST} is not known"
            yield f"names its {'best class' if self.best == 1 else f'{self.best} best classes'} alone{unknown}"
        elif self.top5 is None:
            yield f"top-{BEST} says nothing of {self.outputs} classes"
        if self.unfinite:
            yield f"scores of {several(self.unfinite, 'image')} are not finite, which count as wrong"


class Tally:
    """Counts answers as they come, of a model with so many classes that names the `best` alone or has scores of all."""

    def __init__(self, outputs: int, best: int | None = None) -> None:
        self._outputs, self._best = outputs, best
        self._pairs: Counter[tuple[int, int]] = Counter()
        self._found = 0

    def add(self, scores: Array, labels: Labels) -> Labels:
        """Count a batch of scores (N, classes) for these labels; returns the classes that are predicted."""
        predicted = predict_classes(scores)
        self._pairs.update(zip(labels.tolist(), predicted.tolist(), strict=True))
        self._found += int(((rank_labels(scores, labels) < BEST) & (predicted != NO_CLASS)).sum())
        return predicted

    def result(self) -> Accuracy:
        """What was counted."""
        images, right, taken = Counter[int](), Counter[int](), Counter[int]()
        for (label, predicted), count in self._pairs.items():
            images[label] += count
            taken[predicted] += count
            right[label] += count if label == predicted else 0
        total, unfinite = images.total(), taken.pop(NO_CLASS, 0)
        confusions = [Confusion(*pair, count) for pair, count in self._pairs.items() if len({*pair}) > 1]
        return Accuracy(
            self._outputs,
            Proportion(right.total(), total),
            Proportion(self._found, total) if self._outputs > BEST and (self._best or BEST) >= BEST else None,
            tuple(ClassAccuracy(c, images[c], right[c], taken[c]) for c in sorted({*images, *taken})),
            tuple(sorted(confusions, key=lambda c: (-c.images, c.label, c.predicted))),
            unfinite,
            self._best,
        )


def predict_classes(scores: Array) -> Labels:
    """The class of the highest score of each row, the first of several; `NO_CLASS` where a score is not finite."""
    found: Labels = np.where(np.isfinite(scores).all(axis=1), np.argmax(scores, axis=1), NO_CLASS).astype(np.int64)
    return found


def rank_labels(scores: Array, labels: Labels) -> Labels:
    """How many classes stand before the label's: those of higher scores, and of equal ones those of lower numbers."""
    own = scores[np.arange(len(labels)), labels][:, None]
    before = np.arange(scores.shape[1]) < labels[:, None]
    found: Labels = ((scores > own) | ((scores == own) & before)).sum(axis=1)
    return found
