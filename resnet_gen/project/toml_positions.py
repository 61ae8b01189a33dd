"""Where the values of a TOML text stand: a look at the text that need not understand them."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from typing import NamedTuple

from resnet_gen.language.source import MAX_DEPTH, MAX_VALUES
from resnet_gen.problems import Document, Loc, refuse, shorten

if sys.version_info >= (3, 11):
    import tomllib as tomllib
else:
    import tomli as tomllib

_BLANK = re.compile(r"[ \t\r\n]*")
_SPACE = re.compile(r"[ \t]*")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE = re.compile(r"[^,\]}#\r\n]+")
_BARE_STARTS = frozenset("+-0123456789tfin")  # of numbers, dates, true, false, inf and nan
_LONGEST_NUMBER = 60


class TomlPlace(NamedTuple):
    """Where a value stands, and its key, as offsets into the text; a table stands where it is named first."""

    value: tuple[int, int]
    key: tuple[int, int] | None = None


def places(document: Document, most: int = MAX_VALUES) -> dict[Loc, TomlPlace]:
    """The place of every value, as far as the text is TOML; the root's is its first character.

    Raises `Refused` for what a reader could choke on: values nested deeper than a
    spec's may be, and numbers of many digits; and for a key that stands twice.
    """
    scanner = _Scanner(document, most)
    with suppress(_NotToml, IndexError):  # the reader will say what is wrong
        scanner.walk()
    return scanner.places


class _NotToml(Exception):
    """What the scanner does not understand."""


class _Scanner:
    """Walks over TOML text, noting where things stand."""

    def __init__(self, document: Document, most: int) -> None:
        self.document, self.text, self._most = document, document.text, most
        self.at = 0
        self.places: dict[Loc, TomlPlace] = {(): TomlPlace((0, 1))}
        self._stated: set[Loc] = set()
        self._lengths: dict[Loc, int] = {}
        """How many tables each array of tables has so far."""

    def walk(self) -> None:
        """Note the place of everything, to the end."""
        table: Loc = ()
        while self._skip_blank() < len(self.text):
            self._check_number()
            if self.text[self.at] == "[":
                table = self._read_header()
            else:
                self._read_pair(table)
            self._skip(_SPACE)
            if self.at < len(self.text) and self.text[self.at] not in "#\r\n":
                raise _NotToml

    def _check_number(self) -> None:
        if len(self.places) > self._most:
            raise refuse(f"more than {self._most:,} values", self.document.span_at(self.at))

    def _skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise _NotToml
        self.at = found.end()
        return self.at

    def _skip_blank(self) -> int:
        """Move behind blanks and comments; a pattern of both would remember each of them."""
        while self.text.startswith("#", self._skip(_BLANK)):
            self.at = (self.text.find("\n", self.at) + 1) or len(self.text)
        return self.at

    def _take(self, word: str) -> None:
        if not self.text.startswith(word, self.at):
            raise _NotToml
        self.at += len(word)

    def _read_header(self) -> Loc:
        """`[table]` or `[[array of tables]]`; the location of what follows."""
        double = self.text.startswith("[[", self.at)
        self.at += 2 if double else 1
        keys, span = self._read_keys()
        self._take("]]" if double else "]")
        loc: Loc = ()
        for key in keys[:-1]:
            loc = self._find_last_table((*loc, key))
            self.places.setdefault(loc, TomlPlace(span, span))
        loc = (*loc, keys[-1])
        self.places.setdefault(loc, TomlPlace(span, span))
        if double:
            self._lengths[loc] = self._lengths.get(loc, 0) + 1
            loc = self._find_last_table(loc)
            self.places.setdefault(loc, TomlPlace(span, span))
        return loc

    def _find_last_table(self, loc: Loc) -> Loc:
        """The last table of an array of tables; any other location as it is."""
        return (*loc, self._lengths[loc] - 1) if loc in self._lengths else loc

    def _read_keys(self) -> tuple[list[str], tuple[int, int]]:
        """A key and its dotted parts, and the stretch of them all."""
        keys, start, end = [], self._skip(_SPACE), 0
        while True:
            keys.append(self._read_key())
            end = self.at
            if len(keys) > MAX_DEPTH:
                self._refuse_depth(start)
            self._skip(_SPACE)
            if self.text[self.at] != ".":
                return keys, (start, end)
            self.at += 1
            self._skip(_SPACE)

    def _read_key(self) -> str:
        start = self.at
        quote = self.text[start]
        if quote not in "\"'":
            self._skip(_PLAIN_KEY)
            return self.text[start : self.at]
        self._skip_string()
        raw = self.text[start + 1 : self.at - 1]
        if quote == "'" or "\\" not in raw:
            return raw
        try:
            return next(iter(tomllib.loads(f'"{raw}" = 0')))
        except ValueError:
            raise _NotToml from None

    def _read_pair(self, table: Loc) -> None:
        keys, span = self._read_keys()
        self._take("=")
        for n in range(1, len(keys)):
            self.places.setdefault((*table, *keys[:n]), TomlPlace(span, span))
        loc = (*table, *keys)
        if loc in self._stated:
            first = self.document.span_at(*(self.places[loc].key or (0, 1)))
            words = f"the key '{shorten(keys[-1])}' stands twice"
            raise refuse(words, self.document.span_at(*span), f"first on line {first.line + 1}")
        self._stated.add(loc)
        self._read_value(loc, span)

    def _read_value(self, loc: Loc, key: tuple[int, int] | None) -> None:
        start = self._skip(_SPACE)
        self._check_number()
        if len(loc) > MAX_DEPTH:
            self._refuse_depth(start)
        kind = self.text[start]
        self.places[loc] = TomlPlace((start, start + 1), key)
        if kind in "\"'":
            self._skip_string()
        elif kind in "[{":
            self._read_items(loc, "]" if kind == "[" else "}")
        else:
            self._skip_bare(start)
        self.places[loc] = TomlPlace((start, self.at), key)

    def _skip_bare(self, start: int) -> None:
        if self.text[start] not in _BARE_STARTS:
            raise _NotToml
        self._skip(_BARE)
        self.at = start + len(self.text[start : self.at].rstrip())
        if self.at - start > _LONGEST_NUMBER:
            raise refuse(f"a number of more than {_LONGEST_NUMBER} digits", self.document.span_at(start, self.at))

    def _read_items(self, loc: Loc, close: str) -> None:
        """The values of an array, or the pairs of an inline table."""
        self.at += 1
        number = 0
        while self.text[self._skip_blank()] != close:
            if close == "]":
                self._read_value((*loc, number), None)
            else:
                self._read_pair(loc)
            number += 1
            if self.text[self._skip_blank()] == ",":
                self.at += 1
            elif self.text[self.at] != close:
                raise _NotToml
        self.at += 1

    def _skip_string(self) -> None:
        """Move behind a string of any of the four kinds."""
        quote = self.text[self.at]
        close = quote * 3 if self.text.startswith(quote * 3, self.at) else quote
        stops = re.compile(close if quote == "'" else rf"{close}|\\")
        at = self.at + len(close)
        while True:
            found = stops.search(self.text, at)
            if found is None:
                raise _NotToml
            at = found.end()
            if found.group() == close:
                break
            at += 1  # what a backslash escapes
        more = 2 if len(close) == 3 else 0  # quotes of the text may stand before those that close it
        while more and self.text.startswith(quote, at):
            at, more = at + 1, more - 1
        self.at = at

    def _refuse_depth(self, start: int) -> None:
        raise refuse(f"nested more than {MAX_DEPTH} deep", self.document.span_at(start))
