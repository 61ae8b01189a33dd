"""A PyTorch module of its own: typed source that needs nothing but torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from resnet_gen import ops
from resnet_gen.generate.base import Subject
from resnet_gen.generate.layout import Call as Text
from resnet_gen.generate.layout import Each, Either, Pair, flat, indented, lines, signature
from resnet_gen.generate.layout import Text as AnyText
from resnet_gen.modules.classes import Call, Chain, Class, Made, Member, Names, Run, What
from resnet_gen.modules.forward import arguments, stages_and_rest, statements
from resnet_gen.modules.outline import outline
from resnet_gen.modules.tree import Chunk, Leaf
from resnet_gen.render import render

Settings = dict[str, str]

INDENT = 8
"""Of what stands in a method."""


def files(subject: Subject) -> dict[str, str]:
    """The one file: a class for the network, and one for each of its kinds of modules."""
    classes = outline(subject.loaded)
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
    """A class in the words of the template."""
    language.kept.clear()
    forward = [] if kind.run else statements(kind, language)
    kept = [f"self.{name} = {name}" for name in sorted(language.kept)]
    usual = kind.instances[kind.unit] if kind.unit.level == "network" else {}
    parameters = [_parameter(p.name, p.setting, usual.get(p.name, p.default)) for p in kind.parameters]
    outputs = len(kind.unit.outputs)
    return {
        "name": kind.name,
        "doc": kind.doc,
        "base": "nn.Sequential" if kind.run else "nn.Module",
        "init": signature("__init__", ["self", *parameters], "None"),
        "body": language.run(kind.run) if kind.run else [*kept, *language.members(kind)],
        "call": signature("forward", ["self", *(f"{name}: Tensor" for name in arguments(kind.unit))], _type(outputs)),
        "forward": forward,
    }


def _type(outputs: int) -> str:
    return "Tensor" if outputs == 1 else f"tuple[{', '.join(['Tensor'] * outputs)}]"


def _network(kind: Class, language: _PyTorch) -> dict[str, Any]:
    """The network, whose `forward` is in two parts if it has stages: up to their maps, and the rest."""
    written = _written(kind, language)
    halves = stages_and_rest(kind.unit)
    if halves is None:
        return {**written, "features": None, "stages": 0}
    features, rest = halves
    *before, last = statements(replace(kind, unit=features.before), language)
    if last != "return x":
        before.append(last.replace("return", "x =", 1))
    lines = ["*_, x = self.forward_features(x)", *statements(replace(kind, unit=rest), language)]
    loop = [f"for stage in {_iterated(features.stages)}:", "    x = stage(x)", "    maps.append(x)"]
    return {**written, "forward": lines, "features": [*before, "maps = []", *loop, "return maps"]}


def _iterated(stages: Sequence[str]) -> str:
    names = [_attribute(name) for name in stages]
    return names[0] if len(names) == 1 else f"({', '.join(names)})"


def _fills(subject: Subject) -> set[tuple[str, float]]:
    """Biases that begin at another number than 0, by the end of their names."""
    graph = subject.graph
    return {(n.name, n.op.bias_fill) for n in graph.nodes if isinstance(n.op, ops.Conv) and n.op.bias_fill}


def _parameter(name: str, setting: str, default: int | None) -> str:
    kind = "bool" if setting == "present" else "int"
    return f"{name}: {kind}" if default is None else f"{name}: {kind} = {bool(default) if kind == 'bool' else default}"


class _PyTorch:
    """How PyTorch writes what a class does."""

    def __init__(self) -> None:
        self.helpers: set[str] = set()
        self.kept: set[str] = set()
        """Arguments of the constructor that `forward` of the class at hand needs."""

    def holds(self, member: Member) -> bool:
        """Whether a member is an attribute."""
        made = member.what
        return not isinstance(made, Made) or bool(member.condition) or type(made.leaf.op) in _MODULES

    def called(self, member: Member, given: Sequence[str]) -> str:
        """`self.conv1(x)`."""
        return f"{_attribute(member.name)}({', '.join(given)})"

    def operation(self, member: Member, given: Sequence[str], *, fresh: bool) -> str:
        """`F.relu(x, inplace=True)`."""
        assert isinstance(member.what, Made)
        leaf = member.what.leaf
        if isinstance(leaf.op, ops.Activation):
            return _activation(leaf.op, given[0], fresh)
        self._need(leaf)
        return _OPERATIONS[type(leaf.op)](leaf.op, given, {k: self._kept(t) for k, t in member.what.arguments.items()})

    def _kept(self, text: str) -> str:
        """An expression of a constructor's arguments, of which `forward` needs what it names."""
        self.kept.update(re.findall(r"[a-z]\w*", text))
        return re.sub(r"([a-z]\w*)", r"self.\1", text)

    def declared(self, name: str, text: str, *, plain: bool) -> str:
        """A variable's first assignment; what a module returns has no type that mypy knows."""
        return f"{name} = {text}" if plain else f"{name}: Tensor = {text}"

    def either(self, member: Member, there: str, instead: str) -> str:
        """What a member makes of a value, or another value where it is not there."""
        return f"{instead} if {_attribute(member.name)} is None else {there}"

    def _need(self, leaf: Leaf) -> None:
        if type(leaf.op) in _HELPERS:
            self.helpers.add(_HELPERS[type(leaf.op)])
        if isinstance(leaf.op, ops.MaxPool) and leaf.op.zeros:
            self.helpers.add("ZeroMaxPool2d")
        if isinstance(leaf.op, ops.Conv) and leaf.op.standardize is not None:
            self.helpers.add("StdConv2d")

    def members(self, kind: Class) -> list[str]:
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
        name, text = _attribute(member.name), self._made(member.what)
        if not member.condition:
            return lines(f"{name} = ", text, INDENT)
        step = next(step for step in kind.unit.steps if step.name == member.name)
        plain = member.instead in step.inputs
        first = f"{name}: nn.Module = nn.Identity()" if plain else f"{name}: nn.Module | None = None"
        return [first, f"if {member.condition}:", *indented(lines(f"{name} = ", text, INDENT + 4))]

    def _list(self, name: str, members: Sequence[Member]) -> Text:
        keys = [member.name.removeprefix(f"{name}.") for member in members]
        texts = [self._made(member.what) for member in members]
        if not all(key.isdecimal() for key in keys):
            pairs = [Pair(f'"{key}": ', text) for key, text in zip(keys, texts, strict=True)]
            return Text("nn.ModuleDict", [Text("", pairs, "{}")])
        if len(set(map(flat, texts))) == 1 and len(texts) > 1:
            return Text("nn.ModuleList", [Each(texts[0], f"for _ in range({len(texts)})", starred=False)])
        return Text("nn.ModuleList", [Text("", texts, "[]")])

    def run(self, run: Run) -> list[str]:
        """The lines that make a stage, whose blocks a `Sequential` numbers if nothing else does."""
        if run.names.plain:
            return lines("", Text("super().__init__", self._blocks(run)), INDENT)
        named = Each(Text("", [self._key(run.names), "layer"]), f"for {_counted(run.names)}", starred=False)
        return [
            *lines("layers: list[nn.Module] = ", Text("", self._blocks(run), "[]"), INDENT),
            *lines("", Text("super().__init__", [Text("OrderedDict", [named])]), INDENT),
        ]

    def _key(self, names: Names) -> str:
        number = f"{{{names.number}}}" if names.number else ""
        return f'f"{names.head}{number}{names.separator}{{index}}"'

    def _blocks(self, run: Run) -> list[AnyText]:
        rest = self._made(run.rest)
        if run.first is None:
            return [Each(rest, f"for _ in range({run.count})")]
        count = str(int(run.count) - 1) if run.count.isdecimal() else f"{run.count} - 1"
        return [self._made(run.first), Each(rest, f"for _ in range({count})")]

    def _made(self, what: What) -> Text:
        """The constructor of a member."""
        if isinstance(what, Call):
            return Text(what.kind.name, _given(what))
        if isinstance(what, Made):
            self._need(what.leaf)
            return Text(*_module(what))
        return Text("nn.Sequential", self._blocks(what) if isinstance(what, Run) else self._chain(what))

    def _chain(self, what: Chain) -> list[AnyText]:
        if not all(member.name.isdecimal() or isinstance(member.what, Made) for member in what.members):
            pairs = [Pair(f"{member.name}=", self._made(member.what)) for member in what.members]
            return [Text("OrderedDict", pairs)]
        texts: list[AnyText] = []
        for member in what.members:
            while member.name.isdecimal() and len(texts) < int(member.name):
                texts.append("nn.Identity()")
            text = self._made(member.what)
            texts.append(Either(text, member.condition, "nn.Identity()") if member.condition else text)
        return texts


