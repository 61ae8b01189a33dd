"""Where the keys of a table of builds stand, so that what only a build refuses is shown at the key that asks for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from resnet_gen.language.source import SETTING, Source
from resnet_gen.problems import Loc, Problem, Span

Places: TypeAlias = Mapping[str, Span]
"""Spans of keys by what messages call them: `engine.workspace`, `opset`, `device`."""

_LONGEST_LINE = 1_000
"""Characters of a line that another process is told; what stands in a longer one has the place of its table."""
_PARTED = ("engine", "serve")
"""Keys whose own keys are told apart."""
_ALONE = {"devices": "device", "precisions": "precision", "targets": "target"}
_SUBJECT = re.compile(r"[a-z_0-9]+(?:\.[a-z_0-9]+)*(?=[: ])")


def list_places(source: Source, name: str, serve: int) -> dict[str, Span]:
    """The places of a table's keys, and of the project's own `engine`; of several `serve`, of the one at an index."""
    found: dict[str, Span] = {}
    for loc, called in _list_keys(source, ("builds", name), serve):
        span = source.span(loc)
        if span and span.document.width(span.line) <= _LONGEST_LINE:
            found.setdefault(called, span)
    return found


def _list_keys(source: Source, table: Loc, serve: int) -> Iterator[tuple[Loc, str]]:
    for loc in source.marks:
        own = loc[len(table) :]
        if loc[:1] == ("engine",) and len(loc) == 2:
            own = loc
        elif loc[: len(table)] != table or not own:
            continue
        if len(own) > 1 and own[:2] == ("serve", serve):  # of a list
            own = ("serve", *own[2:])
        if len(own) == 1 or (len(own) == 2 and own[0] in _PARTED and isinstance(own[1], str)):
            called = ".".join(map(str, own))
            yield loc, _ALONE.get(called, called)


def find_place(problem: Problem, message: str, places: Places) -> Span | None:
    """The place of the key that a problem is about, whose message has the words of a table; None where it says none."""
    setting = isinstance(problem.where, Span) and problem.where.document.name == SETTING
    subject = _SUBJECT.match(message)
    steps = subject[0].split(".") if subject else []
    if setting and steps[:1] != ["serve"]:
        return places.get("set")
    keys = (".".join(steps[:length]) for length in range(len(steps), 0, -1))
    return next((places[key] for key in keys if key in places), None)
