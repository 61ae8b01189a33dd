"""What others count for the same network: a rule for each operation, stated once a counter.

Each rule was read in the counter's code, in the version named, and holds for its default settings. A counter that knows
no module of that class, or no function of that name, counts nothing for it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from resnet_gen import ops
from resnet_gen.graph import Graph, Node
from resnet_gen.graph.counts import biases, macs, params
from resnet_gen.graph.torch_modules import ModuleLibrary, torch_call_names
from resnet_gen.ops import Op


class CountingRule(NamedTuple):
    """How often a counter adds what; `constant` is added once for each operation.

    `entering` and `leaving` are the elements of the first operand, with the zeros that are put around it, and of the
    result; `params` those of the weights, `filters` those of a convolution's weight alone; `biased` the elements to
    which a bias is added.
    """

    macs: int = 0
    biased: int = 0
    entering: int = 0
    leaving: int = 0
    params: int = 0
    filters: int = 0
    constant: int = 0


@dataclass(frozen=True)
class Convention:
    """One way of counting: what its figure is called, who counts so, and the rule of each PyTorch call."""

    name: str
    says: str
    who: str
    rules: Mapping[str, CountingRule]


class FigurePart(NamedTuple):
    """What one kind of operation adds to our figure, and by which rule; negative where it is left out."""

    kind: str
    difference: int
    rule: str


class Figure(NamedTuple):
    """What a counter prints, how far that is from our MACs, and where the difference comes from."""

    convention: Convention
    """Who counts, what they call the figure, and by which rules."""
    value: int
    """What is printed."""
    difference: int
    """The same without our MACs."""
    parts: tuple[FigurePart, ...]
    """What each kind of operation adds to our MACs, and by which rule."""


def _share_rule(rule: CountingRule, *calls: str) -> dict[str, CountingRule]:
    return dict.fromkeys(calls, rule)


_LAYERS = ("Conv2d", "timm.StdConv2d", "Conv1d", "F.conv2d", "Linear", "timm.Linear")
"""What has multiply-accumulates; each other call has none."""

_FVCORE = {
    **_share_rule(CountingRule(macs=1), *_LAYERS),
    "timm.StdConv2d": CountingRule(macs=1, filters=4),
    **_share_rule(CountingRule(entering=2), "BatchNorm2d", "timm.BatchNormAct2d"),
    **_share_rule(CountingRule(entering=5), "GroupNorm", "timm.GroupNorm", "timm.GroupNormAct"),
    "AdaptiveAvgPool2d": CountingRule(entering=1),
}
_THOP = {
    **_share_rule(CountingRule(macs=1), "Conv2d", "Conv1d", "Linear"),
    "BatchNorm2d": CountingRule(entering=4),
    "AvgPool2d": CountingRule(leaving=1),
    "AdaptiveAvgPool2d": CountingRule(entering=1, leaving=1),
    "Softmax": CountingRule(entering=3, constant=-1),
}
_PTFLOPS = {
    **_share_rule(CountingRule(macs=1, biased=1), "Conv2d", "Conv1d", "Linear"),
    **_share_rule(CountingRule(entering=2), "BatchNorm2d", "GroupNorm", "MaxPool2d", "AvgPool2d"),
    **_share_rule(CountingRule(entering=2), "AdaptiveAvgPool2d", "AdaptiveMaxPool2d", "ReLU", "ELU", "GELU"),
    **_share_rule(
        CountingRule(entering=1), "LeakyReLU", "SiLU", "timm.GELU", "timm.AvgPool2dSame", "Softmax", "F.softmax"
    ),
}
_TORCHINFO = {
    **_share_rule(CountingRule(macs=1, biased=1), "Conv2d", "timm.StdConv2d", "Conv1d", "Linear", "timm.Linear"),
    **_share_rule(CountingRule(params=1), "BatchNorm2d", "GroupNorm", "timm.GroupNorm"),
}

CONVENTIONS = {
    each.name: each
    for each in (
        Convention(
            "macs",
            "MACs",
            "resnet-gen; torchvision's and most papers' FLOPs",
            _share_rule(CountingRule(macs=1), *_LAYERS),
        ),
        Convention("2xmacs", "FLOPs", "torch.utils.flop_counter 2.13", _share_rule(CountingRule(macs=2), *_LAYERS)),
        Convention("pycls", "flops", "pycls, 5719de6", _share_rule(CountingRule(macs=1, biased=1), *_LAYERS)),
        Convention("fvcore", "flops", "fvcore 0.1.5.post20221221", _FVCORE),
        Convention("thop", "MACs", "thop 0.1.1.post2209072238", _THOP),
        Convention("ptflops", "MACs", "ptflops 0.7.5", _PTFLOPS),
        Convention("torchinfo", "mult-adds", "torchinfo 1.8.0", _TORCHINFO),
    )
}
"""Every convention by its name."""


def convention_of_count(what: str, who: str) -> Convention:
    """The convention of one who prints `macs`, `flops` or `conv_macs` as FLOPs."""
    rules = CONVENTIONS["2xmacs" if what == "flops" else "macs"].rules
    if what == "conv_macs":
        rules = {call: rule for call, rule in rules.items() if not call.endswith("Linear")}
    return Convention("paper", "FLOPs", who, rules)


def count_by_convention(graph: Graph, library: ModuleLibrary, convention: Convention) -> Figure:
    """What is counted for one image, if this library writes the network."""
    parts = list(_merge_parts(_list_parts(graph, library, convention)))
    ours = sum(map(macs, graph.nodes))
    difference = sum(part.difference for part in parts)
    return Figure(convention, ours + difference, difference, tuple(part for part in parts if part.difference))


def quantities(node: Node) -> CountingRule:
    """How much there is of each thing that a rule may count."""
    return CountingRule(
        macs=macs(node),
        biased=biases(node),
        entering=math.prod(_pad_shape(node)),
        leaving=math.prod(node.shape),
        params=params(node),
        filters=math.prod(node.tensors[0].shape) if node.tensors else 0,
        constant=1,
    )


def _pad_shape(node: Node) -> ops.Shape:
    """The first operand; PyTorch's max pooling knows no zeros around it, so that they stand there before."""
    shape = node.input_shapes[0]
    if isinstance(node.op, ops.MaxPool) and node.op.zeros:
        return (shape[0], *(side + 2 * node.op.padding for side in shape[1:]))
    return shape


