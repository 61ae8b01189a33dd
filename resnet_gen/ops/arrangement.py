"""Arrangement: channels and positions taken, joined, padded, and weighed against each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from resnet_gen.ops.base import Op, Shape, ShapeError, feature_map, format_shape


class Flatten(Op):
    """(C, H, W) to (C * H * W,), channels outermost."""

    keeps_sign: ClassVar[bool] = True

    def shape(self, *inputs: Shape) -> Shape:
        return (math.prod(inputs[0]),)


class AsMap(Op):
    """(N,) to (N, 1, 1): a vector as a map of one pixel."""

    keeps_sign: ClassVar[bool] = True

    def shape(self, *inputs: Shape) -> Shape:
        if len(inputs[0]) != 1:
            raise ShapeError("only a vector becomes a map of one pixel")
        return *inputs[0], 1, 1


@dataclass(frozen=True)
class PadChannels(Op):
    """Zero channels appended after the existing ones, up to `out`."""

    keeps_sign: ClassVar[bool] = True

    out: int

    def shape(self, *inputs: Shape) -> Shape:
        c, h, w = feature_map(inputs[0], "channel padding")
        if c > self.out:
            raise ShapeError(f"zero padding cannot narrow {c} channels to {self.out}")
        return self.out, h, w


@dataclass(frozen=True)
class PadMap(Op):
    """Zero rows and columns, `before` of them above and to the left, `after` below and to the right."""

    keeps_sign: ClassVar[bool] = True

    before: int
    after: int

    def shape(self, *inputs: Shape) -> Shape:
        c, h, w = feature_map(inputs[0], "padding")
        return c, h + self.before + self.after, w + self.before + self.after


@dataclass(frozen=True)
class TakeChannels(Op):
    """Channels `start` to `stop` (without it)."""

    keeps_sign: ClassVar[bool] = True

    start: int
    stop: int

    def shape(self, *inputs: Shape) -> Shape:
        c, h, w = feature_map(inputs[0], "taking channels")
        if not 0 <= self.start < self.stop <= c:
            raise ShapeError(f"channels {self.start} to {self.stop} are not among {c}")
        return self.stop - self.start, h, w


@dataclass(frozen=True)
class Concat(Op):
    """Maps joined along channels (`axis` 0) or side by side (`axis` 2)."""

    keeps_sign: ClassVar[bool] = True

    axis: int = 0

    def shape(self, *inputs: Shape) -> Shape:
        first = feature_map(inputs[0], "joining")
        for other in inputs[1:]:
            if [n for i, n in enumerate(other) if i != self.axis] != [n for i, n in enumerate(first) if i != self.axis]:
                raise ShapeError(f"{format_shape(first)} and {format_shape(other)} cannot be joined")
        return tuple(sum(x[i] for x in inputs) if i == self.axis else n for i, n in enumerate(first))


@dataclass(frozen=True)
class SplitSoftmax(Op):
    """Softmax over `splits` competing values of each channel of a (C, 1, 1) map.

    Channels are read as (groups, splits, rest) and output as (splits, groups,
    rest) (Zhang et al. 2020, ResNeSt, Eq. 2).
    """

    splits: int
    groups: int = 1

    def nonnegative(self, *inputs: bool) -> bool:
        return True

    def shape(self, *inputs: Shape) -> Shape:
        c, h, w = feature_map(inputs[0], "softmax over splits")
        if (h, w) != (1, 1) or c % (self.splits * self.groups):
            raise ShapeError(f"{format_shape(inputs[0])} is not {self.splits} splits of {self.groups} groups")
        return inputs[0]
