"""What a fault is and how it is shown: position, caret, hint.

Every refusal of bad input in the package is a `Problem`; whoever finds several
raises them together in one `Refused`, and the command line prints them and
exits with 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Document:
    """A text that positions point into: a file, or one `--set` of the command line."""

    name: str
    text: str

    def line(self, number: int) -> str:
        """Line `number`, counted from 0, without its end; empty past the last one."""
        lines = self.text.split("\n")
        return lines[number].rstrip("\r") if number < len(lines) else ""


@dataclass(frozen=True)
class Span:
    """A stretch of one line of a document; line and columns counted from 0."""

    document: Document
    line: int
    column: int
    end: int

    def __str__(self) -> str:
        return f"{self.document.name}:{self.line + 1}:{self.column + 1}"

    def excerpt(self) -> str:
        """The line with its number, and carets under the stretch."""
        text, first, last = _window(self.document.line(self.line), self.column, self.end)
        number = str(self.line + 1)
        carets = "^" * max(1, min(last, len(text)) - first)
        return f"{number:>4} | {text}\n{'':>4}   {' ' * first}{carets}"


def _window(line: str, start: int, end: int, width: int = 100) -> tuple[str, int, int]:
    """At most `width` characters of `line` around `start`, and the stretch within them."""
    line = "".join(c if c.isprintable() else " " for c in line)
    cut = max(0, start - width // 2) if len(line) > width else 0
    return line[cut : cut + width], start - cut, end - cut


@dataclass(frozen=True)
class Problem:
    """One fault: what is wrong, where, and what may help.

    `where` is a position in a document, the name of a file, or None. `rule` is
    the id of the broken rule where a contract was checked rather than read.
    """

    message: str
    where: Span | str | None = None
    hint: str | None = None
    rule: str | None = None
    severity: str = "error"

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        rule = f" [{self.rule}]" if self.rule else ""
        lines = [f"{place}{self.severity}: {self.message}{rule}"]
        if isinstance(self.where, Span):
            lines.append(self.where.excerpt())
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)


class Refused(Exception):
    """Bad input: carries every problem that was found, in order."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def refuse(message: str, where: Span | str | None = None, hint: str | None = None) -> Refused:
    """A `Refused` of one problem, to be raised by the caller."""
    return Refused(Problem(message, where, hint))


def suggest(word: str, known: Iterable[str]) -> str:
    """A hint for an unknown `word`: the closest known one, then all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    first = f"did you mean '{close[0]}'? " if close else ""
    shown = ", ".join(names[:40]) + (", ..." if len(names) > 40 else "")
    return f"{first}known: {shown}"
