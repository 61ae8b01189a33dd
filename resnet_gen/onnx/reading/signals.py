"""What a tensor of an ONNX file is while the file is read.

An activation is a `Signal`: a `ActivationTerm`, which says what computes it, seen with
some dimensions. A term is either made, a node of our graph, or waits for what
reads it to say what the two are together: a padding before a convolution, a
sigmoid before the product with its own input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from resnet_gen.graph import Value
from resnet_gen.onnx.reading.constants import FileConstant
from resnet_gen.onnx.reading.sums_of_products import ExpressionTree
from resnet_gen.ops import Op, Shape


class UnexplainedOperator(Exception):
    """A node that no rule explains: why, and which it is if not the one at hand."""

    def __init__(self, why: str, at: int | None = None) -> None:
        super().__init__(why)
        self.at = at


class TooLarge(Exception):
    """A node that is beyond any machine, or makes the network so: why, and which it is."""

    def __init__(self, why: str, at: int) -> None:
        super().__init__(why)
        self.at = at


@dataclass(frozen=True, eq=False)
class ActivationTerm:
    """What computes an activation: its shape for one image, and the ONNX node that it comes from."""

    shape: Shape
    origin: int


@dataclass(frozen=True, eq=False)
class ValueSignal(ActivationTerm):
    """A value of our graph."""

    value: Value


@dataclass(frozen=True, eq=False)
class PendingNode(ActivationTerm):
    """An operation that becomes a node when its result is read."""

    op: Op
    inputs: tuple[ActivationTerm, ...]
    constants: Mapping[str, FileConstant] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Elementwise(ActivationTerm):
    """A function of one activation, `leaf`: an operator on other terms and numbers."""

    op_type: str
    settings: tuple[tuple[str, Any], ...]
    operands: tuple[ActivationTerm | float, ...]
    leaf: ActivationTerm
    tree: ExpressionTree
    size: int


@dataclass(frozen=True, eq=False)
class RearrangedTerm(ActivationTerm):
    """The numbers of another term in other places: some left out, some repeated, or with zeros beside them."""

    inner: ActivationTerm


@dataclass(frozen=True, eq=False)
class PaddedMap(RearrangedTerm):
    """A map with rows, columns or channels put around it, by axis (C, H, W)."""

    before: Shape
    after: Shape
    mode: str


@dataclass(frozen=True, eq=False)
class NormalizedGroups(ActivationTerm):
    """Each group of channels with mean 0 and variance 1, and perhaps a factor for each channel."""

    inner: ActivationTerm
    groups: int
    eps: float
    weight: FileConstant | None = None


@dataclass(frozen=True, eq=False)
class StridedMap(RearrangedTerm):
    """Every n-th row and every m-th column of a map."""

    steps: tuple[int, int]


@dataclass(frozen=True, eq=False)
class BroadcastGate(RearrangedTerm):
    """A gate repeated over all that it is for."""


@dataclass(frozen=True, eq=False)
class PermutedMap(RearrangedTerm):
    """A (C, 1, 1) map whose channels, read as (groups, splits, rest), stand as (splits, groups, rest)."""

    groups: int
    splits: int


@dataclass(frozen=True, eq=False)
class AxisMean(ActivationTerm):
    """The means of a map's rows or columns: of what lies along its axis `side` (C, H, W)."""

    inner: ActivationTerm
    side: int


@dataclass(frozen=True, eq=False)
class Transposed(ActivationTerm):
    """An activation whose dimensions stand in another order, by their places, the batch's first."""

    inner: Signal
    order: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Signal:
    """An activation with the dimensions that it has in the file, the batch before them left out."""

    term: ActivationTerm
    dims: Shape
    origin: int


@dataclass(frozen=True, eq=False)
class StackedMaps:
    """Activations of one shape side by side along a new first axis."""

    parts: tuple[Signal, ...]
    origin: int

    @property
    def dims(self) -> Shape:
        """Dimensions without the batch."""
        return (len(self.parts), *self.parts[0].dims)


@dataclass(frozen=True, eq=False)
class QuantizedSignal:
    """An activation as integers, or in eight bits: those of `dtype`, times the scale once the zero point is taken off.

    `along` is the axis that several scales go along, and how many elements share one.
    """

    inner: Signal | StackedMaps
    scale: FileConstant
    zero: FileConstant | None
    dtype: np.dtype[Any]
    along: tuple[int, int]
    origin: int

    @property
    def dims(self) -> Shape:
        """Dimensions without the batch."""
        return self.inner.dims


@dataclass(frozen=True, eq=False)
class ShapeSizes:
    """Integers that came from a shape; None is the size of the batch, which is not known."""

    values: tuple[int | None, ...]
    scalar: bool = False


Wire: TypeAlias = Signal | StackedMaps | QuantizedSignal | ShapeSizes | FileConstant
