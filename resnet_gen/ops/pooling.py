"""Pooling: what makes a map smaller without weights of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from resnet_gen.ops.base import Op, Shape, ShapeError, Window, feature_map


@dataclass(frozen=True)
class MaxPool(Window):
    """Max pooling with a square window; with `ceil` the last window may hang over the map's end.

    Padding never wins, unless `zeros` makes zeros of it.
    """

    keeps_sign: ClassVar[bool] = True

    kernel: int
    stride: int
    padding: int = 0
    ceil: bool = False
    zeros: bool = False

    def shape(self, *inputs: Shape) -> Shape:
        return self.slide(inputs[0], self.kernel, self.stride, self.padding, ceil=self.ceil)


@dataclass(frozen=True)
class AvgPool(Window):
    """Average pooling with a square window.

    Padding counts as zeros. With `ceil` the last window may hang over the map's
    end, and is then the average of what it covers.
    """

    keeps_sign: ClassVar[bool] = True

    kernel: int
    stride: int
    padding: int = 0
    ceil: bool = False

    def shape(self, *inputs: Shape) -> Shape:
        if self.ceil and self.padding:
            raise ShapeError("average pooling has either padding or windows that hang over")
        return self.slide(inputs[0], self.kernel, self.stride, self.padding, ceil=self.ceil)


@dataclass(frozen=True)
class BlurPool(Window):
    """A 3x3 binomial blur at a stride, the border mirrored (Zhang 2019, Sec. 3.1): a fixed depthwise convolution."""

    keeps_sign: ClassVar[bool] = True

    stride: int

    def shape(self, *inputs: Shape) -> Shape:
        _, h, w = feature_map(inputs[0], "a blur")
        if min(h, w) < 2:
            raise ShapeError(f"a map of {h}x{w} is too small to be mirrored at its border")
        return self.slide(inputs[0], 3, self.stride, 1)

    def macs(self, *inputs: Shape) -> int:
        return math.prod(self.shape(*inputs)) * 9


class GlobalAvgPool(Op):
    """The mean of each channel's map: (C, H, W) to (C, 1, 1)."""

    keeps_sign: ClassVar[bool] = True

    def shape(self, *inputs: Shape) -> Shape:
        return feature_map(inputs[0], "global average pooling")[0], 1, 1


class GlobalMaxPool(Op):
    """The maximum of each channel's map: (C, H, W) to (C, 1, 1)."""

    keeps_sign: ClassVar[bool] = True

    def shape(self, *inputs: Shape) -> Shape:
        return feature_map(inputs[0], "global max pooling")[0], 1, 1


class SumPositions(Op):
    """The sum of each channel's map: (C, H, W) to (C, 1, 1)."""

    keeps_sign: ClassVar[bool] = True

    def shape(self, *inputs: Shape) -> Shape:
        return feature_map(inputs[0], "a sum over positions")[0], 1, 1


class ChannelMean(Op):
    """The mean over channels at each position: (C, H, W) to (1, H, W)."""

    keeps_sign: ClassVar[bool] = True

    def shape(self, *inputs: Shape) -> Shape:
        return 1, *feature_map(inputs[0], "a mean over channels")[1:]


class ChannelMax(Op):
    """The maximum over channels at each position: (C, H, W) to (1, H, W)."""

    keeps_sign: ClassVar[bool] = True

    def shape(self, *inputs: Shape) -> Shape:
        return 1, *feature_map(inputs[0], "a maximum over channels")[1:]


@dataclass(frozen=True)
class Subsample(Window):
    """Every `stride`-th row and column, from the first: identity at a stride."""

    keeps_sign: ClassVar[bool] = True

    stride: int

    def shape(self, *inputs: Shape) -> Shape:
        return self.slide(inputs[0], 1, self.stride, 0)
