"""Pages as they are read: their blocks, and the commands that these show with what they print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (
        *ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/*.md"), *ROOT.glob("tests/*.md"),
    )
)  # fmt: skip
SHELL = ("sh", "console", "")
"""What a block of commands is called; where others print `$`, it is no prompt."""


class Block(NamedTuple):
    """A block of a page that stands apart: what it is of, its text, and the line of the page that it begins behind."""

    kind: str
    text: str
    line: int


class Shown(NamedTuple):
    """A command of a page, without its comment, and what the page says that it prints; empty where it says nothing."""

    page: str
    line: int
    command: str
    output: str


@cache
def text(page: str) -> str:
    """A page as it stands."""
    return (ROOT / page).read_text(encoding="utf-8")


@cache
def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    tokens = MarkdownIt().parse(text(page))
    return [Block(t.info.strip(), t.content, t.map[0] + 1) for t in tokens if t.type == "fence" and t.map]


def commands(page: str) -> list[Shown]:
    """The commands of a page, in order."""
    found: list[Shown] = []
    for block in blocks(page):
        if block.kind in SHELL:
            found += _commands(page, block)
        elif block.kind == "markdown":  # what the command above it prints, which GitHub is to show as a page
            found[-1] = found[-1]._replace(output=block.text)
    return found


def _commands(page: str, block: Block) -> Iterator[Shown]:
    command, at, output = "", 0, []
    for line, words in enumerate(block.text.splitlines(), block.line + 1):
        apart = words.startswith("# ") and output[-1:] == [""]  # a comment between two commands
        begins = block.kind == "sh" or words.startswith("$ ") or apart
        if begins and command:
            yield Shown(page, at, command, _ended(output))
        if begins:
            command, at, output = re.sub(r"(^|\s+)# .*", "", words.removeprefix("$ ")), line, []
        else:
            output.append(words)
    if command:
        yield Shown(page, at, command, _ended(output))


def _ended(lines: list[str]) -> str:
    """Lines as a command prints them, without the empty ones before the next."""
    found = "\n".join(lines).rstrip("\n")
    return found and found + "\n"
