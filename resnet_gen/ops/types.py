"""Changes of element type: casts, and the rounding of activations to eight bits and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resnet_gen.ops.base import DType, Op


@dataclass(frozen=True)
class TypeChange(Op):
    """An operation whose result has the type `to`; no other has another type than its first operand."""

    keeps_sign: ClassVar[bool] = True

    to: DType


@dataclass(frozen=True)
class Cast(TypeChange):
    """A change of element type that keeps the values as nearly as the type can."""


@dataclass(frozen=True)
class Quantize(TypeChange):
    """x / scale + zero point, rounded to the nearest even and saturated to what `to` can hold."""

    scale: float
    zero_point: int = 0


@dataclass(frozen=True)
class Dequantize(TypeChange):
    """(q - zero point) * scale, in the type `to`."""

    scale: float
    zero_point: int = 0