def _counted(names: Names) -> str:
    return f"index, layer in enumerate(layers{f', {names.start}' if names.start else ''})"


def _attribute(name: str) -> str:
    """A member as it is reached: those in a list or a dictionary by their number or name."""
    first, _, rest = name.partition(".")
    return f"self.{first}" + (f"[{rest}]" if rest.isdecimal() else f'["{rest}"]' if rest else "")


def _given(what: Call) -> list[str]:
    named = [(p, what.arguments[p.name]) for p in what.kind.parameters if p.name in what.arguments]
    return [text if p.positional else f"{p.name}={text}" for p, text in named]


def _activation(op: ops.Activation, x: str, fresh: bool) -> str:
    function, more = _FUNCTIONS[op.function]
    texts = [x]
    if op.sloped:
        texts.append(repr(op.slope))
    if fresh and more:
        texts.append("inplace=True")
    return f"{function}({', '.join(texts)})"


_FUNCTIONS: dict[ops.Function, tuple[str, bool]] = {
    "relu": ("F.relu", True),
    "leaky_relu": ("F.leaky_relu", True),
    "elu": ("F.elu", True),
    "silu": ("F.silu", True),
    "gelu": ("F.gelu", False),
    "mish": ("F.mish", True),
    "hard_swish": ("F.hardswish", True),
    "sigmoid": ("torch.sigmoid", False),
    "hard_sigmoid": ("F.hardsigmoid", False),
    "tanh": ("torch.tanh", False),
}
"""The function of each activation, and whether it can overwrite what it takes."""


