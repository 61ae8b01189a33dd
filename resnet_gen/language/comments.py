"""Comments of a YAML text, which to the parser are nothing: where they stand, and those that ignore rules.

`# resnet-gen: ignore[ID] reason` ignores what a rule finds; whether there is such a rule is not asked here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import yaml

from resnet_gen.language.load import Loaded
from resnet_gen.language.source import LOADER
from resnet_gen.problems import Document, Span

_OURS = re.compile(r"#\s*resnet-gen:\s*ignore\b")
_IDS = re.compile(r"\s*\[([^\[\]]*)\]")
_MOST_IDS = 100
"""Ids of one comment; there are fewer rules."""


class IgnoreComment(NamedTuple):
    """One id of a comment: the rule whose findings on a line are suppressed, and why; `where` is the id itself."""

    rule: str
    where: Span
    line: int
    reason: str


def documents(loaded: Loaded) -> list[Document]:
    """The texts that a spec's values stand in: its own first, then those that it extends."""
    return list(dict.fromkeys([loaded.own[0], *(mark.value.document for mark in loaded.source.marks.values())]))


def may_ignore(document: Document) -> bool:
    """Whether a text may have a comment that is to ignore rules: a look that reads no YAML."""
    return "resnet-gen:" in document.text


def ignore_comments(document: Document) -> Iterator[tuple[Span, list[IgnoreComment]]]:
    """Each comment that is to ignore rules, with what it says of every id; nothing where it names none."""
    if not may_ignore(document):
        return
    spans = list(comments(document))
    below = _find_lines_below(spans)
    for span in spans:
        if ours := _OURS.search(document.line(span.line), span.column):
            yield span, _parse_ids(span, ours.end(), below.get(span.line, span.line))


def _find_lines_below(spans: Iterable[Span]) -> dict[int, int]:
    """For each line that holds a comment alone, the line that it is about: the first below that does not."""
    alone = [s.line for s in spans if not s.document.line(s.line)[: s.column].strip()]
    found: dict[int, int] = {}
    for line in reversed(alone):
        found[line] = found.get(line + 1, line + 1)
    return found


def _parse_ids(span: Span, end: int, line: int) -> list[IgnoreComment]:
    """The ids that stand from `end` on the line of a comment, each with the reason for all."""
    text = span.document.line(span.line)
    bracket = _IDS.match(text, end)
    if bracket is None or bracket[1].count(",") >= _MOST_IDS:
        return []
    reason = text[bracket.end() :].strip()
    found = []
    column = bracket.start(1)
    for word in bracket[1].split(","):
        name = word.strip()
        first = column + len(word) - len(word.lstrip()) if name else column
        where = Span(span.document, span.line, first, first + max(1, len(name)))
        found.append(IgnoreComment(name, where, line, reason))
        column += len(word) + 1
    return found


def comments(document: Document) -> Iterator[Span]:
    """Every comment, from its `#` to the end of its line; of a text that is no YAML, those before the fault."""
    line, column = 0, 0
    try:
        for token in yaml.scan(document.text, Loader=LOADER):
            start, end = token.start_mark, token.end_mark
            yield from _find_comments_between(document, (line, column), (start.line, start.column))
            if getattr(token, "style", None) in ("|", ">"):
                header = start.line, start.column  # its token takes in the comment behind the `|` or `>`
                yield from _find_comments_between(document, header, (start.line + 1, 0))
            line, column = max((line, column), (end.line, end.column))
    except (yaml.YAMLError, UnicodeEncodeError):
        return


def _find_comments_between(document: Document, start: tuple[int, int], end: tuple[int, int]) -> Iterator[Span]:
    """The comments between two tokens, where nothing else stands but white space."""
    for number in range(start[0], end[0] + 1):
        line = document.line(number)
        first = start[1] if number == start[0] else 0
        last = end[1] if number == end[0] else len(line)
        column = line.find("#", first, last)
        if column >= 0:
            yield Span(document, number, column, len(line))
