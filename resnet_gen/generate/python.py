"""What every target in Python writes alike: constructors, members, runs of blocks, and the parts of a network."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from resnet_gen import ops
from resnet_gen.generate.layout import Call as Text
from resnet_gen.generate.layout import Each, Either, Pair, flat, lines, signature
from resnet_gen.generate.layout import Text as AnyText
from resnet_gen.modules.classes import Call, Chain, Class, Made, Member, Names, Run, What
from resnet_gen.modules.forward import arguments, stages_and_rest, statements

Settings = dict[str, str]

INDENT = 8
"""Of what stands in a method."""


class Python(ABC):
    """How a framework in Python writes what a class is made of and does."""

    tensor: ClassVar[str]
    """What it calls a tensor."""
    module: ClassVar[str]
    sequence: ClassVar[str]
    """The base of a class, and that of a run of blocks."""
    layer: ClassVar[str]
    """The type of what a sequence holds."""
    listed: ClassVar[str]
    mapped: ClassVar[str]
    """What holds members by their numbers, and by their names."""
    identity: ClassVar[str]
    """What stands in a sequence for a number that is left out."""
    call: ClassVar[str]
    """The method that does what a class does."""
    handed: ClassVar[tuple[str, ...]] = ()
    """What constructors of classes are given besides the numbers."""

    def __init__(self) -> None:
        self.helpers: set[str] = set()
        """What the file needs that the framework does not have."""
        self.kept: set[str] = set()
        """Arguments of the constructor that `forward` of the class at hand needs."""

    @abstractmethod
    def operation(self, member: Member, given: Sequence[str], *, fresh: bool) -> str:
        """An operation on what it is given."""

    @abstractmethod
    def lasting(self, op: ops.Op) -> bool:
        """Whether an operation is a module that its class holds."""

    @abstractmethod
    def constructed(self, what: Made) -> AnyText:
        """An operation as a module."""

    @abstractmethod
    def optional(self, name: str, condition: str, made: AnyText, *, handed_on: bool) -> list[str]:
        """A member that is there under a condition, and else hands on what it takes, or is None."""

    @abstractmethod
    def named(self, members: Mapping[str, AnyText]) -> list[AnyText]:
        """What a sequence is given whose members have names."""

    @abstractmethod
    def counted(self, key: str, clause: str) -> AnyText:
        """What a sequence is given whose members, `layer` each, have names with numbers in them."""

    def asked(self, kind: Class) -> list[str]:
        """What a constructor takes besides the numbers of its class."""
        return []

    def written(self, kind: Class) -> dict[str, Any]:
        """A class in the words of a template."""
        self.kept.clear()
        forward = [] if kind.run else statements(kind, self)
        kept = [f"self.{name} = {name}" for name in sorted(self.kept)]
        usual = kind.instances[kind.unit] if kind.unit.level == "network" else {}
        parameters = [_parameter(p.name, p.setting, usual.get(p.name, p.default)) for p in kind.parameters]
        given = ["self", *(f"{name}: {self.tensor}" for name in arguments(kind.unit))]
        return {
            "name": kind.name,
            "doc": kind.doc,
            "base": self.sequence if kind.run else self.module,
            "init": signature("__init__", ["self", *parameters, *self.asked(kind)], "None"),
            "body": self._run(kind.run) if kind.run else [*kept, *self._members(kind)],
            "call": signature(self.call, given, self._type(len(kind.unit.outputs))),
            "forward": forward,
        }

    def _type(self, outputs: int) -> str:
        return self.tensor if outputs == 1 else f"tuple[{', '.join([self.tensor] * outputs)}]"

    def network(self, kind: Class) -> dict[str, Any]:
        """The network, whose `forward` is in two parts if it has stages: up to their maps, and the rest."""
        written = self.written(kind)
        halves = stages_and_rest(kind.unit)
        if halves is None:
            return {**written, "features": None}
        features, rest = halves
        *before, last = statements(replace(kind, unit=features.before), self)
        if last != "return x":
            before.append(last.replace("return", "x =", 1))
        forward = ["*_, x = self.forward_features(x)", *statements(replace(kind, unit=rest), self)]
        loop = [f"for stage in {_iterated(features.stages)}:", "    x = stage(x)", "    maps.append(x)"]
        return {**written, "forward": forward, "features": [*before, "maps = []", *loop, "return maps"]}

    def holds(self, member: Member) -> bool:
        """Whether a member is an attribute."""
        made = member.what
        return not isinstance(made, Made) or bool(member.condition) or self.lasting(made.leaf.op)

    def called(self, member: Member, given: Sequence[str]) -> str:
        """`self.conv1(x)`."""
        return f"{attribute(member.name)}({', '.join(given)})"

    def declared(self, name: str, text: str, *, plain: bool) -> str:
        """A variable's first assignment; what a module returns has no type that mypy knows."""
        return f"{name} = {text}" if plain else f"{name}: {self.tensor} = {text}"

    def either(self, member: Member, there: str, instead: str) -> str:
        """What a member makes of a value, or another value where it is not there."""
        return f"{instead} if {attribute(member.name)} is None else {there}"

    def keep(self, what: Made) -> Settings:
        """An operation's settings as its class's `forward` tells them: by arguments that the constructor keeps."""
        self.kept.update(name for text in what.arguments.values() for name in re.findall(r"[a-z]\w*", text))
        return {key: re.sub(r"([a-z]\w*)", r"self.\1", text) for key, text in what.arguments.items()}

    def _members(self, kind: Class) -> list[str]:
        """The lines that make a class's members."""
        made: list[str] = []
        lists: dict[str, list[Member]] = {}
        for member in filter(self.holds, kind.members):
            if "." in member.name:
                lists.setdefault(member.name.partition(".")[0], []).append(member)
        for member in filter(self.holds, kind.members):
            name = member.name.partition(".")[0]
            if "." not in member.name:
                made += self._member(kind, member)
            elif name in lists:
                made += lines(f"self.{name} = ", self._list(name, lists.pop(name)), INDENT)
        return made

    def _member(self, kind: Class, member: Member) -> list[str]:
        name, text = attribute(member.name), self._made(member.what)
        if not member.condition:
            return lines(f"{name} = ", text, INDENT)
        step = next(step for step in kind.unit.steps if step.name == member.name)
        return self.optional(name, member.condition, text, handed_on=member.instead in step.inputs)

    def _list(self, name: str, members: Sequence[Member]) -> Text:
        keys = [member.name.removeprefix(f"{name}.") for member in members]
        texts = [self._made(member.what) for member in members]
        if not all(key.isdecimal() for key in keys):
            pairs = [Pair(f'"{key}": ', text) for key, text in zip(keys, texts, strict=True)]
            return Text(self.mapped, [Text("", pairs, "{}")])
        if len(set(map(flat, texts))) == 1 and len(texts) > 1:
            return Text(self.listed, [Each(texts[0], f"for _ in range({len(texts)})", starred=False)])
        return Text(self.listed, [Text("", texts, "[]")])

    def _run(self, run: Run) -> list[str]:
        """The lines that make a stage, whose blocks a sequence numbers if nothing else does."""
        if run.names.plain:
            return lines("", Text("super().__init__", self._blocks(run)), INDENT)
        named = self.counted(_key(run.names), f"for {_counted(run.names)}")
        return [
            *lines(f"layers: list[{self.layer}] = ", Text("", self._blocks(run), "[]"), INDENT),
            *lines("", Text("super().__init__", [named]), INDENT),
        ]

    def _blocks(self, run: Run) -> list[AnyText]:
        rest = self._made(run.rest)
        if run.first is None:
            return [Each(rest, f"for _ in range({run.count})")]
        count = str(int(run.count) - 1) if run.count.isdecimal() else f"{run.count} - 1"
        return [self._made(run.first), Each(rest, f"for _ in range({count})")]

    def _made(self, what: What) -> AnyText:
        """The constructor of a member."""
        if isinstance(what, Call):
            return Text(what.kind.name, [*_given(what), *self.handed])
        if isinstance(what, Made):
            return self.constructed(what)
        return Text(self.sequence, self._blocks(what) if isinstance(what, Run) else self._chain(what))

    def _chain(self, what: Chain) -> list[AnyText]:
        if not all(member.name.isdecimal() or isinstance(member.what, Made) for member in what.members):
            return self.named({member.name: self._made(member.what) for member in what.members})
        texts: list[AnyText] = []
        for member in what.members:
            while member.name.isdecimal() and len(texts) < int(member.name):
                texts.append(self.identity)
            text = self._made(member.what)
            texts.append(Either(text, member.condition, self.identity) if member.condition else text)
        return texts


