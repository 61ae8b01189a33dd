"""Weights from NumPy's .npz; arrays of Python objects are refused unread."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
import numpy.lib.format as npy

from resnet_gen.ops import Shape
from resnet_gen.problems import refuse
from resnet_gen.weights.base import Array


class _Member:
    """One array of the archive; the last one read is kept, since rows come in order."""

    _kept: tuple[Path, str, Array] | None = None

    def __init__(self, path: Path, name: str, shape: Shape) -> None:
        self._path, self._name, self.shape = path, name, shape

    def rows(self, start: int, stop: int) -> Array:
        kept = _Member._kept
        if kept is None or kept[:2] != (self._path, self._name):
            kept = _Member._kept = (self._path, self._name, self._load())
        return kept[2][start:stop]

    def _load(self) -> Array:
        try:
            with np.load(self._path, allow_pickle=False) as archive:
                return np.ascontiguousarray(archive[self._name], dtype=np.float32)
        except (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError) as error:
            raise refuse(f"'{self._name}' is damaged: {error}", str(self._path)) from None


def read(path: Path) -> dict[str, _Member]:
    """The arrays of an .npz by name; raises `Refused` if one cannot be read safely."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {n: _member(archive, path, n) for n in _names(archive)}
    except (zipfile.BadZipFile, OSError, ValueError, EOFError) as error:
        raise refuse(f"damaged .npz file: {error}", str(path)) from None


def _names(archive: zipfile.ZipFile) -> list[str]:
    return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def _member(archive: zipfile.ZipFile, path: Path, name: str) -> _Member:
    with archive.open(f"{name}.npy") as stream:
        version = npy.read_magic(stream)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = header(stream)
    if dtype.kind != "f":
        what = "Python objects, which would execute code" if dtype.hasobject else str(dtype)
        raise refuse(f"'{name}' holds {what}, not floating-point numbers", str(path))
    return _Member(path, name, tuple(shape))
