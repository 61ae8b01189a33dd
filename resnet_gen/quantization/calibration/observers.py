"""From what an activation was seen to hold to the range that its eight bits are to cover.

Min-max covers all; percentile leaves out the largest magnitudes; entropy takes the range whose quantized distribution
loses least against the one seen (Migacz 2017, 8-bit Inference with TensorRT: the Kullback-Leibler divergence).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from resnet_gen.ops.precision import Method
from resnet_gen.quantization.placement import Range
from resnet_gen.weights.base import Array

_BINS = 2048
_LEAST = 1e-30
"""Magnitudes below count as zero: float32 has no reciprocal of their bins' width."""
_LEVELS = 128
"""Magnitudes that eight bits with a sign can hold."""
_STEP = 16
"""Bins between the ranges that are tried for the least divergence."""

Histogram: TypeAlias = npt.NDArray[np.float64]


def make_observer(method: Method, percentile: float) -> MinMax:
    """A new observer; `percentile` (0 to 100) is of the magnitudes, for the method of that name."""
    if method == "minmax":
        return MinMax()
    return Percentile(percentile) if method == "percentile" else Entropy()


class MinMax:
    """Sees an activation, image by image: its least and its greatest value."""

    def __init__(self) -> None:
        self._least, self._most = np.inf, -np.inf

    def see(self, values: Array) -> None:
        """Take in the values of some images."""
        self._least = min(self._least, float(values.min()))
        self._most = max(self._most, float(values.max()))

    def range(self) -> Range:
        """What to cover: all that was seen."""
        return Range(self._least, self._most)


class _Counting(MinMax, ABC):
    """Counts magnitudes in bins of one width, which doubles when a greater one comes."""

    def __init__(self) -> None:
        super().__init__()
        self._bins = np.zeros(_BINS, np.int64)
        self._width = 0.0

    def see(self, values: Array) -> None:
        super().see(values)
        top = max(-self._least, self._most)
        if top < _LEAST:
            self._bins[0] += values.size
            return
        self._widen_bins(top)
        places = (np.abs(values).ravel() * np.float32(1 / self._width)).astype(np.int32)
        self._bins += np.bincount(np.minimum(places, _BINS - 1, out=places), minlength=_BINS)

    def _widen_bins(self, top: float) -> None:
        if not self._width:
            self._width = top / _BINS
        while top > self._width * _BINS:
            pairs = self._bins.reshape(-1, 2).sum(axis=1)
            self._bins = np.concatenate([pairs, np.zeros(_BINS // 2, np.int64)])
            self._width *= 2

    def range(self) -> Range:
        """What was seen, but for the magnitudes above the one chosen."""
        if not self._width:
            return super().range()
        reach = self._choose_reach(self._bins) * self._width
        return Range(max(self._least, -reach), min(self._most, reach))

    @abstractmethod
    def _choose_reach(self, bins: Any) -> int:
        """The number of bins to cover, from zero."""


class Percentile(_Counting):
    """Covers this part of the magnitudes, in percent."""

    def __init__(self, percentile: float) -> None:
        super().__init__()
        self._part = percentile / 100

    def _choose_reach(self, bins: Any) -> int:
        below = np.cumsum(bins)
        return int(np.searchsorted(below, self._part * below[-1])) + 1


class Entropy(_Counting):
    """Covers the range whose quantized distribution diverges least from the one seen; all of what is too little.

    Fewer magnitudes than bins show no distribution: next to none of them would stand in a bin with another.
    """

    def _choose_reach(self, bins: Any) -> int:
        last = int(np.flatnonzero(bins)[-1]) + 1
        if last <= _LEVELS or bins[1:].sum() < _BINS:
            return last
        seen = bins.astype(np.float64)
        seen[0] = seen[1]  # after a ReLU zero would drown the rest, and every range holds it exactly
        tried = [*range(_LEVELS, last, _STEP), last]
        reach: int = min(tried, key=lambda reach: _measure_divergence(seen, reach))
        return reach


def _measure_divergence(seen: Histogram, reach: int) -> float:
    """Of what is seen, clipped to `reach` bins, from the same in `_LEVELS` levels."""
    wanted = seen[:reach].copy()
    wanted[-1] += seen[reach:].sum()
    if not wanted.any():
        return float("inf")
    level = np.arange(reach) * _LEVELS // reach
    filled = seen[:reach] > 0
    sums = np.bincount(level, seen[:reach], _LEVELS)
    places = np.bincount(level, filled, _LEVELS)
    given = np.where(filled, (sums / np.maximum(places, 1))[level], 0.0)
    both = (wanted > 0) & (given > 0)
    if not both.any():
        return float("inf")
    p, q = wanted / wanted.sum(), given / given.sum()
    lost = p[(wanted > 0) & ~both].sum()
    return float((p[both] * np.log(p[both] / q[both])).sum() + lost * 20.0)
