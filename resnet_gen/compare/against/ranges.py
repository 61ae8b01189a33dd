"""The ranges that eight bits of a file's activations cover, compared with what the spec's activations reach."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from resnet_gen.graph import Value
from resnet_gen.language.spec import Input
from resnet_gen.onnx.reading import OnnxModel
from resnet_gen.onnx.reading.activations import compute_tree
from resnet_gen.onnx.reading.quantized_ranges import CodeRange
from resnet_gen.ops.precision import Calibration
from resnet_gen.problems import Refused, several
from resnet_gen.quantization.placement import Range, find_nonnegative
from resnet_gen.verify.rules.against import list_first_faults

if TYPE_CHECKING:
    from resnet_gen.compare.against.matching import FileMatch

_LEAST, _MOST = 1 / 16, 64.0
"""What is covered, over what random images reach: real ones reach several times as much, or a part of it."""
_AROUND = 0.9
"""How far below zero codes reach at least that are the same on both sides, over how far above."""
_ALL = "ranges of activations"


class RangeComparison(NamedTuple):
    """What is to be said of a file's ranges, of those that cannot be, and of those that were not compared."""

    words: str
    faults: tuple[str, ...]
    left: str


def compare_ranges(path: Path, found: FileMatch, file: OnnxModel, images: Input | None) -> RangeComparison:
    """The ranges of a file; with `images`, what the spec's input is, its network looks at random ones."""
    values = {b.output.name: a.output for a, b in found.match.pairs}
    values[file.graph.input.name] = found.variant.graph.input
    known = [(cover, values[cover.value]) for cover in file.covers if cover.value in values]
    faults = list(_find_codes_below_zero(path, known, find_nonnegative(found.variant.graph)))
    if not images or not known or find_spec("onnxruntime") is None:
        return RangeComparison("", list_first_faults(path, faults, "range"), _ALL if file.covers else "")
    try:
        ranges = _calibrate_ranges(found, [value for _, value in known], images)
    except Refused:  # with these weights, activations are not finite
        return RangeComparison("", list_first_faults(path, faults, "range"), _ALL)
    compared = [(cover, _apply_function(cover, ranges[value.name])) for cover, value in known]
    parts = [(_find_least_part(cover, reached), cover, reached) for cover, reached in compared]
    faults += [
        f"{path}: the codes of {_name_value(cover)} cover {_format_range(cover)}, "
        f"and random images reach {_format_range(reached)}"
        for part, cover, reached in parts
        if not _LEAST <= part <= _MOST
    ]
    least, most = (pick(part for part, *_ in parts) for pick in (min, max))
    words = f"ranges of activations {least:.1g} to {most:.1g} times what random images reach"
    rest = len(file.covers) - len(known)
    left = f"ranges of {several(rest, 'more activation')}" if rest else ""
    return RangeComparison(words, list_first_faults(path, faults, "range"), left)


def _find_codes_below_zero(path: Path, known: list[tuple[CodeRange, Value]], positive: set[str]) -> Iterator[str]:
    """Codes for numbers below zero, of an activation that has none, but as many as above."""
    for cover, value in known:
        if value.name in positive and not cover.function and 0 > cover.least > -_AROUND * cover.most:
            yield f"{path}: the codes of '{cover.value}', which is never below zero, cover {_format_range(cover)}"


def _calibrate_ranges(found: FileMatch, values: list[Value], images: Input) -> dict[str, Range]:
    from resnet_gen.quantization.calibration import calibrate
    from resnet_gen.quantization.calibration.images import RandomImages

    graph, weights = found.variant.graph, found.variant.weights
    how = Calibration("random", method="minmax")
    return calibrate(graph, weights, list(dict.fromkeys(values)), RandomImages(images), how)


def _apply_function(cover: CodeRange, reached: Range) -> Range:
    """What is reached by an activation that is a function of what reaches so far."""
    if cover.function:
        points = compute_tree(cover.function, np.linspace(reached.least, reached.most, 1001))
        reached = Range(float(points.min()), float(points.max()))
    if cover.least < 0:
        return reached
    return Range(max(reached.least, 0.0), max(reached.most, 0.0))  # what is cut off below zero was read as a ReLU


def _name_value(cover: CodeRange) -> str:
    return f"a function of '{cover.value}'" if cover.function else f"'{cover.value}'"


def _find_least_part(cover: CodeRange, reached: Range) -> float:
    """What is covered over what is reached, on the side where that is least."""
    size = max(-reached.least, reached.most)
    if size == 0:
        return 1.0
    sides = [(-cover.least, -reached.least), (cover.most, reached.most)]
    return min(covered / side for covered, side in sides if side > size / 16)


def _format_range(found: CodeRange | Range) -> str:
    return f"{found.least:.3g} to {found.most:.3g}"
