"""Every network of a project, held against itself in a git revision."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path, PurePath
from typing import NamedTuple

from resnet_gen.difference.compare import Difference, compare
from resnet_gen.difference.revision import Moves, Revision, moves
from resnet_gen.difference.sides import Side, side
from resnet_gen.load import find
from resnet_gen.problems import Problem, Refused, refuse
from resnet_gen.resources import shipped_specs


class Reviewed(NamedTuple):
    """A network, and what became of it.

    `before` is None for a new one, `after` for one that is gone; both may be where
    `problems` say why a side cannot be read, `now` telling that it is the later one.
    """

    given: str
    before: Side | None = None
    after: Side | None = None
    difference: Difference | None = None
    problems: tuple[Problem, ...] = ()
    now: bool = True

    @property
    def unread(self) -> bool:
        """Whether it cannot be read as it is now."""
        return bool(self.problems) and self.now

    @property
    def changed(self) -> bool:
        """Whether there is something to look at."""
        return self.difference is None or not self.difference.same


def review(references: Iterable[str], base: str, belongs: Callable[[Path], bool]) -> list[Reviewed]:
    """What became of each spec since the revision `base`, and of those that are gone.

    `belongs` tells which of the files that were deleted since were specs of the project.
    Raises `Refused` where git knows no such revision.
    """
    since = moves(base)
    found = [_reviewed(reference, base, since) for reference in references]
    gone = [path for path in since.deleted if belongs(since.root / path)]
    return found + [_gone(path, base, since) for path in gone]


def _reviewed(reference: str, base: str, since: Moves) -> Reviewed:
    file = find(reference)
    path = PurePath(os.path.relpath(file.resolve(), since.root.resolve())).as_posix()
    then = Revision(base, since.renamed.get(path, path))
    if path.startswith("../"):
        return _elsewhere(reference)
    if not file.exists() and then.exists():
        return _gone(path, base, since)
    try:
        after = side(reference)
    except Refused as refused:
        return Reviewed(reference, problems=refused.problems)
    if not then.exists():
        own = since.tracks(path) or not _shipped(reference)  # a shipped one may be installed below the root
        return Reviewed(reference, after=after) if own else _same(reference, after)
    try:
        before = side(str(then))
    except Refused as refused:
        return Reviewed(reference, after=after, problems=refused.problems, now=False)
    return Reviewed(reference, before, after, compare(before.graph, after.graph))


def _shipped(reference: str) -> bool:
    return reference in shipped_specs()


def _elsewhere(reference: str) -> Reviewed:
    """A spec that no revision of the repository has: a shipped one is what it was."""
    if not _shipped(reference):
        raise refuse("in no revision of this repository, to compare it with", reference, "give the path of one that is")
    return _same(reference, side(reference))


def _same(reference: str, after: Side) -> Reviewed:
    return Reviewed(reference, after, after, Difference(after.graph, after.graph, (), ()))


def _gone(path: str, base: str, since: Moves) -> Reviewed:
    shown = os.path.relpath(since.root / path)
    try:
        return Reviewed(shown, before=side(str(Revision(base, path))))
    except Refused as refused:
        return Reviewed(shown, problems=refused.problems, now=False)
