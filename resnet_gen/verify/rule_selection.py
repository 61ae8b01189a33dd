"""Which rules are checked: all, or those that are selected and not ignored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from resnet_gen.problems import refuse
from resnet_gen.verify.rules import RULES, find_rule
from resnet_gen.verify.rules.base import Rule
from resnet_gen.verify.rules.invalid_spec import InvalidSpec


def choose_rules(select: Sequence[str], ignore: Sequence[str], asked: Iterable[Rule] = ()) -> frozenset[str]:
    """The ids of the rules that `--select` and `--ignore` leave, and of those that are `asked` for, whatever they say.

    Raises `Refused` where there is no such rule.
    """
    selected, ignored = _split_ids("--select", select), parse_ignored_rules(ignore)
    both = [word for word in selected if word in ignored]
    if both:
        raise refuse(f"--select and --ignore both name '{both[0]}'", hint="leave it away from one of them")
    if InvalidSpec.id in ignored:
        raise refuse(f"--ignore: '{InvalidSpec.id}' cannot be ignored", hint="leave the spec away")
    return frozenset(selected or RULES).difference(ignored).union(rule.id for rule in asked)


def parse_ignored_rules(ignore: Sequence[str]) -> list[str]:
    """The ids that `--ignore` names; raises `Refused` where there is no such rule."""
    return _split_ids("--ignore", ignore)


def _split_ids(option: str, texts: Sequence[str]) -> list[str]:
    """The ids, separated by commas, of an option that may be given several times."""
    words = [word.strip() for text in texts for word in text.split(",")]
    for word in words:
        find_rule(word, f"{option}: ")
    return words
