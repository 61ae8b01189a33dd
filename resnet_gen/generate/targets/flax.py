"""A Flax NNX module of its own: typed source that needs nothing but jax and flax."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from resnet_gen import ops
from resnet_gen.generate.base import CodeSubject
from resnet_gen.generate.docstrings import module_doc, network_doc
from resnet_gen.generate.layout import GeneratorExpression, KeywordPair, indent_lines, lines
from resnet_gen.generate.layout import PythonCall as Text
from resnet_gen.generate.layout import Text as AnyText
from resnet_gen.generate.modules.classes import ClassMember, ModuleClass, OperationCall
from resnet_gen.generate.modules.spec_classes import outline
from resnet_gen.generate.modules.tree import ChannelChunks, OperationLeaf
from resnet_gen.generate.python import INDENT, PythonSyntax, Settings
from resnet_gen.generate.spelling import apply_operation, is_attribute_name, quote_text, section
from resnet_gen.ops import Shape
from resnet_gen.problems import refuse
from resnet_gen.system.templates import render

RNGS = "rngs=rngs"


def files(subject: CodeSubject) -> dict[str, str]:
    """The one file: a class for the network, and one for each of its kinds of modules."""
    language = _Flax()
    *inner, network = outline(subject.loaded).all
    graph = subject.graph
    shapes = [_last(value.shape) for value in (graph.input, *graph.outputs)]
    classes = render(
        "flax/classes.py.jinja",
        classes=[language.written(kind) for kind in inner],
        network={**language.network(network), "doc": network_doc(subject, shapes)},
    )
    body = render("flax/helpers.py.jinja", classes=classes) + classes
    more = "Maps have their channels last: (N, H, W, C). `load` takes weights by their names."
    text = render("flax/module.py.jinja", doc=module_doc(subject, "Flax NNX", more), body=body)
    return {f"{subject.module}_flax.py": text}


def _last(shape: Shape) -> Shape:
    """A shape with its channels last."""
    return (*shape[1:], shape[0])


_MODULE = """
deterministic dtype eval forward_features iter_children iter_modules names perturb set_attributes sow train
use_running_average append clear extend get index insert items keys pop popitem remove reverse setdefault update values
"""
_TAKEN = frozenset(_MODULE.split())
"""Attributes of NNX's modules, or that `train` and the like give them (Flax 0.12), and of generated networks."""


