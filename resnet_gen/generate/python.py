"""What every target in Python writes alike: constructors, members, runs of blocks, and the parts of a network."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from resnet_gen import ops
from resnet_gen.generate.layout import (
    ConditionalExpression,
    GeneratorExpression,
    KeywordPair,
    PythonCall,
    Text,
    docstring,
    flat,
    indent_lines,
    lines,
    signature,
    statement,
)
from resnet_gen.generate.modules.classes import (
    BlockRun,
    ClassMember,
    ModuleCall,
    ModuleClass,
    OperationCall,
    SequentialCall,
    What,
)
from resnet_gen.generate.modules.forward import (
    FORGETFUL,
    FrameworkSyntax,
    StageAttributes,
    arguments,
    pooled_stages,
    stages_and_rest,
    statements,
)
from resnet_gen.generate.python_words import (
    argument_texts,
    function_names,
    member_key,
    operation_values,
    parameter_texts,
)
from resnet_gen.generate.spelling import apply_operation, free_name, is_attribute_name, is_list, quote_text

Settings = dict[str, str]

INDENT = 8
"""Of what stands in a method."""


class PythonSyntax(FrameworkSyntax, ABC):
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
    pool: ClassVar[str] = ""
    """The class of max pooling."""
    handed: ClassVar[tuple[str, ...]] = ()
    """What constructors of classes are given besides the numbers."""
    setter: ClassVar[tuple[str, ...]]
    """What makes a member whose name Python cannot spell, and what it is given first."""
    modules: ClassVar[Mapping[type[ops.Op], tuple[str, ...]]]
    """Operations that are attributes: the class of each, and what it is made with.

    Words in braces are those of `operation_values`; `|` tells the default of an argument, which is left out.
    """
    operations: ClassVar[Mapping[type[ops.Op], str]]
    """Operations that are expressions of what they take, and of the same words."""

    def __init__(self, classes: Sequence[ModuleClass] = ()) -> None:
        self.helpers: set[str] = set()
        """What the file needs that the framework does not have."""
        self.kept: dict[str, str] = {}
        """Arguments of the constructor that `forward` of the class at hand needs, and the attributes that keep them."""
        self.held: set[str] = set()
        """Attributes of the class at hand that are members."""
        self.arguments: set[str] = set()
        """What the constructor of the class at hand takes."""
        self.functions = function_names(classes)
        self.lists: set[str] = set()
        """Members of the class at hand that are lists."""

    @abstractmethod
    def activation(self, op: ops.Activation, *, fresh: bool) -> list[str]:
        """The function of an activation, and what it is given besides the values."""

    @abstractmethod
    def constructed(self, what: OperationCall, *, fresh: bool) -> Text:
        """An operation as a module; `fresh` says that what it takes may be overwritten."""

    @abstractmethod
    def optional(self, name: str, condition: str, made: Text, *, handed_on: bool) -> list[str]:
        """A member that is there under a condition, and else hands on what it takes, or is None."""

    @abstractmethod
    def named(self, members: Sequence[tuple[str, Text]]) -> list[Text]:
        """What a sequence is given whose members have names."""

    @abstractmethod
    def counted(self, key: str, clause: str) -> Text:
        """What a sequence is given whose members, `layer` each, have names with numbers in them."""

    @abstractmethod
    def checked(self, word: str) -> str:
        """The name of a member; raises `Refused` where no module can have it."""

    def asked(self, kind: ModuleClass) -> list[str]:
        """What a constructor takes besides the numbers of its class."""
        return []

    def written(self, kind: ModuleClass) -> dict[str, Any]:
        """A class in the words of a template; what is spread is a function."""
        if kind.unit.spread:
            return {
                "name": self.functions[kind],
                "doc": docstring(kind.doc),
                "base": "",
                "init": signature(self.functions[kind], parameter_texts(kind), f"list[{self.layer}]", 0),
                "body": lines("return ", PythonCall("", self.layers(kind), "[]"), 4),
            }
        self.begin(kind)
        forward = [] if kind.run else self.body(kind)
        kept = [f"self.{attribute} = {name}" for name, attribute in sorted(self.kept.items())]
        given = ["self", *(f"{name}: {self.tensor}" for name in arguments(kind.unit))]
        return {
            "name": kind.name,
            "doc": docstring(kind.doc),
            "base": self.sequence if kind.run else self.module,
            "init": signature("__init__", ["self", *parameter_texts(kind), *self.asked(kind)], "None"),
            "body": self.run(kind.run) if kind.run else [*kept, *self.members(kind)],
            "call": signature(self.call, given, self._type(len(kind.unit.outputs))),
            "forward": forward,
        }

    def body(self, kind: ModuleClass) -> list[str]:
        """The lines of a class's `forward`."""
        return _laid_out(statements(kind, self))

    def _type(self, outputs: int) -> str:
        return self.tensor if outputs == 1 else f"tuple[{', '.join([self.tensor] * outputs)}]"

    def network(self, kind: ModuleClass) -> dict[str, Any]:
        """The network, whose `forward` is in two parts if it has stages: up to their maps, and the rest."""
        written = self.written(kind)
        if self.pool and (sequence := pooled_stages(kind.unit)):
            return {**written, "features": self._pooled(self.reached(sequence))}
        halves = stages_and_rest(kind.unit)
        if halves is None:
            return {**written, "features": None}
        features, rest = halves
        *before, last = statements(replace(kind, unit=features.before), self)
        if last != "return x":
            before.append(last.replace("return", "x =", 1))
        forward = ["*_, x = self.forward_features(x)", *self.body(replace(kind, unit=rest))]
        loop = [f"for stage in {self._iterated(features)}:", "    x = stage(x)", "    maps.append(x)"]
        return {**written, "forward": forward, "features": [*_laid_out(before), "maps = []", *loop, "return maps"]}

    def _pooled(self, sequence: str) -> list[str]:
        """The maps of stages that end in a pooling each, out of one sequence of layers."""
        layer = [f"if isinstance(layer, {self.pool}):", "    maps.append(x)", "x = layer(x)"]
        return ["maps = []", f"for layer in {sequence}:", *indent_lines(layer), "return maps"]

    def _iterated(self, features: StageAttributes) -> str:
        if features.sequence:
            return self.iterated(features.stages[0])
        names = [self.reached(name) for name in features.stages]
        return f"({names[0]},)" if len(names) == 1 else f"({', '.join(names)})"

    def iterated(self, name: str) -> str:
        """The members of a sequence, to be taken in turn."""
        return self.reached(name)

    def begin(self, kind: ModuleClass) -> None:
        """Another class is at hand."""
        self.kept.clear()
        keys: dict[str, set[str]] = {}
        for member in filter(self.holds, kind.members):
            first, _, rest = member.name.partition(".")
            keys.setdefault(first, set()).add(rest.partition(".")[0])
        self.held = set(keys)
        self.arguments = {parameter.name for parameter in kind.parameters}
        self.lists = {name for name, below in keys.items() if is_list(below)}

    def holds(self, member: ClassMember) -> bool:
        made = member.what
        return not isinstance(made, OperationCall) or bool(member.condition) or type(made.leaf.op) in self.modules

    def operation(self, member: ClassMember, given: Sequence[str], *, fresh: bool) -> str:
        assert isinstance(member.what, OperationCall)
        return self.applied(member.what.leaf.op, given, self.keep(member.what), fresh=fresh)

    def applied(self, op: ops.Op, given: Sequence[str], settings: Settings, *, fresh: bool) -> str:
        """`F.relu(x, inplace=True)`."""
        if isinstance(op, ops.Activation):
            function, *more = self.activation(op, fresh=fresh)
            return f"{function}({', '.join([given[0], *more])})"
        values = operation_values(op, settings)
        return apply_operation(self.operations[type(op)], given, **values, all=", ".join(given))

    def called(self, member: ClassMember, given: Sequence[str]) -> str:
        """`self.conv1(x)`."""
        return f"{self.reached(member.name)}({', '.join(given)})"

    def reached(self, name: str) -> str:
        """`self.conv1`; those in a list or a dictionary by their number or name: `self.convs[0]`."""
        first, _, rest = name.partition(".")
        return f"self.{first}" + (f"[{rest if first in self.lists else quote_text(rest)}]" if rest else "")

    def either(self, member: ClassMember, there: str, instead: str) -> str:
        return f"{instead} if {self.reached(member.name)} is None else {there}"

    def typed(self, text: str) -> bool:
        return True

    def assigned(self, name: str, text: Text, indent: int) -> list[str]:
        """A member is made; by its name where Python cannot spell that."""
        if is_attribute_name(self.checked(name)):
            return lines(f"self.{name} = ", text, indent)
        function, *first = self.setter
        return lines("", PythonCall(function, [*first, quote_text(name), text]), indent)

    def keep(self, what: OperationCall) -> Settings:
        """An operation's settings as its class's `forward` states them: by arguments that the constructor keeps."""
        word = r"[a-z]\w*"
        names = re.findall(word, " ".join(what.arguments.values()))
        self.kept.update((name, self._attribute(name)) for name in names)
        return {k: re.sub(word, lambda m: f"self.{self.kept[m[0]]}", text) for k, text in what.arguments.items()}

    def _attribute(self, argument: str) -> str:
        """What keeps an argument: an attribute of its name, or of one like it where a member is called so."""
        return free_name([argument], self.held | (self.arguments - {argument}), "_")

    def declared(self, name: str, text: str, *, plain: bool) -> str:
        """A variable's first assignment; what a module returns has no type that mypy knows."""
        return f"{name} = {text}" if plain else f"{name}: {self.tensor} = {text}"

    def members(self, kind: ModuleClass) -> list[str]:
        """The lines that make a class's members."""
        made: list[str] = []
        lists: dict[str, list[ClassMember]] = {}
        for member in filter(self.holds, kind.members):
            lists.setdefault(member.name.partition(".")[0], []).append(member)
        for name, members in lists.items():
            if members[0].name == name:
                made += self._member(kind, members[0])
            else:
                rows = [(member.name.removeprefix(f"{name}."), member) for member in members]
                made += self.assigned(name, self._list(rows), INDENT)
        return made

    def layers(self, kind: ModuleClass) -> list[Text]:
        """What stands in the list of layers that a function returns."""
        found: list[Text] = []
        for before, member in zip((None, *kind.members), kind.members, strict=False):
            match member.what:
                case BlockRun() as run:
                    found += self._blocks(run)
                case SequentialCall() as blocks:
                    found += self._chain(blocks)
                case other:
                    found.append(self._made(other, before))
        return found

    def _member(self, kind: ModuleClass, member: ClassMember) -> list[str]:
        name, text = member.name, self._made(member.what)
        if not member.condition:
            return self.assigned(name, text, INDENT)
        step = next(step for step in kind.unit.steps if step.name == name)
        return self.optional(name, member.condition, text, handed_on=member.instead in step.inputs)

    def _list(self, members: Sequence[tuple[str, ClassMember]]) -> PythonCall:
        """Members that are told apart by numbers or names, or hold others that are."""
        groups: dict[str, list[tuple[str, ClassMember]]] = {}
        for name, member in members:
            key, _, rest = name.partition(".")
            groups.setdefault(self.checked(key), []).append((rest, member))
        texts = {key: self._list(inner) if inner[0][0] else self._listed(inner[0][1]) for key, inner in groups.items()}
        if not is_list(texts):
            pairs = [KeywordPair(f"{quote_text(key)}: ", text) for key, text in texts.items()]
            return PythonCall(self.mapped, [PythonCall("", pairs, "{}")])
        inside = [texts.get(str(number), self.identity) for number in range(max(map(int, texts)) + 1)]
        if len(set(map(flat, inside))) == 1 and len(inside) > 1:
            one = GeneratorExpression(inside[0], f"for _ in range({len(inside)})", starred=False)
            return PythonCall(self.listed, [one])
        return PythonCall(self.listed, [PythonCall("", inside, "[]")])

    def _listed(self, member: ClassMember, before: ClassMember | None = None) -> Text:
        text = self._made(member.what, before)
        return ConditionalExpression(text, member.condition, self.identity) if member.condition else text

    def run(self, run: BlockRun) -> list[str]:
        """The lines that make a stage, whose blocks a `Sequential` numbers if nothing else does."""
        if run.names.plain:
            return lines("", PythonCall("super().__init__", self._blocks(run)), INDENT)
        return [
            *lines(f"layers: list[{self.layer}] = ", PythonCall("", self._blocks(run), "[]"), INDENT),
            *lines("", PythonCall("super().__init__", [self._counted(run, "layers")]), INDENT),
        ]

    def _named(self, run: BlockRun) -> list[Text]:
        """The blocks of a run that is no class of its own."""
        if run.names.plain:
            return self._blocks(run)
        return [self._counted(run, PythonCall("", self._blocks(run), "[]"))]

    def _counted(self, run: BlockRun, layers: Text) -> Text:
        start = [str(run.names.start)] if run.names.start else []
        clause = f"for index, layer in {flat(PythonCall('enumerate', [layers, *start]))}"
        return self.counted(member_key(run.names), clause)

    def _blocks(self, run: BlockRun) -> list[Text]:
        rest = self._made(run.rest)
        if run.count == "1":
            return [rest]
        spread = run.rest.kind.unit.spread
        if run.first is None and not spread:
            return [GeneratorExpression(rest, f"for _ in range({run.count})")]
        first = self._made(run.first or run.rest)
        count = str(int(run.count) - 1) if run.count.isdecimal() else f"{run.count} - 1"
        if count == "1":
            return [first, rest]
        if spread:
            clause = f"for _ in range({count}) for layer in {flat(rest).removeprefix('*')}"
            return [first, GeneratorExpression("layer", clause)]
        return [first, GeneratorExpression(rest, f"for _ in range({count})")]

    def _made(self, what: What, before: ClassMember | None = None) -> Text:
        """The constructor of a member, which takes what `before` gives and nobody else."""
        if isinstance(what, ModuleCall):
            function = self.functions.get(what.kind)
            return PythonCall(f"*{function}" if function else what.kind.name, [*argument_texts(what), *self.handed])
        if isinstance(what, OperationCall):
            made = before.what if before and not before.condition else None
            fresh = isinstance(made, OperationCall) and isinstance(made.leaf.op, FORGETFUL)
            return self.constructed(what, fresh=fresh)
        return PythonCall(self.sequence, self._named(what) if isinstance(what, BlockRun) else self._chain(what))

    def _chain(self, what: SequentialCall) -> list[Text]:
        if not all(member.name.isdecimal() or isinstance(member.what, OperationCall) for member in what.members):
            return self.named([(self.checked(m.name), self._made(m.what)) for m in what.members])
        texts: list[Text] = []
        spread = any(isinstance(m.what, ModuleCall) and m.what.kind.unit.spread for m in what.members)
        for before, member in zip((None, *what.members), what.members, strict=False):
            while not spread and member.name.isdecimal() and len(texts) < int(member.name):
                texts.append(self.identity)
            texts.append(self._listed(member, before))
        return texts


def _laid_out(texts: Sequence[str]) -> list[str]:
    return [line for text in texts for line in statement(text, INDENT)]
