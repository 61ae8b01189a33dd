"""A PyTorch module of its own: typed source that needs nothing but torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from resnet_gen import ops
from resnet_gen.generate.base import Subject
from resnet_gen.generate.layout import Call as Text
from resnet_gen.generate.layout import Each, Either, Pair, docstring, flat, indented, lines, signature
from resnet_gen.generate.layout import Text as AnyText
from resnet_gen.generate.torch_calls import FUNCTIONS, HELPERS, IN_CHAINS, MODULES, OPERATIONS
from resnet_gen.generate.torch_names import checked, is_list, quoted, spelled
from resnet_gen.modules.classes import Call, Chain, Class, Made, Member, Names, Run, What
from resnet_gen.modules.forward import FORGETFUL, arguments, pooled_stages, stages_and_rest, statements
from resnet_gen.modules.outline import outline
from resnet_gen.modules.tree import Leaf
from resnet_gen.render import render

INDENT = 8
"""Of what stands in a method."""


def files(subject: Subject) -> dict[str, str]:
    """The one file: a class for the network, and one for each of its kinds of modules."""
    classes = outline(subject.loaded, spreads=True)
    language = _PyTorch()
    *inner, network = classes.all
    body = render(
        "pytorch/classes.py.jinja",
        subject=subject,
        classes=[_written(kind, language) for kind in inner],
        network=_network(network, language),
        fills=sorted(_fills(subject)),
        helpers=language.helpers,
    )
    return {f"{subject.module}.py": render("pytorch/module.py.jinja", subject=subject, body=body)}


def _written(kind: Class, language: _PyTorch) -> dict[str, Any]:
    """A class in the words of the template; what is spread is a function."""
    if kind.unit.spread:
        return {
            "name": _function(kind),
            "doc": docstring(kind.doc),
            "base": "",
            "init": signature(_function(kind), _parameters(kind), "list[nn.Module]", 0),
            "body": lines("return ", Text("", language.layers(kind), "[]"), 4),
        }
    language.begin(kind)
    forward = [] if kind.run else statements(kind, language)
    kept = [f"self.{name} = {name}" for name in sorted(language.kept)]
    outputs = len(kind.unit.outputs)
    return {
        "name": kind.name,
        "doc": docstring(kind.doc),
        "base": "nn.Sequential" if kind.run else "nn.Module",
        "init": signature("__init__", ["self", *_parameters(kind)], "None"),
        "body": language.run(kind.run) if kind.run else [*kept, *language.members(kind)],
        "call": signature("forward", ["self", *(f"{name}: Tensor" for name in arguments(kind.unit))], _type(outputs)),
        "forward": forward,
    }


def _type(outputs: int) -> str:
    return "Tensor" if outputs == 1 else f"tuple[{', '.join(['Tensor'] * outputs)}]"


def _network(kind: Class, language: _PyTorch) -> dict[str, Any]:
    """The network, whose `forward` is in two parts if it has stages: up to their maps, and the rest."""
    written = _written(kind, language)
    if sequence := pooled_stages(kind.unit):
        return {**written, "features": _pooled(language.reached(sequence))}
    halves = stages_and_rest(kind.unit)
    if halves is None:
        return {**written, "features": None}
    features, rest = halves
    *before, last = statements(replace(kind, unit=features.before), language)
    if last != "return x":
        before.append(last.replace("return", "x =", 1))
    lines = ["*_, x = self.forward_features(x)", *statements(replace(kind, unit=rest), language)]
    loop = [f"for stage in {_iterated(features.stages, language)}:", "    x = stage(x)", "    maps.append(x)"]
    return {**written, "forward": lines, "features": [*before, "maps = []", *loop, "return maps"]}


def _pooled(sequence: str) -> list[str]:
    """The maps of stages that end in a pooling each, out of one sequence of layers."""
    layer = ["if isinstance(layer, nn.MaxPool2d):", "    maps.append(x)", "x = layer(x)"]
    return ["maps = []", f"for layer in {sequence}:", *indented(layer), "return maps"]


def _iterated(stages: Sequence[str], language: _PyTorch) -> str:
    names = [language.reached(name) for name in stages]
    return names[0] if len(names) == 1 else f"({', '.join(names)})"


def _fills(subject: Subject) -> set[tuple[str, float]]:
    """Biases that begin at another number than 0, by the end of their names."""
    graph = subject.graph
    return {(n.name, n.op.bias_fill) for n in graph.nodes if isinstance(n.op, ops.Conv) and n.op.bias_fill}


def _function(kind: Class) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.name).lower()


def _parameters(kind: Class) -> list[str]:
    usual = kind.instances[kind.unit] if kind.unit.level == "network" else {}
    return [_parameter(p.name, p.setting, usual.get(p.name, p.default)) for p in kind.parameters]


def _parameter(name: str, setting: str, default: int | None) -> str:
    kind = "bool" if setting == "present" else "int"
    return f"{name}: {kind}" if default is None else f"{name}: {kind} = {bool(default) if kind == 'bool' else default}"


class _PyTorch:
    """How PyTorch writes what a class does."""

    def __init__(self) -> None:
        self.helpers: set[str] = set()
        self.kept: set[str] = set()
        """Arguments of the constructor that `forward` of the class at hand needs."""
        self.lists: set[str] = set()
        """Members of the class at hand that are lists."""

    def begin(self, kind: Class) -> None:
        """Another class is at hand."""
        self.kept.clear()
        keys: dict[str, set[str]] = {}
        for member in filter(self.holds, kind.members):
            first, _, rest = member.name.partition(".")
            keys.setdefault(first, set()).add(rest.partition(".")[0])
        self.lists = {name for name, below in keys.items() if is_list(below)}

    def holds(self, member: Member) -> bool:
        """Whether a member is an attribute."""
        made = member.what
        return not isinstance(made, Made) or bool(member.condition) or type(made.leaf.op) in MODULES

    def called(self, member: Member, given: Sequence[str]) -> str:
        """`self.conv1(x)`."""
        return f"{self.reached(member.name)}({', '.join(given)})"

    def reached(self, name: str) -> str:
        """`self.conv1`; those in a list or a dictionary by their number or name: `self.convs[0]`."""
        first, _, rest = name.partition(".")
        if "." in rest or not spelled(first):
            return f"self.get_submodule({quoted(name)})"
        return f"self.{first}" + (f"[{rest if first in self.lists else quoted(rest)}]" if rest else "")

    def operation(self, member: Member, given: Sequence[str], *, fresh: bool) -> str:
        """`F.relu(x, inplace=True)`."""
        assert isinstance(member.what, Made)
        leaf = member.what.leaf
        if isinstance(leaf.op, ops.Activation):
            return _activation(leaf.op, given[0], fresh)
        self._need(leaf)
        kept = {name: self._kept(text) for name, text in member.what.arguments.items()}
        values = {**_values(member.what), **kept, "all": ", ".join(given), "dim": 1 + getattr(leaf.op, "axis", 0)}
        return OPERATIONS[type(leaf.op)].format(*given, **values)

    def _kept(self, text: str) -> str:
        """An expression of a constructor's arguments, of which `forward` needs what it names."""
        self.kept.update(re.findall(r"[a-z]\w*", text))
        return re.sub(r"([a-z]\w*)", r"self.\1", text)

    def declared(self, name: str, text: str, *, plain: bool) -> str:
        """A variable's first assignment; what a module returns has no type that mypy knows."""
        return f"{name} = {text}" if plain else f"{name}: Tensor = {text}"

    def typed(self, text: str) -> bool:
        """Whether mypy knows that an expression is a tensor, though modules return anything."""
        return text.startswith(("F.", "torch."))

    def either(self, member: Member, there: str, instead: str) -> str:
        """What a member makes of a value, or another value where it is not there."""
        if not spelled(member.name):
            return f"{there} if hasattr(self, {quoted(member.name)}) else {instead}"
        return f"{instead} if {self.reached(member.name)} is None else {there}"

    def _need(self, leaf: Leaf) -> None:
        if type(leaf.op) in HELPERS:
            self.helpers.add(HELPERS[type(leaf.op)])
        if isinstance(leaf.op, ops.MaxPool) and leaf.op.zeros:
            self.helpers.add("ZeroMaxPool2d")
        if isinstance(leaf.op, ops.Conv) and leaf.op.standardize is not None:
            self.helpers.add("StdConv2d")

    def members(self, kind: Class) -> list[str]:
        """The lines that make a class's members."""
        made: list[str] = []
        lists: dict[str, list[Member]] = {}
        for member in filter(self.holds, kind.members):
            lists.setdefault(member.name.partition(".")[0], []).append(member)
        for name, members in lists.items():
            if members[0].name == name:
                made += self._member(kind, members[0])
            else:
                rows = [(member.name.removeprefix(f"{name}."), member) for member in members]
                made += _assigned(name, self._list(rows), INDENT)
        return made

    def layers(self, kind: Class) -> list[AnyText]:
        """What stands in the list of layers that a function returns."""
        found: list[AnyText] = []
        for before, member in zip((None, *kind.members), kind.members, strict=False):
            match member.what:
                case Run() as run:
                    found += self._blocks(run)
                case Chain() as blocks:
                    found += self._chain(blocks)
                case other:
                    found.append(self._made(other, before))
        return found

    def _member(self, kind: Class, member: Member) -> list[str]:
        name, text = member.name, self._made(member.what)
        if not member.condition:
            return _assigned(name, text, INDENT)
        step = next(step for step in kind.unit.steps if step.name == name)
        first = [f"self.{name}: nn.Module | None = None"] if spelled(name) else []
        if member.instead in step.inputs:
            first = [f"self.{name}: nn.Module = nn.Identity()"] if first else _assigned(name, "nn.Identity()", INDENT)
        return [*first, f"if {member.condition}:", *indented(_assigned(name, text, INDENT + 4))]

    def _list(self, members: Sequence[tuple[str, Member]]) -> Text:
        """Members that are told apart by numbers or names, or hold others that are."""
        groups: dict[str, list[tuple[str, Member]]] = {}
        for name, member in members:
            key, _, rest = name.partition(".")
            groups.setdefault(checked(key), []).append((rest, member))
        texts = {key: self._list(inner) if inner[0][0] else self._listed(inner[0][1]) for key, inner in groups.items()}
        if not is_list(texts):
            return Text("nn.ModuleDict", [Text("", [Pair(f"{quoted(k)}: ", text) for k, text in texts.items()], "{}")])
        inside = [texts.get(str(number), "nn.Identity()") for number in range(max(map(int, texts)) + 1)]
        if len(set(map(flat, inside))) == 1 and len(inside) > 1:
            return Text("nn.ModuleList", [Each(inside[0], f"for _ in range({len(inside)})", starred=False)])
        return Text("nn.ModuleList", [Text("", inside, "[]")])

    def _listed(self, member: Member) -> AnyText:
        text = self._made(member.what)
        return Either(text, member.condition, "nn.Identity()") if member.condition else text

    def run(self, run: Run) -> list[str]:
        """The lines that make a stage, whose blocks a `Sequential` numbers if nothing else does."""
        if run.names.plain:
            return lines("", Text("super().__init__", self._blocks(run)), INDENT)
        named = Each(Text("", [self._key(run.names), "layer"]), f"for {_counted(run.names)}", starred=False)
        return [
            *lines("layers: list[nn.Module] = ", Text("", self._blocks(run), "[]"), INDENT),
            *lines("", Text("super().__init__", [Text("OrderedDict", [named])]), INDENT),
        ]

    def _named(self, run: Run) -> list[AnyText]:
        """The blocks of a run that is no class of its own."""
        if run.names.plain:
            return self._blocks(run)
        blocks = Text("", self._blocks(run), "[]")
        start = [str(run.names.start)] if run.names.start else []
        clause = f"for index, layer in {flat(Text('enumerate', [blocks, *start]))}"
        return [Text("OrderedDict", [Each(Text("", [self._key(run.names), "layer"]), clause, starred=False)])]

    def _key(self, names: Names) -> str:
        number = f"{{{names.number}}}" if names.number else ""
        return f'f"{names.head}{number}{names.separator}{{index}}"'

    def _blocks(self, run: Run) -> list[AnyText]:
        rest = self._made(run.rest)
        if run.count == "1":
            return [rest]
        if run.rest.kind.unit.spread:
            again = f"for _ in range({run.count} - 1) for layer in {flat(rest).removeprefix('*')}"
            return [self._made(run.first or run.rest), Each("layer", again)]
        if run.first is None:
            return [Each(rest, f"for _ in range({run.count})")]
        count = str(int(run.count) - 1) if run.count.isdecimal() else f"{run.count} - 1"
        return [self._made(run.first), Each(rest, f"for _ in range({count})")]

    def _made(self, what: What, before: Member | None = None) -> Text:
        """The constructor of a member, which takes what `before` gives and nobody else."""
        if isinstance(what, Call):
            return Text(f"*{_function(what.kind)}" if what.kind.unit.spread else what.kind.name, _given(what))
        if isinstance(what, Made):
            self._need(what.leaf)
            return Text(*_module(what, fresh=before is not None and _forgotten(before)))
        return Text("nn.Sequential", self._named(what) if isinstance(what, Run) else self._chain(what))

    def _pairs(self, made: Sequence[tuple[str, AnyText]]) -> list[AnyText]:
        if all(spelled(name) for name, _ in made):
            return [Pair(f"{name}=", text) for name, text in made]
        return [Text("", [Pair(f"{quoted(name)}: ", text) for name, text in made], "{}")]

    def _chain(self, what: Chain) -> list[AnyText]:
        if not all(member.name.isdecimal() or isinstance(member.what, Made) for member in what.members):
            return [Text("OrderedDict", self._pairs([(checked(m.name), self._made(m.what)) for m in what.members]))]
        texts: list[AnyText] = []
        spread = any(isinstance(m.what, Call) and m.what.kind.unit.spread for m in what.members)
        for before, member in zip((None, *what.members), what.members, strict=False):
            while not spread and member.name.isdecimal() and len(texts) < int(member.name):
                texts.append("nn.Identity()")
            text = self._made(member.what, before)
            texts.append(Either(text, member.condition, "nn.Identity()") if member.condition else text)
        return texts


