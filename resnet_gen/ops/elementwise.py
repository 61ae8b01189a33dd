"""Elementwise work: activations, sums, products, and changes of type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from resnet_gen.ops.base import Op, Shape, ShapeError, format_shape

Function: TypeAlias = Literal[
    "relu", "leaky_relu", "elu", "silu", "gelu", "mish", "hard_swish", "sigmoid", "hard_sigmoid", "tanh"
]
SLOPED: frozenset[Function] = frozenset({"leaky_relu", "elu"})
"""The functions that have a slope."""


@dataclass(frozen=True)
class Activation(Op):
    """An elementwise nonlinearity; `slope` is leaky ReLU's on the negative side, or ELU's alpha.

    Of every other function it means nothing.
    """

    function: Function
    slope: float = 0.01

    @property
    def sloped(self) -> bool:
        """Whether the slope means something."""
        return self.function in SLOPED

    def nonnegative(self, *inputs: bool) -> bool:
        return self.function in ("relu", "sigmoid", "hard_sigmoid") or all(inputs)


class Add(Op):
    """Elementwise sum; by convention inputs are (residual branch, shortcut)."""

    keeps_sign: ClassVar[bool] = True

    def shape(self, *inputs: Shape) -> Shape:
        branch, shortcut = inputs
        if branch != shortcut:
            raise ShapeError(
                f"the branch is {format_shape(branch)} and the shortcut {format_shape(shortcut)}: {_APART}"
            )
        return branch


_APART = "they cannot be joined"


class Mul(Op):
    """Elementwise product of a signal and its gate, which may be one value a channel or one a position."""

    keeps_sign: ClassVar[bool] = True

    def shape(self, *inputs: Shape) -> Shape:
        signal, gate = inputs
        if len(signal) != len(gate) or any(g not in (1, s) for s, g in zip(signal, gate, strict=True)):
            raise ShapeError(f"the signal is {format_shape(signal)} and its gate {format_shape(gate)}: {_APART}")
        return signal


class OneMinus(Op):
    """1 - x: the carry gate that goes with a transform gate."""


class Softmax(Op):
    """Probabilities over a vector."""

    def nonnegative(self, *inputs: bool) -> bool:
        return True

    def shape(self, *inputs: Shape) -> Shape:
        if len(inputs[0]) != 1:
            raise ShapeError("softmax needs a vector, not a feature map")
        return inputs[0]