def _default(arguments: Settings, **defaults: str) -> list[str]:
    return [f"{name}={arguments[name]}" for name, usual in defaults.items() if arguments[name] != usual]


def _conv(op: ops.Conv, a: Settings) -> tuple[str, list[str]]:
    rest = _default(a, stride="1", padding="0", dilation="1", groups="1")
    rest += [] if op.bias else ["bias=False"]
    texts = [a["in_channels"], a["out_channels"], a["kernel_size"], *rest]
    if op.standardize is not None:
        return "StdConv2d", [*texts, *([] if op.standardize == 1e-6 else [f"eps={op.standardize!r}"])]
    return "nn.Conv2d", texts


def _pool(op: ops.MaxPool | ops.AvgPool, a: Settings) -> list[str]:
    ceil = ["ceil_mode=True"] if op.ceil else []
    return [a["kernel_size"], *_default(a, stride=a["kernel_size"], padding="0"), *ceil]


def _eps(op: ops.BatchNorm | ops.GroupNorm) -> list[str]:
    return [] if op.eps == 1e-5 else [f"eps={op.eps!r}"]


_MODULES: dict[type[ops.Op], Callable[[Any, Settings], tuple[str, list[str]]]] = {
    ops.Conv: _conv,
    ops.ChannelConv: lambda op, a: ("ChannelConv", [a["kernel_size"]]),
    ops.Linear: lambda op, a: (
        "nn.Linear",
        [a["in_features"], a["out_features"], *([] if op.bias else ["bias=False"])],
    ),
    ops.BatchNorm: lambda op, a: ("nn.BatchNorm2d", [a["channels"], *_eps(op)]),
    ops.GroupNorm: lambda op, a: ("nn.GroupNorm", [a["groups"], a["channels"], *_eps(op)]),
    ops.MaxPool: lambda op, a: ("ZeroMaxPool2d" if op.zeros else "nn.MaxPool2d", _pool(op, a)),
    ops.AvgPool: lambda op, a: ("nn.AvgPool2d", _pool(op, a)),
    ops.BlurPool: lambda op, a: ("BlurPool2d", [a["channels"], f"stride={a['stride']}"]),
}
"""Operations that are attributes, and how each is made."""

