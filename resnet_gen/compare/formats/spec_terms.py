"""Keys that differ, in words: those that promise less first, and apart from what else is stated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from resnet_gen.compare.difference.key_changes import KeyChange
from resnet_gen.language.statements import DESCRIBING, PROMISING, SHAPING
from resnet_gen.problems import several, shorten

MOST_SHOWN = 4
LONGEST = 200
"""Characters of one value."""


def loosened_promises(terms: Sequence[KeyChange]) -> list[str]:
    """The promises that are looser, one text each."""
    return [describe_term(term) for term in terms if term.loosened]


def describe_term(term: KeyChange) -> str:
    """A key that differs: `input.crop: 0.875 -> 0.1`."""
    return f"{term.key}: {_format_both(term)}"


def term_rows(terms: Sequence[KeyChange], *, promises: bool) -> list[tuple[str, str]]:
    """Each key that differs and is not reported as loosened, and how.

    Without `promises`, of two networks that are not each other's, what is said of them stands in one row.
    """
    left = [term for term in terms if not term.loosened]
    own = [] if promises else [term for term in left if term.path[0] in (*DESCRIBING, *PROMISING)]
    found = [(shorten(term.key, 80), _format_both(term)) for term in left if term not in own]
    return found + ([(", ".join(dict.fromkeys(term.path[0] for term in own)), "each its own")] if own else [])


def _format_both(term: KeyChange) -> str:
    """What was and is: `0.875 -> 0.1`."""
    return (
        f"{format_value(term.before)} is gone"
        if term.after is None
        else f"{format_value(term.before)} -> {format_value(term.after)}"
    )


def format_value(given: Any) -> str:
    """A value on one line, in the words of YAML."""
    return shorten(_format_inline(given), LONGEST)


def _format_inline(given: Any) -> str:
    if isinstance(given, dict):
        return f"{{{', '.join(f'{key}: {_format_inline(inner)}' for key, inner in given.items())}}}"
    if isinstance(given, (list, tuple)):
        return f"[{', '.join(map(_format_inline, given))}]"
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, int):
        return f"{given:,}"
    return "none" if given is None else str(given)


def term_clauses(terms: Sequence[KeyChange], *, layers: bool, promises: bool) -> list[str]:
    """What a headline says of keys: not those that `layers` show, nor without `promises` these."""
    hidden = (*DESCRIBING, *(SHAPING if layers else ()), *(() if promises else PROMISING))
    keys = list(dict.fromkeys(_shorten_key(term) for term in terms if not term.loosened and term.path[0] not in hidden))
    more = f" and {len(keys) - MOST_SHOWN + 1} more keys" if len(keys) > MOST_SHOWN else ""
    shown = keys[: MOST_SHOWN - 1] if more else keys
    found = [f"{', '.join(shown)}{more} {'differ' if len(keys) > 1 else 'differs'}"] if keys else []
    loose = sum(term.loosened for term in terms)
    return [*found, *([f"{several(loose, 'promise')} loosened"] if loose else [])]


def _shorten_key(term: KeyChange) -> str:
    return shorten(term.key.partition("[")[0], 60)


def collect_data(terms: Sequence[KeyChange]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [{"key": t.key, "before": t.before, "after": t.after, "loosened": t.loosened} for t in terms]