def _list_parts(graph: Graph, library: ModuleLibrary, convention: Convention) -> Iterable[FigurePart]:
    for node, call in zip(graph.nodes, torch_call_names(graph, library), strict=True):
        rule, there = convention.rules.get(call), quantities(node)
        if rule is None:
            yield FigurePart(describe_kind(node.op), -there.macs, f"it leaves out {call}")
            continue
        yield FigurePart(
            describe_kind(node.op), (rule.macs - 1) * there.macs, f"{rule.macs} for each multiply-accumulate"
        )
        for name, what in _WHAT.items():
            factor = getattr(rule, name)
            place = _PLACES.get(name, "{}").format(describe_kind(node.op))
            yield FigurePart(place, factor * getattr(there, name), what.format(factor))


def _merge_parts(parts: Iterable[FigurePart]) -> Iterable[FigurePart]:
    """One part for each kind and rule, in order of first appearance."""
    sums: Counter[tuple[str, str]] = Counter()
    for part in parts:
        if part.difference:
            sums[part.kind, part.rule] += part.difference
    return (FigurePart(kind, difference, rule) for (kind, rule), difference in sums.items())


_WHAT = {
    "biased": "{} for each element that it is added to",
    "entering": "{} for each element that comes in",
    "leaving": "{} for each element that comes out",
    "params": "{} for each weight, wherever it is used",
    "filters": "{} for each element of a filter",
    "constant": "{} for each",
}
_PLACES = {"biased": "bias of {}", "filters": "standardized weights of {}"}


def describe_kind(op: Op) -> str:
    """What an operation is, in a word or two."""
    return op.function if isinstance(op, ops.Activation) else _KINDS.get(type(op), type(op).__name__.lower())


_KINDS: dict[type[Op], str] = {
    ops.Conv: "convolution",
    ops.ChannelConv: "convolution along channels",
    ops.BlurPool: "blur",
    ops.Linear: "linear layer",
    ops.BatchNorm: "batch norm",
    ops.GroupNorm: "group norm",
    ops.MaxPool: "max pooling",
    ops.AvgPool: "average pooling",
    ops.GlobalAvgPool: "global average pooling",
    ops.GlobalMaxPool: "global max pooling",
    ops.SplitSoftmax: "softmax over splits",
    ops.Flatten: "average pooling that changes nothing",
}
