"""Which pixels a wrapped file takes, by what was asked for and what is known of its network."""

from __future__ import annotations

from typing import Any

from resnet_gen.graph.surroundings import PixelInput
from resnet_gen.language.spec import IMAGENET_MEAN, IMAGENET_STD, Input
from resnet_gen.onnx.wrapping.request import IMAGENET, NONE, WrapRequest
from resnet_gen.ops.limits import LEAST_CROP
from resnet_gen.ops.serving import round_part
from resnet_gen.problems import refuse, several

_HINT = "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225, --mean imagenet for these, or --mean none"


def choose_pixels(asked: WrapRequest, channels: int, embedded: Input | None, where: str) -> PixelInput | None:
    """What the file is to take; None where nothing is asked for. Raises `Refused` for what nobody can know."""
    if not asked.takes_pixels:
        return None
    mean, std = _choose_normalization(asked, channels, embedded, where)
    dtype = asked.input_type or "float32"
    ranged = float(asked.scale or (255 if mean or asked.mean is not None or dtype == "uint8" else 1))
    if not any(mean) and all(each == 1 for each in std):
        mean, std = (), ()
    crop = _choose_crop(asked, embedded, where) if asked.any_size else None
    words: dict[str, Any] = {"crop": crop, "layout": asked.layout or "NCHW", "order": asked.order or "RGB"}
    if words["order"] == "BGR" and channels == 1:
        raise refuse("--channel-order: an image of 1 channel has no order", where)
    return PixelInput(dtype=dtype, scale=ranged, mean=mean, std=std, **words)


def _choose_crop(asked: WrapRequest, embedded: Input | None, where: str) -> float:
    """The part of a side that the central crop keeps: what was said, or what the spec says that the file carries."""
    crop = asked.crop if asked.crop is not None else embedded.crop if embedded else None
    if crop is None:
        raise refuse("it carries no spec that says how pictures are cropped", where, "say it: --crop 0.875")
    if crop < LEAST_CROP:
        raise refuse(f"its spec's crop of {crop:g} resizes nearly all of a picture for nothing", where, "--crop 0.875")
    return round_part(crop)


def _choose_normalization(
    asked: WrapRequest, channels: int, embedded: Input | None, where: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation; empty where the graph is not to normalize."""
    if asked.mean == NONE:
        return (), ()
    if asked.mean == IMAGENET:
        if channels != len(IMAGENET_MEAN):
            raise refuse(f"--mean imagenet is of 3 channels, and it has {channels}", where)
        return IMAGENET_MEAN, IMAGENET_STD
    if asked.mean is not None and asked.std is not None:
        return _spread("--mean", asked.mean, channels, where), _spread("--std", asked.std, channels, where)
    if asked.input_type is None and asked.scale is None:
        return (), ()
    if embedded is None or embedded.channels != channels:
        raise refuse("it carries no spec that says how pixels are normalized", where, f"say it: {_HINT}")
    mean, std = embedded.normalization
    return tuple(mean), tuple(std)


def _spread(option: str, numbers: tuple[float, ...] | str, channels: int, where: str) -> tuple[float, ...]:
    """A number for each channel, of one for all of them or one for each."""
    assert not isinstance(numbers, str)
    if len(numbers) not in (1, channels):
        raise refuse(f"{option}: {several(len(numbers), 'number')} for {several(channels, 'channel')}", where)
    if option == "--std" and min(numbers) <= 0:
        raise refuse("--std: a deviation is above 0", where)
    if max(map(abs, numbers)) > _LARGEST or (option == "--std" and min(numbers) < 1 / _LARGEST):
        raise refuse(f"{option}: a number that no image has", where)
    return tuple(numbers) * (channels // len(numbers))


_LARGEST = 1e6
