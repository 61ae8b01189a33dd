"""The closed set of operations: each states its shape rule, weights and MACs once. Number types too.

The shapes of what an operation reads come in; the shape that it makes, its tensors and its MACs go out.

A shape is that of one image's activation, without the batch: (C, H, W) for a
feature map, (N,) for a vector. An operation knows nothing of names, files or
networks. Adding one means one class here and one rule in each emitter.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for true

if TYPE_CHECKING:
    from resnet_gen.ops.arrangement import AsMap, Concat, Flatten, PadChannels, PadMap, SplitSoftmax, TakeChannels
    from resnet_gen.ops.base import DType, Op, Shape, ShapeError, Tensor, WeightStorage
    from resnet_gen.ops.elementwise import Activation, Add, Function, Mul, OneMinus, Softmax
    from resnet_gen.ops.layers import BatchNorm, ChannelConv, Conv, GroupNorm, Linear
    from resnet_gen.ops.pooling import (
        AvgPool,
        BlurPool,
        ChannelMax,
        ChannelMean,
        GlobalAvgPool,
        GlobalMaxPool,
        MaxPool,
        Subsample,
        SumPositions,
    )
    from resnet_gen.ops.types import Cast, Dequantize, Quantize

__all__ = [
    "Activation", "Add", "AsMap", "AvgPool", "BatchNorm", "BlurPool", "Cast", "ChannelConv", "ChannelMax",
    "ChannelMean", "Concat", "Conv", "DType", "Dequantize", "Flatten", "Function", "GlobalAvgPool", "GlobalMaxPool",
    "GroupNorm", "Linear", "MaxPool", "Mul", "OneMinus", "Op", "PadChannels", "PadMap", "Quantize",
    "Shape", "ShapeError", "Softmax", "SplitSoftmax", "Subsample", "SumPositions", "TakeChannels", "Tensor",
    "WeightStorage",
]  # fmt: skip


def __getattr__(name: str) -> object:
    """An operation: all are imported when the first is asked for, and not by who wants a precision or a limit."""
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    for module in ("base", "arrangement", "elementwise", "layers", "pooling", "types"):
        found = vars(import_module(f"{__name__}.{module}"))
        globals().update({key: found[key] for key in __all__ if key in found})
    return globals()[name]


def __dir__() -> list[str]:
    return __all__
