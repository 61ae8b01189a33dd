"""What a class does, as statements of Python: which results get a name, and which are written into the next line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise, zip_longest
from typing import NamedTuple, Protocol

from resnet_gen import ops
from resnet_gen.generate.modules.classes import ClassMember, ModuleClass
from resnet_gen.generate.modules.patterns import is_sequence
from resnet_gen.generate.modules.tree import ChannelChunks, MemberStep, ModuleUnit, OperationLeaf
from resnet_gen.generate.spelling import find_free_name

LINE = 80
"""Characters of a line of `forward`, behind its indent."""

WIDTH = 66
"""Characters of an expression that is still written into another."""

PARTS = "parts"
"""What a value is called that is several tensors."""


class FrameworkSyntax(Protocol):
    """How a framework writes what a class does."""

    def is_attribute(self, member: ClassMember) -> bool:
        """Whether a member is an attribute, which is called; else it is an operation."""

    def write_call(self, member: ClassMember, given: Sequence[str]) -> str:
        """A call of an attribute."""

    def write_operation(self, member: ClassMember, given: Sequence[str], *, fresh: bool) -> str:
        """An operation; `fresh` says that the first value is read here alone, and may be overwritten."""

    def write_declaration(self, name: str, text: str, *, plain: bool) -> str:
        """The first assignment of a variable; `plain` says that everybody knows the value's type."""

    def is_plainly_typed(self, text: str) -> bool:
        """Whether everybody knows the type of an operation's result, whatever it is done with."""

    def write_choice(self, member: ClassMember, there: str, instead: str) -> str:
        """A value, and what stands for it where a member is not there."""


def write_statements(kind: ModuleClass, language: FrameworkSyntax) -> list[str]:
    """The body of a class's `forward`, whose arguments are called as `name_inputs` says."""
    return _Writer(kind, language).lines


def name_inputs(unit: ModuleUnit) -> list[str]:
    """What the inputs of a module are called."""
    return ["x"] if len(unit.inputs) == 1 else [f"x{number}" for number in range(1, len(unit.inputs) + 1)]


def find_pooled_stages(unit: ModuleUnit) -> str | None:
    """The member that is one sequence of layers, in which each stage ends in its only max pooling; None without."""
    for step in unit.steps:
        stages = [s.what for s in step.what.steps] if isinstance(step.what, ModuleUnit) else []
        if stages and all(isinstance(s, ModuleUnit) and s.spread and _has_one_pool(s) for s in stages):
            return step.name
    return None


def _has_one_pool(stage: ModuleUnit) -> bool:
    leaves = [step.what for step in stage.steps if isinstance(step.what, OperationLeaf)]
    return len(leaves) == 1 and isinstance(leaves[0].op, ops.MaxPool)


class StageAttributes(NamedTuple):
    """A network up to its stages, and the attributes that hold those: one each, or one that is a sequence of all."""

    before: ModuleUnit
    stages: tuple[str, ...]
    sequence: bool


def split_at_stages(unit: ModuleUnit) -> tuple[StageAttributes, ModuleUnit] | None:
    """A network in two parts, if its stages follow each other and one output follows them; else None."""
    places = [number for number, step in enumerate(unit.steps) if _is_stages(step)]
    steps = [unit.steps[number] for number in places]
    if not places or places[-1] - places[0] != len(places) - 1 or len(unit.outputs) != 1:
        return None
    if any(s.inputs != (given.name,) for given, s in pairwise(steps)):
        return None
    first, last = places[0], places[-1]
    entering, leaving = steps[0].inputs, steps[-1].name
    rest = [replace(s, inputs=tuple("in0" if v == leaving else v for v in s.inputs)) for s in unit.steps[last + 1 :]]
    outputs = tuple("in0" if value == leaving else value for value in unit.outputs)
    known = {"in0", *(step.name for step in rest)}
    if len(entering) != 1 or not all(known.issuperset(values) for values in (outputs, *(s.inputs for s in rest))):
        return None
    before = replace(unit, steps=unit.steps[:first], outputs=entering)
    sequence = len(steps) == 1 and isinstance(steps[0].what, ModuleUnit) and steps[0].what.level != "stage"
    stages = StageAttributes(before, tuple(step.name for step in steps), sequence)
    return stages, replace(unit, steps=tuple(rest), outputs=outputs)


