"""What a file's metadata state of what stands around its network, and whether its graph does that."""

from __future__ import annotations

import math

from pydantic import TypeAdapter

from resnet_gen.graph.surrounding_terms import list_differences
from resnet_gen.graph.surroundings import PixelInput, Surroundings
from resnet_gen.problems import shorten, visible
from resnet_gen.system.files import SMALL


def read_statement(text: str) -> Surroundings:
    """What a file states of what is put around its network; raises `ValueError` for what is no such statement."""
    if len(text) > SMALL:
        raise ValueError
    around = TypeAdapter(Surroundings).validate_json(text)
    if around.input and not _is_possible(around.input):
        raise ValueError
    return around


def _is_possible(pixels: PixelInput) -> bool:
    """Whether there are such pixels: numbers that are finite, as many means as deviations, of which none is zero."""
    numbers = (pixels.scale, *pixels.mean, *pixels.std)
    whole = all(map(math.isfinite, numbers)) and pixels.scale > 0 and all(pixels.std)
    return whole and len(pixels.mean) == len(pixels.std) and 0 < (1.0 if pixels.crop is None else pixels.crop) <= 1


def contrast_statement(stated: Surroundings, found: Surroundings) -> str | None:
    """How what a file states is not what its graph has; None where it is."""
    for each in list_differences(stated, found):
        said, done = shorten(visible(each.before)), shorten(visible(each.after))
        return f"its metadata say '{said}' of {each.key}, and its graph has '{done}'"
    names = [[name for output in each.outputs for name in output.names] for each in (stated, found)]
    if names[1] and names[0] != names[1]:
        return "its metadata call its outputs otherwise than its graph does"
    return None
