"""The header of NumPy's .npy: a Python literal, which is short, and is not evaluated where it is of the usual form."""

from __future__ import annotations

import io
import math
import re
import tokenize
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.lib.format as npy
import numpy.typing as npt

from resnet_gen.ops import Shape

PREFIX = 12
"""Bytes within which a header's length stands, whatever its version; every header is longer."""
_LONGEST = 10_000
"""Bytes of a literal, of which NumPy's own take 118; it refuses longer ones too, after it has read them."""
_LENGTHS = {(1, 0): 2, (2, 0): 4, (3, 0): 4}
"""Bytes that the length takes, by version."""
HEADER_ERRORS = (ValueError, SyntaxError, tokenize.TokenError, TypeError, LookupError, RecursionError, MemoryError)
"""What is raised of a header that makes no sense."""
_USUAL = re.compile(
    rb"\{'descr': '([<>|=]?[a-zA-Z][0-9]{1,2})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:[0-9]{1,19}, ?)*(?:[0-9]{1,19})?)\), \} *\n"
)


class NpyHeader(NamedTuple):
    """What stands before the numbers."""

    shape: Shape
    fortran: bool
    dtype: np.dtype[Any]
    size: int


def read_header(stream: IO[bytes]) -> NpyHeader:
    """The header of a .npy, whose numbers come next; raises one of `HEADER_ERRORS`."""
    begin = stream.read(PREFIX)
    return parse_header(begin + stream.read(header_size(begin) - len(begin)))


def read_values(stream: IO[bytes], shape: Shape, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """The numbers that come next, as many as an array of this shape has; raises `EOFError` where they are fewer."""
    size = math.prod(shape) * dtype.itemsize
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("it ends early")
    return np.frombuffer(data, dtype).reshape(shape)


def to_float32(values: np.ndarray[Any, Any]) -> npt.NDArray[np.float32]:
    """Numbers in float32: those beyond it are infinite, which whoever computes with them says."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def header_size(begin: bytes) -> int:
    """How long a whole header is, by its first bytes; raises one of `HEADER_ERRORS` for what is none, or too long."""
    at = npy.MAGIC_LEN
    width = _LENGTHS[npy.read_magic(io.BytesIO(begin))]
    length = int.from_bytes(begin[at : at + width], "little")
    if length > _LONGEST:
        raise ValueError(f"it is {length:,} bytes long")
    return at + width + length


def is_usual(header: bytes) -> bool:
    """Whether a header is as NumPy writes it, and so read in no time."""
    return _USUAL.fullmatch(header, header.find(b"{")) is not None


def parse_header(header: bytes) -> NpyHeader:
    """A whole header; raises one of `HEADER_ERRORS`."""
    at = npy.MAGIC_LEN + _LENGTHS[npy.read_magic(io.BytesIO(header))]
    usual = _USUAL.fullmatch(header, at)
    shape, fortran, dtype = _parse_usual(usual) if usual else _evaluate_header(header, at)
    if not all(type(side) is int for side in shape):
        raise ValueError("its sides are not all numbers")
    return NpyHeader(tuple(shape), fortran, dtype, len(header))


def _parse_usual(found: re.Match[bytes]) -> tuple[Shape, bool, np.dtype[Any]]:
    shape = tuple(int(side) for side in found[3].split(b",") if side.strip())
    return shape, found[2] == b"True", np.dtype(found[1].decode())


def _evaluate_header(header: bytes, at: int) -> tuple[Any, bool, np.dtype[Any]]:
    """A header of another form, by NumPy's own reader."""
    read = npy.read_array_header_1_0 if at == npy.MAGIC_LEN + 2 else npy.read_array_header_2_0
    found: tuple[Any, bool, np.dtype[Any]] = read(io.BytesIO(header[npy.MAGIC_LEN :]))
    return found
