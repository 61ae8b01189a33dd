"""The closed set of operations: each states its shape rule, weights and MACs once.

A shape is that of one image's activation, without the batch: (C, H, W) for a
feature map, (N,) for a vector. An operation knows nothing of names, files or
networks. Adding one means one class here and one rule in each emitter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

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

    def shape(self, *inputs: Shape) -> Shape:
        """Shape of the result for inputs of these shapes; raises `ShapeError`."""
        return inputs[0]

    def weights(self, *inputs: Shape) -> tuple[Tensor, ...]:
        """Weights, in the order in which PyTorch's modules register them."""
        return ()

    def macs(self, *inputs: Shape) -> int:
        """Multiply-accumulates for one image; only convolution and linear layers have any."""
        return 0


def _feature_map(shape: Shape, what: str) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise ShapeError(f"{what} needs a feature map, not a vector of {shape[0]}")
    return shape[0], shape[1], shape[2]


def _slid(side: int, kernel: int, stride: int, padding: int) -> int:
    return (side + 2 * padding - kernel) // stride + 1


class _Window(Op):
    """Shape rule shared by what slides a square window over a map."""

    def _slide(self, x: Shape, kernel: int, stride: int, padding: int) -> tuple[int, int, int]:
        c, h, w = _feature_map(x, f"a {kernel}x{kernel} window")
        if min(h, w) + 2 * padding < kernel:
            raise ShapeError(f"the map has shrunk to {h}x{w}, too small for a {kernel}x{kernel} window")
        return c, _slid(h, kernel, stride, padding), _slid(w, kernel, stride, padding)


@dataclass(frozen=True)
class Conv(_Window):
    """A 2-d convolution with a square kernel; weights are (out, in / groups, k, k)."""

    out: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    bias: bool = False
    bias_fill: float = 0.0

    def shape(self, *inputs: Shape) -> Shape:
        c, h, w = self._slide(inputs[0], self.kernel, self.stride, self.padding)
        for what, channels in (("input", c), ("output", self.out)):
            if channels % self.groups:
                raise ShapeError(f"{self.groups} groups do not divide {channels} {what} channels")
        return self.out, h, w

    def weights(self, *inputs: Shape) -> tuple[Tensor, ...]:
        shape = (self.out, inputs[0][0] // self.groups, self.kernel, self.kernel)
        bias = (Tensor("bias", (self.out,), self.bias_fill),) if self.bias else ()
        return (Tensor("weight", shape), *bias)

    def macs(self, *inputs: Shape) -> int:
        weight = self.weights(*inputs)[0].shape
        return math.prod(self.shape(*inputs)) * math.prod(weight[1:])


@dataclass(frozen=True)
class Linear(Op):
    """A fully connected layer; weights are (out, in)."""

    out: int
    bias: bool = True

    def shape(self, *inputs: Shape) -> Shape:
        if len(inputs[0]) != 1:
            raise ShapeError("a linear layer needs a vector, not a feature map")
        return (self.out,)

    def weights(self, *inputs: Shape) -> tuple[Tensor, ...]:
        bias = (Tensor("bias", (self.out,), 0.0),) if self.bias else ()
        return (Tensor("weight", (self.out, inputs[0][0])), *bias)

    def macs(self, *inputs: Shape) -> int:
        return inputs[0][0] * self.out


@dataclass(frozen=True)
class BatchNorm(Op):
    """Batch normalization with running statistics (Ioffe and Szegedy 2015)."""

    eps: float = 1e-5

    def weights(self, *inputs: Shape) -> tuple[Tensor, ...]:
        c = (_feature_map(inputs[0], "batch norm")[0],)
        return (
            Tensor("weight", c, 1.0),
            Tensor("bias", c, 0.0),
            Tensor("running_mean", c, 0.0, trainable=False),
            Tensor("running_var", c, 1.0, trainable=False),
        )


Function: TypeAlias = Literal["relu", "leaky_relu", "silu", "sigmoid", "tanh"]


@dataclass(frozen=True)
class Activation(Op):
    """An elementwise nonlinearity; `slope` is leaky ReLU's on the negative side."""

    function: Function
    slope: float = 0.01


@dataclass(frozen=True)
class MaxPool(_Window):
    """Max pooling with a square window."""

    kernel: int
    stride: int
    padding: int = 0

    def shape(self, *inputs: Shape) -> Shape:
        return self._slide(inputs[0], self.kernel, self.stride, self.padding)


@dataclass(frozen=True)
class AvgPool(_Window):
    """Average pooling with a square window, without padding."""

    kernel: int
    stride: int

    def shape(self, *inputs: Shape) -> Shape:
        return self._slide(inputs[0], self.kernel, self.stride, 0)


class GlobalAvgPool(Op):
    """The mean of each channel's map: (C, H, W) to (C, 1, 1)."""

    def shape(self, *inputs: Shape) -> Shape:
        return _feature_map(inputs[0], "global average pooling")[0], 1, 1


class Flatten(Op):
    """(C, H, W) to (C * H * W,), channels outermost."""

    def shape(self, *inputs: Shape) -> Shape:
        return (math.prod(inputs[0]),)


class _Pair(Op):
    def shape(self, *inputs: Shape) -> Shape:
        if inputs[0] != inputs[1]:
            a, b = ("x".join(map(str, s)) for s in inputs)
            raise ShapeError(f"the branch is {a} and the shortcut {b}: they cannot be joined")
        return inputs[0]


class Add(_Pair):
    """Elementwise sum; by convention inputs are (residual branch, shortcut)."""


class Mul(_Pair):
    """Elementwise product: a signal and its gate."""


class OneMinus(Op):
    """1 - x: the carry gate that goes with a transform gate."""


@dataclass(frozen=True)
class PadChannels(Op):
    """Zero channels appended after the existing ones, up to `out`."""

    out: int

    def shape(self, *inputs: Shape) -> Shape:
        c, h, w = _feature_map(inputs[0], "channel padding")
        if c > self.out:
            raise ShapeError(f"zero padding cannot narrow {c} channels to {self.out}")
        return self.out, h, w


@dataclass(frozen=True)
class Subsample(_Window):
    """Every `stride`-th row and column, from the first: identity at a stride."""

    stride: int

    def shape(self, *inputs: Shape) -> Shape:
        return self._slide(inputs[0], 1, self.stride, 0)


class Softmax(Op):
    """Probabilities over a vector."""

    def shape(self, *inputs: Shape) -> Shape:
        if len(inputs[0]) != 1:
            raise ShapeError("softmax needs a vector, not a feature map")
        return inputs[0]


DType: TypeAlias = Literal["float32", "float16"]


@dataclass(frozen=True)
class Cast(Op):
    """A change of element type; the only operation whose result has another type."""

    to: DType
