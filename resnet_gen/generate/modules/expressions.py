"""Numbers that a class is made with, each derived from the ones before it where that can be: `4 * width`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from resnet_gen.generate.modules.settings import FAMILIES

Slot: TypeAlias = tuple[str, ...]
"""Where a number is used: the member, then the setting or parameter: (`conv1`, `stride`)."""
ParameterValues: TypeAlias = tuple[int | None, ...]
"""The number in each instance of a class; None where an instance has no such member."""
ValuePairs: TypeAlias = list[tuple[int, int]]
"""A parameter's value and a slot's, instance by instance."""
Column: TypeAlias = tuple[str, ParameterValues]
"""What setting a slot is for in the end, and its values."""

COUNT, PRESENT = "blocks", "present"
"""Settings of classes of our own: how many blocks a run has, and whether a member is there."""


@dataclass(frozen=True)
class Parameter:
    """An argument of a class's constructor; `values` are those of its instances, in order."""

    name: str
    setting: str
    values: ParameterValues

    @property
    def default(self) -> int | None:
        """What it may be left out for: 1 for a stride, a dilation and groups, 0 where some instances do without."""
        if self.setting in ("stride", "dilation", "groups") and 1 in self.values:
            return 1
        return 0 if None in self.values else None

    @property
    def positional(self) -> bool:
        """Whether its meaning is plain from its place: channels."""
        return FAMILIES.get(self.setting) == "channels" and self.setting != "groups" and self.default is None


@dataclass
class ClassArguments:
    """The parameters of a class, and what each slot is in terms of them."""

    parameters: list[Parameter] = field(default_factory=list)
    expressions: dict[Slot, str] = field(default_factory=dict)

    def values(self, instance: int) -> dict[str, int]:
        """What an instance is made with; what it has no use for is left out."""
        found = {parameter.name: parameter.values[instance] for parameter in self.parameters}
        return {name: value for name, value in found.items() if value is not None}

    def order_parameters(self) -> list[Parameter]:
        """Those that are given by their place first, then by name, then those that can be left out."""
        return sorted(self.parameters, key=lambda p: (p.default is not None, not p.positional))


ParameterNaming: TypeAlias = Callable[[Slot, str, ParameterValues, Sequence[Parameter]], str]


def fit_parameters(slots: Mapping[Slot, Column], name_parameter: ParameterNaming) -> ClassArguments:
    """The fewest parameters, taken in order, from which every slot follows; `name_parameter` names a new one."""
    arguments = ClassArguments()
    for slot, (setting, values) in slots.items():
        found = find_expression(setting, values, arguments.parameters)
        if found is None:
            found = name_parameter(slot, setting, values, arguments.parameters)
            arguments.parameters.append(Parameter(found, setting, values))
        arguments.expressions[slot] = found
    return arguments


def find_expression(setting: str, values: ParameterValues, parameters: Sequence[Parameter]) -> str | None:
    """The values as an expression of the parameters; None if there is none."""
    known = {value for value in values if value is not None}
    if len(known) <= 1:
        value = next(iter(known), 0)
        return str(bool(value) if setting == PRESENT else value)
    related = (parameter for parameter in parameters if _are_related(parameter.setting, setting))
    paired = [(parameter, pairs) for parameter in related if (pairs := _pair_values(parameter, values))]
    for relation in (_express_equal, _express_multiple, _express_part, _express_half):
        for parameter, pairs in paired:
            if text := relation(parameter, pairs):
                return text
    return None


def _are_related(one: str, other: str) -> bool:
    return FAMILIES.get(one, one) == FAMILIES.get(other, other)


def _pair_values(parameter: Parameter, values: ParameterValues) -> ValuePairs | None:
    """The numbers of both; None if one of the two alone is known."""
    pairs = [(p, v) for p, v in zip(parameter.values, values, strict=True) if v is not None]
    known = [(p, v) for p, v in pairs if p is not None]
    return known if len(known) == len(pairs) else None


def _express_equal(parameter: Parameter, pairs: ValuePairs) -> str | None:
    return parameter.name if all(p == v for p, v in pairs) else None


def _express_multiple(parameter: Parameter, pairs: ValuePairs) -> str | None:
    factor = pairs[0][1] // (pairs[0][0] or 1)
    return f"{factor} * {parameter.name}" if factor and all(p and p * factor == v for p, v in pairs) else None


def _express_part(parameter: Parameter, pairs: ValuePairs) -> str | None:
    divisor = pairs[0][0] // (pairs[0][1] or 1)
    return f"{parameter.name} // {divisor}" if divisor and all(v and v * divisor == p for p, v in pairs) else None


def _express_half(parameter: Parameter, pairs: ValuePairs) -> str | None:
    """The padding that keeps a map's size."""
    halved = parameter.setting == "kernel_size" and all(p // 2 == v for p, v in pairs)
    return f"{parameter.name} // 2" if halved else None
