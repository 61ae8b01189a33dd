"""What differs between two modules of one class: the numbers that an operation is made with.

Everything else about an operation (its bias, its eps, its function) is what it *is*: other values, another class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from resnet_gen import ops
from resnet_gen.modules.tree import Chunk, Leaf

Settings: TypeAlias = dict[str, int]

FAMILIES = {
    "in_channels": "channels",
    "out_channels": "channels",
    "channels": "channels",
    "in_features": "channels",
    "out_features": "channels",
    "start": "channels",
    "stop": "channels",
    "groups": "channels",
    "padding": "window",
    "dilation": "window",
    "kernel_size": "window",
}
"""Settings that may be told by each other; any other only by those of its own name."""


def settings(leaf: Leaf) -> Settings:
    """The numbers that the operation is made with, in the order in which a constructor takes them."""
    made = _SETTINGS.get(type(leaf.op))
    return made(leaf.op, leaf.shapes[0][0]) if made else {}


def fixed(leaf: Leaf) -> tuple[Any, ...]:
    """What makes two operations different ones, whatever their numbers."""
    op = leaf.op
    slope = op.slope if isinstance(op, ops.Activation) and op.sloped else None
    return (type(op).__name__, slope, *(getattr(op, name) for name in _FIXED.get(type(op), ())))


def _window(op: Any) -> Settings:
    return {"kernel_size": op.kernel, "stride": op.stride, "padding": op.padding}


_SETTINGS: dict[type[ops.Op], Callable[[Any, int], Settings]] = {
    ops.Conv: lambda op, c: {
        "in_channels": c,
        "out_channels": op.out,
        **_window(op),
        "dilation": op.dilation,
        "groups": op.groups,
    },
    ops.ChannelConv: lambda op, c: {"kernel_size": op.kernel},
    ops.Linear: lambda op, c: {"in_features": c, "out_features": op.out},
    ops.BatchNorm: lambda op, c: {"channels": c},
    ops.GroupNorm: lambda op, c: {"groups": op.groups, "channels": c},
    ops.MaxPool: lambda op, c: _window(op),
    ops.AvgPool: lambda op, c: _window(op),
    ops.BlurPool: lambda op, c: {"channels": c, "stride": op.stride},
    ops.Subsample: lambda op, c: {"stride": op.stride},
    ops.PadChannels: lambda op, c: {"in_channels": c, "out_channels": op.out},
    ops.PadMap: lambda op, c: {"before": op.before, "after": op.after},
    ops.TakeChannels: lambda op, c: {"start": op.start, "stop": op.stop},
    ops.SplitSoftmax: lambda op, c: {"splits": op.splits, "groups": op.groups},
}
_FIXED: dict[type[ops.Op], tuple[str, ...]] = {
    ops.Conv: ("bias", "bias_fill", "standardize"),
    ops.Linear: ("bias",),
    ops.BatchNorm: ("eps",),
    ops.GroupNorm: ("eps",),
    ops.MaxPool: ("ceil", "zeros"),
    ops.AvgPool: ("ceil",),
    ops.Activation: ("function",),
    ops.Concat: ("axis",),
    Chunk: ("parts",),
}
