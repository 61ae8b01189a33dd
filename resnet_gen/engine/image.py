"""A picture to the tensor that a network takes: resize, central crop, normalization."""

from __future__ import annotations

import io
import math
import traceback
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from resnet_gen.engine.image_decoders import ONE_BYTE, DecoderMemory, estimate_memory, is_slow
from resnet_gen.engine.image_limits import find_excess, find_excess_of_entries, read_gif_frame, read_jpeg_head
from resnet_gen.language.spec import Input
from resnet_gen.ops.serving import find_resized_sides
from resnet_gen.problems import Refused, refuse
from resnet_gen.system.files import open_regular_file, why_unread
from resnet_gen.weights.base import Array

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What is read. Pillow goes by content, and others of its readers start programs."""
SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""How the names of pictures end, in capitals too, where a folder is looked through."""
_HELD, _HELD_EACH = 61 << 20, 2.5
"""Bytes that a picture and its decoder may take in memory, and how many more for each byte of its file."""
_DIRECT = frozenset({"1", "L", "LA", "P", "RGB", "RGBA"})
"""Modes that Pillow brings into any other at once; the rest become RGB between."""
_ORIENTATION = 0x0112
"""EXIF's number of how the picture lies in the file."""


_PARTS = {2: "a half", 4: "a quarter", 8: "an eighth"}


class SmallerPictureWarning(UserWarning):
    """A JPEG of many pixels is decoded at a part of its sides."""


def read_image(path: Path, to: Input) -> Array:
    """The picture at `path` as a batch of one, float32 (1, C, H, W).

    The shorter side is resized (bilinear, antialiased) so that the central crop
    keeps the fraction `to.crop` of it. Raises `Refused` for what is no picture, and warns of one decoded smaller.
    """
    return normalize_pixels(_resize_and_crop(_open_upright(path, to), to), to)


def read_pixels(path: Path, to: Input, *, whole: bool = False) -> npt.NDArray[np.uint8]:
    """The same before it is normalized, uint8 (1, H, W, C); with `whole` neither resized nor cropped."""
    picture = _open_upright(path, to)
    pixels = np.asarray(picture if whole else _resize_and_crop(picture, to), np.uint8)
    return pixels.reshape(1, *pixels.shape[:2], to.channels)


