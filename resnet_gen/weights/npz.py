"""Weights from NumPy's .npz; arrays of Python objects are refused unread."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import numpy.lib.format as npy

from resnet_gen.ops import Shape
from resnet_gen.problems import refuse
from resnet_gen.weights.arrays import IGNORED, ZIP_ERRORS, float32
from resnet_gen.weights.base import Array

_KEPT = 4


@dataclass(frozen=True)
class _Member:
    """One array of the archive, loaded whole by `load`, which keeps the last few since rows come in order."""

    load: Callable[[str], Array]
    name: str
    shape: Shape

    def rows(self, start: int, stop: int) -> Array:
        return self.load(self.name)[start:stop]


def _load(path: Path, name: str) -> Array:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return float32(archive[name])
    except (*ZIP_ERRORS, KeyError, MemoryError) as error:
        raise refuse(f"'{name}' is damaged: {error}", str(path)) from None


def read(path: Path) -> dict[str, _Member]:
    """The arrays of an .npz by name; raises `Refused` if one cannot be read safely."""
    load = lru_cache(_KEPT)(partial(_load, path))
    try:
        with zipfile.ZipFile(path) as archive:
            return {n: _member(archive, path, n, load) for n in _names(archive)}
    except ZIP_ERRORS as error:
        raise refuse(f"damaged .npz file: {error}", str(path)) from None


def _names(archive: zipfile.ZipFile) -> list[str]:
    names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    return [name for name in names if not name.endswith(IGNORED)]


def _member(archive: zipfile.ZipFile, path: Path, name: str, load: Callable[[str], Array]) -> _Member:
    with archive.open(f"{name}.npy") as stream:
        version = npy.read_magic(stream)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = header(stream)
    if dtype.kind != "f":
        what = "Python objects, which would execute code" if dtype.hasobject else str(dtype)
        raise refuse(f"'{name}' holds {what}, not floating-point numbers", str(path))
    return _Member(load, name, tuple(shape))
