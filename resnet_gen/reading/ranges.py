"""What the codes of quantized activations cover."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from resnet_gen.graph import Value
from resnet_gen.reading.call import numbers
from resnet_gen.reading.signals import Quantized, Signal, Unexplained
from resnet_gen.reading.walk import Walk

_LARGEST = {"float8_e4m3fn": 448.0, "float8_e5m2": 57344.0}
_STEP = {"float8_e4m3fn": 32.0, "float8_e5m2": 8192.0}
"""Between the two largest numbers; integers are 1 apart."""


class Cover(NamedTuple):
    """The least and the greatest number that the codes of a value of the graph stand for, and what 1 stands for."""

    value: str
    least: float
    most: float
    scale: float
    step: float
    """The largest there is between two codes."""


def covers(rounded: Sequence[Quantized], walk: Walk) -> Iterator[Cover]:
    """The ranges of those activations that are values of the graph; of several scales, the widest."""
    for one in rounded:
        parts = (one.inner,) if isinstance(one.inner, Signal) else one.inner.parts
        for value in filter(None, (_value(part, walk) for part in parts)):
            yield Cover(value.name, *_range(one))


def _value(signal: Signal, walk: Walk) -> Value | None:
    """The value of the graph that an activation is as it stands."""
    try:
        return walk.made(walk.natural(signal))
    except Unexplained:
        return None


def _range(one: Quantized) -> tuple[float, float, float, float]:
    scale = numbers(one.scale).astype(np.float64).reshape(-1)
    zero = numbers(one.zero).astype(np.float64).reshape(-1) if one.zero else np.zeros(1)
    least, most = ((limit - zero) * scale for limit in _limits(one.dtype))
    largest = float(scale.max())
    return float(least.min()), float(most.max()), largest, largest * _STEP.get(one.dtype.name, 1.0)


def _limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    """The least and the greatest number that a type of codes holds."""
    if dtype.kind not in "iu":
        return -_LARGEST[dtype.name], _LARGEST[dtype.name]
    return float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
