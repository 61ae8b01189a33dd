"""What stands around a network in words, as data, and as what differs between two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from resnet_gen.graph.surroundings import PixelInput, ServedOutput, Surroundings
from resnet_gen.problems import shorten, visible

_CLOSE = 1e-5
"""How far two figures may be apart, relatively, that float32 has for one."""

_LONGEST = 60


class Normalization(NamedTuple):
    """Mean and standard deviation of each channel, of values in 0..1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def is_close(self, other: Normalization) -> bool:
        """Whether both are the same but for rounding."""
        pairs = [*zip(self.mean, other.mean, strict=True), *zip(self.std, other.std, strict=True)]
        return all(abs(a - b) <= _CLOSE * max(abs(a), abs(b), _CLOSE) for a, b in pairs)

    def reverse(self) -> Normalization:
        """The same of channels in the opposite order."""
        return Normalization(self.mean[::-1], self.std[::-1])


def find_normalization(pixels: PixelInput | None, channels: int) -> Normalization | None:
    """By what a graph normalizes pixels; None where it leaves that to whoever hands them in."""
    if pixels is None or not (pixels.mean or pixels.scale != 1 or pixels.dtype == "uint8"):
        return None
    part = pixels.scale / 255 if pixels.dtype == "uint8" else 1.0
    std = tuple(each * part for each in pixels.std or (1.0,) * channels)
    mean = tuple(each * part for each in pixels.mean or (0.0,) * channels)
    return Normalization(mean, std)


def describe_surroundings(around: Surroundings) -> list[str]:
    """What a file takes and outputs, a line each; nothing of what it shares with its network."""
    given = [f"takes {describe_pixels(around.input)}"] if around.input else []
    shown = [describe_output(output) for output in around.outputs]
    return [*given, *([f"outputs {', '.join(shown)}"] if shown else [])]


def describe_pixels(pixels: PixelInput) -> str:
    """What a file takes and makes of it: `uint8 NHWC BGR, mean 0.5, 0.5, 0.5, std 0.2, 0.2, 0.2`."""
    order = [] if pixels.order == "RGB" else [pixels.order]
    words = [" ".join([pixels.dtype, pixels.layout, *order])]
    if pixels.scale != 1:
        words.append(f"of 0..{pixels.scale:g}")
    if pixels.mean:
        words += [f"mean {format_numbers(pixels.mean)}", f"std {format_numbers(pixels.std)}"]
    if pixels.crop is not None:
        words.append(f"of any size, crop {pixels.crop:g}")
    return ", ".join(words)


def describe_output(output: ServedOutput) -> str:
    """What an output is: `the best 5 classes of 'logits'`."""
    source = shorten(visible(output.source), _LONGEST)
    of = f"of '{source}'"
    if output.kind == "top_k":
        return f"the best {output.k} classes {of}" + (" by logits" if output.raw else "")
    if output.kind == "embedding":
        return f"the embedding '{source}'" + (" at length 1" if output.normalized else "")
    return f"the probabilities {of}" if output.kind == "probabilities" else f"'{source}'"


def format_numbers(numbers: tuple[float, ...]) -> str:
    """Numbers as a list: `0.485, 0.456, 0.406`."""
    return ", ".join(f"{number:.7g}" for number in numbers)


def as_data(around: Surroundings) -> dict[str, Any]:
    """The surroundings by keys, as a difference of two names what differs; nothing where nothing is around."""
    found: dict[str, Any] = {}
    if around.input:
        found["input"] = dict(_list_pixel_terms(around.input))
    if around.outputs:
        found["outputs"] = [describe_output(output) for output in around.outputs]
    return found


def _list_pixel_terms(pixels: PixelInput) -> Iterator[tuple[str, Any]]:
    yield from (("type", pixels.dtype), ("layout", pixels.layout), ("order", pixels.order), ("scale", pixels.scale))
    if pixels.mean:
        yield from (("mean", list(pixels.mean)), ("std", list(pixels.std)))
    if pixels.crop is not None:
        yield "crop", pixels.crop
