"""What a set of weights is: named float32 tensors, read in runs of rows.

Rows are slices along the first axis. Nobody holds a whole network: an emitter
asks for a few megabytes at a time, so memory stays flat in the model's size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from resnet_gen.ops import Shape
from resnet_gen.problems import refuse

Array: TypeAlias = npt.NDArray[np.float32]
"""NumPy's array of float32."""

CHUNK = 1 << 18
"""Elements that are held at a time."""


class Weights(Protocol):
    """A set of weights."""

    def rows(self, name: str, start: int, stop: int) -> Array:
        """Rows start..stop of the tensor `name`, float32."""
        ...


Recipe: TypeAlias = Callable[[Weights, int, int], Array]


class DerivedWeights:
    """A set of weights of which some tensors are computed from another set's rows."""

    def __init__(self, base: Weights, recipes: Mapping[str, Recipe]) -> None:
        self._base, self._recipes = base, recipes

    def rows(self, name: str, start: int, stop: int) -> Array:
        """Rows start..stop of the tensor `name`, computed or handed on; raises `Refused` for a result not finite."""
        recipe = self._recipes.get(name)
        if recipe is None:
            return self._base.rows(name, start, stop)
        with np.errstate(all="ignore"):
            rows = recipe(self._base, start, stop)
        if not np.isfinite(rows).all():
            hint = "look for a variance below zero, and for numbers near the limits of float32"
            raise refuse(f"'{name}' is not finite when it is computed from the weights", hint=hint)
        return rows


def row_ranges(shape: Shape) -> Iterator[tuple[int, int]]:
    """The runs of rows in which a tensor of this shape is read."""
    step = max(1, CHUNK // max(1, math.prod(shape[1:])))
    for start in range(0, shape[0], step):
        yield start, min(shape[0], start + step)
