"""Where the comments of a YAML text stand; to the parser they are nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from resnet_gen.language.source import LOADER
from resnet_gen.problems import Document, Span


def comments(document: Document) -> Iterator[Span]:
    """Every comment, from its `#` to the end of its line; of a text that is no YAML, those before the fault."""
    line, column = 0, 0
    try:
        for token in yaml.scan(document.text, Loader=LOADER):
            start, end = token.start_mark, token.end_mark
            yield from _between(document, (line, column), (start.line, start.column))
            if getattr(token, "style", None) in ("|", ">"):
                yield from _on_header(document, start)
            line, column = max((line, column), (end.line, end.column))
    except (yaml.YAMLError, UnicodeEncodeError):
        return


def _between(document: Document, start: tuple[int, int], end: tuple[int, int]) -> Iterator[Span]:
    """The comments between two tokens, where nothing else stands but white space."""
    for number in range(start[0], end[0] + 1):
        line = document.line(number)
        first = start[1] if number == start[0] else 0
        last = end[1] if number == end[0] else len(line)
        column = line.find("#", first, last)
        if column >= 0:
            yield Span(document, number, column, len(line))


def _on_header(document: Document, start: Any) -> Iterator[Span]:
    """The comment after the `|` or `>` of a block scalar, which its token takes in."""
    line = document.line(start.line)
    column = line.find("#", start.column)
    if column >= 0:
        yield Span(document, start.line, column, len(line))
