"""The classes of labelled images: names in the order of a network's outputs, and labels as places in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from resnet_gen.engine.evaluation.limits import MOST_CLASSES
from resnet_gen.language.source import read_document
from resnet_gen.problems import refuse, shorten, suggest

_MOST_BYTES = 8 << 20
"""Of a file of names; ImageNet's 1000 take 31,000."""
_SYNSET = re.compile(r"n[0-9]{8}\b")
_SEVERAL = -1


@dataclass(frozen=True)
class ClassNames:
    """The name of each class, from 0, and the file that they are from."""

    names: tuple[str, ...]
    where: str

    def find(self, label: str) -> int | None:
        """The class of this name, or whose name begins with this word; None without one.

        Raises `Refused` if several are called so.
        """
        for places in (self._whole, self._first_words):
            if label in places:
                if places[label] == _SEVERAL:
                    raise refuse(f"several classes are called '{shorten(label)}'", self.where, "give indices as labels")
                return places[label]
        return None

    def locate(self, label: str, where: str) -> int:
        """The class of this name; raises `Refused` without one."""
        found = self.find(label)
        if found is None:
            raise refuse(f"'{shorten(label)}' is no class of {self.where}", where, suggest(label, self._first_words))
        return found

    @cached_property
    def _whole(self) -> dict[str, int]:
        return _list_places(self.names)

    @cached_property
    def _first_words(self) -> dict[str, int]:
        """Of ImageNet's lines, `n01440764 tench, Tinca tinca`, the synset."""
        return _list_places(name.split(maxsplit=1)[0] for name in self.names)

    def describe_order(self) -> str | None:
        """What is to be said of the order of ImageNet's classes, where it is not that of their synsets."""
        synsets = [name for name in self.names if _SYNSET.match(name)]
        if len(synsets) < len(self.names) or synsets == sorted(synsets):
            return None
        whose = "torchvision's, timm's and Keras's networks have them sorted"
        return f"{self.where}: the classes are not in the order of their synsets; {whose}"


def _list_places(names: Iterable[str]) -> dict[str, int]:
    places: dict[str, int] = {}
    for index, name in enumerate(names):
        places[name] = _SEVERAL if name in places else index
    return places


def read_class_names(path: Path) -> ClassNames:
    """The names in a text file, one a line in the order of the outputs; raises `Refused` for what is none."""
    document = read_document(path, str(path), "text", "file of class names", _MOST_BYTES)
    lines = document.text.split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise refuse("no class names in it", str(path), "write one a line, in the order of the network's outputs")
    if len(lines) > MOST_CLASSES:
        raise refuse(f"more than {MOST_CLASSES:,} lines, which no list of classes has", str(path))
    for number, line in enumerate(lines, 1):
        if not line.strip():
            raise refuse(f"line {number:,} is empty", str(path), "each line is a class: without it all below move up")
    return ClassNames(tuple(line.strip() for line in lines), str(path))


def describe_numbers(names: Sequence[str]) -> str | None:
    """What is to be said of names that are numbers, whose order as text is another."""
    if all(re.fullmatch("[0-9]{1,9}", name) for name in names) and [*names] != sorted(names, key=int):
        first, second = next((a, b) for a, b in pairwise(names) if int(a) > int(b))
        order = f"'{shorten(first)}' stands before '{shorten(second)}'"
        return f"classes are sorted as text, as torchvision's ImageFolder does: {order}"
    return None
