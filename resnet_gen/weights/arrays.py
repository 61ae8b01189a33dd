"""Raw bytes of the stored element types to float32."""

from __future__ import annotations

import lzma
import math
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from resnet_gen.ops import Shape
from resnet_gen.weights.base import Array

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


def left_out(name: str, counters: bool) -> bool:
    """Whether a tensor of this name is no weight and is not read; `counters` asks for the norms' too."""
    return name == AVERAGED or (name.endswith(COUNTER) and not counters)


def holds_numbers(name: str, dtype: str) -> bool:
    """Whether a tensor of this element type, by NumPy's name, may be read under this name."""
    return dtype in DTYPES or (name.endswith(COUNTER) and dtype == COUNTED.name)


ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, RuntimeError)
"""What `zipfile` raises about damaged, misnamed, encrypted or oddly compressed archives."""


def float32(values: npt.NDArray[Any]) -> Array:
    """The values as float32, contiguous; what is beyond float32 becomes infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(values, np.float32)


def strides(shape: Shape) -> Shape:
    """How many elements a step along each side skips, where the last side's lie one behind the other."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


@dataclass(frozen=True)
class InFile:
    """A tensor that lies in a memory-mapped file; strides count elements, as PyTorch's do.

    Of a tensor without elements they may be anything, and are not looked at.
    """

    data: np.memmap[Any, np.dtype[np.uint8]]
    offset: int
    dtype: np.dtype[Any]
    shape: Shape
    strides: Shape

    def exact(self) -> npt.NDArray[Any]:
        """The whole tensor in its own element type, unread until it is looked at."""
        steps = None if 0 in self.shape else [stride * self.dtype.itemsize for stride in self.strides]
        return np.ndarray(self.shape, self.dtype, self.data, self.offset, steps)

    def rows(self, start: int, stop: int) -> Array:
        """Rows start..stop, as float32."""
        return float32(self.exact()[start:stop])
