"""What differs between two modules of one class: the numbers that an operation is made with.

Everything else about an operation (its bias, its eps, its function) is what it *is*: other values, another class.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from resnet_gen import ops
from resnet_gen.generate.modules.training import DropBranch, DropValues
from resnet_gen.generate.modules.tree import ChannelChunks, OperationLeaf

ModuleSettings: TypeAlias = dict[str, int]

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
"""Settings that may be derived from each other; any other only by those of its own name."""


def find_settings(leaf: OperationLeaf) -> ModuleSettings:
    """The numbers that the operation is made with, in the order in which a constructor takes them."""
    given = {"channels": leaf.shapes[0][0], **vars(leaf.op)}
    return {name: given[source] for name, source in _SETTINGS.get(type(leaf.op), {}).items()}


def find_fixed_settings(leaf: OperationLeaf) -> tuple[Any, ...]:
    """What makes two operations different ones, whatever their numbers."""
    op = leaf.op
    slope = op.slope if isinstance(op, ops.Activation) and op.sloped else None
    return (type(op).__name__, slope, *(getattr(op, name) for name in _FIXED.get(type(op), ())))


_WINDOW = {"kernel_size": "kernel", "stride": "stride", "padding": "padding"}
_SETTINGS: dict[type[ops.Op], dict[str, str]] = {
    ops.Conv: {
        "in_channels": "channels",
        "out_channels": "out",
        "kernel_size": "kernel",
        "stride": "stride",
        "dilation": "dilation",
        "padding": "padding",
        "groups": "groups",
    },
    ops.ChannelConv: {"kernel_size": "kernel"},
    ops.Linear: {"in_features": "channels", "out_features": "out"},
    ops.BatchNorm: {"channels": "channels"},
    ops.GroupNorm: {"groups": "groups", "channels": "channels"},
    ops.MaxPool: _WINDOW,
    ops.AvgPool: _WINDOW,
    ops.BlurPool: {"channels": "channels", "stride": "stride"},
    ops.Subsample: {"stride": "stride"},
    ops.PadChannels: {"in_channels": "channels", "out_channels": "out"},
    ops.PadMap: {"before": "before", "after": "after"},
    ops.TakeChannels: {"start": "start", "stop": "stop"},
    ops.SplitSoftmax: {"splits": "splits", "groups": "groups"},
}
"""Each operation's settings by the field of it that they are; `channels` are those that it takes."""

_FIXED: dict[type[ops.Op], tuple[str, ...]] = {
    ops.Conv: ("bias", "bias_fill", "standardize"),
    ops.Linear: ("bias",),
    ops.BatchNorm: ("eps",),
    ops.GroupNorm: ("eps",),
    ops.MaxPool: ("ceil", "zeros"),
    ops.AvgPool: ("ceil",),
    ops.Activation: ("function",),
    ops.Concat: ("axis",),
    ChannelChunks: ("parts",),
    DropValues: ("rate",),
    DropBranch: ("rate", "mode"),
}
