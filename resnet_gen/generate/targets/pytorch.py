"""A PyTorch module of its own: typed source that needs nothing but torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from resnet_gen import ops
from resnet_gen.generate.base import Subject
from resnet_gen.generate.layout import Call as Text
from resnet_gen.generate.layout import Each, Pair, indented, lines
from resnet_gen.generate.layout import Text as AnyText
from resnet_gen.generate.python import INDENT, Python, Settings, besides
from resnet_gen.modules.classes import Made, Member
from resnet_gen.modules.outline import outline
from resnet_gen.modules.tree import Chunk, Leaf
from resnet_gen.render import render


def files(subject: Subject) -> dict[str, str]:
    """The one file: a class for the network, and one for each of its kinds of modules."""
    classes = outline(subject.loaded)
    language = _PyTorch()
    *inner, network = classes.all
    body = render(
        "pytorch/classes.py.jinja",
        subject=subject,
        classes=[language.written(kind) for kind in inner],
        network=language.network(network),
        fills=sorted(_fills(subject)),
        helpers=language.helpers,
    )
    return {f"{subject.module}.py": render("pytorch/module.py.jinja", subject=subject, body=body)}


def _fills(subject: Subject) -> set[tuple[str, float]]:
    """Biases that begin at another number than 0, by the end of their names."""
    graph = subject.graph
    return {(n.name, n.op.bias_fill) for n in graph.nodes if isinstance(n.op, ops.Conv) and n.op.bias_fill}


class _PyTorch(Python):
    """How PyTorch writes what a class is made of and does."""

    tensor, module, layer = "Tensor", "nn.Module", "nn.Module"
    sequence, listed, mapped = "nn.Sequential", "nn.ModuleList", "nn.ModuleDict"
    identity, call = "nn.Identity()", "forward"

    def lasting(self, op: ops.Op) -> bool:
        """Whether an operation is a module that its class holds."""
        return type(op) in _MODULES

    def operation(self, member: Member, given: Sequence[str], *, fresh: bool) -> str:
        """`F.relu(x, inplace=True)`."""
        assert isinstance(member.what, Made)
        leaf = member.what.leaf
        if isinstance(leaf.op, ops.Activation):
            return _activation(leaf.op, given[0], fresh)
        self._need(leaf)
        return _OPERATIONS[type(leaf.op)](leaf.op, given, self.keep(member.what))

    def constructed(self, what: Made) -> AnyText:
        """`nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)`."""
        self._need(what.leaf)
        return Text(*_module(what))

    def optional(self, name: str, condition: str, made: AnyText, *, handed_on: bool) -> list[str]:
        """A member that is replaced where it is there."""
        first = f"{name}: nn.Module = nn.Identity()" if handed_on else f"{name}: nn.Module | None = None"
        return [first, f"if {condition}:", *indented(lines(f"{name} = ", made, INDENT + 4))]

    def named(self, members: Mapping[str, AnyText]) -> list[AnyText]:
        """`OrderedDict(conv=nn.Conv2d(...))`."""
        return [Text("OrderedDict", [Pair(f"{name}=", text) for name, text in members.items()])]

    def counted(self, key: str, clause: str) -> AnyText:
        """`OrderedDict((f"block{index}", layer) for index, layer in enumerate(layers))`."""
        return Text("OrderedDict", [Each(Text("", [key, "layer"]), clause, starred=False)])

    def _need(self, leaf: Leaf) -> None:
        if type(leaf.op) in _HELPERS:
            self.helpers.add(_HELPERS[type(leaf.op)])
        if isinstance(leaf.op, ops.MaxPool) and leaf.op.zeros:
            self.helpers.add("ZeroMaxPool2d")
        if isinstance(leaf.op, ops.Conv) and leaf.op.standardize is not None:
            self.helpers.add("StdConv2d")


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


def _conv(op: ops.Conv, a: Settings) -> tuple[str, list[str]]:
    rest = besides(a, stride="1", padding="0", dilation="1", groups="1")
    rest += [] if op.bias else ["bias=False"]
    texts = [a["in_channels"], a["out_channels"], a["kernel_size"], *rest]
    if op.standardize is not None:
        return "StdConv2d", [*texts, *([] if op.standardize == 1e-6 else [f"eps={op.standardize!r}"])]
    return "nn.Conv2d", texts


def _pool(op: ops.MaxPool | ops.AvgPool, a: Settings) -> list[str]:
    ceil = ["ceil_mode=True"] if op.ceil else []
    return [a["kernel_size"], *besides(a, stride=a["kernel_size"], padding="0"), *ceil]


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
