"""Two models on the same images: where they agree, what changed from one to the other, and whether by chance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from resnet_gen.engine.evaluation.labelled_images import Labels
from resnet_gen.engine.evaluation.statistics import Proportion, mcnemar
from resnet_gen.engine.signal_power import SignalPower
from resnet_gen.weights.base import Array

LOST, GAINED, OTHER = "lost", "gained", "other"
"""An image of which the first model alone is right; the second alone; neither, in different ways."""


class Change(NamedTuple):
    """An image that the two models say otherwise of: its name, its label, and what each says."""

    image: str
    label: int
    first: int
    second: int

    @property
    def kind(self) -> str:
        """`lost`, `gained` or `other`."""
        return LOST if self.first == self.label else GAINED if self.second == self.label else OTHER


@dataclass(frozen=True)
class Agreement:
    """How two models compare; `changes` are the first few, those that were lost before the others.

    `decibels` is the signal of the first's scores to the difference of the second's; None for other numbers of classes,
    where one's are probabilities and the other's are not, and where one names its best classes alone.
    """

    same: Proportion
    both_right: int
    lost: int
    gained: int
    other: int
    decibels: float | None
    changes: tuple[Change, ...]

    @property
    def p_value(self) -> float:
        """Of McNemar's exact test: how likely chance alone parts two equally good models so."""
        return mcnemar(self.lost, self.gained)


@dataclass(eq=False)
class Comparer:
    """Compares batch by batch; keeps at most so many changes of each kind. Not `scored`, no signal is compared."""

    most: int
    scored: bool = True
    _power: SignalPower | None = field(default_factory=SignalPower)
    _counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys((LOST, GAINED, OTHER), 0))
    _changes: dict[str, list[Change]] = field(default_factory=lambda: {LOST: [], GAINED: [], OTHER: []})
    _both: int = 0
    _images: int = 0

    def add(self, scores: Sequence[Array], predicted: Sequence[Labels], labels: Labels, names: Iterable[str]) -> None:
        """Take in what both say of the same images."""
        first, second = predicted
        if not self.scored or scores[0].shape != scores[1].shape or _are_of_two_kinds(*scores):
            self._power = None
        elif self._power:
            self._power.add(*scores)
        self._images += len(labels)
        self._both += int(((first == labels) & (second == labels)).sum())
        for at, name in enumerate(names):
            if first[at] != second[at]:
                self._note(Change(name, int(labels[at]), int(first[at]), int(second[at])))

    def _note(self, change: Change) -> None:
        self._counts[change.kind] += 1
        if len(self._changes[change.kind]) < self.most:
            self._changes[change.kind].append(change)

    def result(self) -> Agreement:
        """What was found."""
        listed = [change for kind in (LOST, GAINED, OTHER) for change in self._changes[kind]]
        lost, gained, other = self._counts.values()
        same = Proportion(self._images - lost - gained - other, self._images)
        decibels = self._power.decibels if self._power else None
        return Agreement(same, self._both, lost, gained, other, decibels, tuple(listed[: self.most]))


def _are_of_two_kinds(first: Array, second: Array) -> bool:
    """Whether one has probabilities and the other something else, of the images that both have finite scores of."""
    finite = np.isfinite(first).all(axis=1) & np.isfinite(second).all(axis=1)
    return bool(finite.any()) and _are_probabilities(first[finite]) != _are_probabilities(second[finite])


def _are_probabilities(scores: Array) -> bool:
    return bool((scores >= 0).all() and (np.abs(scores.sum(axis=1) - 1) < _SUM).all())


_SUM = 0.02
"""How far a sum of probabilities may be from 1: in bfloat16 each has 8 bits."""