def _is_stages(step: MemberStep) -> bool:
    """Whether a member is a stage, or the sequence of all."""
    if not isinstance(step.what, ModuleUnit):
        return False
    inner = [s.what for s in step.what.steps]
    all_stages = all(isinstance(what, ModuleUnit) and what.level == "stage" and not what.spread for what in inner)
    return step.what.level == "stage" or (all_stages and is_sequence(step.what))


class _Expression(NamedTuple):
    """An expression, the variables in it, and whether its type is plain."""

    text: str
    variables: tuple[str, ...] = ()
    plain: bool = True


def _strip_part(value: str) -> str:
    return value.partition(":")[0]


def _express_part(value: str, texts: Mapping[str, _Expression]) -> _Expression:
    """The expression of a value, which may be a part of what a step gives."""
    base, _, part = value.partition(":")
    return texts[base]._replace(text=f"{texts[base].text}[{part}]") if part else texts[base]


class _Writer:
    def __init__(self, kind: ModuleClass, language: FrameworkSyntax) -> None:
        self._unit, self._language = kind.unit, language
        self._members = {member.name: member for member in kind.members}
        self._steps = {step.name: step for step in kind.unit.steps}
        reads = [v for step in kind.unit.steps for v in self._list_reads(step)]
        self._total = Counter(map(_strip_part, (*reads, *kind.unit.outputs)))
        self._left = self._total.copy()
        self._texts: dict[str, _Expression] = {}
        self._holding: dict[str, str] = {}
        self.lines: list[str] = []
        self._plain = False
        self._declared = set(name_inputs(kind.unit))
        for number, name in enumerate(name_inputs(kind.unit)):
            self._hold_value(f"in{number}", name)
        steps = kind.unit.steps
        for step, after in zip_longest(steps, steps[1:]):
            self._write_step(step, after)
        self._return_outputs()

    def _return_outputs(self) -> None:
        """Return the outputs; what was just given a name to be returned needs none, if its type is known."""
        text = ", ".join(self._take_value(value).text for value in self._unit.outputs)
        name, _, last = self.lines[-1].partition(" = ") if self.lines else ("", "", "")
        if name == text and self._plain:
            self.lines[-1] = f"return {last}"
            return
        if name == text and name not in self._declared:
            text = "out"
            self.lines[-1] = self._language.write_declaration(text, last, plain=False)
        self.lines.append(f"return {text}")

    def _list_reads(self, step: MemberStep) -> list[str]:
        """The values that a step needs, with what is handed on where its member is not there."""
        return [*step.inputs, *self._list_substitutes(step)]

    def _list_substitutes(self, step: MemberStep) -> list[str]:
        member = self._members[step.name]
        return [member.instead] if member.condition and member.instead not in step.inputs else []

    def _hold_value(self, value: str, name: str, *, plain: bool = True) -> None:
        self._texts[value] = _Expression(name, (name,), plain)
        self._holding[name] = value

    def _take_value(self, value: str) -> _Expression:
        """The expression of a value, which is then read once less."""
        self._left[_strip_part(value)] -= 1
        return _express_part(value, self._texts)

    def _write_step(self, step: MemberStep, after: MemberStep | None) -> None:
        fresh = self._is_fresh(step)
        given = [self._take_value(value) for value in step.inputs]
        variables = tuple(dict.fromkeys(name for text in given for name in text.variables))
        added = isinstance(step.what, OperationLeaf) and isinstance(step.what.op, ops.Add)
        if fresh and added and step.name not in self._unit.outputs and given[0].variables == (given[0].text,):
            self.lines.append(f"{given[0].text} += {given[1].text}")
            self._hold_value(step.name, given[0].text, plain=given[0].plain)
            self._plain = False
            return
        text = self._express_step(step, given, variables, fresh=fresh)
        if self._can_nest(step, after, text):
            self._texts[step.name] = text
        else:
            self._assign_value(step, text)

    def _express_step(
        self, step: MemberStep, given: Sequence[_Expression], variables: tuple[str, ...], *, fresh: bool
    ) -> _Expression:
        text, plain = self._format_step(step, given, fresh=fresh)
        for value in self._list_substitutes(step):
            instead = self._take_value(value)
            text = self._language.write_choice(self._members[step.name], text, instead.text)
            variables = (*variables, *instead.variables)
        return _Expression(text, variables, plain)

    def _format_step(self, step: MemberStep, given: Sequence[_Expression], *, fresh: bool) -> tuple[str, bool]:
        """A step with what it is given, and whether its type is plain."""
        member, texts = self._members[step.name], [text.text for text in given]
        if self._language.is_attribute(member):
            return self._language.write_call(member, texts), False
        text = self._language.write_operation(member, texts, fresh=fresh)
        return text, all(one.plain for one in given) or self._language.is_plainly_typed(text)

    def _can_nest(self, step: MemberStep, after: MemberStep | None, text: _Expression) -> bool:
        """Whether a result is written into the next line, which alone reads it."""
        if after is None or self._total[step.name] != 1 or step.name not in after.inputs or _ends_a_line(step):
            return False
        if not isinstance(after.what, OperationLeaf) or len(text.text) >= WIDTH or self._list_substitutes(step):
            return False
        return self._fits_line(after, {**self._texts, step.name: text})

    def _fits_line(self, step: MemberStep, texts: Mapping[str, _Expression]) -> bool:
        """Whether a step is one line with what is written into it."""
        given = [_express_part(value, texts) for value in step.inputs]
        text, plain = self._format_step(step, given, fresh=self._is_fresh(step))
        variables = [name for one in given for name in one.variables]
        name = self._choose_name(step, variables, self._left - Counter(map(_strip_part, step.inputs)))
        lines = [self._format_line(name, text, plain=plain)]
        if step.name in self._unit.outputs:
            lines.append(f"return {text}" if plain else self._language.write_declaration("out", text, plain=False))
        return max(map(len, lines)) <= LINE

    def _assign_value(self, step: MemberStep, text: _Expression) -> None:
        name = self._choose_name(step, text.variables, self._left)
        self._plain = text.plain or _is_chunk(step)
        self.lines.append(self._format_line(name, text.text, plain=self._plain))
        if name not in self._holding:
            self._declared.update([name] if not self._plain else [])
        self._hold_value(step.name, name, plain=self._plain or name in self._declared)

    def _choose_name(self, step: MemberStep, variables: Sequence[str], left: Mapping[str, int]) -> str:
        """What a step's result is called: as a variable that nobody needs, now that so many reads are left."""
        spent = [n for n in variables if left[self._holding[n]] == 0 and not n.startswith(PARTS)]
        return self._choose_new_name(step) if not spent or _is_chunk(step) or step.what.role == "shortcut" else spent[0]

    def _format_line(self, name: str, text: str, *, plain: bool) -> str:
        return (
            f"{name} = {text}" if name in self._holding else self._language.write_declaration(name, text, plain=plain)
        )

    def _choose_new_name(self, step: MemberStep) -> str:
        role = step.what.role
        if _is_chunk(step):
            wished = [PARTS]
        else:
            wished = [role] if role in ("shortcut", "gate") else ["gate"] if role == "attention" else ["y", "z"]
        return find_free_name(wished, self._holding)

    def _is_fresh(self, step: MemberStep) -> bool:
        """Whether the first value of a step may be overwritten: nobody reads it later, not even a gradient."""
        value = step.inputs[0]
        return self._total[_strip_part(value)] == 1 and ":" not in value and self._is_forgotten(self._unit, value)

    def _is_forgotten(self, unit: ModuleUnit, value: str) -> bool:
        """Whether what made a value has no more need of it."""
        step = next((step for step in unit.steps if step.name == value), None)
        if step is None:
            return False
        if unit is self._unit and self._members[step.name].condition:
            return False
        if isinstance(step.what, ModuleUnit):
            return len(step.what.outputs) == 1 and self._is_forgotten(step.what, step.what.outputs[0])
        return isinstance(step.what.op, FORGETFUL)


def _is_chunk(step: MemberStep) -> bool:
    return isinstance(step.what, OperationLeaf) and isinstance(step.what.op, ChannelChunks)


FORGETFUL = (ops.Conv, ops.Linear, ops.BatchNorm, ops.GroupNorm, ops.Add, ops.Mul, ops.Concat, ops.AvgPool)
"""Operations whose gradient does not need their result."""


_LAST = (ops.Activation, ops.Add, ops.Mul, ops.Flatten, ops.Concat, ChannelChunks)
"""Operations after which a line ends."""


def _ends_a_line(step: MemberStep) -> bool:
    if isinstance(step.what, ModuleUnit):
        return step.what.level != "inner"
    return isinstance(step.what.op, _LAST)
