"""Layers with weights: convolutions, linear layers, and norms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from resnet_gen.ops.base import Op, Shape, ShapeError, Tensor, WeightStorage, Window, feature_map


@dataclass(frozen=True)
class Conv(Window):
    """A 2-d convolution with a square kernel; weights are (out, in / groups, k, k).

    With `standardize`, each filter is used with mean 0 and variance 1, that
    number being added to its variance (Qiao et al. 2019, Weight Standardization).
    """

    is_layer: ClassVar[bool] = True
    out: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    bias: bool = False
    bias_fill: float = 0.0
    dilation: int = 1
    standardize: float | None = None
    stored: WeightStorage | None = None

    def shape(self, *inputs: Shape) -> Shape:
        c, h, w = self.slide(inputs[0], self.kernel, self.stride, self.padding, dilation=self.dilation)
        if self.out < 1:
            raise ShapeError("no filter is left for the convolution")
        for what, channels in (("input", c), ("output", self.out)):
            if channels % self.groups:
                raise ShapeError(f"{self.groups} groups do not divide {channels} {what} channels")
        return self.out, h, w

    def weights(self, *inputs: Shape) -> tuple[Tensor, ...]:
        shape = (self.out, inputs[0][0] // self.groups, self.kernel, self.kernel)
        bias = (Tensor("bias", (self.out,), self.bias_fill),) if self.bias else ()
        weight = Tensor("weight", shape)
        return self.stored.tensors(weight, bias) if self.stored else (weight, *bias)

    def macs(self, *inputs: Shape) -> int:
        weight = self.weights(*inputs)[0].shape
        return math.prod(self.shape(*inputs)) * math.prod(weight[1:])


@dataclass(frozen=True)
class ChannelConv(Op):
    """A 1-d convolution along the channels of a (C, 1, 1) map; weights are (1, 1, k)."""

    is_layer: ClassVar[bool] = True
    kernel: int

    def shape(self, *inputs: Shape) -> Shape:
        c, h, w = feature_map(inputs[0], "a convolution along channels")
        if (h, w) != (1, 1):
            raise ShapeError(f"a convolution along channels needs a 1x1 map, not {h}x{w}")
        return c, 1, 1

    def weights(self, *inputs: Shape) -> tuple[Tensor, ...]:
        return (Tensor("weight", (1, 1, self.kernel)),)

    def macs(self, *inputs: Shape) -> int:
        return inputs[0][0] * self.kernel


@dataclass(frozen=True)
class Linear(Op):
    """A fully connected layer; weights are (out, in)."""

    is_layer: ClassVar[bool] = True
    out: int
    bias: bool = True
    stored: WeightStorage | None = None

    def shape(self, *inputs: Shape) -> Shape:
        if len(inputs[0]) != 1:
            raise ShapeError("a linear layer needs a vector, not a feature map")
        return (self.out,)

    def weights(self, *inputs: Shape) -> tuple[Tensor, ...]:
        bias = (Tensor("bias", (self.out,), 0.0),) if self.bias else ()
        weight = Tensor("weight", (self.out, inputs[0][0]))
        return self.stored.tensors(weight, bias) if self.stored else (weight, *bias)

    def macs(self, *inputs: Shape) -> int:
        return inputs[0][0] * self.out


@dataclass(frozen=True)
class BatchNorm(Op):
    """Batch normalization with running statistics (Ioffe and Szegedy 2015)."""

    eps: float = 1e-5

    def weights(self, *inputs: Shape) -> tuple[Tensor, ...]:
        c = (feature_map(inputs[0], "batch norm")[0],)
        return (
            Tensor("weight", c, 1.0),
            Tensor("bias", c, 0.0),
            Tensor("running_mean", c, 0.0, trainable=False),
            Tensor("running_var", c, 1.0, trainable=False),
        )


@dataclass(frozen=True)
class GroupNorm(Op):
    """Normalization over the channels of each group and all their positions (Wu and He 2018)."""

    groups: int
    eps: float = 1e-5

    def shape(self, *inputs: Shape) -> Shape:
        c = feature_map(inputs[0], "group norm")[0]
        if c % self.groups:
            raise ShapeError(f"{self.groups} groups of the norm do not divide {c} channels")
        return inputs[0]

    def weights(self, *inputs: Shape) -> tuple[Tensor, ...]:
        c = (feature_map(inputs[0], "group norm")[0],)
        return Tensor("weight", c, 1.0), Tensor("bias", c, 0.0)
