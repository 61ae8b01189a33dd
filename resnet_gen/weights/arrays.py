"""Raw bytes of the stored element types to float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from resnet_gen.ops import Shape
from resnet_gen.weights.base import Array

DTYPES: dict[str, np.dtype[Any]] = {
    "float64": np.dtype("<f8"),
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}
"""Element types that weights may be stored in."""


@dataclass(frozen=True)
class InFile:
    """A contiguous tensor that lies in a memory-mapped file."""

    data: np.memmap[Any, np.dtype[np.uint8]]
    offset: int
    dtype: np.dtype[Any]
    shape: Shape

    def rows(self, start: int, stop: int) -> Array:
        """Rows start..stop, as float32."""
        size = self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=np.int64))
        raw = self.data[self.offset + start * size : self.offset + stop * size]
        values = np.frombuffer(raw.tobytes(), self.dtype)
        return values.astype(np.float32, copy=False).reshape(stop - start, *self.shape[1:])
