"""A picture to the tensor that a network takes: resize, central crop, normalization."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from resnet_gen.problems import refuse
from resnet_gen.spec import Input
from resnet_gen.weights.base import Array


def read_image(path: Path, to: Input) -> Array:
    """The picture at `path` as a batch of one, float32 (1, C, H, W).

    The shorter side is resized (bilinear, antialiased) so that the central crop
    keeps the fraction `to.crop` of it. Raises `Refused` for what is no picture.
    """
    if to.mode is None:
        raise refuse(f"a picture cannot become {to.channels} channels", str(path), "1, 3 and 4 channels can be read")
    return normalized(_cropped(_opened(path, to.mode), to), to)


def _opened(path: Path, mode: str) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata, or pictures that are large and can be read
            with Image.open(path) as file:
                if file.mode.startswith(("I", "F")):
                    raise refuse("a picture of more than 8 bits a channel", str(path), "save it with 8 bits a channel")
                return ImageOps.exif_transpose(file).convert(mode)
    except UnidentifiedImageError:
        raise refuse("not a picture", str(path), "JPEG, PNG, WebP, BMP, GIF, TIFF and PPM are read") from None
    except Image.DecompressionBombError:
        raise refuse("more pixels than any picture should have", str(path)) from None
    except (OSError, ValueError, SyntaxError, RuntimeError) as error:
        raise refuse(f"cannot be read: {getattr(error, 'strerror', None) or error}", str(path)) from None


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
