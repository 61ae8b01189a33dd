"""Labelled images that are pictures in files, resized, cropped and normalized as each network says."""

from __future__ import annotations

import warnings
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from resnet_gen.engine.evaluation.labelled_images import BrokenImage, Confine, LabelledImages, ReadImage
from resnet_gen.engine.file_serving import ImageForm
from resnet_gen.engine.image import SmallerPictureWarning
from resnet_gen.problems import Refused
from resnet_gen.weights.base import Array


class PackedNames:
    """Names in little more memory than their letters: a data set has millions."""

    def __init__(self) -> None:
        self._letters, self._ends = bytearray(), array("Q", [0])

    def add(self, name: str) -> None:
        """Take in one more."""
        self._letters += name.encode(errors="surrogateescape")
        self._ends.append(len(self._letters))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> str:
        return self._letters[self._ends[index] : self._ends[index + 1]].decode(errors="surrogateescape")


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageFiles(LabelledImages):
    """Pictures by their paths from `folder`; every file is `confine`d before it is read."""

    folder: Path
    files: PackedNames
    confine: Confine

    def name(self, index: int) -> str:
        return self.files[int(self.chosen[index])]

    def walk(self, forms: Sequence[ImageForm]) -> Iterator[ReadImage | BrokenImage]:
        for index in range(len(self)):
            path = self.folder / self.name(index)
            try:
                self.confine(path)
                yield ReadImage(index, _read_for_each(path, forms))
            except Refused as refused:
                yield BrokenImage(index, refused)


def _read_for_each(path: Path, forms: Sequence[ImageForm]) -> tuple[Array, ...]:
    """A picture as each network takes it, read once for those that take it alike."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SmallerPictureWarning)  # a camera's are all such
        found = {form: form.read(path) for form in dict.fromkeys(forms)}
    return tuple(found[form] for form in forms)
