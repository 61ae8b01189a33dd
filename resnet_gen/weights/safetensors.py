"""Weights from a safetensors file, memory-mapped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from resnet_gen.ops import Shape
from resnet_gen.problems import refuse
from resnet_gen.weights.arrays import COUNTED, DTYPES, float32, holds_numbers, left_out
from resnet_gen.weights.base import Array

CODES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    COUNTED.name: "I64",
}
"""What the format calls each element type that is read and written."""
_NAMES = {code: name for name, code in CODES.items()}


class _Slice:
    """One tensor of an open file."""

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name
        with safe_open(path, framework="numpy") as file:
            view = file.get_slice(name)
            self.shape: Shape = tuple(view.get_shape())
            self.code: str = view.get_dtype()

    @property
    def dtype(self) -> np.dtype[Any]:
        """Its element type."""
        return DTYPES.get(_NAMES[self.code], COUNTED)

    def exact(self) -> npt.NDArray[Any]:
        """The whole tensor in its own element type."""
        with safe_open(self._path, framework="numpy") as file:
            return np.asarray(file.get_tensor(self._name))

    def rows(self, start: int, stop: int) -> Array:
        with safe_open(self._path, framework="numpy") as file:
            return float32(np.asarray(file.get_slice(self._name)[start:stop]))


def read(path: Path, *, counters: bool = False) -> dict[str, _Slice]:
    """The tensors of a safetensors file; raises `Refused` if it is damaged."""
    try:
        with safe_open(path, framework="numpy") as file:
            names = [name for name in file.keys() if not left_out(name, counters)]  # noqa: SIM118
        slices = {name: _Slice(path, name) for name in names}
    except (SafetensorError, OSError) as error:
        raise refuse(f"damaged safetensors file: {error}", str(path)) from None
    for name, tensor in slices.items():
        if not holds_numbers(name, _NAMES.get(tensor.code, "")):
            raise refuse(f"'{name}' holds {tensor.code}, not floating-point numbers", str(path))
    return slices
