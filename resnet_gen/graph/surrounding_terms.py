"""What stands around a network in words, and how that differs between two."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from resnet_gen.graph.surroundings import NOTHING_AROUND, OF_BEST, PixelInput, ServedOutput, Surroundings
from resnet_gen.ops.serving import round_part
from resnet_gen.problems import shorten, visible

_CLOSE = 1e-5
"""How far two figures may be apart, relatively, that float32 has for one."""

_WRITTEN, _SAME_HALF = 5, 1e-6
"""Digits that somebody may have written, and how far a half is from itself once it was read."""

_LONGEST = 60


class Normalization(NamedTuple):
    """Mean and standard deviation of each channel, of values in 0..1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def describe(self) -> str:
        """In words: `mean 0.485, 0.456, 0.406, std 0.229, 0.224, 0.225`."""
        return f"mean {_format_numbers(self.mean)}, std {_format_numbers(self.std)}"

    def is_close(self, other: Normalization) -> bool:
        """Whether both are the same but for rounding: that of float32, or of halves in which a file has them."""
        if len(self.mean) != len(other.mean):
            return False
        pairs = [*zip(self.mean, other.mean, strict=True), *zip(self.std, other.std, strict=True)]
        return all(_are_close(a, b) or _is_half_of(a, b) or _is_half_of(b, a) for a, b in pairs)

    def reverse(self) -> Normalization:
        """The same of channels in the opposite order."""
        return Normalization(self.mean[::-1], self.std[::-1])


def _are_close(one: float, other: float) -> bool:
    return abs(one - other) <= _CLOSE * max(abs(one), abs(other), _CLOSE)


def _is_half_of(one: float, other: float) -> bool:
    """Whether the first is the second in half precision, with more digits than anybody writes."""
    try:
        half: float = struct.unpack("e", struct.pack("e", other))[0]
    except OverflowError:  # beyond what halves hold
        return False
    return float(f"{half:.{_WRITTEN}g}") != half and abs(one - half) <= _SAME_HALF * abs(half)


def is_normalized(pixels: PixelInput | None) -> bool:
    """Whether a graph normalizes pixels, and does not leave that to whoever hands them in."""
    return pixels is not None and (bool(pixels.mean) or pixels.scale != 1 or pixels.dtype == "uint8")


def find_normalization(pixels: PixelInput | None, channels: int) -> Normalization | None:
    """By what a graph normalizes pixels; None where it does not."""
    if pixels is None or not is_normalized(pixels):
        return None
    part = pixels.scale / 255 if pixels.dtype == "uint8" else 1.0
    std = tuple(each * part for each in pixels.std or (1.0,) * channels)
    mean = tuple(each * part for each in pixels.mean or (0.0,) * channels)
    return Normalization(mean, std)


def describe_surroundings(around: Surroundings) -> list[str]:
    """What a file takes and outputs, a line each; nothing of what it shares with its network."""
    given = [f"takes {describe_pixels(around.input)}"] if around.input else []
    shown = [describe_output(output) for output in around.outputs] if not around.keeps_outputs else []
    return [*given, *([f"outputs {', '.join(shown)}"] if shown else [])]


def describe_pixels(pixels: PixelInput) -> str:
    """What a file takes and makes of it: `uint8 NHWC BGR, mean 0.5, 0.5, 0.5, std 0.2, 0.2, 0.2`."""
    order = [] if pixels.order == "RGB" else [pixels.order]
    words = [" ".join([pixels.dtype, pixels.layout, *order])]
    if pixels.scale != 1:
        words.append(f"of 0..{pixels.scale:g}")
    if pixels.mean:
        words.append(Normalization(pixels.mean, pixels.std).describe())
    if pixels.crop is not None:
        words.append(f"of any size, crop {pixels.crop:g}")
    return ", ".join(words)


def describe_output(output: ServedOutput) -> str:
    """What an output is and of what: `the best 5 classes of 'logits'`."""
    source, ways = shorten(visible(output.source), _LONGEST), _describe_ways(output)
    if output.kind in OF_BEST:
        return f"the best {output.k} classes of '{source}'{ways}"
    words = {"embedding": "the embedding ", "probabilities": "the probabilities of "}.get(output.kind, "")
    return f"{words}'{source}'{ways}"


