"""Constants of a file: named arrays whose dimensions are known and whose numbers are read when asked for."""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import ml_dtypes
import numpy as np
from onnx import TensorProto

from resnet_gen.onnx.reading.model_outline import Outline, TensorPlace
from resnet_gen.onnx.reading.rounding_error import MissingNumbersError, Numbers, settle_numbers
from resnet_gen.ops import Shape
from resnet_gen.problems import refuse, shorten
from resnet_gen.system.files import open_regular_file
from resnet_gen.system.journal import check_whole
from resnet_gen.weights.base import Array
from resnet_gen.weights.formats.arrays import to_float32

DTYPES: dict[int, np.dtype[Any]] = {
    TensorProto.FLOAT: np.dtype("<f4"),
    TensorProto.DOUBLE: np.dtype("<f8"),
    TensorProto.FLOAT16: np.dtype("<f2"),
    TensorProto.BFLOAT16: np.dtype(ml_dtypes.bfloat16),
    TensorProto.FLOAT8E4M3FN: np.dtype(ml_dtypes.float8_e4m3fn),
    TensorProto.FLOAT8E5M2: np.dtype(ml_dtypes.float8_e5m2),
    TensorProto.INT8: np.dtype("i1"),
    TensorProto.UINT8: np.dtype("u1"),
    TensorProto.INT16: np.dtype("<i2"),
    TensorProto.UINT16: np.dtype("<u2"),
    TensorProto.INT32: np.dtype("<i4"),
    TensorProto.INT64: np.dtype("<i8"),
    TensorProto.BOOL: np.dtype("?"),
}
"""NumPy's type of each element type of TensorProto that is read."""
CODES = ("int8", "uint8", "int16", "uint16", "float8_e4m3fn", "float8_e5m2")
"""What QuantizeLinear makes, of these types."""

_MAX_ELEMENTS = 1 << 34
NUMBERS = ("raw_data", "float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")
"""Where a tensor's numbers may be inside its file, if they are."""
_ENTRIES = ("location", "offset", "length", "checksum")
"""What ONNX has said of numbers in another file."""


@dataclass(frozen=True, eq=False)
class FileConstant:
    """An array of a file: what it is called, outermost name first, its dimensions, and how its numbers are read.

    `part` reads rows start..stop alone, where that is possible; `zero` marks an
    array that is filled with zero by the file's structure; `rounded` is the type
    that numbers were rounded to before they came to have `dtype`; `steps` are what one of its codes stands for in
    rows start..stop, or in all of them, where they are codes times that.
    """

    names: tuple[str, ...]
    dims: Shape
    dtype: np.dtype[Any]
    load: Callable[[], Numbers]
    part: Callable[[int, int], Numbers] | None = None
    zero: bool = False
    rounded: np.dtype[Any] | None = None
    steps: Callable[[int, int], Numbers] | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.dims)

    def with_name(self, name: str) -> FileConstant:
        """The same under one more name."""
        return replace(self, names=(name, *self.names))

    def array(self) -> Numbers:
        """All numbers, in their own type; raises `MissingNumbersError`."""
        return settle_numbers(self.load, shorten(self.names[0]))

    def rows(self, start: int, stop: int) -> Array:
        """Rows start..stop as float32; raises `MissingNumbersError`."""
        part = self.part
        load = (lambda: part(start, stop)) if part else (lambda: self.load()[start:stop])
        return to_float32(settle_numbers(load, shorten(self.names[0])))


def known_constant(values: Any, name: str = "") -> FileConstant:
    """A constant of numbers that are at hand."""
    array = np.asarray(values)
    return FileConstant((name,), array.shape, array.dtype, lambda: array)


def derived_constant(
    of: FileConstant, dims: Shape, load: Callable[[], Numbers], dtype: np.dtype[Any] | None = None
) -> FileConstant:
    """A constant that is computed from another, whose names it has."""
    return FileConstant(of.names, dims, dtype or of.dtype, load, rounded=of.rounded)


def tensor_constant(tensor: TensorProto, place: TensorPlace | None, file: Outline, path: Path) -> FileConstant:
    """An initializer, or the tensor of an attribute; raises `Refused` where its size is not what it says."""
    dims, dtype = tuple(tensor.dims), DTYPES.get(tensor.data_type)
    where, name = str(path), shorten(tensor.name)
    if dtype is None:
        raise refuse(f"initializer '{name}': element type {tensor.data_type} is not read", where)
    if any(n < 0 for n in dims) or math.prod(dims) > _MAX_ELEMENTS:
        raise refuse(f"initializer '{name}': no tensor has the shape {shorten(str(list(dims)))}", where)
    _check_fields(tensor, place, where)
    size = math.prod(dims) * dtype.itemsize
    if tensor.data_location == TensorProto.EXTERNAL:
        return _external_constant(tensor, dims, dtype, path)
    if place is not None:
        _check_size(name, place.length, size, where)
        return _map_constant(tensor.name, dims, dtype, lambda: file.data, place.offset)
    return _inline_constant(tensor, dims, dtype, size, where)


def _check_fields(tensor: TensorProto, place: TensorPlace | None, where: str) -> None:
    """Raise `Refused` for numbers in two places: which of them count is anybody's guess."""
    name = shorten(tensor.name)
    if tensor.HasField("segment"):
        raise refuse(f"initializer '{name}': it is a segment of a tensor, which cannot be read", where)
    fields = _list_fields(tensor, place)
    if len(fields) > 1:
        raise refuse(f"initializer '{name}': its numbers are in {' and in '.join(fields)}", where)
    if tensor.external_data and tensor.data_location != TensorProto.EXTERNAL:
        raise refuse(f"initializer '{name}': it has external_data, and its data_location is not EXTERNAL", where)


