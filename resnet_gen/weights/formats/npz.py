"""Weights from NumPy's .npz; arrays of Python objects are refused unread."""

from __future__ import annotations

import math
import os
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from resnet_gen.ops import Shape
from resnet_gen.problems import refuse, shorten
from resnet_gen.system.files import open_regular_file
from resnet_gen.weights.base import Array
from resnet_gen.weights.formats.archive import ZIP_ERRORS, open_archive, read_beginning, unpack_member
from resnet_gen.weights.formats.arrays import check_number, holds_numbers, is_left_out, to_float32
from resnet_gen.weights.formats.npy import HEADER_ERRORS, NpyHeader, header_size, is_usual, parse_header

_HELD, _HELD_EACH = 16 << 20, 1.5
"""Bytes of arrays that are held at a time, and how many more for each byte of the file."""
_UNPACKED, _UNPACKED_EACH = 1 << 29, 16
"""Bytes that all arrays may unpack to, and how many more for each byte of the file."""
_USUAL_SIZE = 256
"""Bytes within which a header of NumPy ends: 128, or 192 for one of many sides."""
_MOST_UNUSUAL = 500
"""Headers of other forms, of which each may take a millisecond."""


@dataclass(frozen=True)
class _Member:
    """One array of the archive, loaded whole by `arrays`."""

    arrays: _Arrays
    name: str
    info: zipfile.ZipInfo
    header: NpyHeader

    @property
    def shape(self) -> Shape:
        return self.header.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.header.dtype.newbyteorder("<")

    def exact(self) -> npt.NDArray[Any]:
        return self.arrays.load_array(self).astype(self.dtype, copy=False)

    def rows(self, start: int, stop: int) -> Array:
        return to_float32(self.arrays.load_array(self)[start:stop])


class _Arrays:
    """The arrays of a file that were loaded last, since rows come in order: as many as the file is large."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._most = path, _HELD + int(_HELD_EACH * size)
        self._cache: OrderedDict[str, npt.NDArray[Any]] = OrderedDict()

    def load_array(self, member: _Member) -> npt.NDArray[Any]:
        """One array; raises `Refused` if it is damaged, or out of all proportion to the file."""
        found = self._cache.get(member.name)
        if found is None:
            self._make_room(member)
            found = self._cache[member.name] = self._read_array(member)
        return found

    def _make_room(self, member: _Member) -> None:
        size = math.prod(member.shape) * member.dtype.itemsize
        if size > self._most:
            raise refuse(f"'{member.name}' is {size:,} bytes, out of proportion to its file", str(self._path))
        while self._cache and size + sum(array.nbytes for array in self._cache.values()) > self._most:
            self._cache.popitem(last=False)

    def _read_array(self, member: _Member) -> npt.NDArray[Any]:
        try:
            with open_regular_file(self._path) as stream:
                return _fill_array(member, stream)
        except ZIP_ERRORS as error:
            raise refuse(f"'{member.name}' is damaged: {error}", str(self._path)) from None


def _fill_array(member: _Member, stream: IO[bytes]) -> npt.NDArray[Any]:
    """The array out of its member, which may go on behind it."""
    values = np.empty(math.prod(member.shape), member.header.dtype)
    data, at = values.view(np.uint8).data, -member.header.size
    for piece in unpack_member(stream, member.info):
        first = max(0, -at)
        part = piece[first : max(first, len(data) - at)]
        data[max(0, at) : max(0, at) + len(part)] = part
        at += len(piece)
    if at < len(data):
        raise EOFError("it ends early")
    return values.reshape(member.shape, order="F" if member.header.fortran else "C")


def read(path: Path, *, counters: bool = False) -> dict[str, _Member]:
    """The arrays of an .npz by name; raises `Refused` if one cannot be read safely."""
    try:
        with open_archive(path) as archive, open_regular_file(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            found = _members(archive, counters)
            check_number(len(found), size, str(path))
            if sum(info.file_size for info in found.values()) > _UNPACKED + _UNPACKED_EACH * size:
                raise refuse("its arrays are out of proportion to the file", str(path))
            headers = _read_headers(found, stream, str(path))
            arrays = _Arrays(path, size)
            return {name: _Member(arrays, name, found[name], header) for name, header in headers.items()}
    except ZIP_ERRORS as error:
        raise refuse(f"damaged .npz file: {error}", str(path)) from None


def _members(archive: zipfile.ZipFile, counters: bool) -> dict[str, zipfile.ZipInfo]:
    """The arrays of an archive that are weights, by the name that NumPy gives them."""
    infos = (info for info in archive.infolist() if info.filename.endswith(".npy"))
    named = {info.filename.removesuffix(".npy"): info for info in infos}
    return {name: info for name, info in named.items() if not is_left_out(name, counters)}


def _read_headers(members: dict[str, zipfile.ZipInfo], stream: IO[bytes], where: str) -> dict[str, NpyHeader]:
    found, unusual = {}, 0
    for name, info in members.items():
        header = _read_member_header(name, info, stream, where)
        unusual += not is_usual(header)
        if unusual > _MOST_UNUSUAL:
            raise refuse(f"more than {_MOST_UNUSUAL} headers that NumPy did not write", where)
        found[name] = _parse_member_header(name, header, where)
    return found


def _read_member_header(name: str, info: zipfile.ZipInfo, stream: IO[bytes], where: str) -> bytes:
    data = read_beginning(stream, info, _USUAL_SIZE)
    try:
        size = header_size(data)
    except HEADER_ERRORS as error:
        raise _damage_error(name, error, where) from None
    return data[:size] if size <= len(data) else read_beginning(stream, info, size)


def _parse_member_header(name: str, header: bytes, where: str) -> NpyHeader:
    try:
        parsed = parse_header(header)
    except HEADER_ERRORS as error:
        raise _damage_error(name, error, where) from None
    if not holds_numbers(name, parsed.dtype.name):
        what = "Python objects, which would execute code" if parsed.dtype.hasobject else shorten(str(parsed.dtype))
        raise refuse(f"'{name}' holds {what}, not floating-point numbers", where)
    return parsed


def _damage_error(name: str, error: Exception, where: str) -> Exception:
    why = shorten(str(error) or type(error).__name__)
    return refuse(f"the header of '{name}' is damaged: {why}", where)
