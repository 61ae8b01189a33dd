"""A Flax NNX module of its own: typed source that needs nothing but jax and flax."""

from __future__ import annotations

import re
from collections.abc import Sequence

from resnet_gen import ops
from resnet_gen.generate.base import CodeSubject
from resnet_gen.generate.docstrings import describe_module, describe_network
from resnet_gen.generate.layout import (
    GeneratorExpression,
    KeywordPair,
    PythonCall,
    PythonText,
    format_lines,
    indent_lines,
)
from resnet_gen.generate.modules.classes import ModuleClass, OperationCall
from resnet_gen.generate.modules.spec_classes import classes_of_spec
from resnet_gen.generate.modules.training import DropBranch, DropValues, describe_training
from resnet_gen.generate.modules.tree import ChannelChunks
from resnet_gen.generate.python import INDENT, OperationArguments, PythonSyntax
from resnet_gen.generate.python_words import find_constructor
from resnet_gen.generate.served_modules import widen_subject, write_served
from resnet_gen.generate.spelling import is_attribute_name, quote_text
from resnet_gen.generate.training_code import write_drop_rates, write_zero_norms
from resnet_gen.problems import refuse
from resnet_gen.system.templates import render

RNGS = "rngs=rngs"


def files(subject: CodeSubject) -> dict[str, str]:
    """The one file: classes for the network and each of its kinds of modules, and one around it if it is served."""
    subject, language = widen_subject(subject), _Flax()
    *inner, network = classes_of_spec(subject.loaded).all
    graph, training = subject.graph, subject.loaded.spec.training
    shapes = [(*value.shape[1:], value.shape[0]) for value in (graph.input, *graph.outputs)]  # channels last
    drops = write_drop_rates(subject, "rate", "find_drops(self)")
    classes = render(
        "flax/classes.py.jinja",
        classes=[language.write_class(kind) for kind in inner],
        network={**language.write_network(network), "doc": describe_network(subject, shapes)},
        drops=drops,
        random=training is not None and bool(training.dropout or training.branch_drops),
        zeros=write_zero_norms(subject, "scale", "value[...] = jnp.zeros_like(value[...])"),
    )
    body = render("flax/helpers.py.jinja", classes=classes, drops=drops) + classes
    body += write_served(subject, network.name, "flax")
    more = "Maps have their channels last: (N, H, W, C). `load` takes weights by their names."
    doc = describe_module(subject, "Flax NNX", more, *describe_training(subject.loaded, graph))
    text = render("flax/module.py.jinja", doc=doc, body=body)
    return {f"{subject.module}_flax.py": text}


_MODULE = """
deterministic dtype eval forward_features iter_children iter_modules names perturb set_attributes sow train
use_running_average append clear extend get index insert items keys pop popitem remove reverse setdefault update values
"""
_TAKEN = frozenset(_MODULE.split())
"""Attributes of NNX's modules, or that `train` and the like give them (Flax 0.12), and of generated networks."""


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

_WINDOW = ("{kernel_size}", "stride={stride}|{kernel_size}", "padding={padding}|0", "ceil={ceil}|False")
_MODULES: dict[type[ops.Op], tuple[str, ...]] = {
    ops.Conv: (
        "Conv2d", "{in_channels}", "{out_channels}", "{kernel_size}", "stride={stride}|1", "padding={padding}|0",
        "dilation={dilation}|1", "groups={groups}|1", "bias={bias}|True", "bias_fill={bias_fill}|0.0",
        "epsilon={added}|1e-06", RNGS,
    ),
    ops.ChannelConv: ("ChannelConv", "{kernel_size}", RNGS),
    ops.Linear: ("nnx.Linear", "{in_features}", "{out_features}", "use_bias={bias}|True", RNGS),
    ops.BatchNorm: ("nnx.BatchNorm", "{channels}", "momentum=0.9", "epsilon={eps}|1e-05", RNGS),
    ops.GroupNorm: ("GroupNorm", "{channels}", "{groups}", "epsilon={eps}|1e-05", RNGS),
    ops.MaxPool: ("MaxPool2d", *_WINDOW),
    ops.AvgPool: ("AvgPool2d", *_WINDOW),
    ops.BlurPool: ("BlurPool2d", "stride={stride}"),
    DropValues: ("nnx.Dropout", "{rate}", RNGS),
    DropBranch: ("StochasticDepth", "rate={rate}|0.0", 'mode="{mode}"|"row"', RNGS),
}  # fmt: skip
"""Operations that are attributes."""