def _list_fields(tensor: TensorProto, place: TensorPlace | None) -> list[str]:
    """Where a tensor has numbers; raw data that are empty count inside the file, since runtimes read no others then."""
    found = [field for field in (*NUMBERS, "external_data") if len(getattr(tensor, field))]
    if tensor.HasField("raw_data") and not tensor.raw_data and tensor.data_location != TensorProto.EXTERNAL:
        found.append("raw_data")
    return sorted([*found, place.field] if place else found)


def _check_size(name: str, found: int, wanted: int, where: str) -> None:
    if found != wanted:
        raise refuse(f"initializer '{name}': {found:,} bytes, and its shape and type take {wanted:,}", where)


def _map_constant(
    name: str, dims: Shape, dtype: np.dtype[Any], data: Callable[[], mmap.mmap], offset: int
) -> FileConstant:
    """An array that lies in a file."""
    row = math.prod(dims[1:])

    def part(start: int, stop: int) -> Numbers:
        array = np.frombuffer(data(), dtype, (stop - start) * row, offset + start * row * dtype.itemsize)
        return array.reshape(stop - start, *dims[1:])

    def load() -> Numbers:
        return np.frombuffer(data(), dtype, math.prod(dims), offset).reshape(dims)

    return FileConstant((name,), dims, dtype, load, part if dims else None)


def _inline_constant(tensor: TensorProto, dims: Shape, dtype: np.dtype[Any], size: int, where: str) -> FileConstant:
    """Numbers in the tensor's own fields; none at all are numbers that were left out."""
    if tensor.HasField("raw_data") and (tensor.raw_data or not size):
        _check_size(shorten(tensor.name), len(tensor.raw_data), size, where)
        return known_constant(np.frombuffer(tensor.raw_data, dtype).reshape(dims), tensor.name)
    fields = (tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data, tensor.uint64_data)
    found = max(map(len, fields))
    if not found and size:
        return FileConstant((tensor.name,), dims, dtype, lambda: _raise_missing(tensor.name))
    try:
        array = _decode_numbers(tensor, dtype).reshape(dims)
    except (ValueError, OverflowError):  # fields that do not go together
        array = np.empty(0, dtype)
    if array.shape != dims:
        raise refuse(f"initializer '{shorten(tensor.name)}': its numbers are not those of its shape and type", where)
    return known_constant(array, tensor.name)


def _decode_numbers(tensor: TensorProto, dtype: np.dtype[Any]) -> Numbers:
    """The numbers in a tensor's own fields, one by one: a list of them would take ten times the memory."""
    fields: dict[int, Iterable[float]] = {
        TensorProto.FLOAT: tensor.float_data,
        TensorProto.DOUBLE: tensor.double_data,
        TensorProto.INT64: tensor.int64_data,
    }
    if tensor.data_type in fields:
        return np.fromiter(fields[tensor.data_type], dtype)
    numbers = np.fromiter(tensor.int32_data, np.int32)
    if dtype.kind not in "fV":
        return numbers.astype(dtype)
    return numbers.astype(f"u{dtype.itemsize}").view(dtype)  # their bits


def _raise_missing(name: str) -> Numbers:
    raise MissingNumbersError(f"the numbers of '{shorten(name)}' are not in the file")


def _external_constant(tensor: TensorProto, dims: Shape, dtype: np.dtype[Any], path: Path) -> FileConstant:
    """Numbers in a file beside the model, looked at when they are asked for; its place is checked at once."""
    entries = _read_entries(tensor, str(path))
    size, name = math.prod(dims) * dtype.itemsize, shorten(tensor.name)
    location = entries.get("location", "")
    offset = _parse_natural(entries.get("offset", "0"))
    length = _parse_natural(entries.get("length", str(size)))
    pure = PurePosixPath(location)
    if not location or pure.is_absolute() or ".." in pure.parts or "\0" in location or "\\" in location:
        message = f"initializer '{name}': its data are to lie at '{shorten(location)}', outside the model's folder"
        raise refuse(message, str(path))
    if offset is None or length is None:
        raise refuse(f"initializer '{name}': its place in '{shorten(location)}' is no number", str(path))
    _check_size(name, length, size, str(path))

    def data() -> mmap.mmap:
        return _map_external_file(path, location, name, offset, size)

    return _map_constant(tensor.name, dims, dtype, data, offset)


def _read_entries(tensor: TensorProto, where: str) -> dict[str, str]:
    """What is said of numbers in another file; raises `Refused` for what ONNX has not, or twice: runtimes part."""
    found: dict[str, str] = {}
    for entry in tensor.external_data:
        if entry.key in found or entry.key not in _ENTRIES:
            why = "twice" if entry.key in found else "which ONNX has not"
            message = f"its external_data have the entry '{shorten(entry.key)}' {why}"
            raise refuse(f"initializer '{shorten(tensor.name)}': {message}", where)
        found[entry.key] = entry.value
    return found


def _parse_natural(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _map_external_file(path: Path, location: str, name: str, offset: int, size: int) -> mmap.mmap:
    """The file of external data; raises `Refused` if it is elsewhere, too short, or not there."""
    target = path.parent / location
    check_whole(path)
    try:
        if not target.resolve().is_relative_to(path.parent.resolve()):
            message = f"initializer '{name}': '{shorten(location)}' leads outside the model's folder"
            raise refuse(message, str(path))
        with open_regular_file(target) as stream:
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError:
        data = None
    except OSError as error:
        raise MissingNumbersError(f"the numbers of '{name}' are in '{location}': {error.strerror}") from None
    if data is None or offset + size > len(data):
        raise refuse(f"initializer '{name}': its data lie beyond the end of '{shorten(location)}'", str(path))
    return data
