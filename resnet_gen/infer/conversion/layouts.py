"""What is done to a tensor's values on their way: laid out otherwise, or made for other input channels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from resnet_gen.infer.conversion.slots import TensorSlot, flax_axes
from resnet_gen.ops import Shape
from resnet_gen.ops.base import format_shape

TensorValues: TypeAlias = npt.NDArray[Any]


class LayoutMove(NamedTuple):
    """From one layout to another: what that is in words, and what does it."""

    done: tuple[str, ...]
    apply: Callable[[TensorValues], TensorValues]


def plan_move(slot: TensorSlot, given: Shape, shape: Shape, *, from_flax: bool, to_flax: bool) -> LayoutMove:
    """From a tensor of the shape `given` to one of `shape`, either of them laid out as Flax's if so said."""
    axes = flax_axes(slot)
    out_of, into = (axes if from_flax else None), (axes if to_flax else None)
    ours = slot.shape if out_of else given
    plain = slot.shape if into else shape

    def apply(values: TensorValues) -> TensorValues:
        found = values.transpose(np.argsort(out_of)) if out_of else values
        plainly: TensorValues = found.reshape(plain)
        return plainly.transpose(into) if into else plainly

    transposed = ("transposed",) if out_of != into else ()
    reshaped = (f"reshaped from {format_shape(ours)}",) if ours != plain else ()
    return LayoutMove(transposed + reshaped, apply)


def widen_input(weight: TensorValues, channels: int) -> TensorValues:
    """A first convolution's weight (out, in, k, k) for another number of input channels, as timm does it.

    For one channel the filters are summed; for others the channels are repeated in turn, and scaled by in / channels
    (`adapt_input_conv` in timm/models/_manipulate.py). Computed in float32 at least, and kept in its own type.
    """
    given = weight.shape[1]
    exact = weight.astype(np.promote_types(weight.dtype, np.float32) if weight.dtype.kind == "f" else np.float32)
    if channels == 1:
        made = exact.sum(axis=1, keepdims=True)
    else:
        turns = math.ceil(channels / given)
        made = np.tile(exact, (1, turns, 1, 1))[:, :channels] * exact.dtype.type(given / channels)
    with np.errstate(over="ignore"):
        kept: TensorValues = made.astype(weight.dtype)
    return kept
