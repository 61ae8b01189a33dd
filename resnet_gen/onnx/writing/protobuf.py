"""Protobuf's wire format, as far as ONNX needs it: a message is its fields, one after the other."""

from __future__ import annotations

import struct
from functools import lru_cache

_VARINT, _BYTES, _FLOAT = 0, 2, 5
_UNSIGNED = (1 << 64) - 1


def integer(field: int, number: int) -> bytes:
    """An int32, int64 or enumeration field."""
    return _varint(field << 3 | _VARINT) + _varint(number)


def integers(field: int, numbers: tuple[int, ...] | list[int]) -> bytes:
    """A repeated integer field; ONNX's are not packed."""
    return b"".join(integer(field, number) for number in numbers)


def float32(field: int, number: float) -> bytes:
    """A float32 field."""
    return _varint(field << 3 | _FLOAT) + struct.pack("<f", number)


def text(field: int, value: str) -> bytes:
    """A string field."""
    return message(field, value.encode())


def message(field: int, value: bytes) -> bytes:
    """A field that is bytes, or a message of its own."""
    return length(field, len(value)) + value


def length(field: int, size: int) -> bytes:
    """What stands before the `size` bytes of a field."""
    return _varint(field << 3 | _BYTES) + _varint(size)


@lru_cache(maxsize=1024)
def _varint(number: int) -> bytes:
    number &= _UNSIGNED
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