def _open_upright(path: Path, to: Input) -> Image.Image:
    if to.mode is None:
        raise refuse(f"a picture cannot become {to.channels} channels", str(path), "1, 3 and 4 channels can be read")
    picture, sides = _open_picture(path, to)
    pixels = picture.width * picture.height
    if pixels < math.prod(sides):
        part = next(n for n in _PARTS if pixels >= math.prod(side // n for side in sides))  # sides are rounded up
        words = f"{path}: so large that it is decoded at {_PARTS[part]} of its sides"
        warnings.warn(SmallerPictureWarning(words), stacklevel=3)
    return picture


def _open_picture(path: Path, to: Input) -> tuple[Image.Image, tuple[int, int]]:
    """The picture, and the sides that it has in its file."""
    try:
        with open_regular_file(path) as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata
            data = stream.read()
            _check_excess(find_excess(data), str(path))
            _refuse_large_frame(data, str(path))
            with Image.open(io.BytesIO(data), formats=FORMATS) as file:
                sides = file.size
                return _turn_upright(file, to, data, str(path)), sides
    except UnidentifiedImageError:
        raise refuse("not a picture", str(path), "JPEG, PNG, WebP, BMP, GIF, TIFF and PPM are read") from None
    except Image.DecompressionBombError:
        raise _refuse_too_large(str(path)) from None
    except Refused:
        raise
    except OSError as error:
        raise refuse(why_unread(error), str(path)) from None
    except Exception as error:  # whatever Pillow makes of a damaged picture, and no fault of ours
        if not _comes_from_pillow(error):
            raise
        raise refuse(f"cannot be read: {error}", str(path)) from None


def _comes_from_pillow(error: Exception) -> bool:
    """Whether an exception passed through Pillow's code."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_globals.get("__name__", "").startswith("PIL.") for frame, _ in frames)


def _turn_upright(file: Image.Image, to: Input, data: bytes, where: str) -> Image.Image:
    """The picture as it is to be looked at, in the mode that is wanted; none is decoded that takes too much memory."""
    if file.mode.startswith(("I", "F")):
        raise refuse("a picture of more than 8 bits a channel", where, "save it with 8 bits a channel")
    if is_slow(file, data):
        raise _refuse_too_large(where, "save it smaller, or as PNG")
    most, taken = _limit_memory(data), estimate_memory(file, data)
    if isinstance(file, JpegImageFile):
        if not read_jpeg_head(data).is_usual:
            raise refuse("a JPEG coded as few are", where, "save it as baseline or progressive JPEG")
        _shrink(file, to, taken, most, where)
    if _count_bytes(file, to, taken) > most:
        raise _refuse_too_large(where, _choose_hint(file, taken))
    file.load()
    if _is_turned(file, where):
        if _count_bytes(file, to, taken, turned=True) > most:
            raise _refuse_too_large(where)
        file = ImageOps.exif_transpose(file)
    return file if file.mode == to.mode else file.convert(str(to.mode))


def _choose_hint(file: Image.Image, taken: DecoderMemory) -> str:
    """What helps where a decoder takes much beside the pixels."""
    if isinstance(file, JpegImageFile) and taken.decoding:
        return "save it smaller, or not progressive"
    return "save it smaller, or as JPEG" if file.format == "WEBP" else "save it smaller"


def _limit_memory(data: bytes) -> int:
    return _HELD + int(_HELD_EACH * len(data))


def _refuse_large_frame(data: bytes, where: str) -> None:
    """Refuse a GIF whose first frame is too large, for which Pillow takes memory as soon as it is opened."""
    if data.startswith(b"GIF8") and 2 * math.prod(read_gif_frame(data) or ()) > _limit_memory(data):
        raise _refuse_too_large(where)


def _check_excess(excess: str | None, where: str) -> None:
    if excess:
        raise refuse(f"it has {excess}, which no picture has", where)


def _is_turned(file: Image.Image, where: str) -> bool:
    _check_excess(find_excess_of_entries(file.info.get("exif", b"")), where)
    return bool(file.getexif().get(_ORIENTATION, 1) != 1)


def _shrink(file: JpegImageFile, to: Input, taken: DecoderMemory, most: int, where: str) -> None:
    """Have a JPEG of more memory than `most` decoded to a half, a quarter or an eighth of its sides."""
    turned = _is_turned(file, where)
    part = next((n for n in (1, 2, 4) if _count_bytes(file, to, taken, turned=turned, part=n) <= most), 8)
    if part > 1:
        file.draft(None, (max(1, file.width // part), max(1, file.height // part)))


def _count_bytes(file: Image.Image, to: Input, taken: DecoderMemory, *, turned: bool = False, part: int = 1) -> int:
    """Bytes that pixels, at a part of the sides, take while they are decoded, turned, converted and resized."""
    width, height = (-(-side // part) for side in file.size)
    own, wanted = (1 if name in ONE_BYTE else 4 for name in (file.mode, to.mode))
    other = 0 if file.mode == to.mode else wanted + 4 * (file.mode not in _DIRECT)
    later = width * height * (own * (1 + turned) + other)
    stays = taken.later if file.mode == to.mode and not turned else 0
    # Pillow multiplies colours by their alpha before it resizes them.
    resized = width * height * (wanted + 4 * (to.mode == "RGBA")) + wanted * _count_half_resized(width, height, to)
    return max(width * height * own + taken.decoding, taken.later + later, stays + resized)


def _count_half_resized(width: int, height: int, to: Input) -> int:
    """Pixels of a picture whose rows are as short as the network's and that has all its rows, which lies either way."""
    tall, wide = to.size
    return wide * max(min(height, -(-width * tall // wide)), min(width, -(-height * tall // wide)))


def _refuse_too_large(where: str, hint: str = "save it smaller") -> Refused:
    return refuse("more pixels than any picture should have", where, hint)


def _resize_and_crop(picture: Image.Image, to: Input) -> Image.Image:
    """The central crop of the resized picture, of which nothing else is ever computed."""
    height, width = to.size
    rows, columns = find_resized_sides((picture.height, picture.width), to.size, to.crop)
    left, top = (columns - width) // 2, (rows - height) // 2
    x, y = picture.width / columns, picture.height / rows
    box = (left * x, top * y, (left + width) * x, (top + height) * y)
    return picture.resize((width, height), Image.Resampling.BILINEAR, box)


def list_pixel_shapes(to: Input) -> list[tuple[int, ...]]:
    """What arrays of an image's bytes may be: rows, columns, channels, the last left out where there is one."""
    return [(*to.size, to.channels), *([to.size] if to.channels == 1 else [])]


def normalize_pixels(picture: Image.Image | npt.NDArray[np.uint8], to: Input) -> Array:
    """Pixels of 0..255 as (value - mean) / std of values in 0..1, channels first."""
    pixels = np.asarray(picture, np.float32).reshape(*to.size, to.channels) / 255
    mean, std = (np.asarray(v, np.float32) for v in to.normalization)
    return np.ascontiguousarray(((pixels - mean) / std).transpose(2, 0, 1)[None])
