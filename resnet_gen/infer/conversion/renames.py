"""Rules `PATTERN=NAME` that give tensors other names: what each `*` of the pattern stands for, the name has again.

A `*` stands for one character or more, dots among them, and as few as the rest of the pattern allows; everything else
stands for itself. So no pattern takes more time than the name is long.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from resnet_gen.problems import Document, Problem, Refused, refuse, shorten, suggest

T = TypeVar("T")
MOST_STARS, MOST_RULES, LONGEST = 8, 100, 400
EXAMPLE = "as in --rename 'backbone.*=*' or --rename 'fc.1.*=fc.*'"


class RenameRule(NamedTuple):
    """What a whole name must be, cut at its stars, and what becomes of it: nothing for a tensor that is left out."""

    text: str
    pattern: tuple[str, ...]
    name: tuple[str, ...] | None

    def apply(self, name: str) -> str | None:
        """The new name; None for a name that the pattern is not of."""
        found = _match_name(self.pattern, name)
        if found is None or self.name is None:
            return None if found is None else ""
        return "".join(text for pair in zip(self.name, [*found, ""], strict=False) for text in pair)


def _match_name(pattern: Sequence[str], name: str) -> list[str] | None:
    """What each star stands for; the literal texts between two are looked for from the left."""
    first, *rest = pattern
    if not rest:
        return [] if name == first else None
    *middle, last = rest
    if not name.startswith(first) or not name.endswith(last):
        return None
    at, end, found = len(first), len(name) - len(last), []
    for text in middle:
        place = name.find(text, at + 1, end)
        if place < 0:
            return None
        found.append(name[at:place])
        at = place + len(text)
    return [*found, name[at:end]] if at < end else None


def parse_renames(texts: Iterable[str]) -> list[RenameRule]:
    """Rules as they are written; raises `Refused` with the place in the text for what is none."""
    rules = [_parse_rule(text) for text in texts]
    if len(rules) > MOST_RULES:
        raise refuse(f"--rename: {len(rules):,} rules, and at most {MOST_RULES} are followed")
    return rules


def _parse_rule(text: str) -> RenameRule:
    pattern, equals, name = text.partition("=")
    if len(text) > LONGEST:
        raise refuse(f"--rename: {len(text):,} characters, and at most {LONGEST} are read")
    if not pattern or not equals:
        raise _refuse_rule("a pattern, '=' and a name are wanted", text, 0 if not pattern else len(text), EXAMPLE)
    if "=" in name:
        raise _refuse_rule("one '=' stands between pattern and name", text, text.rindex("="), EXAMPLE)
    if "**" in pattern:
        raise _refuse_rule("two stars beside each other", text, text.index("**") + 1, "one stands for any text")
    if pattern.count("*") > MOST_STARS:
        raise _refuse_rule(f"more than {MOST_STARS} stars", text, _find_star(text, MOST_STARS))
    if name and name.count("*") != pattern.count("*"):
        where = len(pattern) + 1 + (name.rindex("*") if "*" in name else 0)
        stars = f"{pattern.count('*')} in the pattern, {name.count('*')} in the name"
        raise _refuse_rule(f"another number of stars: {stars}", text, where, "each star of the name is the pattern's")
    return RenameRule(text, tuple(pattern.split("*")), tuple(name.split("*")) if name else None)


def _find_star(text: str, number: int) -> int:
    """Where a text has the star of that number, counted from 0."""
    place = -1
    for _ in range(number + 1):
        place = text.index("*", place + 1)
    return place


def _refuse_rule(message: str, text: str, column: int, hint: str | None = None) -> Refused:
    return Refused(Problem(message, Document("--rename", text).span_at(column), hint))


def rename_tensors(tensors: Mapping[str, T], rules: Sequence[RenameRule], where: str) -> dict[str, str]:
    """The new names with the file's; rules are followed in order, each on what those before it have made.

    Raises `Refused` for a rule that no name is of, and for two tensors that would have one name.
    """
    names = {name: name for name in tensors}
    for rule in rules:
        made: dict[str, str] = {}
        used = False
        for name, old in names.items():
            new = rule.apply(name)
            used = used or new is not None
            new = name if new is None else new
            if new in made:
                twice = f"'{shorten(made[new])}' and '{shorten(old)}' would both be '{shorten(new)}'"
                raise refuse(f"--rename '{shorten(rule.text)}': {twice}", where)
            if new:
                made[new] = old
        if not used:
            hint = suggest("*".join(rule.pattern), names) or f"'{shorten(next(iter(names), ''))}' is one of them"
            raise refuse(f"--rename '{shorten(rule.text)}': no tensor has such a name", where, hint)
        names = made
    return names