_IN_CHAINS: dict[type[ops.Op], Callable[[Any, Settings], tuple[str, list[str]]]] = {
    ops.Flatten: lambda op, a: ("nn.Flatten", []),
    ops.GlobalAvgPool: lambda op, a: ("nn.AdaptiveAvgPool2d", ["1"]),
    ops.GlobalMaxPool: lambda op, a: ("nn.AdaptiveMaxPool2d", ["1"]),
    ops.Subsample: lambda op, a: ("nn.MaxPool2d", ["1", a["stride"]]),
    ops.PadMap: lambda op, a: ("nn.ZeroPad2d", [f"({a['before']}, {a['after']}, {a['before']}, {a['after']})"]),
    ops.PadChannels: lambda op, a: ("PadChannels", [f"{a['out_channels']} - {a['in_channels']}"]),
}
"""Modules of what is a function elsewhere."""

_CLASSES: dict[ops.Function, str] = {
    "relu": "ReLU", "leaky_relu": "LeakyReLU", "elu": "ELU", "silu": "SiLU", "gelu": "GELU", "mish": "Mish",
    "hard_swish": "Hardswish", "sigmoid": "Sigmoid", "hard_sigmoid": "Hardsigmoid", "tanh": "Tanh",
}  # fmt: skip


def _module(what: Made) -> tuple[str, list[str]]:
    op = what.leaf.op
    if isinstance(op, ops.Activation):
        slope = [repr(op.slope)] if op.sloped else []
        return f"nn.{_CLASSES[op.function]}", [*slope, *(["inplace=True"] if _FUNCTIONS[op.function][1] else [])]
    return {**_MODULES, **_IN_CHAINS}[type(op)](op, what.arguments)


_Operation = Callable[[Any, Sequence[str], Settings], str]
_OPERATIONS: dict[type[ops.Op], _Operation] = {
    ops.Add: lambda op, x, a: f"{x[0]} + {x[1]}",
    ops.Mul: lambda op, x, a: f"{x[0]} * {x[1]}",
    ops.OneMinus: lambda op, x, a: f"1 - {x[0]}",
    ops.Softmax: lambda op, x, a: f"F.softmax({x[0]}, dim=1)",
    ops.SplitSoftmax: lambda op, x, a: f"split_softmax({x[0]}, {a['splits']}, {a['groups']})",
    ops.Flatten: lambda op, x, a: f"torch.flatten({x[0]}, 1)",
    ops.AsMap: lambda op, x, a: f"{x[0]}[:, :, None, None]",
    ops.Concat: lambda op, x, a: f"torch.cat([{', '.join(x)}], dim={op.axis + 1})",
    ops.TakeChannels: lambda op, x, a: f"{x[0]}[:, {a['start']}:{a['stop']}]",
    Chunk: lambda op, x, a: f"{x[0]}.chunk({op.parts}, dim=1)",
    ops.GlobalAvgPool: lambda op, x, a: f"F.adaptive_avg_pool2d({x[0]}, 1)",
    ops.GlobalMaxPool: lambda op, x, a: f"{x[0]}.amax((2, 3), keepdim=True)",
    ops.SumPositions: lambda op, x, a: f"{x[0]}.sum((2, 3), keepdim=True)",
    ops.ChannelMean: lambda op, x, a: f"{x[0]}.mean(1, keepdim=True)",
    ops.ChannelMax: lambda op, x, a: f"{x[0]}.amax(1, keepdim=True)",
    ops.PadMap: lambda op, x, a: f"F.pad({x[0]}, ({a['before']}, {a['after']}, {a['before']}, {a['after']}))",
    ops.PadChannels: lambda op, x, a: f"F.pad({x[0]}, (0, 0, 0, 0, 0, {a['out_channels']} - {a['in_channels']}))",
    ops.Subsample: lambda op, x, a: f"{x[0]}[:, :, :: {a['stride']}, :: {a['stride']}]",
}
_HELPERS: dict[type[ops.Op], str] = {
    ops.ChannelConv: "ChannelConv",
    ops.BlurPool: "BlurPool2d",
    ops.SplitSoftmax: "split_softmax",
    ops.PadChannels: "PadChannels",
}