_OPERATIONS: dict[type[ops.Op], str] = {
    ops.Add: "{0} + {1}",
    ops.Mul: "{0} * {1}",
    ops.OneMinus: "1 - {0}",
    ops.Softmax: "nnx.softmax({0})",
    ops.SplitSoftmax: "split_softmax({0}, {splits}, {groups})",
    ops.AsMap: "{0}[:, None, None, :]",
    ops.Flatten: "flatten({0})",
    ops.Concat: "jnp.concatenate([{all}], axis={last})",
    ops.TakeChannels: "{0}[..., {section}]",
    ChannelChunks: "jnp.split({0}, {parts}, axis=3)",
    ops.Subsample: "{0}[:, {step}, {step}]",
    ops.GlobalAvgPool: "{0}.mean((1, 2), keepdims=True)",
    ops.GlobalMaxPool: "{0}.max((1, 2), keepdims=True)",
    ops.SumPositions: "{0}.sum((1, 2), keepdims=True)",
    ops.ChannelMean: "{0}.mean(3, keepdims=True)",
    ops.ChannelMax: "{0}.max(3, keepdims=True)",
    ops.PadMap: "pad_map({0}, {before}, {after})",
    ops.PadChannels: "pad_channels({0}, {out_channels})",
}
"""Operations that need no module."""


class _Flax(PythonSyntax):
    """How Flax NNX writes what a class is made of and does."""

    tensor, module, layer = "Array", "nnx.Module", "Function"
    sequence, list_type, mapping_type = "Sequential", "nnx.List", "nnx.Dict"
    identity, call = "nnx.identity", "__call__"
    extra_arguments, setter = (RNGS,), ("setattr", "self")
    modules, operations = _MODULES, _OPERATIONS

    def list_extra_parameters(self, kind: ModuleClass) -> list[str]:
        """The source of random numbers; of the network, also what it computes in."""
        dtype = ["dtype: DTypeLike | None = None"] if kind.unit.level == "network" else []
        return ["*", *dtype, "rngs: nnx.Rngs"]

    def list_activation_words(self, op: ops.Activation, *, fresh: bool) -> list[str]:
        settings = ["approximate=False"] if op.function == "gelu" else []
        if op.sloped:
            settings = [f"{'alpha' if op.function == 'elu' else 'negative_slope'}={op.slope!r}"]
        return [_FUNCTIONS[op.function], *settings]

    def write_expression(self, op: ops.Op, given: Sequence[str], settings: OperationArguments, *, fresh: bool) -> str:
        """An operation; a mean over a map need not keep its axes for `flatten` to drop them."""
        kept = ", keepdims=True)"
        if isinstance(op, ops.Flatten) and given[0].endswith(f"(1, 2){kept}"):
            return f"{given[0].removesuffix(kept)})"
        return super().write_expression(op, given, settings, fresh=fresh)

    def is_plainly_typed(self, text: str) -> bool:
        """Batch norm returns anything too."""
        return bool(re.match(r"[a-z_.]+\(", text)) and not text.startswith("self.")

    def write_access(self, name: str) -> str:
        """`self.conv1`; by its name what Python cannot spell, or lies in lists or dictionaries that lie in others."""
        by_name = name.count(".") > 1 or not is_attribute_name(name.partition(".")[0])
        return f"attrgetter({quote_text(name)})(self)" if by_name else super().write_access(name)

    def check_name(self, word: str) -> str:
        """The name of a member; raises `Refused` where Python cannot spell it, or Flax has another use for it."""
        if word in _TAKEN or not (is_attribute_name(word) or word.isdecimal()):
            raise refuse(
                f"a part of a layer's name is '{word}', which no member of a Flax module can be called",
                hint="it comes from the naming scheme ('naming'); 'paths' has no such name",
            )
        return word

    def write_module(self, what: OperationCall, *, fresh: bool) -> PythonText:
        op = what.leaf.op
        if type(op) in _MODULES:
            return PythonCall(*find_constructor(what, _MODULES))
        if isinstance(op, ops.Activation):
            function, *settings = self.list_activation_words(op, fresh=fresh)
            return PythonCall("partial", [function, *settings]) if settings else function
        return f"lambda x: {self.write_expression(op, ['x'], what.arguments, fresh=fresh)}"

    def write_optional(self, name: str, condition: str, made: PythonText, *, handed_on: bool) -> list[str]:
        """A member is made once: NNX does not let another kind of value take its place."""
        kind, instead = ("Function", self.identity) if handed_on else ("Function | None", "None")
        there = format_lines(f"self.{name}: {kind} = ", made, INDENT + 4)
        if not is_attribute_name(name):
            there = self.write_assignment(name, made, INDENT + 4)
        otherwise = self.write_assignment(name, instead, INDENT + 4)
        return [f"if {condition}:", *indent_lines(there), "else:", *indent_lines(otherwise)]

    def write_named_members(self, members: Sequence[tuple[str, PythonText]]) -> list[PythonText]:
        """`conv=Conv2d(...)`."""
        return [KeywordPair(f"{name}=", text) for name, text in members]

    def write_counted_members(self, key: str, clause: str) -> PythonText:
        """`**{f"block{index}": layer for index, layer in enumerate(layers)}`."""
        return PythonCall("**", [GeneratorExpression(f"{key}: layer", clause, starred=False)], "{}")
