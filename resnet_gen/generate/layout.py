"""Python laid out as ruff does: on one line where it fits, else an argument a line."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

WIDTH = 88
"""Characters of a line, as ruff has it by default."""


@dataclass(frozen=True)
class PythonCall:
    """A call, or with other brackets a list or a dictionary."""

    head: str
    items: Sequence[PythonText]
    brackets: str = "()"


@dataclass(frozen=True)
class KeywordPair:
    """`key=value`, or in a dictionary `key: value`: `key` has its sign."""

    key: str
    value: PythonText


@dataclass(frozen=True)
class GeneratorExpression:
    """Something for each of a number of things: a generator, starred where it stands among others."""

    one: PythonText
    clause: str
    starred: bool = True


@dataclass(frozen=True)
class ConditionalExpression:
    """One thing where a condition holds, else another."""

    there: PythonText
    condition: str
    instead: str


PythonText: TypeAlias = str | PythonCall | KeywordPair | GeneratorExpression | ConditionalExpression


def flatten_text(text: PythonText) -> str:
    """On one line."""
    match text:
        case PythonCall(head, items, brackets):
            return f"{head}{brackets[0]}{', '.join(map(flatten_text, items))}{brackets[1]}"
        case KeywordPair(key, value):
            return f"{key}{flatten_text(value)}"
        case GeneratorExpression(one, clause, starred):
            inner = f"{flatten_text(one)} {clause}"
            return f"*({inner})" if starred else inner
        case ConditionalExpression(there, condition, instead):
            return f"{flatten_text(there)} if {condition} else {instead}"
    return text


def format_lines(before: str, text: PythonText, indent: int, after: str = "") -> list[str]:
    """`before`, the text and `after`, from a column on, in as many lines as it takes."""
    one = f"{before}{flatten_text(text)}{after}"
    if indent + len(one) <= WIDTH or isinstance(text, str):
        return [one]
    match text:
        case PythonCall(head, (GeneratorExpression(starred=False) as only,), brackets):
            inner = format_lines("", only, indent + 4)
            return [f"{before}{head}{brackets[0]}", *indent_lines(inner), f"{brackets[1]}{after}"]
        case PythonCall(head, items, brackets):
            inner = [line for item in items for line in format_lines("", item, indent + 4, ",")]
            return [f"{before}{head}{brackets[0]}", *indent_lines(inner), f"{brackets[1]}{after}"]
        case KeywordPair(key, value):
            return format_lines(before + key, value, indent, after)
        case GeneratorExpression(one_of, clause, starred):
            inner = [*format_lines("", one_of, indent + 4 * starred), *re.split(" (?=for )", clause)]
            return [f"{before}*(", *indent_lines(inner), f"){after}"] if starred else inner
        case ConditionalExpression(there, condition, instead):
            return [*format_lines(before, there, indent), f"if {condition}", f"else {instead}{after}"]


def format_statement(text: str, indent: int) -> list[str]:
    """A statement in as many lines as it takes; only calls and lists are taken apart."""
    found = re.fullmatch(r"(return |\w+(?:: \w+)? \+?= )(.*)", text)
    return (
        [text]
        if indent + len(text) <= WIDTH or not found
        else format_lines(found[1], _parse_expression(found[2]), indent)
    )


def _parse_expression(text: str) -> PythonText:
    """What an expression consists of, in its own words."""
    found = ast.parse(text, mode="eval").body

    def source(node: ast.expr) -> PythonText:
        return _parse_expression(ast.get_source_segment(text, node) or "")

    if isinstance(found, ast.List):
        return PythonCall("", [source(node) for node in found.elts], "[]")
    if not isinstance(found, ast.Call):
        return text
    named = [KeywordPair(f"{keyword.arg}=", source(keyword.value)) for keyword in found.keywords]
    return PythonCall(ast.get_source_segment(text, found.func) or "", [*map(source, found.args), *named])


def format_signature(name: str, given: Sequence[str], returned: str, indent: int = 4) -> list[str]:
    """The first line of a method; its arguments on a line of their own, or one on each, where that is too long."""
    one = f"def {name}({', '.join(given)}) -> {returned}:"
    if indent + len(one) <= WIDTH:
        return [one]
    inner = ", ".join(given)
    middle = [inner] if indent + 4 + len(inner) <= WIDTH else [f"{text}," for text in given]
    return [f"def {name}(", *indent_lines(middle), f") -> {returned}:"]


def format_docstring(text: str, indent: int = 4) -> list[str]:
    """A class's docstring: what it is, and in a paragraph of its own the source that is named in brackets."""
    found = re.fullmatch(r"(.*) \(([^()]*\d{4}[^()]*)\)\.", text)
    whole = indent + len(text) + 6 <= WIDTH
    return format_paragraphs([[text]] if whole or not found else [[f"{found[1]}."], [f"{found[2]}."]], indent)


def escape_for_docstring(text: str) -> str:
    """A text as it may stand in a docstring, on one line; what no editor shows is escaped."""
    escaped = " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"')
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in escaped)


def format_paragraphs(texts: Sequence[Sequence[str]], indent: int = 0) -> list[str]:
    """A docstring of paragraphs, whose sentences begin a line each and take as many as they need."""
    if sum(map(len, texts)) == 1:
        one = f'"""{escape_for_docstring(texts[0][0])}"""'
        if indent + len(one) <= WIDTH:
            return [one]
    found: list[str] = []
    for paragraph in texts:
        found += [""] if found else []
        for sentence in paragraph:
            found += textwrap.wrap(escape_for_docstring(sentence), WIDTH - indent - 3, break_on_hyphens=False)
    if len(found) == 1:  # too long with its quotes, which would stand behind it
        found = textwrap.wrap(found[0], WIDTH - indent - 6, break_on_hyphens=False)
    return [f'"""{found[0]}', *found[1:], '"""']


def indent_lines(block: Sequence[str]) -> list[str]:
    """The lines one level deeper."""
    return [f"    {line}" for line in block]
