"""Weights from a safetensors file, memory-mapped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from resnet_gen.ops import Shape
from resnet_gen.problems import refuse
from resnet_gen.weights.arrays import IGNORED, float32
from resnet_gen.weights.base import Array

_NUMBERS = ("F64", "F32", "F16", "BF16")


class _Slice:
    """One tensor of an open file."""

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name
        with safe_open(path, framework="numpy") as file:
            view = file.get_slice(name)
            self.shape: Shape = tuple(view.get_shape())
            self.dtype: str = view.get_dtype()

    def rows(self, start: int, stop: int) -> Array:
        with safe_open(self._path, framework="numpy") as file:
            return float32(np.asarray(file.get_slice(self._name)[start:stop]))


def read(path: Path) -> dict[str, _Slice]:
    """The tensors of a safetensors file; raises `Refused` if it is damaged."""
    try:
        with safe_open(path, framework="numpy") as file:
            names = [name for name in file.keys() if not name.endswith(IGNORED)]  # noqa: SIM118
        slices = {name: _Slice(path, name) for name in names}
    except (SafetensorError, OSError) as error:
        raise refuse(f"damaged safetensors file: {error}", str(path)) from None
    for name, tensor in slices.items():
        if tensor.dtype not in _NUMBERS:
            raise refuse(f"'{name}' holds {tensor.dtype}, not floating-point numbers", str(path))
    return slices
