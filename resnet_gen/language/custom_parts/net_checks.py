"""The builder of specs' graphs: their parts may be anybody's code, so what these add is looked at first.

What an emitter met later would end there, far from the line that is at fault.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType
from typing import Any, get_args, get_type_hints

from resnet_gen import ops
from resnet_gen.graph import Graph, Loc, Net, Value
from resnet_gen.ops import Op
from resnet_gen.ops.types import TypeChange
from resnet_gen.problems import Span, shorten, visible

OPERATIONS = frozenset(
    op for op in map(vars(ops).get, ops.__all__) if isinstance(op, type) and issubclass(op, Op) and op is not Op
) - frozenset(TypeChange.__subclasses__())
"""What parts are made of: every operation but changes of type, which stand where a precision asks for them."""
_ADDED = ("eps", "standardize")
"""What is added to a variance."""
_NAME = re.compile(r"[\w.-]+", re.ASCII)
NAME_HINT = "letters, digits, '_', '-' and '.' make a name"
_WORDS: dict[Any, str] = {int: "a whole number from 0", bool: "True or False", float: "a finite number"}


class CheckedNet(Net):
    """A net that takes the package's operations alone, their settings of their types, on values that it made itself."""

    def __init__(self, input: Value, locate: Callable[[Loc], Span | None] | None = None) -> None:
        super().__init__(input, locate)
        self._made = {input.name: input}

    def add(self, name: str, op: Op, *inputs: Value) -> Value:
        if fault := find_naming_fault([name]):
            raise self.refusal(fault, NAME_HINT)
        for wrong in _find_faults(op):
            raise self.scope(name).refusal(*wrong)
        self._check_values(inputs, self)
        made = super().add(name, op, *inputs)
        self._made[made.name] = made
        return made

    def graph(self, name: str, outputs: Iterable[Value]) -> Graph:
        """The finished graph; it outputs its own values alone."""
        outputs = tuple(outputs)
        self._check_values(outputs, self.scope(at=("head",)))
        return super().graph(name, outputs)

    def _check_values(self, values: Iterable[Value], place: Net) -> None:
        for value in values:
            if not isinstance(value, Value) or self._made.get(value.name) != value:
                raise place.refusal(
                    f"{_shorten_visibly(repr(value))} is no value of this network", "use what `net.add` returns"
                )


def find_naming_fault(names: Iterable[object]) -> str | None:
    """That one of these can be no name of an operation, which files, generated code and reports will call it by."""
    wrong = [name for name in names if not (isinstance(name, str) and _NAME.fullmatch(name))]
    return f"{_shorten_visibly(repr(wrong[0]))} is no name" if wrong else None


def _shorten_visibly(text: str) -> str:
    return shorten(visible(text))


def _find_faults(op: Op) -> Iterator[tuple[str, str]]:
    """What is wrong with an operation, and what may help."""
    if type(op) not in OPERATIONS:
        hint = "the set of operations is closed (docs/parts.md): those of resnet_gen.ops"
        yield f"'{_shorten_visibly(type(op).__name__)}' is no operation that parts are made of", hint
        return
    for setting, kind in _list_settings(type(op)):  # type: ignore[arg-type]
        if not _fits_type(setting, kind, value := getattr(op, setting)):
            yield (
                f"{type(op).__name__}: {setting} is {_shorten_visibly(repr(value))}",
                f"it is {_describe_type(setting, kind)}",
            )


@cache
def _list_settings(op: type[Op]) -> tuple[tuple[str, Any], ...]:
    """The settings of an operation, with their types."""
    hints = get_type_hints(op)
    return tuple((one.name, hints[one.name]) for one in fields(op)) if is_dataclass(op) else ()


def _fits_type(setting: str, kind: Any, value: object) -> bool:
    if kind in (bool, NoneType):
        return isinstance(value, kind)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if kind is float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        return number and (setting not in _ADDED or float(value) > 0)  # type: ignore[arg-type]
    choices = get_args(kind)
    return any(_fits_type(setting, one, value) if isinstance(one, type) else value == one for one in choices)


def _describe_type(setting: str, kind: Any) -> str:
    if setting in _ADDED:
        return "a positive number"
    known = [one for one in get_args(kind) or (kind,) if one in _WORDS or not isinstance(one, type)]
    return " or ".join(_WORDS.get(one, str(one)) for one in known) or "left out"
