"""What a file puts around a network: pixels decoded before it, classes chosen behind it.

No network is made of these: a spec's graph has none of them, and its counts none of what they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from resnet_gen.ops.base import Op, Shape, ShapeError, feature_map
from resnet_gen.ops.serving_words import Layout
from resnet_gen.ops.types import TypeChange

ANY_SIDE = 0
"""A side of a picture that a file leaves open."""
OPEN_SIDES = ("height", "width")
"""What the two are called in a file, in this order."""


def name_sides(shape: Shape) -> list[int | str]:
    """A shape's sides, those that are open by their names."""
    names = iter(OPEN_SIDES)
    return [next(names) if side == ANY_SIDE else side for side in shape]


def fill_sides(shape: Shape, size: Sequence[int]) -> Shape:
    """A shape with another height and width: in place of the sides that are open, of the last two where none is."""
    if ANY_SIDE not in shape:
        return (*shape[:-2], *size)
    sides = iter(size)
    return tuple(next(sides) if side == ANY_SIDE else side for side in shape)


def picture_shape(shape: Shape, layout: Layout, *, open_sides: bool) -> Shape:
    """The shape of a picture as a file takes it, whose network takes `shape`, (C, H, W)."""
    c, h, w = shape
    if open_sides:
        h = w = ANY_SIDE
    return (h, w, c) if layout == "NHWC" else (c, h, w)


_FINEST_PART = 10_000
"""The largest denominator of the part that a crop keeps, so that sides are computed in whole numbers of 64 bits."""


_LEAST_PART = Fraction(1, 100)
"""A part up to which such denominators are too coarse; no file resizes for so small a crop."""


def find_part(crop: float) -> Fraction:
    """The part of a side that a crop keeps, exactly: 5/6 for 0.8333333333333334."""
    part = Fraction(str(crop))
    return part.limit_denominator(_FINEST_PART) if part > _LEAST_PART else part


def find_decimal(part: Fraction) -> float:
    """The number of fewest digits that stands for a part, which a file's numbers show."""
    numbers = (float(f"{float(part):.{digits}g}") for digits in range(1, 18))
    return next((number for number in numbers if find_part(number) == part), float(part))


def round_part(crop: float) -> float:
    """A crop as files show it, which keep the part alone."""
    return find_decimal(find_part(crop))


def list_ratios(size: Sequence[int], crop: float) -> list[Fraction]:
    """What each side is before its crop, of which that part is kept, exactly."""
    return [side / find_part(crop) for side in size]


def list_least_sides(size: Sequence[int], crop: float) -> list[int]:
    """What each side is resized to where its own ratio decides, which is the same for all pictures."""
    return [max(side, round(ratio)) for side, ratio in zip(size, list_ratios(size, crop), strict=True)]


def find_resized_sides(given: tuple[int, int], size: tuple[int, int], crop: float) -> tuple[int, int]:
    """The (H, W) that a picture is resized to, so that the crop of `size` keeps that part of one side.

    Halves are rounded to even. In whole numbers, as floats take some halves for more or less.
    """
    ratio = max(before / side for before, side in zip(list_ratios(size, crop), given, strict=True))
    height, width = (max(least, round(side * ratio)) for least, side in zip(size, given, strict=True))
    return height, width


class ChannelsFirst(Op):
    """(H, W, C) to (C, H, W)."""

    def shape(self, *inputs: Shape) -> Shape:
        h, w, c = feature_map(inputs[0], "turning")
        return c, h, w


class ReverseChannels(Op):
    """Channels in the other order: BGR to RGB."""

    def shape(self, *inputs: Shape) -> Shape:
        return feature_map(inputs[0], "reversing channels")


@dataclass(frozen=True)
class ResizeAndCrop(Op):
    """A map of any size to `size`, (H, W): resized with antialiasing, of which the central crop is taken.

    The crop keeps the part `crop` of the shorter side, as `engine.image` does it with Pillow. With `whole` values are
    rounded to whole ones after the columns and after the rows, as Pillow does.
    """

    size: tuple[int, int]
    crop: float
    whole: bool = True

    def shape(self, *inputs: Shape) -> Shape:
        c, _, _ = feature_map(inputs[0], "resizing")
        return (c, *self.size)


@dataclass(frozen=True)
class NormalizePixels(Op):
    """(x / scale - mean) / std for each channel, divided and subtracted in this order."""

    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def shape(self, *inputs: Shape) -> Shape:
        c, h, w = feature_map(inputs[0], "normalizing")
        if not c == len(self.mean) == len(self.std):
            raise ShapeError(f"{c} channels, and a mean of {len(self.mean)} and a deviation of {len(self.std)}")
        return c, h, w


@dataclass(frozen=True)
class BestClasses(TypeChange):
    """The numbers of the `k` highest scores, the highest first, the lower number first among equals."""

    k: int

    def shape(self, *inputs: Shape) -> Shape:
        (scores,) = inputs
        if len(scores) != 1 or not 1 <= self.k <= scores[0]:
            raise ShapeError(f"{self.k} are not to be had of {scores}")
        return (self.k,)


class ScoresOfClasses(Op):
    """The scores (first operand) of the classes that the second names."""

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[1]


class UnitLength(Op):
    """A vector divided by its Euclidean length; one of nothing but zeros stays so."""

    def shape(self, *inputs: Shape) -> Shape:
        if len(inputs[0]) != 1:
            raise ShapeError("only a vector has a length")
        return inputs[0]
