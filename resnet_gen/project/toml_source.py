"""TOML text to plain data, with the position of every key and value.

Python's own reader says what a text means; it gives no positions, so a second
look at the text, which need not understand the values, finds those.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from resnet_gen.language.source import MAX_VALUES, Mark, Source
from resnet_gen.problems import Document, Loc, Problem, Refused, Span, refuse
from resnet_gen.project.toml_positions import TomlPlace, places, tomllib

_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_CONFLICT = re.compile(r"^<{7} .*$", re.MULTILINE)


def read_toml(document: Document, merged: str = "settle it, and take the marks out", most: int = MAX_VALUES) -> Source:
    """Read a TOML document of at most `most` values; raises `Refused` at the place of what is none, or too deep.

    `merged` is the hint where git has left a merge for somebody to settle.
    """
    if conflict := _CONFLICT.search(document.text):
        raise refuse("a merge left its marks", document.span_at(*conflict.span()), merged)
    found = places(document, most)
    try:
        data = tomllib.loads(document.text)
    except (ValueError, RecursionError) as error:  # the first also for numbers that Python does not take
        raise Refused(_syntax_problem(str(error), document)) from None
    return Source(data, _Marks(document, found), " =")


class _Marks(Mapping[Loc, Mark]):
    """The mark of each place, made when it is asked for: few are, and a lock has many."""

    def __init__(self, document: Document, found: Mapping[Loc, TomlPlace]) -> None:
        self._document, self._places = document, found

    def __getitem__(self, loc: Loc) -> Mark:
        place, span_at = self._places[loc], self._document.span_at
        return Mark(span_at(*place.value), span_at(*place.key) if place.key else None)

    def __iter__(self) -> Iterator[Loc]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _syntax_problem(message: str, document: Document) -> Problem:
    at = _AT.search(message)
    words = message[: at.start()] if at else message
    words = words[:1].lower() + words[1:]
    where = _fault_span(at, document)
    in_a_list = "=" not in document.line(where.line)[: where.column]
    hint = _HINTS.get(words) if not (in_a_list and words == "invalid value") else "is a list above it closed?"
    return Problem(f"not TOML: {words}", where, hint)


def _fault_span(at: re.Match[str] | None, document: Document) -> Span:
    text = document.text
    last = max(0, len(text.rstrip()) - 1)
    if at is None or at[1] is None:
        return document.span_at(last)
    start = 0
    for _ in range(int(at[1]) - 1):
        start = text.find("\n", start) + 1
    return document.span_at(min(start + int(at[2]) - 1, last))


_HINTS = {
    "expected '=' after a key in a key/value pair": "write key = value",
    "invalid value": "put text in quotes",
    "cannot overwrite a value": "the key stands twice",
    r"illegal character '\n'": "close the quotes on this line",
    r"found invalid character '\n'": "close the quotes on this line",
}
