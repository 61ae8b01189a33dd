"""What a picture's file asks for beside its pixels, looked at before Pillow obeys it."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

MOST_SAMPLES, MOST_SAMPLES_EACH = 1_500_000_000, 50
"""Samples that all passes over a JPEG may go through, a second's work, and more for each byte; ten passes are usual."""
MOST_SEGMENTS = 1024
"""Parts of a JPEG: each pass is one or two, and a profile or a description some hundred."""
MOST_EXIFS = 16
"""Parts of a JPEG that hold EXIF, of which one is usual: Pillow copies what it has with each."""
MOST_FILL = 1 << 16
"""Bytes that say nothing between the parts of a JPEG, which Pillow reads one by one."""
MOST_CHUNKS, CHUNK = 1 << 14, 256
"""Chunks of a PNG, and one more for each so many bytes."""
MOST_BLOCKS = 1 << 14
"""Blocks of a GIF before its picture."""
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
_MARKER = re.compile(rb"\xff([^\0\xff\xd0-\xd7])")
"""What begins a part of a JPEG; what else stands behind 255 is a value, a fill byte or a restart."""
_SCAN, _END, _ALONE = 0xDA, 0xD9, 0x01
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_PNG = b"\x89PNG\r\n\x1a\n"
_TEXTS = (b"zTXt", b"iTXt")
_ENTRIES = {b"II*\0": "<HHII", b"MM\0*": ">HHII", b"II+\0": "<HHQQ", b"MM\0+": ">HHQQ"}
"""An entry of a directory in each kind of TIFF: tag, type, how many numbers, and the number or where they are."""
_BYTES, _ASCII, _SHORT, _LONG, _UNDEFINED = 1, 2, 3, 4, 7
_WIDTH, _HEIGHT, _SAMPLES, _ROWS, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 277, 278, 322, 323
_DEEPEST = 2
"""Bytes of a sample, at most, of the pictures that are read."""


class JpegHead(NamedTuple):
    """The samples of a JPEG, in whole blocks; its passes; whether all samples are held till the last.

    `is_usual` is whether its samples are coded as nearly all JPEGs' are: neither arithmetically nor without loss,
    where few bytes may ask for much time or memory.
    """

    samples: int
    scans: int
    is_held: bool
    is_usual: bool


def find_excess(data: bytes) -> str | None:
    """What a JPEG, a PNG, a GIF, a PPM or a TIFF has too much of; None if nothing is."""
    if data.startswith(b"\xff\xd8"):
        return _find_excess_of_jpeg(data)
    if data.startswith(_PNG):
        return _find_excess_of_png(data)
    if data.startswith(b"GIF8"):
        return f"more than {MOST_BLOCKS:,} blocks before its pixels" if read_gif_frame(data) is None else None
    if found := _PPM.match(data):
        long = _find_end_of_ppm_header(data, 2 if found[1] in b"14" else 3) > MOST_COMMENT
        return f"more than {MOST_COMMENT:,} bytes before its pixels" if long else None
    return find_excess_of_entries(data)


def _find_excess_of_jpeg(data: bytes) -> str | None:
    fill = scans = exifs = 0
    for count, (marker, at, gap) in enumerate(_walk_segments(data)):
        fill += 0 if scans else gap
        scans += marker == _SCAN
        exifs += data[at + 2 : at + 6] == b"Exif"
        if count == MOST_SEGMENTS:
            return f"more than {MOST_SEGMENTS:,} parts"
        if exifs > MOST_EXIFS:
            return f"more than {MOST_EXIFS} parts of EXIF"
        if fill > MOST_FILL:
            return f"more than {MOST_FILL:,} bytes between its parts"
    head = read_jpeg_head(data)
    most = MOST_SAMPLES + MOST_SAMPLES_EACH * len(data)
    return f"{head.scans} passes over so many pixels" if head.is_held and head.samples * head.scans > most else None


def read_jpeg_head(data: bytes) -> JpegHead:
    """What a JPEG of at most `MOST_SEGMENTS` parts says of itself, as libjpeg reads it."""
    samples, components, scans, first = 0, 0, 0, 0
    frame = _BASELINE
    for marker, at, _ in _walk_segments(data):
        if marker in _FRAMES and not components:
            frame = marker
            samples, components = _count_samples(data, at)
        if marker == _SCAN:
            scans += 1
            first = first or int.from_bytes(data[at + 2 : at + 3], "big")
    is_held = frame == _PROGRESSIVE or first != components
    return JpegHead(samples, scans, is_held, frame in (_BASELINE, _EXTENDED, _PROGRESSIVE))


def _walk_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """The parts of a JPEG up to its end: marker, where its length stands, and bytes between it and the one before."""
    at = 2
    while found := _MARKER.search(data, at):
        marker, gap = found[1][0], found.start() - at
        at = found.end()
        yield marker, at, gap
        if marker == _END:
            return
        if marker != _ALONE:
            at += max(2, int.from_bytes(data[at : at + 2], "big"))


