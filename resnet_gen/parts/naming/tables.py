"""What naming schemes share: published names by where a layer stands."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence, Set
from functools import lru_cache
from itertools import groupby
from typing import ClassVar, NamedTuple, TypeAlias

from resnet_gen.parts.base import Naming

Table: TypeAlias = tuple[tuple[str, str], ...]
"""Patterns of paths within a stem, block or head, and what they are called; the first that fits counts."""


class Crowd(NamedTuple):
    """A layer of some blocks that takes a number of its own in a list, and what those are called that it moves on."""

    layer: str
    names: Table


@lru_cache(maxsize=16_384)
def look_up_name(table: Table, path: str) -> str:
    """What the table calls a path; the path itself where no pattern fits."""
    for pattern, name in table:
        if match := re.fullmatch(pattern, path):
            return match.expand(name)
    return path


class Tabled(Naming):
    """A scheme with a table each for the stem, the blocks and the head.

    `block` puts a block's number of stage and number in it before its layers;
    both count from 0.
    """

    stem: ClassVar[Table]
    layers: ClassVar[Table]
    head: ClassVar[Table]
    crowd: ClassVar[Crowd | None] = None
    pool: ClassVar[str] = "layer{stage}.pool"

    @classmethod
    def block(cls, stage: int, index: int) -> str:
        """What stands before the names of a block's layers."""
        return f"layer{stage + 1}.{index}."

    def names(self, paths: Sequence[str]) -> list[str]:
        ending = f".{self.crowd.layer}" if self.crowd else "."
        crowded = {path.removesuffix(ending) for path in paths if path.endswith(ending)}
        return [self._name_path(path, crowded) for path in paths]

    def _name_path(self, path: str, crowded: Set[str]) -> str:
        where, _, rest = path.partition(".")
        if where == "stages":
            stage, index, layer = (*rest.split(".", 2), "")[:3]
            if not index.isdecimal():  # pooling behind a stage
                return self.pool.format(stage=int(stage) + 1)
            moved = self.crowd.names if self.crowd and f"stages.{stage}.{index}" in crowded else ()
            return self.block(int(stage), int(index)) + look_up_name((*moved, *self.layers), layer)
        return look_up_name(self.stem if where == "stem" else self.head, rest)


def sort_in_blocks(weights: Sequence[str], block: str, moved: Callable[[str], int]) -> list[str]:
    """Names with those of each block, whose names begin with the pattern `block`, sorted by `moved`."""

    def block_of(name: str) -> str:
        found = re.match(block, name)
        return found[0] if found else name

    return [name for _, names in groupby(weights, key=block_of) for name in sorted(names, key=moved)]
