"""What a picture's file asks for beside its pixels, looked at before Pillow obeys it."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping

MOST_SCANS = 256
"""Passes over a JPEG, of which ten are usual: each takes as long as the picture is large."""
MOST_TEXTS = 16
"""Compressed texts of a PNG, each of up to a megabyte."""
MOST_NUMBERS = 1 << 16
"""Numbers of a TIFF's or EXIF's entry, as there are places of strips; each takes forty bytes once it is looked at."""
MOST_TILE = 1 << 25
"""Bytes of a TIFF's tile, of which a whole one is held."""
MOST_COMMENT = 1 << 16
"""Bytes before the pixels of a PPM, which Pillow reads one by one."""

_PPM = re.compile(rb"P([1-6])")
_BLANK = re.compile(rb"(?:\s|#[^\r\n]*(?:[\r\n]|\Z))*")
_DIGITS = re.compile(rb"[0-9]*")
_SCAN = b"\xff\xda"
_PNG = b"\x89PNG\r\n\x1a\n"
_TEXTS = (b"zTXt", b"iTXt")
_ENTRIES = {b"II*\0": "<HHII", b"MM\0*": ">HHII", b"II+\0": "<HHQQ", b"MM\0+": ">HHQQ"}
"""An entry of a directory in each kind of TIFF: tag, type, how many numbers, and the number or where they are."""
_BYTES, _ASCII, _SHORT, _LONG, _UNDEFINED = 1, 2, 3, 4, 7
_WIDTH, _HEIGHT, _SAMPLES, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 277, 322, 323
_DEEPEST = 2
"""Bytes of a sample, at most, of the pictures that are read."""


def excess(data: bytes) -> str | None:
    """What a JPEG, a PNG, a PPM or a TIFF has too much of; None if nothing is."""
    if data.startswith(b"\xff\xd8"):
        return f"more than {MOST_SCANS} passes over its pixels" if data.count(_SCAN) > MOST_SCANS else None
    if data.startswith(_PNG):
        texts = sum(name in _TEXTS for name in _chunks(data))
        return f"more than {MOST_TEXTS} compressed texts" if texts > MOST_TEXTS else None
    if found := _PPM.match(data):
        long = _header_of_ppm(data, 2 if found[1] in b"14" else 3) > MOST_COMMENT
        return f"more than {MOST_COMMENT:,} bytes before its pixels" if long else None
    return excess_of_entries(data)


def _header_of_ppm(data: bytes, numbers: int) -> int:
    """Where the numbers at the beginning end, each behind blanks and comments."""
    at = 2
    for _ in range(numbers):
        for pattern in (_BLANK, _DIGITS):
            at = pattern.match(data, at, MOST_COMMENT + 1).end()  # type: ignore[union-attr]  # nothing matches, too
    return at


def _chunks(data: bytes) -> Iterator[bytes]:
    """The names of a PNG's chunks."""
    at = len(_PNG)
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8]
        at += 12 + length


def excess_of_entries(data: bytes) -> str | None:
    """What the first directory of a TIFF, or of EXIF, has too much of."""
    sides: dict[int, int] = {}
    for tag, kind, count, number in _entries(data.removeprefix(b"Exif\0\0")):
        if count > MOST_NUMBERS and kind not in (_BYTES, _ASCII, _UNDEFINED):
            return f"an entry of more than {MOST_NUMBERS:,} numbers"
        sides[tag] = max(number, sides.get(tag, 0))
    return f"a tile of more than {MOST_TILE:,} bytes" if _tile(sides) > MOST_TILE else None


def _tile(sides: Mapping[int, int]) -> int:
    """The most bytes that a tile may take, if there are any: a side that is not stated is the picture's."""
    if sides.keys().isdisjoint((_TILE_WIDTH, _TILE_HEIGHT)):
        return 0
    width = sides.get(_TILE_WIDTH) or sides.get(_WIDTH, 0)
    height = sides.get(_TILE_HEIGHT) or sides.get(_HEIGHT, 0)
    return width * height * sides.get(_SAMPLES, 1) * _DEEPEST


def _first(value: int, kind: int, order: str, room: int) -> int:
    """The number of an entry that has one: a short one takes the first bytes of its room alone."""
    size = {_BYTES: 1, _SHORT: 2, _LONG: 4}.get(kind, room)
    return value & (1 << 8 * size) - 1 if order == "<" else value >> 8 * (room - size)


def _entries(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    form = _ENTRIES.get(data[:4])
    if form is None:
        return
    order, wide = form[0], form.endswith("QQ")
    try:
        (at,) = struct.unpack_from(f"{order}Q" if wide else f"{order}I", data, 8 if wide else 4)
        (number,) = struct.unpack_from(f"{order}Q" if wide else f"{order}H", data, at)
        at += 8 if wide else 2
        for place in range(at, min(at + number * struct.calcsize(form), len(data)), struct.calcsize(form)):
            tag, kind, count, value = struct.unpack_from(form, data, place)
            yield tag, kind, count, _first(value, kind, order, 8 if wide else 4)
    except (struct.error, OverflowError):  # it ends early, or leads beyond any memory, which Pillow will say
        return
