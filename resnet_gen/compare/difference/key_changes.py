"""What two specs, or two project files, state differently: any key at all, and which promises are looser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

from resnet_gen.language.budgets import AccuracyBudget
from resnet_gen.system.resources import shipped_specs

Path: TypeAlias = tuple[str, ...]


class KeyChange(NamedTuple):
    """A key and what it was and is, None where it does not stand; `loosened` says that less is promised than was."""

    path: Path
    before: Any
    after: Any
    loosened: bool = False

    @property
    def key(self) -> str:
        """The key as it is written: `input.crop`, `claims[layers].value`."""
        first, *rest = self.path
        return first + "".join(step if step.startswith("[") else f".{step}" for step in rest)


def find_differing(before: dict[str, Any], after: dict[str, Any]) -> tuple[KeyChange, ...]:
    """Every key that differs, in order."""
    keys = dict.fromkeys((*before, *after))
    return tuple(term for key in keys for term in _walk_terms((key,), before.get(key), after.get(key)))


def _walk_terms(path: Path, before: Any, after: Any) -> Iterator[KeyChange]:
    if before == after or (_is_empty(before) and _is_empty(after)):
        return
    if _have_type(list, before, after) and any(isinstance(item, dict) for item in (*(before or ()), *(after or ()))):
        yield from _compare_items(path, list(before or ()), list(after or ()))
    elif _have_type(dict, before, after) and (before or {}).get("kind") == (after or {}).get("kind"):
        old, new = before or {}, after or {}
        for key in dict.fromkeys((*old, *new)):
            yield from _walk_terms((*path, key), old.get(key), new.get(key))
    else:  # a part of another kind is another as a whole
        yield _make_term(path, before, after)


def _is_empty(value: Any) -> bool:
    return value is None or value in ([], {})


def _have_type(kind: type, *values: Any) -> bool:
    """Whether they are of a type, or not there."""
    return all(value is None or isinstance(value, kind) for value in values)


_MEASURES = frozenset(("value", "printed", "exception", "source", "min", "max", "drop_from_fp32", "reason"))
"""What is said of an item of a list; all else says which item it is."""


def _compare_items(path: Path, before: list[Any], after: list[Any]) -> Iterator[KeyChange]:
    """Items that came, went and changed, wherever they stand."""
    for item in list(before):
        if item in after:
            before.remove(item)
            after.remove(item)
    for item in before:
        name = _name_item(item)
        other = next((one for one in after if _name_item(one) == name), None)
        if other is None:
            yield _make_term((*path, name), item, None)
        else:
            after.remove(other)
            yield from _walk_terms((*path, name), item, other)
    yield from (_make_term((*path, _name_item(item)), None, item) for item in after)


def _name_item(item: Any) -> str:
    values = [str(v) for k, v in item.items() if k not in _MEASURES] if isinstance(item, dict) else [str(item)]
    return f"[{', '.join(values)}]"


# --- which changes promise less ------------------------------------------------


def _make_term(path: Path, before: Any, after: Any) -> KeyChange:
    rule = _LOOSER.get(path[0])
    return KeyChange(path, before, after, rule is not None and rule(path[1:], before, after))


def _loosens_claim(path: Path, before: Any, after: Any) -> bool:
    """A claim is gone, or its figure is another; an exception from one is new."""
    if len(path) == 1 or path[1] == "exception":
        return (after is None) == (len(path) == 1) and path[-1] != "reason"
    return path[1] != "source"


def _loosens_budget(path: Path, before: Any, after: Any) -> bool:
    """A bound is gone, or allows more; or accuracy is that of other images, weights or types."""
    if "accuracy" in path and path[-1] in _EVALUATED:
        return True
    if before is None or after is None:
        return after is None
    more = path[-1:] in (("max",), ("drop_from_fp32",)) and after > before
    return bool(more or (path[-1:] == ("min",) and after < before))


_EVALUATED = frozenset(AccuracyBudget.model_fields) - {"min", "drop_from_fp32"}
"""What says of what a budget of accuracy is."""


_LOOSER: dict[str, Callable[[Path, Any, Any], bool]] = {
    "claims": _loosens_claim,
    "budgets": _loosens_budget,
    **dict.fromkeys(("deviations", "suppressions"), lambda _path, before, _after: before is None),
    **dict.fromkeys(("reference", "lock"), lambda _path, before, _after: before is not None),
    "devices": lambda path, _before, _after: len(path) > 1,  # another device: what was promised of it is unknown
    # Rules are checked no more; without a list, all are.
    "select": lambda _path, before, after: after is not None and (before is None or bool({*before} - {*after})),
    "ignore": lambda _path, before, after: bool({*(after or ())} - {*(before or ())}),
    # A shipped network is listed no more; what became of files is said of each.
    "specs": lambda _path, before, after: bool(({*(before or ())} - {*(after or ())}) & {*shipped_specs()}),
}
"""Whether less is promised where a key differs, by what the path to it begins with; what follows is the rest of it."""
