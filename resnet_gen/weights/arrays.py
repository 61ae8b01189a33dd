"""Raw bytes of the stored element types to float32."""

from __future__ import annotations

import lzma
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


IGNORED = "num_batches_tracked"
"""How the names of tensors end that count training steps: integers, and of no use here."""

ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, RuntimeError)
"""What `zipfile` raises about damaged, misnamed, encrypted or oddly compressed archives."""


def float32(values: npt.NDArray[Any]) -> Array:
    """The values as float32, contiguous; what is beyond float32 becomes infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(values, np.float32)


@dataclass(frozen=True)
class InFile:
    """A tensor that lies in a memory-mapped file; strides count elements, as PyTorch's do."""

    data: np.memmap[Any, np.dtype[np.uint8]]
    offset: int
    dtype: np.dtype[Any]
    shape: Shape
    strides: Shape

    def rows(self, start: int, stop: int) -> Array:
        """Rows start..stop, as float32."""
        steps = [stride * self.dtype.itemsize for stride in self.strides]
        first = self.offset + start * (steps[0] if steps else 0)
        shape = (stop - start, *self.shape[1:])
        return float32(np.ndarray(shape, self.dtype, self.data, first, steps))
