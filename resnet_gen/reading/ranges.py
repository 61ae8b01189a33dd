"""What the codes of quantized activations cover."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from resnet_gen.reading.call import numbers
from resnet_gen.reading.signals import Quantized, Signal
from resnet_gen.reading.walk import Walk

_LARGEST = {"float8_e4m3fn": 448.0, "float8_e5m2": 57344.0}


class Cover(NamedTuple):
    """The least and the greatest number that the codes of a value of the graph stand for."""

    value: str
    least: float
    most: float


def covers(rounded: Sequence[Quantized], walk: Walk) -> Iterator[Cover]:
    """The ranges of those activations that are values of the graph; of several scales, the widest."""
    for one in rounded:
        parts = (one.inner,) if isinstance(one.inner, Signal) else one.inner.parts
        for value in filter(None, (walk.made(part.term) for part in parts)):
            yield Cover(value.name, *_range(one))


def _range(one: Quantized) -> tuple[float, float]:
    scale = numbers(one.scale).astype(np.float64).reshape(-1)
    zero = numbers(one.zero).astype(np.float64).reshape(-1) if one.zero else np.zeros(1)
    least, most = ((limit - zero) * scale for limit in _limits(one.dtype))
    return float(least.min()), float(most.max())


def _limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    """The least and the greatest number that a type of codes holds."""
    if dtype.kind not in "iu":
        return -_LARGEST[dtype.name], _LARGEST[dtype.name]
    return float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
