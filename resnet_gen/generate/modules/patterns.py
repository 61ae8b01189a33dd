"""Which modules become one class with arguments: those that do the same steps, whatever their numbers.

A block may lack members of another: one without the other's projection is of its class, with a condition.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from resnet_gen.generate.modules.settings import find_fixed_settings, find_settings
from resnet_gen.generate.modules.tree import MemberStep, ModuleUnit, OperationLeaf

UnitKey: TypeAlias = Hashable
_Wiring: TypeAlias = dict[str, tuple[UnitKey, tuple[str, ...]]]


def is_counted(names: Sequence[str]) -> bool:
    """Whether names are numbers that grow; some may be left out."""
    numbers = [int(name) for name in names if re.fullmatch("0|[1-9][0-9]{0,5}", name)]
    return len(numbers) == len(names) and all(one < other for one, other in pairwise(numbers))


@lru_cache(maxsize=65_536)
def is_sequence(unit: ModuleUnit) -> bool:
    """Whether it is written as a `Sequential`: a chain of blocks, of stages, or of numbered members."""
    numbered = is_counted([step.name for step in unit.steps])
    levels = {step.what.level for step in unit.steps if isinstance(step.what, ModuleUnit)}
    blocks = levels <= {"block", "stage"} and all(isinstance(step.what, ModuleUnit) for step in unit.steps)
    weightless = not any(isinstance(s.what, ModuleUnit) or s.what.weighted for s in unit.steps)
    return unit.chain and not unit.spread and (numbered or blocks or weightless)


def is_run(unit: ModuleUnit) -> bool:
    """Whether it is a sequence of blocks."""
    return is_sequence(unit) and all(isinstance(s.what, ModuleUnit) and s.what.level == "block" for s in unit.steps)


class Pattern(NamedTuple):
    """How the blocks of a run are called: what stands first, the first one's number, the stage's, and between."""

    head: str
    start: int
    number: str
    separator: str

    @property
    def plain(self) -> bool:
        """Whether they are just numbers from 0, as a `Sequential` counts."""
        return not self.head and not self.number and self.start == 0


_NAME = re.compile(r"""([^\d"'\\{}]*)(?:(\d+)([^\d"'\\{}]+))?(\d+)""", re.ASCII)


def find_pattern(unit: ModuleUnit) -> Pattern | None:
    """What the names of a run's blocks have in common; None if they are not counted one by one.

    And None if blocks behind the first are made with other numbers than each other.
    """
    found = _NAME.fullmatch(unit.steps[0].name)
    if not found or len({_list_numbers(step.what) for step in unit.steps[1:]}) > 1:
        return None
    made = Pattern(found[1], int(found[4]), found[2] or "", found[3] or "")
    before = f"{made.head}{int(made.number) if made.number else ''}{made.separator}"
    counted = (f"{before}{made.start + number}" for number in range(len(unit.steps)))
    return made if all(step.name == name for step, name in zip(unit.steps, counted, strict=True)) else None


@lru_cache(maxsize=65_536)
def _list_numbers(what: OperationLeaf | ModuleUnit) -> tuple[object, ...]:
    """Every number that a module is made with."""
    if isinstance(what, OperationLeaf):
        return (find_fixed_settings(what), tuple(find_settings(what).items()))
    return tuple((step.name, _list_numbers(step.what)) for step in what.steps)


@lru_cache(maxsize=65_536)
def flatten_steps(unit: ModuleUnit) -> tuple[MemberStep, ...]:
    """The steps of a module with those of short sequences in their place: `downsample.0`."""
    found: list[MemberStep] = []
    called: dict[str, str] = {}
    for step in unit.steps:
        given = tuple(called.get(value, value) for value in step.inputs)
        if isinstance(step.what, OperationLeaf) or not is_sequence(step.what) or is_run(step.what):
            found.append(replace(step, inputs=given))
            continue
        for inner in flatten_steps(step.what):
            names = tuple(given[0] if value == "in0" else f"{step.name}.{value}" for value in inner.inputs)
            found.append(replace(inner, name=f"{step.name}.{inner.name}", inputs=names))
        called[step.name] = found[-1].name
    return tuple(found)


class PatternClasses:
    """The classes of all modules of some trees."""

    def __init__(self, roots: Sequence[ModuleUnit]) -> None:
        self._units = [unit for root in roots for unit in _walk_units(root)]
        self._ids: dict[UnitKey, int] = {}
        self._same: dict[int, int] = {}
        self._keys: dict[ModuleUnit, int] = {}
        self._instead: dict[int, dict[str, str]] = {}
        self._number_units()
        while self._merge_pair():
            self._number_units()

    def class_number(self, unit: ModuleUnit) -> int:
        """The class of a module, as a number."""
        return self._find_root(self._keys[unit])

    def list_members(self, unit: ModuleUnit) -> list[ModuleUnit]:
        """All modules of the class of this one."""
        return [other for other in self._units if self.class_number(other) == self.class_number(unit)]

    def find_substitutes(self, unit: ModuleUnit) -> Mapping[str, str]:
        """The members that some of its class lack, by what stands there instead: the value that is handed on."""
        return self._instead.get(self.class_number(unit), {})

    def _find_root(self, key: int) -> int:
        while key in self._same:
            key = self._same[key]
        return key

    def _number_units(self) -> None:
        """The key of every module, those inside it first."""
        for unit in reversed(self._units):
            self._keys[unit] = self._ids.setdefault(self._unit_key(unit), len(self._ids))

    def _unit_key(self, unit: ModuleUnit) -> UnitKey:
        if is_run(unit):
            kinds = self._find_kinds(unit)
            names = find_pattern(unit)
            if kinds and names:
                return ("run", kinds, names._replace(number=str(bool(names.number))))
            return ("list", tuple(sorted(self._describe_wiring(unit).items())))
        level = "" if is_sequence(unit) else unit.level
        return tuple(sorted(self._describe_wiring(unit).items())), unit.outputs, len(unit.inputs), level

    def _find_kinds(self, unit: ModuleUnit) -> tuple[UnitKey, ...] | None:
        """The class of the first of some blocks, and that of all others."""
        first, *rest = [self._find_root(self._keys[s.what]) for s in unit.steps if isinstance(s.what, ModuleUnit)]
        if len(set(rest)) > 1:
            return None
        return (first, *{*rest} - {first})

    def _describe_wiring(self, unit: ModuleUnit) -> _Wiring:
        return {step.name: (self._step_key(step), step.inputs) for step in flatten_steps(unit)}

    def _step_key(self, step: MemberStep) -> UnitKey:
        if isinstance(step.what, OperationLeaf):
            return find_fixed_settings(step.what), tuple(find_settings(step.what)), len(step.inputs)
        return self._find_root(self._keys[step.what])

    def _merge_pair(self) -> bool:
        """Make one class of two blocks of which one has all that the other has, and more that can be left out."""
        kinds: dict[int, list[ModuleUnit]] = {}
        for unit in self._units:
            if (unit.level == "block" or unit.role == "shortcut") and not is_sequence(unit):
                kinds.setdefault(self.class_number(unit), []).append(unit)
        ordered = sorted((find_fullest(units) for units in kinds.values()), key=_count_members)
        for number, less in enumerate(ordered):
            for more in reversed(ordered[number + 1 :]):
                if (instead := self._find_lacking(less, more)) and self._join_classes(less, more, instead):
                    return True
        return False

    def _join_classes(self, less: ModuleUnit, more: ModuleUnit, instead: dict[str, str]) -> bool:
        known = {**self._instead.get(self.class_number(less), {}), **self._instead.get(self.class_number(more), {})}
        if any(known.get(name, value) != value for name, value in instead.items()):
            return False
        self._instead[self.class_number(more)] = {**known, **instead}
        self._same[self.class_number(less)] = self.class_number(more)
        return True

    def _find_lacking(self, less: ModuleUnit, more: ModuleUnit) -> dict[str, str] | None:
        """The members of `more` that `less` lacks, by what it has instead; None where that is not all."""
        there, wanted = self._describe_wiring(more), self._describe_wiring(less)
        if not wanted.keys() < there.keys() or len(less.inputs) != len(more.inputs):
            return None
        lacking = {step.name: step for step in flatten_steps(more) if step.name not in wanted}
        if any(len(step.inputs) != 1 or _is_nonlinear(step) for step in lacking.values()):
            return None
        instead = {name: value for name, value in _pair_replaced(there, wanted) if name in lacking}
        for name in reversed(lacking):  # whose reader may be lacking too
            reader = next((n for n, step in lacking.items() if name in step.inputs), None)
            instead.setdefault(name, instead.get(reader or "", lacking[name].inputs[0]))
        left = {
            name: (key, tuple(instead.get(value, value) for value in given))
            for name, (key, given) in there.items()
            if name not in lacking
        }
        outputs = tuple(instead.get(value, value) for value in more.outputs)
        return instead if left == wanted and outputs == less.outputs else None


def _pair_replaced(there: _Wiring, wanted: _Wiring) -> Iterator[tuple[str, str]]:
    """The values that the same step reads in two modules, where they differ."""
    for name, (_, given) in wanted.items():
        yield from ((old, new) for old, new in zip(there[name][1], given, strict=False) if old != new)


def _is_nonlinear(step: MemberStep) -> bool:
    """A block without one of another's activations or norms on its main path is another kind of block."""
    main = isinstance(step.what, OperationLeaf) and step.what.role == "main"
    return main and type(getattr(step.what, "op", None)).__name__ in ("Activation", "BatchNorm", "GroupNorm")


def _count_members(unit: ModuleUnit) -> int:
    """How many members a module has, with the blocks of runs in it."""
    return sum(
        len(s.what.steps) if isinstance(s.what, ModuleUnit) and is_run(s.what) else 1 for s in flatten_steps(unit)
    )


def find_fullest(units: Sequence[ModuleUnit]) -> ModuleUnit:
    """The module of a class that has every member."""
    return max(units, key=_count_members)


def _walk_units(unit: ModuleUnit) -> Iterator[ModuleUnit]:
    yield unit
    for step in unit.steps:
        if isinstance(step.what, ModuleUnit):
            yield from _walk_units(step.what)
