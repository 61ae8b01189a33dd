"""The classes of a network: their parameters, and what each of their members is made with."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from resnet_gen.generate.modules.expressions import (
    COUNT,
    PRESENT,
    ClassArguments,
    Column,
    Parameter,
    ParameterValues,
    Slot,
    find_expression,
    fit_parameters,
)
from resnet_gen.generate.modules.patterns import (
    Pattern,
    PatternClasses,
    find_fullest,
    find_pattern,
    flatten_steps,
    is_run,
    is_sequence,
)
from resnet_gen.generate.modules.settings import FAMILIES, find_settings
from resnet_gen.generate.modules.tree import Level, MemberStep, ModuleUnit, OperationLeaf
from resnet_gen.generate.spelling import find_free_name


@dataclass(frozen=True)
class OperationCall:
    """An operation, and what it is made with: its settings as expressions."""

    leaf: OperationLeaf
    arguments: dict[str, str]


@dataclass(frozen=True)
class ModuleCall:
    """A module of one of the classes, and what it is made with, without what is left out."""

    kind: ModuleClass
    arguments: dict[str, str]


@dataclass(frozen=True)
class SequentialCall:
    """A `Sequential` of members by their names, in which numbers may be left out."""

    members: tuple[ClassMember, ...]


@dataclass(frozen=True)
class BlockRun:
    """A `Sequential` of `count` blocks: the first, which is None where it is as the others, and the rest.

    The stage's number in `names`, if there is one, is an expression.
    """

    first: ModuleCall | None
    rest: ModuleCall
    count: str
    names: Pattern


MemberCall: TypeAlias = OperationCall | ModuleCall | SequentialCall | BlockRun


@dataclass(frozen=True)
class ClassMember:
    """A member of a class; it is only there where `condition` holds, if there is one.

    Where it is not, `instead` is handed on: a value of the class's steps.
    """

    name: str
    what: MemberCall
    condition: str | None = None
    instead: str = ""


@dataclass(eq=False)
class ModuleClass:
    """A class: its steps are those of `unit`, the fullest module of it."""

    name: str
    unit: ModuleUnit
    doc: str = ""
    parameters: list[Parameter] = field(default_factory=list)
    members: tuple[ClassMember, ...] = ()
    run: BlockRun | None = None
    instances: dict[ModuleUnit, dict[str, int]] = field(default_factory=dict)


class ModuleClasses:
    """Works out the classes of a network from its tree, and of the same network for other numbers of classes."""

    def __init__(self, roots: Sequence[ModuleUnit]) -> None:
        self._skeletons = PatternClasses(roots)
        self._known: dict[int, ModuleClass] = {}
        self.network = self.class_of(roots[0])

    @property
    def all(self) -> list[ModuleClass]:
        """All classes, each behind those that it uses; the network is last."""
        return list(self._known.values())

    def class_of(self, unit: ModuleUnit) -> ModuleClass:
        """The class of a module that is written as one."""
        key = self._skeletons.class_number(unit)
        if key not in self._known:
            made = self._make_class(unit)
            self._known[key] = made
        return self._known[key]

    def _make_class(self, unit: ModuleUnit) -> ModuleClass:
        instances = self._skeletons.list_members(unit)
        full = find_fullest(instances)
        arguments = self._fit_arguments(full, instances)
        scope = _Scope(arguments, instances, self._skeletons.find_substitutes(unit))
        made = ModuleClass("", full)
        if is_run(full):
            run = self._make_run(full, (), scope)
            assert isinstance(run, BlockRun)
            made.run = run
        else:
            made.members = tuple(self._make_members(full, scope))
        made.parameters = arguments.order_parameters()
        made.instances = {instance: arguments.values(number) for number, instance in enumerate(instances)}
        return made

    def _fit_arguments(self, full: ModuleUnit, instances: Sequence[ModuleUnit]) -> ClassArguments:
        """The parameters of a class, by what every slot is in every instance."""
        rows = [dict(self._list_slots(instance, ())) for instance in instances]
        order = dict(self._list_slots(full, ()))
        for row in rows:
            order.update((slot, value) for slot, value in row.items() if slot not in order)
        slots: dict[Slot, Column] = {
            slot: (setting, tuple(row[slot][1] if slot in row else _LACKING.get(setting) for row in rows))
            for slot, (setting, _) in order.items()
        }
        entering = tuple(instance.inputs[0][0] for instance in instances)
        arguments = fit_parameters({("",): ("in_channels", entering), **slots}, ParameterNamer(full.level, instances))
        del arguments.expressions["",]
        used = set(re.findall(r"\w+", " ".join(arguments.expressions.values())))
        arguments.parameters = [p for p in arguments.parameters if p.name in used]
        return arguments

    def _list_slots(self, unit: ModuleUnit, above: Slot) -> Iterator[tuple[Slot, tuple[str, int]]]:
        """Every slot of a module, with what setting it is and its value."""
        if is_run(unit):
            yield from self._list_run_slots(unit, above)
            return
        for step in flatten_steps(unit):
            place = (*above, step.name)
            if isinstance(step.what, OperationLeaf):
                yield from (((*place, name), (name, value)) for name, value in find_settings(step.what).items())
            elif is_run(step.what) and not is_class(step.what):
                yield from self._list_run_slots(step.what, place)
            else:
                yield from self._list_call_slots(step.what, place)

    def _list_run_slots(self, unit: ModuleUnit, above: Slot) -> Iterator[tuple[Slot, tuple[str, int]]]:
        blocks = [step.what for step in unit.steps if isinstance(step.what, ModuleUnit)]
        names = find_pattern(unit)
        if names is None:
            for step in unit.steps:
                yield from self._list_call_slots(step.what, (*above, step.name))
            return
        yield from self._list_call_slots(blocks[0], (*above, "first"))
        if len(blocks) > 1:
            yield from self._list_call_slots(blocks[1], (*above, "rest"))
        yield (*above, COUNT), (COUNT, len(blocks))
        if names.number:
            yield (*above, "number"), ("number", int(names.number))

    def _list_call_slots(self, what: OperationLeaf | ModuleUnit, above: Slot) -> Iterator[tuple[Slot, tuple[str, int]]]:
        assert isinstance(what, ModuleUnit)
        kind = self.class_of(what)
        values = kind.instances[what]
        for parameter in kind.parameters:
            if parameter.name in values:
                yield (*above, parameter.name), (parameter.setting, values[parameter.name])

    def _make_members(
        self, unit: ModuleUnit, scope: _Scope, above: str = "", there: Sequence[bool] = ()
    ) -> Iterator[ClassMember]:
        """The members of a module, or of a sequence in one; `there` names the instances that have the sequence."""
        for step in unit.steps:
            name = f"{above}{step.name}"
            condition = scope.find_condition(name, there)
            what = self._make_member(step.what, name, scope)
            yield ClassMember(step.name, what, condition, scope.find_substitute(name, step, unit) if condition else "")

    def _make_member(self, what: OperationLeaf | ModuleUnit, name: str, scope: _Scope) -> MemberCall:
        if isinstance(what, OperationLeaf):
            return OperationCall(what, {key: scope.express((name, key)) for key in find_settings(what)})
        if is_class(what):
            return self._make_call(what, (name,), scope)
        if is_run(what):
            return self._make_run(what, (name,), scope)
        return SequentialCall(tuple(self._make_members(what, scope, f"{name}.", scope.find_instances_with(name))))

    def _make_run(self, unit: ModuleUnit, above: Slot, scope: _Scope) -> BlockRun | SequentialCall:
        blocks = [(step.name, step.what) for step in unit.steps if isinstance(step.what, ModuleUnit)]
        names = find_pattern(unit)
        if names is None:
            return SequentialCall(
                tuple(ClassMember(name, self._make_call(block, (*above, name), scope)) for name, block in blocks)
            )
        first = rest = self._make_call(blocks[0][1], (*above, "first"), scope)
        if len(blocks) > 1:
            rest = self._make_call(blocks[1][1], (*above, "rest"), scope)
        names = names._replace(number=scope.express((*above, "number")) if names.number else "")
        return BlockRun(None if first == rest else first, rest, scope.express((*above, COUNT)), names)

    def _make_call(self, unit: ModuleUnit, above: Slot, scope: _Scope) -> ModuleCall:
        kind = self.class_of(unit)
        given = {}
        for parameter in kind.parameters:
            text = scope.arguments.expressions.get((*above, parameter.name))
            if text is not None and not _is_default(text, parameter):
                given[parameter.name] = text
        return ModuleCall(kind, given)


def _is_default(text: str, parameter: Parameter) -> bool:
    default = parameter.default
    return default is not None and text in (str(default), str(bool(default)))


_LACKING = {"stride": 1}
"""What a member that is not there would be made with: it shrinks nothing."""


def is_class(unit: ModuleUnit) -> bool:
    """Whether a module is written as a class; others are written where they are used."""
    if is_run(unit):
        return unit.level == "stage" and find_pattern(unit) is not None
    return not is_sequence(unit)


class _Scope:
    """What the members of a class are derived from: its parameters, and when each member is there."""

    def __init__(self, arguments: ClassArguments, instances: Sequence[ModuleUnit], instead: Mapping[str, str]) -> None:
        self.arguments, self.instead = arguments, instead
        self._names = [
            [step.name for step in flatten_steps(instance)] if not is_run(instance) else [] for instance in instances
        ]
        self._sides = [(instance.inputs[0][0], instance.shapes[0][0]) for instance in instances]

    def express(self, slot: Slot) -> str:
        """The expression of a slot; 0 where no instance says."""
        return self.arguments.expressions.get(slot, "0")

    def find_instances_with(self, name: str) -> list[bool]:
        """Which instances have a member, or any of the sequence of this name."""
        return [any(n == name or n.startswith(f"{name}.") for n in names) for names in self._names]

    def find_substitute(self, name: str, step: MemberStep, unit: ModuleUnit) -> str:
        """What is read where a member, or a whole sequence of them, is not there: a value of the steps of `unit`."""
        ends = name
        if isinstance(step.what, ModuleUnit) and is_sequence(step.what) and not is_run(step.what):
            ends = f"{name}.{flatten_steps(step.what)[-1].name}"
        value = self.instead.get(ends, step.inputs[0])
        return next((other.name for other in unit.steps if value.startswith(f"{other.name}.")), value)

    def find_condition(self, name: str, above: Sequence[bool]) -> str | None:
        """When a member is there, as an expression; None where it always is."""
        asked = [number for number in range(len(self._names)) if not above or above[number]]
        there = self.find_instances_with(name)
        if all(there[number] for number in asked):
            return None
        for text, holds in self._list_conditions():
            if all(holds[number] == there[number] for number in asked):
                return text
        taken = {parameter.name for parameter in self.arguments.parameters}
        flag = find_free_name([_parameter_name(name)], taken, "_")
        self.arguments.parameters.append(Parameter(flag, PRESENT, tuple(map(int, there))))
        return flag

    def _list_conditions(self) -> Iterator[tuple[str, list[bool]]]:
        """Conditions that a programmer would write, and where they hold."""
        by_setting = {p.setting: p for p in reversed(self.arguments.parameters) if None not in p.values}
        entering, leaving = zip(*self._sides, strict=True)
        narrow, wide = (find_expression("channels", side, self.arguments.parameters) for side in (entering, leaving))
        widened = [into != out for into, out in self._sides]
        narrow = narrow if any(widened) else None
        stride = by_setting.get("stride")
        if stride:
            strided = [value != 1 for value in stride.values]
            if narrow and wide:
                either = [one or other for one, other in zip(strided, widened, strict=True)]
                yield f"{stride.name} != 1 or {narrow} != {wide}", either
            yield f"{stride.name} != 1", strided
        if narrow and wide:
            yield f"{narrow} != {wide}", widened
        yield from ((p.name, [bool(v) for v in p.values]) for p in self.arguments.parameters if p.setting == PRESENT)


class ParameterNamer:
    """Names for the parameters of a class."""

    def __init__(self, level: Level, instances: Sequence[ModuleUnit]) -> None:
        self._level = level
        self._entering = [instance.inputs[0][0] for instance in instances]
        self._leaving = list(zip(*([shape[0] for shape in instance.shapes] for instance in instances), strict=True))

    def __call__(self, slot: Slot, setting: str, values: ParameterValues, known: Sequence[Parameter]) -> str:
        """A name that no other parameter has."""
        taken = {parameter.name for parameter in known}
        wished = self._name_channels(slot, values) if FAMILIES.get(setting) == "channels" else setting
        if setting == "groups":
            wished = "groups"
        if setting == PRESENT:
            wished = slot[-1]
        spare = "_".join(word for word in slot if word != "first")
        return find_free_name([_parameter_name(wished), _parameter_name(spare)], taken, "_")

    def _name_channels(self, slot: Slot, values: ParameterValues) -> str:
        into, out = _do_agree(values, self._entering), any(_do_agree(values, side) for side in self._leaving)
        if out and self._level in ("network", "head"):
            return "classes"
        if into:
            return "channels" if out and self._level == "inner" else "in_channels"
        if out:
            return "out_channels"
        return slot[-1] if slot[0] == "first" else "reduced" if self._level == "inner" else "width"


_USED = {"bool", "enumerate", "index", "int", "layer", "layers", "list", "nn", "range", "self", "super", "torch"}
"""Words that have a meaning where parameters do."""


def _parameter_name(name: str) -> str:
    """The plainest name of a parameter that is called by this."""
    word = re.sub(r"\W", "_", name, flags=re.ASCII)
    return f"with_{word}" if keyword.iskeyword(word) or word in _USED or not word[:1].islower() else word


def _do_agree(values: ParameterValues, sides: Sequence[int]) -> bool:
    return all(value is None or value == side for value, side in zip(values, sides, strict=True))
