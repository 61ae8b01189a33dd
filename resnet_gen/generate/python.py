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
    PythonText,
    flatten_text,
    format_docstring,
    format_lines,
    format_signature,
    format_statement,
    indent_lines,
)
from resnet_gen.generate.modules.classes import (
    BlockRun,
    ClassMember,
    MemberCall,
    ModuleCall,
    ModuleClass,
    OperationCall,
    SequentialCall,
)
from resnet_gen.generate.modules.forward import (
    FORGETFUL,
    FrameworkSyntax,
    StageAttributes,
    find_pooled_stages,
    name_inputs,
    split_at_stages,
    write_statements,
)
from resnet_gen.generate.python_words import (
    format_arguments,
    format_member_key,
    format_parameters,
    name_functions,
    operation_values,
)
from resnet_gen.generate.spelling import apply_operation, find_free_name, is_attribute_name, is_list, quote_text

OperationArguments = dict[str, str]

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
    list_type: ClassVar[str]
    mapping_type: ClassVar[str]
    """What holds members by their numbers, and by their names."""
    identity: ClassVar[str]
    """What stands in a sequence for a number that is left out."""
    call: ClassVar[str]
    """The method that does what a class does."""
    pool: ClassVar[str] = ""
    """The class of max pooling."""
    extra_arguments: ClassVar[tuple[str, ...]] = ()
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
        self.kept_arguments: dict[str, str] = {}
        """Arguments of the constructor that `forward` of the class at hand needs, and the attributes that keep them."""
        self.member_names: set[str] = set()
        """Attributes of the class at hand that are members."""
        self.arguments: set[str] = set()
        """What the constructor of the class at hand takes."""
        self.functions = name_functions(classes)
        self.lists: set[str] = set()
        """Members of the class at hand that are lists."""

    @abstractmethod
    def list_activation_words(self, op: ops.Activation, *, fresh: bool) -> list[str]:
        """The function of an activation, and what it is given besides the values."""

    @abstractmethod
    def write_module(self, what: OperationCall, *, fresh: bool) -> PythonText:
        """An operation as a module; `fresh` says that what it takes may be overwritten."""

    @abstractmethod
    def write_optional(self, name: str, condition: str, made: PythonText, *, handed_on: bool) -> list[str]:
        """A member that is there under a condition, and else hands on what it takes, or is None."""

    @abstractmethod
    def write_named_members(self, members: Sequence[tuple[str, PythonText]]) -> list[PythonText]:
        """What a sequence is given whose members have names."""

    @abstractmethod
    def write_counted_members(self, key: str, clause: str) -> PythonText:
        """What a sequence is given whose members, `layer` each, have names with numbers in them."""

    @abstractmethod
    def check_name(self, word: str) -> str:
        """The name of a member; raises `Refused` where no module can have it."""

    def list_extra_parameters(self, kind: ModuleClass) -> list[str]:
        """What a constructor takes besides the numbers of its class."""
        return []

    def write_class(self, kind: ModuleClass) -> dict[str, Any]:
        """A class in the words of a template; what is spread is a function."""
        if kind.unit.spread:
            return {
                "name": self.functions[kind],
                "doc": format_docstring(kind.doc),
                "base": "",
                "init": format_signature(self.functions[kind], format_parameters(kind), f"list[{self.layer}]", 0),
                "body": format_lines("return ", PythonCall("", self.write_layers(kind), "[]"), 4),
            }
        self.begin_class(kind)
        parameters = ["self", *format_parameters(kind), *self.list_extra_parameters(kind)]
        forward = [] if kind.run else self.write_body(kind)
        kept = [f"self.{attribute} = {name}" for name, attribute in sorted(self.kept_arguments.items())]
        given = ["self", *(f"{name}: {self.tensor}" for name in name_inputs(kind.unit))]
        return {
            "name": kind.name,
            "doc": format_docstring(kind.doc),
            "base": self.sequence if kind.run else self.module,
            "init": format_signature("__init__", parameters, "None"),
            "body": self.write_run(kind.run) if kind.run else [*kept, *self.write_members(kind)],
            "call": format_signature(self.call, given, self._write_type(len(kind.unit.outputs))),
            "forward": forward,
        }

    def write_body(self, kind: ModuleClass) -> list[str]:
        """The lines of a class's `forward`."""
        return _lay_out(write_statements(kind, self))

    def _write_type(self, outputs: int) -> str:
        return self.tensor if outputs == 1 else f"tuple[{', '.join([self.tensor] * outputs)}]"

    def write_network(self, kind: ModuleClass) -> dict[str, Any]:
        """The network, whose `forward` is in two parts if it has stages: up to their maps, and the rest."""
        written = self.write_class(kind)
        if self.pool and (sequence := find_pooled_stages(kind.unit)):
            return {**written, "features": self._write_pooled_stages(self.write_access(sequence))}
        halves = split_at_stages(kind.unit)
        if halves is None:
            return {**written, "features": None}
        features, rest = halves
        *before, last = write_statements(replace(kind, unit=features.before), self)
        if last != "return x":
            before.append(last.replace("return", "x =", 1))
        forward = ["*_, x = self.forward_features(x)", *self.write_body(replace(kind, unit=rest))]
        loop = [f"for stage in {self._write_stages(features)}:", "    x = stage(x)", "    maps.append(x)"]
        return {**written, "forward": forward, "features": [*_lay_out(before), "maps = []", *loop, "return maps"]}

    def _write_pooled_stages(self, sequence: str) -> list[str]:
        """The maps of stages that end in a pooling each, out of one sequence of layers."""
        layer = [f"if isinstance(layer, {self.pool}):", "    maps.append(x)", "x = layer(x)"]
        return ["maps = []", f"for layer in {sequence}:", *indent_lines(layer), "return maps"]

    def _write_stages(self, features: StageAttributes) -> str:
        if features.sequence:
            return self.write_iteration(features.stages[0])
        names = [self.write_access(name) for name in features.stages]
        return f"({names[0]},)" if len(names) == 1 else f"({', '.join(names)})"

    def write_iteration(self, name: str) -> str:
        """The members of a sequence, to be taken in turn."""
        return self.write_access(name)

    def begin_class(self, kind: ModuleClass) -> None:
        """Take another class at hand."""
        self.kept_arguments.clear()
        keys: dict[str, set[str]] = {}
        for member in filter(self.is_attribute, kind.members):
            first, _, rest = member.name.partition(".")
            keys.setdefault(first, set()).add(rest.partition(".")[0])
        self.member_names = set(keys)
        self.arguments = {parameter.name for parameter in kind.parameters}
        self.lists = {name for name, below in keys.items() if is_list(below)}

    def is_attribute(self, member: ClassMember) -> bool:
        made = member.what
        return not isinstance(made, OperationCall) or bool(member.condition) or type(made.leaf.op) in self.modules

    def write_operation(self, member: ClassMember, given: Sequence[str], *, fresh: bool) -> str:
        assert isinstance(member.what, OperationCall)
        return self.write_expression(member.what.leaf.op, given, self.keep_arguments(member.what), fresh=fresh)

    def write_expression(self, op: ops.Op, given: Sequence[str], settings: OperationArguments, *, fresh: bool) -> str:
        """`F.relu(x, inplace=True)`."""
        if isinstance(op, ops.Activation):
            function, *more = self.list_activation_words(op, fresh=fresh)
            return f"{function}({', '.join([given[0], *more])})"
        values = operation_values(op, settings)
        return apply_operation(self.operations[type(op)], given, **values, all=", ".join(given))

    def write_call(self, member: ClassMember, given: Sequence[str]) -> str:
        """`self.conv1(x)`."""
        return f"{self.write_access(member.name)}({', '.join(given)})"

    def write_access(self, name: str) -> str:
        """`self.conv1`; those in a list or a dictionary by their number or name: `self.convs[0]`."""
        first, _, rest = name.partition(".")
        return f"self.{first}" + (f"[{rest if first in self.lists else quote_text(rest)}]" if rest else "")

    def write_choice(self, member: ClassMember, there: str, instead: str) -> str:
        return f"{instead} if {self.write_access(member.name)} is None else {there}"

    def is_plainly_typed(self, text: str) -> bool:
        return True

    def write_assignment(self, name: str, text: PythonText, indent: int) -> list[str]:
        """The lines that make a member; by its name where Python cannot spell that."""
        if is_attribute_name(self.check_name(name)):
            return format_lines(f"self.{name} = ", text, indent)
        function, *first = self.setter
        return format_lines("", PythonCall(function, [*first, quote_text(name), text]), indent)

    def keep_arguments(self, what: OperationCall) -> OperationArguments:
        """An operation's settings as its class's `forward` states them: by arguments that the constructor keeps."""
        word = r"[a-z]\w*"
        names = re.findall(word, " ".join(what.arguments.values()))
        self.kept_arguments.update((name, self._choose_attribute(name)) for name in names)
        return {
            k: re.sub(word, lambda m: f"self.{self.kept_arguments[m[0]]}", text) for k, text in what.arguments.items()
        }

    def _choose_attribute(self, argument: str) -> str:
        """What keeps an argument: an attribute of its name, or of one like it where a member is called so."""
        return find_free_name([argument], self.member_names | (self.arguments - {argument}), "_")

    def write_declaration(self, name: str, text: str, *, plain: bool) -> str:
        """A variable's first assignment; what a module returns has no type that mypy knows."""
        return f"{name} = {text}" if plain else f"{name}: {self.tensor} = {text}"

    def write_members(self, kind: ModuleClass) -> list[str]:
        """The lines that make a class's members."""
        made: list[str] = []
        lists: dict[str, list[ClassMember]] = {}
        for member in filter(self.is_attribute, kind.members):
            lists.setdefault(member.name.partition(".")[0], []).append(member)
        for name, members in lists.items():
            if members[0].name == name:
                made += self._write_member(kind, members[0])
            else:
                rows = [(member.name.removeprefix(f"{name}."), member) for member in members]
                made += self.write_assignment(name, self._write_list(rows), INDENT)
        return made

    def write_layers(self, kind: ModuleClass) -> list[PythonText]:
        """What stands in the list of layers that a function returns."""
        found: list[PythonText] = []
        for before, member in zip((None, *kind.members), kind.members, strict=False):
            match member.what:
                case BlockRun() as run:
                    found += self._write_blocks(run)
                case SequentialCall() as blocks:
                    found += self._write_chain(blocks)
                case other:
                    found.append(self._write_constructor(other, before))
        return found

    def _write_member(self, kind: ModuleClass, member: ClassMember) -> list[str]:
        name, text = member.name, self._write_constructor(member.what)
        if not member.condition:
            return self.write_assignment(name, text, INDENT)
        step = next(step for step in kind.unit.steps if step.name == name)
        return self.write_optional(name, member.condition, text, handed_on=member.instead in step.inputs)

    def _write_list(self, members: Sequence[tuple[str, ClassMember]]) -> PythonCall:
        """Members that are told apart by numbers or names, or hold others that are."""
        groups: dict[str, list[tuple[str, ClassMember]]] = {}
        for name, member in members:
            key, _, rest = name.partition(".")
            groups.setdefault(self.check_name(key), []).append((rest, member))
        texts = {
            key: self._write_list(inner) if inner[0][0] else self._write_item(inner[0][1])
            for key, inner in groups.items()
        }
        if not is_list(texts):
            pairs = [KeywordPair(f"{quote_text(key)}: ", text) for key, text in texts.items()]
            return PythonCall(self.mapping_type, [PythonCall("", pairs, "{}")])
        inside = [texts.get(str(number), self.identity) for number in range(max(map(int, texts)) + 1)]
        if len(set(map(flatten_text, inside))) == 1 and len(inside) > 1:
            one = GeneratorExpression(inside[0], f"for _ in range({len(inside)})", starred=False)
            return PythonCall(self.list_type, [one])
        return PythonCall(self.list_type, [PythonCall("", inside, "[]")])

    def _write_item(self, member: ClassMember, before: ClassMember | None = None) -> PythonText:
        text = self._write_constructor(member.what, before)
        return ConditionalExpression(text, member.condition, self.identity) if member.condition else text

    def write_run(self, run: BlockRun) -> list[str]:
        """The lines that make a stage, whose blocks a `Sequential` numbers if nothing else does."""
        if run.names.plain:
            return format_lines("", PythonCall("super().__init__", self._write_blocks(run)), INDENT)
        return [
            *format_lines(f"layers: list[{self.layer}] = ", PythonCall("", self._write_blocks(run), "[]"), INDENT),
            *format_lines("", PythonCall("super().__init__", [self._write_counted_run(run, "layers")]), INDENT),
        ]

    def _write_named_run(self, run: BlockRun) -> list[PythonText]:
        """The blocks of a run that is no class of its own."""
        if run.names.plain:
            return self._write_blocks(run)
        return [self._write_counted_run(run, PythonCall("", self._write_blocks(run), "[]"))]

    def _write_counted_run(self, run: BlockRun, layers: PythonText) -> PythonText:
        start = [str(run.names.start)] if run.names.start else []
        clause = f"for index, layer in {flatten_text(PythonCall('enumerate', [layers, *start]))}"
        return self.write_counted_members(format_member_key(run.names), clause)

    def _write_blocks(self, run: BlockRun) -> list[PythonText]:
        rest = self._write_constructor(run.rest)
        if run.count == "1":
            return [rest]
        spread = run.rest.kind.unit.spread
        if run.first is None and not spread:
            return [GeneratorExpression(rest, f"for _ in range({run.count})")]
        first = self._write_constructor(run.first or run.rest)
        count = str(int(run.count) - 1) if run.count.isdecimal() else f"{run.count} - 1"
        if count == "1":
            return [first, rest]
        if spread:
            clause = f"for _ in range({count}) for layer in {flatten_text(rest).removeprefix('*')}"
            return [first, GeneratorExpression("layer", clause)]
        return [first, GeneratorExpression(rest, f"for _ in range({count})")]

    def _write_constructor(self, what: MemberCall, before: ClassMember | None = None) -> PythonText:
        """The constructor of a member, which takes what `before` gives and nobody else."""
        if isinstance(what, ModuleCall):
            function = self.functions.get(what.kind)
            arguments = [*format_arguments(what), *self.extra_arguments]
            return PythonCall(f"*{function}" if function else what.kind.name, arguments)
        if isinstance(what, OperationCall):
            made = before.what if before and not before.condition else None
            fresh = isinstance(made, OperationCall) and isinstance(made.leaf.op, FORGETFUL)
            return self.write_module(what, fresh=fresh)
        items = self._write_named_run(what) if isinstance(what, BlockRun) else self._write_chain(what)
        return PythonCall(self.sequence, items)

    def _write_chain(self, what: SequentialCall) -> list[PythonText]:
        if not all(member.name.isdecimal() or isinstance(member.what, OperationCall) for member in what.members):
            pairs = [(self.check_name(m.name), self._write_constructor(m.what)) for m in what.members]
            return self.write_named_members(pairs)
        texts: list[PythonText] = []
        spread = any(isinstance(m.what, ModuleCall) and m.what.kind.unit.spread for m in what.members)
        for before, member in zip((None, *what.members), what.members, strict=False):
            while not spread and member.name.isdecimal() and len(texts) < int(member.name):
                texts.append(self.identity)
            texts.append(self._write_item(member, before))
        return texts


def _lay_out(texts: Sequence[str]) -> list[str]:
    return [line for text in texts for line in format_statement(text, INDENT)]