def _count_samples(data: bytes, at: int) -> tuple[int, int]:
    """The samples and the number of components of a frame, whose blocks fill up what is sampled together."""
    height, width, components = struct.unpack_from(">HHB", data[at + 3 : at + 8].ljust(5, b"\0"))
    factors = [(each >> 4 or 1, each & 15 or 1) for each in data[at + 9 : at + 8 + 3 * components : 3]]
    across, down = (8 * max((pair[side] for pair in factors), default=1) for side in (0, 1))
    together = -(-width // across) * -(-height // down)
    return together * sum(64 * x * y for x, y in factors), components


def _find_excess_of_png(data: bytes) -> str | None:
    texts, most = 0, MOST_CHUNKS + len(data) // CHUNK
    for count, name in enumerate(_walk_chunks(data)):
        texts += name in _TEXTS
        if count == most:
            return f"more than {most:,} chunks"
    return f"more than {MOST_TEXTS} compressed texts" if texts > MOST_TEXTS else None


def read_gif_frame(data: bytes) -> tuple[int, int] | None:
    """The sides of a GIF's first frame, (0, 0) without one; None if too many blocks stand before it."""
    at = 13 + _count_palette(data[10:11])
    for _ in range(MOST_BLOCKS):
        kind = data[at : at + 1]
        if kind == b",":
            return struct.unpack("<HH", data[at + 5 : at + 9].ljust(4, b"\0"))
        if kind in (b"", b";"):
            return 0, 0
        at += 1
        if kind == b"!":
            at += 1
            while size := int.from_bytes(data[at : at + 1], "big"):
                at += 1 + size
            at += 1
    return None


def _count_palette(flags: bytes) -> int:
    (value,) = flags or b"\0"
    return 3 << (value & 7) + 1 if value & 0x80 else 0


def _find_end_of_ppm_header(data: bytes, numbers: int) -> int:
    """Where the numbers at the beginning end, each behind blanks and comments."""
    at = 2
    for _ in range(numbers):
        for pattern in (_BLANK, _DIGITS):
            at = pattern.match(data, at, MOST_COMMENT + 1).end()  # type: ignore[union-attr]  # nothing matches, too
    return at


def _walk_chunks(data: bytes) -> Iterator[bytes]:
    """The names of a PNG's chunks."""
    at = len(_PNG)
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8]
        at += 12 + length


def find_excess_of_entries(data: bytes) -> str | None:
    """What the first directory of a TIFF, or of EXIF, has too much of."""
    sides: dict[int, int] = {}
    for tag, kind, count, number in _walk_entries(data.removeprefix(b"Exif\0\0")):
        if count > MOST_NUMBERS and kind not in (_BYTES, _ASCII, _UNDEFINED):
            return f"an entry of more than {MOST_NUMBERS:,} numbers"
        sides[tag] = max(number, sides.get(tag, 0))
    return f"a tile of more than {MOST_TILE:,} bytes" if _limit_tile(sides) > MOST_TILE else None


def find_largest_piece(data: bytes, sides: tuple[int, int]) -> int:
    """The pixels of a tile or a strip of a TIFF with these sides; all where what is said of strips is not plain."""
    stated: dict[int, int] = {}
    for tag, kind, count, number in _walk_entries(data):
        plain = kind in (_SHORT, _LONG) and count == 1
        stated[tag] = max(number if plain else 1 << 32, stated.get(tag, 0))
    rows = min(sides[1], stated.get(_ROWS) or sides[1])
    return max(sides[0] * rows, _limit_tile({**stated, _SAMPLES: 1}) // _DEEPEST)


def _limit_tile(sides: Mapping[int, int]) -> int:
    """The most bytes that a tile may take, if there are any: a side that is not stated is the picture's."""
    if sides.keys().isdisjoint((_TILE_WIDTH, _TILE_HEIGHT)):
        return 0
    width = sides.get(_TILE_WIDTH) or sides.get(_WIDTH, 0)
    height = sides.get(_TILE_HEIGHT) or sides.get(_HEIGHT, 0)
    return width * height * sides.get(_SAMPLES, 1) * _DEEPEST


def _read_first(value: int, kind: int, order: str, room: int) -> int:
    """The number of an entry that has one: a short one takes the first bytes of its room alone."""
    size = {_BYTES: 1, _SHORT: 2, _LONG: 4}.get(kind, room)
    return value & (1 << 8 * size) - 1 if order == "<" else value >> 8 * (room - size)


def _walk_entries(data: bytes) -> Iterator[tuple[int, int, int, int]]:
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
            yield tag, kind, count, _read_first(value, kind, order, 8 if wide else 4)
    except (struct.error, OverflowError):  # it ends early, or leads beyond any memory, which Pillow will say
        return
