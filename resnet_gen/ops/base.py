"""What an operation is: its shape rule, its weights and its MACs, each stated once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, TypeAlias

Shape: TypeAlias = tuple[int, ...]


class ShapeError(ValueError):
    """An operation refuses the shapes it was given; the message says why."""


class Tensor(NamedTuple):
    """One weight of an operation: its role, shape, and what it starts from.

    `fill` is the starting value of every element; None means He initialization.
    `trainable` is false for buffers (a batch norm's running statistics).
    """

    role: str
    shape: Shape
    fill: float | None = None
    trainable: bool = True


@dataclass(frozen=True)
class Op:
    """An operation on one or more activations; those with settings are frozen dataclasses too."""

    is_layer: ClassVar[bool] = False
    """Whether it is a layer in the papers' sense: a convolution or a linear layer."""

    def shape(self, *inputs: Shape) -> Shape:
        """Shape of the result for inputs of these shapes; raises `ShapeError`."""
        return inputs[0]

    def weights(self, *inputs: Shape) -> tuple[Tensor, ...]:
        """Weights, in the order in which PyTorch's modules register them."""
        return ()

    def macs(self, *inputs: Shape) -> int:
        """Multiply-accumulates for one image; only convolution and linear layers have any."""
        return 0


def feature_map(shape: Shape, what: str) -> tuple[int, int, int]:
    """A shape (C, H, W), as which it is wanted; raises `ShapeError` for a vector."""
    if len(shape) != 3:
        raise ShapeError(f"{what} needs a feature map, not a vector of {shape[0]}")
    return shape[0], shape[1], shape[2]


def sides(shape: Shape) -> str:
    """A shape in a message: `64x56x56`."""
    return "x".join(map(str, shape))


class Window(Op):
    """Shape rule shared by what slides a square window over a map."""

    def slide(
        self, x: Shape, kernel: int, stride: int, padding: int, *, dilation: int = 1, ceil: bool = False
    ) -> tuple[int, int, int]:
        """(C, H, W) of the places that the window takes; with `ceil` the last may hang over the map's end."""
        c, h, w = feature_map(x, f"a {kernel}x{kernel} window")
        reach = dilation * (kernel - 1) + 1
        if min(h, w) + 2 * padding < reach:
            size = f"{kernel}x{kernel} window" + (f" of dilation {dilation}" if dilation > 1 else "")
            raise ShapeError(f"the map has shrunk to {h}x{w}, too small for a {size}")
        return c, _places(h, reach, stride, padding, ceil), _places(w, reach, stride, padding, ceil)


def _places(side: int, reach: int, stride: int, padding: int, ceil: bool) -> int:
    room = side + 2 * padding - reach
    places = room // stride + 1
    # As in PyTorch, a window that hangs over must begin within the map or the padding before it.
    hangs_over = ceil and room % stride and places * stride < side + padding
    return places + bool(hangs_over)