def attribute(name: str) -> str:
    """A member as it is reached: those in a list or a dictionary by their number or name."""
    first, _, rest = name.partition(".")
    return f"self.{first}" + (f"[{rest}]" if rest.isdecimal() else f'["{rest}"]' if rest else "")


def besides(arguments: Settings, **defaults: str) -> list[str]:
    """The settings that are not what they are by default, by name."""
    return [f"{name}={arguments[name]}" for name, usual in defaults.items() if arguments[name] != usual]


def _iterated(stages: Sequence[str]) -> str:
    names = [attribute(name) for name in stages]
    return names[0] if len(names) == 1 else f"({', '.join(names)})"


def _parameter(name: str, setting: str, default: int | None) -> str:
    kind = "bool" if setting == "present" else "int"
    return f"{name}: {kind}" if default is None else f"{name}: {kind} = {bool(default) if kind == 'bool' else default}"


def _key(names: Names) -> str:
    number = f"{{{names.number}}}" if names.number else ""
    return f'f"{names.head}{number}{names.separator}{{index}}"'


def _counted(names: Names) -> str:
    return f"index, layer in enumerate(layers{f', {names.start}' if names.start else ''})"


def _given(what: Call) -> list[str]:
    named = [(p, what.arguments[p.name]) for p in what.kind.parameters if p.name in what.arguments]
    return [text if p.positional else f"{p.name}={text}" for p, text in named]
