"""What an operation is: its shape rule, its weights and its MACs, each stated once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, TypeAlias

Shape: TypeAlias = tuple[int, ...]
DType: TypeAlias = Literal["float32", "float16", "bfloat16", "float8_e4m3fn", "int8", "uint8", "int32", "int64"]
"""An element type, by NumPy's name (the third and fourth are ml_dtypes')."""


class ShapeError(ValueError):
    """An operation refuses the shapes it was given; the message says why."""


class Tensor(NamedTuple):
    """One weight of an operation: its role, shape, and what it starts from.

    `fill` is the starting value of every element; None means He initialization.
    `trainable` is false for buffers (a batch norm's running statistics). `dtype`
    is what it is stored in, None being the type that the operation computes in;
    `scale` marks a number that is there only because of how another is stored.
    """

    role: str
    shape: Shape
    fill: float | None = None
    trainable: bool = True
    dtype: DType | None = None
    scale: bool = False


class WeightStorage(NamedTuple):
    """How a layer's weight is stored: as `dtype`, each output channel with a scale of its own.

    With `bias` its bias is stored as int32 with the scale of the products; `in_graph`
    leaves the weight in float and has the file quantize it.
    """

    dtype: DType
    bias: bool = False
    in_graph: bool = False

    def tensors(self, weight: Tensor, bias: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """A layer's weight and bias as they are stored, each followed by its scales."""
        scales = Tensor("weight_scale", weight.shape[:1], scale=True)
        stored = (weight if self.in_graph else weight._replace(dtype=self.dtype), scales)
        if not (self.bias and bias):
            return (*stored, *bias)
        return (*stored, bias[0]._replace(dtype="int32"), scales._replace(role="bias_scale"))


@dataclass(frozen=True)
class Op:
    """An operation on one or more activations; those with settings are frozen dataclasses too."""

    is_layer: ClassVar[bool] = False
    """Whether it is a layer in the papers' sense: a convolution or a linear layer."""
    keeps_sign: ClassVar[bool] = False
    """Whether the result is never negative where no operand is."""

    @property
    def foreign_name(self) -> str:
        """What another tool calls it that is none of our operations; empty for ours."""
        return ""

    def shape(self, *inputs: Shape) -> Shape:
        """Shape of the result for inputs of these shapes; raises `ShapeError`."""
        return inputs[0]

    def weights(self, *inputs: Shape) -> tuple[Tensor, ...]:
        """Weights, in the order in which PyTorch's modules register them."""
        return ()

    def macs(self, *inputs: Shape) -> int:
        """Multiply-accumulates for one image; only convolution and linear layers have any."""
        return 0

    def nonnegative(self, *inputs: bool) -> bool:
        """Whether the result is never negative; `inputs` say it of the operands."""
        return self.keeps_sign and all(inputs)


def feature_map(shape: Shape, what: str) -> tuple[int, int, int]:
    """A shape (C, H, W), as which it is wanted; raises `ShapeError` for a vector."""
    if len(shape) != 3:
        raise ShapeError(f"{what} needs a feature map, not a vector of {shape[0]}")
    return shape[0], shape[1], shape[2]


def format_shape(shape: Shape) -> str:
    """A shape in a message: `64x56x56`."""
    return "x".join(map(str, shape)) or "a scalar"


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