def _format_numbers(numbers: tuple[float, ...]) -> str:
    """Numbers as a list: `0.485, 0.456, 0.406`."""
    return ", ".join(f"{number:.7g}" for number in numbers)


def simplify_surroundings(around: Surroundings) -> Surroundings:
    """The same without what changes nothing: a mean of 0 and a deviation of 1, and all of it where nothing is left.

    A softmax alone counts as part of the network, which no file tells from one that a network ends in.
    """
    pixels = around.input
    if pixels and not any(pixels.mean) and all(value == 1 for value in pixels.std):
        pixels = replace(pixels, mean=(), std=())
    if pixels == PixelInput("float32", "NCHW", "RGB", 1.0):
        pixels = None
    bare = pixels is None and (around.ends_in_softmax or around.keeps_outputs)
    return NOTHING_AROUND if bare else replace(around, input=pixels)


class SurroundingDifference(NamedTuple):
    """What stands around two networks differently, in words for each: `key` is that of `serve`, or `normalization`."""

    key: str
    before: str
    after: str


def list_differences(before: Surroundings, after: Surroundings) -> Iterator[SurroundingDifference]:
    """How the surroundings of two networks differ; names, and in which steps a pixel is scaled, are left out."""
    before, after = simplify_surroundings(before), simplify_surroundings(after)
    if before.input and after.input:
        yield from _contrast_pixels(before.input, after.input)
    elif before.input or after.input:
        yield SurroundingDifference("type", *(_name_input(each.input) for each in (before, after)))
    outputs = [_name_outputs(each) for each in (before, after)]
    if outputs[0] != outputs[1] and not (before.keeps_outputs and after.keeps_outputs):
        yield SurroundingDifference("outputs", *outputs)


def _contrast_pixels(before: PixelInput, after: PixelInput) -> Iterator[SurroundingDifference]:
    yield from (
        SurroundingDifference(key, str(one), str(other))
        for key, one, other in (
            ("type", before.dtype, after.dtype),
            ("layout", before.layout, after.layout),
            ("order", before.order, after.order),
            ("size", _name_crop(before), _name_crop(after)),
        )
        if one != other
    )
    if not _find_function(before, after).is_close(_find_function(after, before)):
        yield SurroundingDifference("normalization", *(_name_normalization(each) for each in (before, after)))


def _find_function(pixels: PixelInput, beside: PixelInput) -> Normalization:
    """What is subtracted from a pixel and what it is divided by, for each channel: in these words, of pixels."""
    many = max(len(pixels.mean), len(beside.mean), 1)
    mean, std = pixels.mean or (0.0,) * many, pixels.std or (1.0,) * many
    return Normalization(tuple(pixels.scale * n for n in mean), tuple(pixels.scale * n for n in std))


def _name_input(pixels: PixelInput | None) -> str:
    return describe_pixels(pixels) if pixels else "what the network takes"


def _name_crop(pixels: PixelInput) -> str:
    return "fixed" if pixels.crop is None else f"any, crop {round_part(pixels.crop):g}"


def _name_normalization(pixels: PixelInput) -> str:
    mean = [Normalization(pixels.mean, pixels.std).describe()] if pixels.mean else []
    return ", ".join([f"pixels of 0..{pixels.scale:g}", *mean])


def _name_outputs(around: Surroundings) -> str:
    return ", ".join(map(name_output, around.outputs)) or "what the network outputs"


def _describe_ways(output: ServedOutput) -> str:
    """By what classes are the best and what of them is output alone, how long a vector is, and how it is rounded."""
    words = " by logits" if output.raw else " at length 1" if output.normalized else ""
    words += {"best_indices": ", their numbers alone", "best_scores": ", their scores alone"}.get(output.kind, "")
    if output.rounding:
        low, high = output.rounding
        words += f", rounded to eight bits from {low:.4g} to {high:.4g}"
    return words


def name_output(output: ServedOutput) -> str:
    """What an output is, whatever it is called: `the best 5 classes`."""
    names = {"probabilities": "the probabilities", "map": "a map", "embedding": "the embedding"}
    best = output.kind in OF_BEST
    return (f"the best {output.k} classes" if best else names.get(output.kind, "logits")) + _describe_ways(output)