class _Flax(PythonSyntax):
    """How Flax NNX writes what a class is made of and does."""

    tensor, module, layer = "Array", "nnx.Module", "Function"
    sequence, listed, mapped = "Sequential", "nnx.List", "nnx.Dict"
    identity, call = "nnx.identity", "__call__"
    handed = (RNGS,)

    def lasting(self, op: ops.Op) -> bool:
        """Whether an operation is a module that its class holds."""
        return type(op) in _MODULES

    def asked(self, kind: ModuleClass) -> list[str]:
        """The source of random numbers; of the network, also what it computes in."""
        dtype = ["dtype: DTypeLike | None = None"] if kind.unit.level == "network" else []
        return ["*", *dtype, "rngs: nnx.Rngs"]

    def operation(self, member: ClassMember, given: Sequence[str], *, fresh: bool) -> str:
        """`nnx.relu(x)`."""
        assert isinstance(member.what, OperationCall)
        return _operation(member.what.leaf, given, self.keep(member.what))

    def typed(self, text: str) -> bool:
        """Whether mypy knows that an expression is an array, though batch norm returns anything."""
        return bool(re.match(r"[a-z_.]+\(", text)) and not text.startswith("self.")

    def reached(self, name: str) -> str:
        """`self.conv1`; by its name what Python cannot spell, or lies in lists or dictionaries that lie in others."""
        by_name = name.count(".") > 1 or not is_attribute_name(name.partition(".")[0])
        return f"attrgetter({quote_text(name)})(self)" if by_name else super().reached(name)

    def assigned(self, name: str, text: AnyText, indent: int) -> list[str]:
        """A member is made; by its name where Python cannot spell that."""
        if is_attribute_name(self.checked(name)):
            return super().assigned(name, text, indent)
        return lines("", Text("setattr", ["self", quote_text(name), text]), indent)

    def checked(self, word: str) -> str:
        """The name of a member; raises `Refused` where Python cannot spell it, or Flax has another use for it."""
        if word in _TAKEN or not (is_attribute_name(word) or word.isdecimal()):
            raise refuse(
                f"a part of a layer's name is '{word}', which no member of a Flax module can be called",
                hint="it comes from the naming scheme ('naming'); 'paths' has no such name",
            )
        return word

    def constructed(self, what: OperationCall, *, fresh: bool) -> AnyText:
        """`Conv2d(3, 64, 7, stride=2, padding=3, bias=False, rngs=rngs)`."""
        op = what.leaf.op
        if type(op) in _MODULES:
            return Text(*_MODULES[type(op)](op, what.arguments))
        if isinstance(op, ops.Activation):
            function, *settings = _function(op)
            return Text("partial", [function, *settings]) if settings else function
        return f"lambda x: {_operation(what.leaf, ['x'], what.arguments)}"

    def optional(self, name: str, condition: str, made: AnyText, *, handed_on: bool) -> list[str]:
        """A member is made once: NNX does not let another kind of value take its place."""
        kind, instead = ("Function", self.identity) if handed_on else ("Function | None", "None")
        there = lines(f"self.{name}: {kind} = ", made, INDENT + 4)
        if not is_attribute_name(name):
            there = self.assigned(name, made, INDENT + 4)
        otherwise = self.assigned(name, instead, INDENT + 4)
        return [f"if {condition}:", *indent_lines(there), "else:", *indent_lines(otherwise)]

    def named(self, members: Sequence[tuple[str, AnyText]]) -> list[AnyText]:
        """`conv=Conv2d(...)`."""
        return [KeywordPair(f"{name}=", text) for name, text in members]

    def counted(self, key: str, clause: str) -> AnyText:
        """`**{f"block{index}": layer for index, layer in enumerate(layers)}`."""
        return Text("**", [GeneratorExpression(f"{key}: layer", clause, starred=False)], "{}")


def _function(op: ops.Activation) -> list[str]:
    """The function of an activation, and what it is given besides the values."""
    if op.sloped:
        return [_FUNCTIONS[op.function], f"{'alpha' if op.function == 'elu' else 'negative_slope'}={op.slope!r}"]
    return [_FUNCTIONS[op.function], *(["approximate=False"] if op.function == "gelu" else [])]


_FUNCTIONS: dict[ops.Function, str] = {
    "relu": "nnx.relu",
    "leaky_relu": "nnx.leaky_relu",
    "elu": "nnx.elu",
    "silu": "nnx.silu",
    "gelu": "nnx.gelu",
    "mish": "jax.nn.mish",
    "hard_swish": "nnx.hard_swish",
    "sigmoid": "nnx.sigmoid",
    "hard_sigmoid": "nnx.hard_sigmoid",
    "tanh": "nnx.tanh",
}


def _besides(arguments: Settings, **defaults: str) -> list[str]:
    """The settings that are not what they are by default, by name."""
    return [f"{name}={arguments[name]}" for name, usual in defaults.items() if arguments[name] != usual]


def _epsilon(eps: float) -> list[str]:
    return [] if eps == 1e-5 else [f"epsilon={eps!r}"]


def _conv(op: ops.Conv, a: Settings) -> tuple[str, list[str]]:
    settings = _besides(a, stride="1", padding="0", dilation="1", groups="1")
    settings += [] if op.bias else ["bias=False"]
    settings += [f"bias_fill={op.bias_fill!r}"] if op.bias_fill else []
    settings += [f"epsilon={op.standardize!r}"] if op.standardize not in (None, 1e-6) else []
    kind = "Conv2d" if op.standardize is None else "StdConv2d"
    return kind, [a["in_channels"], a["out_channels"], a["kernel_size"], *settings, RNGS]


