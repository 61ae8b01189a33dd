"""Lines of a spec that it has from what it extends: who changed what stands around them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from resnet_gen.language.source import Source, dotted_path
from resnet_gen.language.spec import OWN_KEYS
from resnet_gen.problems import Document, Problem, Span

_MOST_CHANGES = 4


def describe_own_values(source: Source, own: Collection[Document]) -> list[str]:
    """The values of a network that the texts `own` state, by key and position; `source` is all of it."""
    marks = source.marks
    inner = {loc[:n] for loc in marks for n in range(len(loc))}
    lists = {loc[:-1] for loc in marks if loc and isinstance(loc[-1], int)}
    return [
        f"{dotted_path(loc)} at {mark.value}"
        for loc, mark in marks.items()
        if (loc in lists or loc not in inner) and mark.value.document in own
        if loc[0] not in OWN_KEYS and not any(isinstance(step, int) for step in loc)
    ]


def with_changes(problem: Problem, source: Source, own: Collection[Document]) -> Problem:
    """A problem at a line that is inherited names the lines that changed what it stands among, if it does not yet."""
    if not isinstance(problem.where, Span) or problem.where.document in own:
        return problem
    found = describe_own_values(source, own)
    hint = problem.hint or ""
    if not found or any(change.rsplit(" at ", 1)[1] in hint for change in found):
        return problem
    words = f"this line is inherited; changed: {', '.join(found[:_MOST_CHANGES])}"
    return replace(problem, hint=f"{hint}; {words}" if hint else words)
