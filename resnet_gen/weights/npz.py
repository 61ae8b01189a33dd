"""Weights from NumPy's .npz; arrays of Python objects are refused unread."""

from __future__ import annotations

import tokenize
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.lib.format as npy
import numpy.typing as npt

from resnet_gen.ops import Shape
from resnet_gen.problems import refuse, shortened
from resnet_gen.weights.arrays import ZIP_ERRORS, float32, holds_numbers, left_out
from resnet_gen.weights.base import Array

_KEPT = 4
_HEADER_ERRORS = (ValueError, SyntaxError, tokenize.TokenError, TypeError, LookupError, RecursionError, MemoryError)
"""What NumPy raises about a header, which it reads as a Python literal."""


@dataclass(frozen=True)
class _Member:
    """One array of the archive, loaded whole by `load`, which keeps the last few since rows come in order."""

    load: Callable[[str], npt.NDArray[Any]]
    name: str
    shape: Shape
    dtype: np.dtype[Any]

    def exact(self) -> npt.NDArray[Any]:
        return self.load(self.name).astype(self.dtype, copy=False)

    def rows(self, start: int, stop: int) -> Array:
        return float32(self.load(self.name)[start:stop])


def _load(path: Path, name: str) -> npt.NDArray[Any]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            found: npt.NDArray[Any] = archive[name]
            return found
    except (*ZIP_ERRORS, KeyError, MemoryError) as error:
        raise refuse(f"'{name}' is damaged: {error}", str(path)) from None


def read(path: Path, *, counters: bool = False) -> dict[str, _Member]:
    """The arrays of an .npz by name; raises `Refused` if one cannot be read safely."""
    load = lru_cache(_KEPT)(partial(_load, path))
    try:
        with zipfile.ZipFile(path) as archive:
            return {n: _member(archive, path, n, load) for n in _names(archive, counters)}
    except ZIP_ERRORS as error:
        raise refuse(f"damaged .npz file: {error}", str(path)) from None


def _names(archive: zipfile.ZipFile, counters: bool) -> list[str]:
    names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    return [name for name in names if not left_out(name, counters)]


def _member(archive: zipfile.ZipFile, path: Path, name: str, load: Callable[[str], npt.NDArray[Any]]) -> _Member:
    with archive.open(f"{name}.npy") as stream:
        shape, dtype = _header(stream, name, path)
    if not holds_numbers(name, dtype.name):
        what = "Python objects, which would execute code" if dtype.hasobject else shortened(str(dtype))
        raise refuse(f"'{name}' holds {what}, not floating-point numbers", str(path))
    return _Member(load, name, tuple(shape), dtype.newbyteorder("<"))


def _header(stream: IO[bytes], name: str, path: Path) -> tuple[Shape, np.dtype[Any]]:
    version = npy.read_magic(stream)
    header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    try:
        shape, _, dtype = header(stream)
    except _HEADER_ERRORS as error:
        why = shortened(str(error) or type(error).__name__)
        raise refuse(f"the header of '{name}' is damaged: {why}", str(path)) from None
    return shape, dtype
