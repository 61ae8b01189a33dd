"""A PyTorch module of its own: typed source that needs nothing but torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from resnet_gen import ops
from resnet_gen.generate.base import Subject
from resnet_gen.generate.layout import call, indented
from resnet_gen.modules.classes import Call, Chain, Class, Made, Member, Run, What
from resnet_gen.modules.forward import arguments, statements
from resnet_gen.modules.outline import outline
from resnet_gen.modules.tree import Chunk, Leaf
from resnet_gen.render import render

Settings = dict[str, str]


def files(subject: Subject) -> dict[str, str]:
    """The one file: a class for the network, and one for each of its kinds of modules."""
    classes = outline(subject.loaded)
    language = _PyTorch()
    written = [_written(kind, language) for kind in classes.all]
    text = render("pytorch/module.py.jinja", subject=subject, classes=written, helpers=sorted(language.helpers))
    return {f"{subject.module}.py": text}


def _written(kind: Class, language: _PyTorch) -> dict[str, Any]:
    return {
        "name": kind.name,
        "doc": kind.doc,
        "level": kind.unit.level,
        "base": "nn.Sequential" if kind.run else "nn.Module",
        "parameters": [_parameter(p.name, p.setting, p.default) for p in kind.parameters],
        "body": language.run(kind.run) if kind.run else language.members(kind),
        "arguments": arguments(kind.unit),
        "forward": [] if kind.run else statements(kind, language),
    }


def _parameter(name: str, setting: str, default: int | None) -> str:
    kind = "bool" if setting == "present" else "int"
    return f"{name}: {kind}" if default is None else f"{name}: {kind} = {bool(default) if kind == 'bool' else default}"


class _PyTorch:
    """How PyTorch writes what a class does."""

    def __init__(self) -> None:
        self.helpers: set[str] = set()

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
        text = _OPERATIONS[type(leaf.op)](leaf.op, given, member.what.arguments)
        self._need(leaf)
        return text

    def declared(self, name: str, text: str, *, plain: bool) -> str:
        """A variable's first assignment; what a module returns has no type that mypy knows."""
        return f"{name} = {text}" if plain else f"{name}: Tensor = {text}"

    def either(self, member: Member, there: str, instead: str) -> str:
        """What a member makes of a value, or another value where it is not there."""
        return f"{instead} if {_attribute(member.name)} is None else {there}"

    def _need(self, leaf: Leaf) -> None:
        if type(leaf.op) in _HELPERS:
            self.helpers.add(_HELPERS[type(leaf.op)])
        if isinstance(leaf.op, ops.Conv) and leaf.op.standardize is not None:
            self.helpers.add("StdConv2d")

    def members(self, kind: Class) -> list[str]:
        """The lines that make a class's members."""
        lines: list[str] = []
        held = [member for member in kind.members if self.holds(member)]
        lists: dict[str, list[Member]] = {}
        for member in held:
            if "." in member.name:
                lists.setdefault(member.name.partition(".")[0], []).append(member)
        for member in held:
            name = member.name.partition(".")[0]
            if "." not in member.name:
                lines += self._member(kind, member)
            elif name in lists:
                lines += self._list(name, lists.pop(name))
        return lines

    def _member(self, kind: Class, member: Member) -> list[str]:
        name, text = _attribute(member.name), self._made(member.what)
        if not member.condition:
            return call(f"{name} = ", *text)
        step = next(step for step in kind.unit.steps if step.name == member.name)
        plain = member.instead in step.inputs
        first = f"{name}: nn.Module = nn.Identity()" if plain else f"{name}: nn.Module | None = None"
        return [first, f"if {member.condition}:", *indented(call(f"{name} = ", *text))]

    def _list(self, name: str, members: Sequence[Member]) -> list[str]:
        texts = [self._made(member.what) for member in members]
        if all(text == texts[0] for text in texts) and len(texts) > 1:
            one = "".join(call("", *texts[0], width=10_000))
            return call(f"self.{name} = nn.ModuleList", [f"{one} for _ in range({len(texts)})"])
        return call(f"self.{name} = nn.ModuleList", [f"[{', '.join(''.join(call('', *t, width=10_000)) for t in texts)}]"])

    def run(self, run: Run) -> list[str]:
        """The lines that make a stage."""
        return call("super().__init__", self._blocks(run))

    def _blocks(self, run: Run) -> list[str]:
        rest = self._one(run.rest)
        if run.first is None:
            return [f"*({rest} for _ in range({run.count}))"]
        count = f"{run.count} - 1" if not run.count.isdecimal() else str(int(run.count) - 1)
        return [self._one(run.first), f"*({rest} for _ in range({count}))"]

    def _one(self, what: What) -> str:
        return "".join(call("", *self._made(what), width=10_000))

    def _made(self, what: What) -> tuple[str, list[str]]:
        """The constructor of a member, and its arguments."""
        if isinstance(what, Call):
            return what.kind.name, _given(what)
        if isinstance(what, Made):
            self._need(what.leaf)
            return _module(what)
        if isinstance(what, Run):
            return "nn.Sequential", self._blocks(what)
        return "nn.Sequential", self._chain(what)

    def _chain(self, what: Chain) -> list[str]:
        texts: list[str] = []
        for member in what.members:
            while member.name.isdecimal() and len(texts) < int(member.name):
                texts.append("nn.Identity()")
            text = self._one(member.what)
            texts.append(f"{text} if {member.condition} else nn.Identity()" if member.condition else text)
        return texts


def _attribute(name: str) -> str:
    first, *rest = name.split(".")
    return f"self.{first}" + "".join(f"[{word}]" if word.isdecimal() else f".{word}" for word in rest)


def _given(what: Call) -> list[str]:
    named = [(p, what.arguments[p.name]) for p in what.kind.parameters if p.name in what.arguments]
    keyed = ("stride", "dilation", "groups", "blocks", "present", "kernel_size")
    return [f"{p.name}={text}" if p.default is not None or p.setting in keyed else text for p, text in named]


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
}