def _pool(op: ops.MaxPool | ops.AvgPool, a: Settings) -> tuple[str, list[str]]:
    kind = "AvgPool2d" if isinstance(op, ops.AvgPool) else "ZeroMaxPool2d" if op.zeros else "MaxPool2d"
    ceil = ["ceil=True"] if op.ceil else []
    return kind, [a["kernel_size"], *_besides(a, stride=a["kernel_size"], padding="0"), *ceil]


_MODULES: dict[type[ops.Op], Callable[[Any, Settings], tuple[str, list[str]]]] = {
    ops.Conv: _conv,
    ops.ChannelConv: lambda _, a: ("ChannelConv", [a["kernel_size"], RNGS]),
    ops.Linear: lambda op, a: (
        "nnx.Linear",
        [a["in_features"], a["out_features"], *([] if op.bias else ["use_bias=False"]), RNGS],
    ),
    ops.BatchNorm: lambda op, a: ("nnx.BatchNorm", [a["channels"], "momentum=0.9", *_epsilon(op.eps), RNGS]),
    ops.GroupNorm: lambda op, a: ("GroupNorm", [a["channels"], a["groups"], *_epsilon(op.eps), RNGS]),
    ops.MaxPool: _pool,
    ops.AvgPool: _pool,
    ops.BlurPool: lambda _, a: ("BlurPool2d", [f"stride={a['stride']}"]),
}
"""Operations that are attributes, and how each is made."""


def _operation(leaf: OperationLeaf, given: Sequence[str], arguments: Settings) -> str:
    match leaf.op:
        case ops.Activation() as op:
            function, *settings = _function(op)
            return f"{function}({', '.join([given[0], *settings])})"
        case ops.Concat(axis):
            return f"jnp.concatenate([{', '.join(given)}], axis={axis or 3})"
        case ops.Flatten():
            return _flattened(given[0])
        case ops.TakeChannels():
            return apply_operation(f"{{0}}[..., {section(arguments['start'], arguments['stop'])}]", given)
        case ops.Subsample():
            return _strided(given[0], arguments["stride"])
        case op:
            return apply_operation(_OPERATIONS[type(op)], given, op=op, **arguments)


def _flattened(x: str) -> str:
    """A map's values in a row; a mean over a map need not keep its axes only to drop them."""
    kept = ", keepdims=True)"
    return f"{x.removesuffix(kept)})" if x.endswith(f"(1, 2){kept}") else f"flatten({x})"


def _strided(x: str, stride: str) -> str:
    step = f":{section('', stride)}"
    return apply_operation(f"{{0}}[:, {step}, {step}]", [x])


_OPERATIONS: dict[type[ops.Op], str] = {
    ops.Add: "{0} + {1}",
    ops.Mul: "{0} * {1}",
    ops.OneMinus: "1 - {0}",
    ops.Softmax: "nnx.softmax({0})",
    ops.SplitSoftmax: "split_softmax({0}, {splits}, {groups})",
    ops.AsMap: "{0}[:, None, None, :]",
    ChannelChunks: "jnp.split({0}, {op.parts}, axis=3)",
    ops.GlobalAvgPool: "{0}.mean((1, 2), keepdims=True)",
    ops.GlobalMaxPool: "{0}.max((1, 2), keepdims=True)",
    ops.SumPositions: "{0}.sum((1, 2), keepdims=True)",
    ops.ChannelMean: "{0}.mean(3, keepdims=True)",
    ops.ChannelMax: "{0}.max(3, keepdims=True)",
    ops.PadMap: "pad_map({0}, {before}, {after})",
    ops.PadChannels: "pad_channels({0}, {out_channels})",
}
"""Operations that need no module, with places for what they take and their settings."""
