"""What steps from pixels come to: of a pixel a factor and a shift, which are a mean and a deviation."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from resnet_gen.graph.surroundings import PixelInput
from resnet_gen.onnx.reading.surroundings.nodes import ExactNumbers
from resnet_gen.ops import DType

FLOATS: tuple[DType, ...] = ("float32", "float16", "bfloat16")
CHANNELS_FIRST, CHANNELS_LAST = "NCHW", "NHWC"
_LARGEST_IN_UNIT = 1.5
"""A mean, or a standard deviation, above this is of pixels of 0..255, not of values of 0..1."""
ROUNDING = 4e-7
"""What a number may be off by that was computed from two in float32."""


@dataclass(frozen=True)
class PixelSteps:
    """Steps so far: the tensor that they make, in which type and order, and of a pixel `factor` * pixel + `shift`.

    `layout` names its dimensions; factors and shifts stand in the order that channels have in the tensor. `stripped`
    says that something was done that a network's graph cannot hold. `passed` are the tensors before.
    """

    tensor: str
    dtype: str
    layout: str
    dims: tuple[Any, ...]
    factor: ExactNumbers = (Fraction(1),)
    shift: ExactNumbers = (Fraction(0),)
    reversed: bool = False
    divided: bool = False
    stripped: bool = False
    crop: float | None = None
    cast: bool = False
    of_bytes: bool = False
    passed: tuple[str, ...] = ()

    @property
    def axis(self) -> int:
        """Which dimension that of the channels is."""
        return self.layout.index("C")

    @property
    def channels(self) -> int:
        """Channels of the image; 0 where they are not stated."""
        found = self.dims[self.axis]
        return found if isinstance(found, int) else 0

    @property
    def is_network_input(self) -> bool:
        """Whether a network may begin here: with a floating-point image, channels first."""
        return self.layout == CHANNELS_FIRST and self.dtype in FLOATS


def describe_pixels(start: PixelSteps, steps: PixelSteps) -> PixelInput | None:
    """What the input is, so that the steps make of it what the network takes; None for a range that no pixels have."""
    if any(factor <= 0 for factor in steps.factor):
        return None
    scale = _choose_scale(start, steps)
    around: dict[str, Any] = {}
    if any(steps.shift) or any(factor * scale != 1 for factor in steps.factor):
        try:
            with np.errstate(over="ignore"):
                around = _describe_normalization(steps, scale)
                finite = np.isfinite(np.float32(around["mean"] + around["std"])).all()
        except OverflowError:
            return None
        if not finite or not all(around["std"]):
            return None
    return PixelInput(
        dtype="uint8" if start.dtype == "uint8" else _name_type(start.dtype),
        layout="NHWC" if start.layout == CHANNELS_LAST else "NCHW",
        order="BGR" if steps.reversed else "RGB",
        scale=float(scale),
        crop=steps.crop,
        **around,
    )


def _describe_normalization(steps: PixelSteps, scale: int) -> dict[str, Any]:
    """Mean and deviation of each channel; raises `OverflowError` for what no float is."""
    many = max(steps.channels, 1)
    factor, shift = (each * (many // len(each)) for each in (steps.factor, steps.shift))
    std = [1 / (each * scale) for each in factor]
    mean = [-each * one for each, one in zip(shift, std, strict=True)]
    return {"mean": _round_all(mean), "std": _round_all(std)}


def _name_type(dtype: str) -> DType:
    return next(name for name in FLOATS if name == dtype)


def _choose_scale(start: PixelSteps, steps: PixelSteps) -> int:
    """The greatest pixel: what pixels are divided by, or else what the mean and the deviation are of."""
    plain = not any(steps.shift) and all(factor == 1 for factor in steps.factor)
    if plain or steps.divided:
        return 255 if steps.divided else 1
    if start.dtype == "uint8":
        return 255
    deviations = [1 / factor for factor in steps.factor]
    means = [abs(shift / factor) for shift, factor in zip(*align_channels(steps.shift, steps.factor), strict=True)]
    return 255 if max(*deviations, *means, Fraction(0)) > _LARGEST_IN_UNIT else 1


def _round_all(numbers: list[Fraction]) -> tuple[float, ...]:
    """Numbers as somebody wrote them, in float32: those of few digits where all were rounded on the way."""
    exact = all(Fraction(float(np.float32(float(number)))) == number for number in numbers)
    return tuple(float(str(np.float32(float(n)))) if exact else _shorten(float(n)) for n in numbers)


def _shorten(number: float) -> float:
    """The number of fewest digits, up to six, that is off by no more than rounding; else that of float32."""
    for digits in range(1, 7):
        found = float(f"{number:.{digits}g}")
        if abs(found - number) <= ROUNDING * abs(number):
            return found
    return float(str(np.float32(number)))


def align_channels(first: ExactNumbers, second: ExactNumbers) -> tuple[ExactNumbers, ExactNumbers]:
    """Two lists of numbers with as many in each, one for each channel or one for all."""
    many = max(len(first), len(second))
    return first * (many // len(first)), second * (many // len(second))
