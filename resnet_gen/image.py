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

from resnet_gen.files import open_regular_file, why_unread
from resnet_gen.image_limits import excess, excess_of_entries
from resnet_gen.problems import Refused, refuse
from resnet_gen.spec import Input
from resnet_gen.weights.base import Array

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What is read. Pillow goes by content, and others of its readers start programs."""
_HELD, _HELD_EACH = 52 << 20, 2.5
"""Bytes that a picture's pixels may take in memory, and how many more for each byte of its file."""
_ONE_BYTE = frozenset({"1", "L", "P"})
"""Modes whose pixels Pillow holds in one byte; in the others it takes four."""
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
    if to.mode is None:
        raise refuse(f"a picture cannot become {to.channels} channels", str(path), "1, 3 and 4 channels can be read")
    picture, sides = _opened(path, to.mode)
    pixels = picture.width * picture.height
    if pixels < math.prod(sides):
        part = next(n for n in _PARTS if pixels >= math.prod(side // n for side in sides))  # sides are rounded up
        words = f"{path}: so large that it is decoded at {_PARTS[part]} of its sides"
        warnings.warn(SmallerPictureWarning(words), stacklevel=2)
    return normalized(_cropped(picture, to), to)


def _opened(path: Path, mode: str) -> tuple[Image.Image, tuple[int, int]]:
    """The picture, and the sides that it has in its file."""
    try:
        with open_regular_file(path) as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata
            data = stream.read()
            _check(excess(data), str(path))
            with Image.open(io.BytesIO(data), formats=FORMATS) as file:
                sides = file.size
                return _upright(file, mode, data, str(path)), sides
    except UnidentifiedImageError:
        raise refuse("not a picture", str(path), "JPEG, PNG, WebP, BMP, GIF, TIFF and PPM are read") from None
    except Image.DecompressionBombError:
        raise _too_large(str(path)) from None
    except Refused:
        raise
    except OSError as error:
        raise refuse(why_unread(error), str(path)) from None
    except Exception as error:  # whatever Pillow makes of a damaged picture, and no fault of ours
        if not _is_pillow_s(error):
            raise
        raise refuse(f"cannot be read: {error}", str(path)) from None


def _is_pillow_s(error: Exception) -> bool:
    """Whether an exception passed through Pillow's code."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_globals.get("__name__", "").startswith("PIL.") for frame, _ in frames)


def _upright(file: Image.Image, mode: str, data: bytes, where: str) -> Image.Image:
    """The picture as it is to be looked at, in the mode that is wanted; none is decoded that takes too much memory."""
    if file.mode.startswith(("I", "F")):
        raise refuse("a picture of more than 8 bits a channel", where, "save it with 8 bits a channel")
    most = _HELD + int(_HELD_EACH * len(data))
    if isinstance(file, JpegImageFile):
        _shrink(file, mode, most, where)
    if _held(file, mode) > most:
        raise _too_large(where)
    file.load()
    if _is_turned(file, where):
        if _held(file, mode, turned=True) > most:
            raise _too_large(where)
        file = ImageOps.exif_transpose(file)
    return file if file.mode == mode else file.convert(mode)


def _check(excess: str | None, where: str) -> None:
    if excess:
        raise refuse(f"it has {excess}, which no picture has", where)


def _is_turned(file: Image.Image, where: str) -> bool:
    _check(excess_of_entries(file.info.get("exif", b"")), where)
    return bool(file.getexif().get(_ORIENTATION, 1) != 1)


def _shrink(file: JpegImageFile, mode: str, most: int, where: str) -> None:
    """Have a JPEG of more memory than `most` decoded to a half, a quarter or an eighth of its sides."""
    turned = _is_turned(file, where)
    part = next((n for n in (1, 2, 4) if _held(file, mode, turned=turned, part=n) <= most), 8)
    if part > 1:
        file.draft(None, (max(1, file.width // part), max(1, file.height // part)))


def _held(file: Image.Image, mode: str, *, turned: bool = False, part: int = 1) -> int:
    """Bytes that pixels take while they are read, turned and brought into another mode, at a part of the sides."""
    pixels = -(-file.width // part) * -(-file.height // part)
    own, wanted = (1 if name in _ONE_BYTE else 4 for name in (file.mode, mode))
    return pixels * (own * (1 + turned) + (0 if file.mode == mode else wanted))


def _too_large(where: str) -> Refused:
    return refuse("more pixels than any picture should have", where, "save it smaller")


def _cropped(picture: Image.Image, to: Input) -> Image.Image:
    """The central crop of the resized picture, of which nothing else is ever computed."""
    height, width = to.size
    scale = max(height / to.crop / picture.height, width / to.crop / picture.width)
    resized = (max(width, round(picture.width * scale)), max(height, round(picture.height * scale)))
    left, top = (resized[0] - width) // 2, (resized[1] - height) // 2
    x, y = picture.width / resized[0], picture.height / resized[1]
    box = (left * x, top * y, (left + width) * x, (top + height) * y)
    return picture.resize((width, height), Image.Resampling.BILINEAR, box)


def normalized(picture: Image.Image | npt.NDArray[np.uint8], to: Input) -> Array:
    """Pixels of 0..255 as (value - mean) / std of values in 0..1, channels first."""
    pixels = np.asarray(picture, np.float32).reshape(*to.size, to.channels) / 255
    mean, std = (np.asarray(v, np.float32) for v in to.normalization)
    return np.ascontiguousarray(((pixels - mean) / std).transpose(2, 0, 1)[None])
