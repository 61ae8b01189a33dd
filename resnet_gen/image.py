"""A picture to the tensor that a network takes: resize, central crop, normalization."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from resnet_gen.problems import refuse
from resnet_gen.spec import Input
from resnet_gen.weights.base import Array

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def read_image(path: Path, to: Input) -> Array:
    """The picture at `path` as a batch of one, float32 (1, C, H, W).

    The shorter side is resized (bilinear, antialiased) so that the central crop
    keeps the fraction `to.crop` of it. Raises `Refused` for what is no picture.
    """
    mode = _MODES.get(to.channels)
    if mode is None:
        raise refuse(f"a picture cannot become {to.channels} channels", str(path), "1, 3 and 4 channels can be read")
    try:
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file).convert(mode)
    except UnidentifiedImageError:
        raise refuse("not a picture", str(path)) from None
    except Image.DecompressionBombError as error:
        raise refuse(str(error), str(path)) from None
    except (OSError, ValueError, SyntaxError) as error:
        raise refuse(f"cannot be read: {getattr(error, 'strerror', None) or error}", str(path)) from None
    return normalized(_cropped(picture, to), to)


def _cropped(picture: Image.Image, to: Input) -> Image.Image:
    height, width = to.size
    scale = max(height / to.crop / picture.height, width / to.crop / picture.width)
    resized = (max(width, round(picture.width * scale)), max(height, round(picture.height * scale)))
    picture = picture.resize(resized, Image.Resampling.BILINEAR)
    left, top = (resized[0] - width) // 2, (resized[1] - height) // 2
    return picture.crop((left, top, left + width, top + height))


def normalized(picture: Image.Image, to: Input) -> Array:
    """Pixels of 0..255 as (value - mean) / std of values in 0..1, channels first."""
    pixels = np.asarray(picture, np.float32).reshape(*to.size, to.channels) / 255
    mean, std = (np.asarray(v, np.float32) for v in to.normalization)
    return np.ascontiguousarray(((pixels - mean) / std).transpose(2, 0, 1)[None])