def _counted(names: Names) -> str:
    return f"index, layer in enumerate(layers{f', {names.start}' if names.start else ''})"


def _assigned(name: str, text: AnyText, indent: int) -> list[str]:
    if spelled(checked(name)):
        return lines(f"self.{name} = ", text, indent)
    return lines("", Text("self.add_module", [quoted(name), text]), indent)


def _given(what: Call) -> list[str]:
    named = [(p, what.arguments[p.name]) for p in what.kind.parameters if p.name in what.arguments]
    return [text if p.positional else f"{p.name}={text}" for p, text in named]


def _values(what: Made) -> dict[str, Any]:
    """What the words of the tables below stand for: what the operation is, and what it is made with."""
    return {**vars(what.leaf.op), **what.arguments}


def _constructed(words: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """Arguments of a constructor, without those that are as they would be anyway (`key=value|usual`)."""
    filled = (word.format_map(values) for word in words)
    pairs = (text.partition("|") for text in filled)
    return [text for text, _, usual in pairs if text.partition("=")[2] != usual or not usual]


def _forgotten(member: Member) -> bool:
    return isinstance(member.what, Made) and not member.condition and isinstance(member.what.leaf.op, FORGETFUL)


def _module(what: Made, *, fresh: bool) -> tuple[str, list[str]]:
    op, values = what.leaf.op, _values(what)
    if isinstance(op, ops.Activation):
        name, _, forgets = FUNCTIONS[op.function]
        slope = [repr(op.slope)] if op.sloped else []
        return f"nn.{name}", [*slope, *(["inplace=True"] if fresh and forgets else [])]
    name, *words = {**MODULES, **IN_CHAINS}[type(op)]
    if isinstance(op, ops.Conv) and op.standardize is not None:
        return "StdConv2d", _constructed([*words, "eps={standardize}|1e-06"], values)
    return "ZeroMaxPool2d" if getattr(op, "zeros", False) else name, _constructed(words, values)


def _activation(op: ops.Activation, x: str, fresh: bool) -> str:
    _, function, forgets = FUNCTIONS[op.function]
    slope = [repr(op.slope)] if op.sloped else []
    return f"{function}({', '.join([x, *slope, *(['inplace=True'] if fresh and forgets else [])])})"
