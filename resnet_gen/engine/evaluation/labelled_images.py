"""Images and the class of each, from a folder, a table or arrays: chosen evenly, and read one at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from resnet_gen.engine.file_serving import ImageForm
from resnet_gen.problems import Refused, refuse, several
from resnet_gen.weights.base import Array

Labels: TypeAlias = npt.NDArray[np.int64]
Confine: TypeAlias = Callable[[Path], None]
"""Called with each file before it is read; raises `Refused` for one that may not be."""


def permit_all(path: Path) -> None:
    """Confine nothing: whoever names a folder may."""


class ReadImage(NamedTuple):
    """An image by its place among those that are chosen, as each network takes it: float32 (C, H, W)."""

    place: int
    arrays: tuple[Array, ...]


class BrokenImage(NamedTuple):
    """An image that cannot be read, and why."""

    place: int
    refused: Refused


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledImages(ABC):
    """The images that are chosen of a source, in its order, and the class of each.

    `classes` are the names of all, in the order of a network's outputs; empty where labels are indices.
    `total` is how many there are to choose from, and `notes` what is to be said of them.
    """

    where: str
    labels: Labels
    chosen: Labels
    total: int
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.chosen)

    @abstractmethod
    def name(self, index: int) -> str:
        """What a chosen image is called."""

    @abstractmethod
    def walk(self, forms: Sequence[ImageForm]) -> Iterator[ReadImage | BrokenImage]:
        """Each chosen image, as each of the networks takes it; raises `Refused` where none can be read."""

    def check_classes(self, outputs: int, where: str) -> None:
        """Refuse labels of other classes than the `outputs` of the network at `where`."""
        if self.classes and len(self.classes) != outputs:
            message = f"{several(len(self.classes), 'class')}, and {where} outputs {outputs:,}"
            raise refuse(message, self.where, self._explain_classes(outputs))
        beyond = np.flatnonzero(self.labels >= outputs)
        if len(beyond):
            at = int(beyond[0])
            hint = "labels are indices from 0: are these counted from 1?" if self._counts_from_one(outputs) else None
            message = f"{self.name(at)}: label {self.labels[at]}, and {where} outputs {outputs:,} classes, from 0"
            raise refuse(message, self.where, hint)

    def _counts_from_one(self, outputs: int) -> bool:
        return bool(self.labels.min() == 1 and self.labels.max() == outputs)

    def _explain_classes(self, outputs: int) -> str:
        if {name.lower() for name in self.classes} <= _PARTS:
            return "it holds parts of a data set: name one of them"
        if outputs == len(self.classes) + 1:
            return "networks of TensorFlow's begin with a class for the background, which no folder stands for"
        return "--classes-file names every class that the network outputs, in its order"


_PARTS = {"train", "training", "val", "valid", "validation", "test", "testing"}


def choose_evenly(total: int, most: int | None) -> Labels:
    """The places of at most `most` of `total` images, evenly spaced: data sets are often sorted by class."""
    count = total if most is None else min(most, total)
    return np.arange(count, dtype=np.int64) * total // max(1, count)
