"""How Python spells names and texts."""

from __future__ import annotations

import ast
import json
import keyword
import re
from collections.abc import Container, Iterable, Sequence
from itertools import chain, count


def is_attribute_name(word: str) -> bool:
    """Whether a member is an attribute as Python spells it; names in classes that begin with `__` are changed."""
    return word.isascii() and word.isidentifier() and not keyword.iskeyword(word) and not word.startswith("__")


def quote_text(text: str) -> str:
    """A text as a literal, with the quotes that need no escape as ruff has it."""
    literal = json.dumps(text, ensure_ascii=False)
    return literal if '"' not in text or "'" in text else "'" + literal[1:-1].replace('\\"', '"') + "'"


def find_free_name(words: Sequence[str], taken: Container[str], mark: str = "") -> str:
    """The first of some names that is not taken, else the last one with a number behind it: `y2`."""
    numbered = (f"{words[-1]}{mark}{number}" for number in count(2))
    return next(name for name in chain(words, numbered) if name not in taken)


def is_list(keys: Iterable[str]) -> bool:
    """Whether members that these names tell apart stand in a list: numbers from 0, few left out."""
    found = list(keys)
    numbers = [int(key) for key in found if key.isascii() and key.isdecimal() and str(int(key)) == key]
    return len(numbers) == len(found) and max(numbers) < 4 * len(numbers)


def apply_operation(template: str, given: Sequence[str], /, **settings: object) -> str:
    """An operation written with its operands: those in brackets without which Python would read something else."""
    texts = [f"({text})" for text in given]
    wanted = _parse_expression(template.format(*texts, **settings))
    for number, text in enumerate(given):
        plain = [*texts[:number], text, *texts[number + 1 :]]
        if _parse_expression(template.format(*plain, **settings)) == wanted:
            texts = plain
    return template.format(*texts, **settings)


def format_slice(start: str, stop: str) -> str:
    """`1:3` in an index, as ruff has it: with spaces where a bound is more than a name or a number."""
    space = "" if all(re.fullmatch(r"\w*", bound) for bound in (start, stop)) else " "
    return f"{start}{space and start and space}:{space}{stop}"


def _parse_expression(text: str) -> str:
    """What Python reads in an expression."""
    return ast.dump(ast.parse(text, mode="eval"))
