"""Raw bytes of the stored element types to float32."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np
import numpy.typing as npt

from resnet_gen.ops import Shape
from resnet_gen.problems import refuse, shorten
from resnet_gen.system.files import open_regular_file
from resnet_gen.weights.base import Array

Bytes: TypeAlias = np.memmap[tuple[int, ...], np.dtype[np.uint8]]
"""A file's bytes, memory-mapped."""

DTYPES: dict[str, np.dtype[Any]] = {
    "float64": np.dtype("<f8"),
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}
"""Element types that weights may be stored in."""


COUNTER = "num_batches_tracked"
"""How the names of batch norms' counters of training steps end: int64, and of no use but to PyTorch."""
COUNTED = np.dtype("<i8")
"""What they are stored in."""
AVERAGED = "n_averaged"
"""What torch's AveragedModel adds to the state dict of the model that it wraps."""


def is_left_out(name: str, counters: bool) -> bool:
    """Whether a tensor of this name is no weight and is not read; `counters` asks for the norms' too."""
    return name == AVERAGED or (name.endswith(COUNTER) and not counters)


def holds_numbers(name: str, dtype: str) -> bool:
    """Whether a tensor of this element type, by NumPy's name, may be read under this name."""
    return dtype in DTYPES or (name.endswith(COUNTER) and dtype == COUNTED.name)


MOST_SIDES = 32
"""Sides of a tensor: as many as every NumPy's arrays may have."""
_TENSORS, _BYTES_EACH = 20_000, 1_000
"""Tensors of a file, of which the deepest networks have 9,000; and one more for so many bytes of it."""


def check_number(tensors: int, size: int, where: str) -> None:
    """Refuse a file of `size` bytes that lists more tensors than any network of its size has."""
    if tensors > (most := _TENSORS + size // _BYTES_EACH):
        raise refuse(f"it lists more than {most:,} tensors, which no network of its size has", where)


def check_sides(name: str, sides: int, where: str) -> None:
    """Refuse a tensor of so many sides, before any of them is looked at."""
    if sides > MOST_SIDES:
        raise refuse(f"'{shorten(name)}' has {sides:,} sides, more than {MOST_SIDES}", where)


def map_file(path: Path) -> Bytes:
    """The bytes of a file, read where they are looked at."""
    with open_regular_file(path) as stream:
        return np.memmap(stream, np.uint8, "r")


def check_nothing() -> None:
    """Of bytes without a checksum."""


def are_finite(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which numbers are finite, in any type; NumPy would warn of NaNs that signal."""
    with np.errstate(invalid="ignore"):
        found: npt.NDArray[np.bool_] = np.isfinite(values)
    return found


def to_float32(values: npt.NDArray[Any]) -> Array:
    """The values as float32, contiguous; what is beyond float32 becomes infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(values, np.float32)


def strides(shape: Shape) -> Shape:
    """How many elements a step along each side skips, where the last side's lie one behind the other."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


@dataclass(frozen=True, slots=True)
class MappedTensor:
    """A tensor that lies in a memory-mapped file; strides count elements, as PyTorch's do.

    Of a tensor without elements they may be anything, and are not looked at.
    `check_intact` raises `Refused` where its bytes are not those that were written.
    """

    data: Bytes
    offset: int
    dtype: np.dtype[Any]
    shape: Shape
    strides: Shape
    check_intact: Callable[[], None] = check_nothing

    def exact(self) -> npt.NDArray[Any]:
        """The whole tensor in its own element type, unread until it is looked at."""
        self.check_intact()
        steps = None if 0 in self.shape else [stride * self.dtype.itemsize for stride in self.strides]
        return np.ndarray(self.shape, self.dtype, self.data, self.offset, steps)

    def rows(self, start: int, stop: int) -> Array:
        """Rows start..stop, as float32."""
        return to_float32(self.exact()[start:stop])
