"""What Pillow's decoders take beside the pixels that they fill, of memory, and which of them take long."""

from __future__ import annotations

from typing import NamedTuple

from PIL import Image

from resnet_gen.engine.image_limits import find_largest_piece, read_jpeg_head

ONE_BYTE = frozenset({"1", "L", "P"})
"""Modes whose pixels Pillow holds in one byte; in the others it takes four."""
_SLOW = {"ppm": 3_000_000, "ppm_plain": 6_000_000, "bmp_rle": 3_000_000}
"""Decoders that are written in Python, and how many numbers each reads in about two seconds."""
_RUN = 2
"""Bytes of a run in a BMP, which stands for a pixel or more."""


class DecoderMemory(NamedTuple):
    """Bytes beside the pixels while they are decoded, and those of them that are held as long as the file is."""

    decoding: int
    later: int = 0


def estimate_memory(file: Image.Image, data: bytes) -> DecoderMemory:
    """What the decoder of an opened picture holds; `tests/engine/test_image_memory.py` measures each."""
    pixels, own = file.width * file.height, 1 if file.mode in ONE_BYTE else 4
    if file.format in ("JPEG", "MPO"):
        head = read_jpeg_head(data)
        return DecoderMemory(2 * head.samples if head.is_held else 0)
    if file.format == "WEBP":  # two canvases that stay, and the bytes of the one that is handed over
        return DecoderMemory(12 * pixels, 8 * pixels)
    if file.format == "TIFF" and _name_decoder(file) == "libtiff":
        return DecoderMemory(_estimate_piece(file, data, own))
    if _name_decoder(file) in _SLOW:  # what was read so far, which may have grown by an eighth more, and a copy
        return DecoderMemory(-(-9 * pixels * len(file.getbands()) // 4))
    if file.format == "GIF":  # what the next frame would begin with
        return DecoderMemory(pixels, pixels)
    return DecoderMemory(0)


def _estimate_piece(file: Image.Image, data: bytes, own: int) -> int:
    """A strip or a tile as libtiff holds it, and what the library behind it does, of JPEG two bytes a sample."""
    times = 3 if file.info.get("compression") == "jpeg" else 2
    return times * own * find_largest_piece(data, file.size)


def is_slow(file: Image.Image, data: bytes) -> bool:
    """Whether a decoder that is written in Python would have too much to do."""
    numbers = file.width * file.height * len(file.getbands())
    most = _SLOW.get(_name_decoder(file))
    if most is None:
        return False
    return numbers > most or (_name_decoder(file) == "bmp_rle" and len(data) > _RUN * numbers + (1 << 16))


def _name_decoder(file: Image.Image) -> str:
    tiles = getattr(file, "tile", None)
    return str(tiles[0][0]) if tiles else ""
