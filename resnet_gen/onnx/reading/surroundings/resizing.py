"""Pictures of any size that a graph resizes and crops: which size it makes of them, and which part it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from resnet_gen.onnx.reading.surroundings.nodes import TensorFlow, find_integers

_DIGITS = range(1, 18)
"""Digits of the shortest text of a float64."""
_RESIZE = {
    "antialias": 1, "axes": None, "coordinate_transformation_mode": "half_pixel", "exclude_outside": 1,
    "keep_aspect_ratio_policy": "stretch", "mode": "linear",
}  # fmt: skip
"""How Pillow resizes."""
_DOUBLE, _INT64 = 11, 7
_ROWS_AND_COLUMNS = [2, 3]


class CropSteps(NamedTuple):
    """The nodes that resize and crop: the tensor that they make, its height and width, and the part that is kept."""

    tensor: str
    size: tuple[int, int]
    crop: float


class _OtherStepsError(Exception):
    """The nodes compute something else."""


def find_crop(flow: TensorFlow, given: str) -> CropSteps | None:
    """What resizes and crops a tensor (N, C, H, W), read by nothing else; None where its nodes compute anything else.

    The sides are those of `engine.image`: the least that hold the picture before its crop, of which the middle is kept.
    """
    try:
        return _CropReader(flow, given).read()
    except _OtherStepsError:
        return None


class _CropReader:
    """One by one, back from the crop to the tensor; each step raises `_OtherStepsError` for what is another."""

    def __init__(self, flow: TensorFlow, given: str) -> None:
        self._flow, self._given = flow, given

    def read(self) -> CropSteps:
        resize = self._find_resize()
        (resized,) = self._flow.nodes[resize].output
        cut = self._find_next(resized, "Slice")
        first, last = self._check_slice(cut, resized)
        wanted = self._read_end(last, first)
        (cropped,) = self._flow.nodes[cut].output
        sides = self._check_start(first, wanted)
        self._check_sizes(resize, sides)
        before = self._read_sides(sides, wanted)
        height, width = wanted
        return CropSteps(self._find_stated(cropped, wanted), (height, width), _find_part(wanted, before))

    def _fail_unless(self, holds: object) -> None:
        if not holds:
            raise _OtherStepsError

    def _find_resize(self) -> int:
        """The one node that resizes; the other reader asks for the sides."""
        readers = self._flow.readers.get(self._given, [])
        kinds = {self._flow.nodes[index].op_type: index for index in readers}
        self._fail_unless(sorted(kinds) == ["Resize", "Shape"] and len(readers) == 2)
        index = kinds["Resize"]
        attributes, node = self._flow.attributes(index) or {}, self._flow.nodes[index]
        as_pillow = all(_as_text(attributes.get(key)) == value for key, value in _RESIZE.items())
        self._fail_unless(as_pillow and self._given not in self._flow.outputs)
        self._fail_unless(len(node.input) == 4 and list(node.input)[:3] == [self._given, "", ""])
        return index

    def _find_next(self, name: str, kind: str) -> int:
        index = self._flow.find_only_reader(name)
        if index is None or not self._flow.is_of(index, kind):
            raise _OtherStepsError
        return index

    def _find(self, name: str, kind: str, many: int) -> tuple[Sequence[str], dict[str, Any]]:
        """What the maker of a tensor reads, so many tensors, and its attributes."""
        index = self._flow.find_maker(name, kind)
        if index is None or len(self._flow.nodes[index].input) != many:
            raise _OtherStepsError
        return list(self._flow.nodes[index].input), self._flow.attributes(index) or {}

    def _check_numbers(self, name: str, *wanted: list[int]) -> None:
        self._fail_unless(find_integers(self._flow, name) in wanted)

    def _check_slice(self, cut: int, resized: str) -> tuple[str, str]:
        """Where the crop begins and ends."""
        inputs = list(self._flow.nodes[cut].input)
        self._fail_unless(len(inputs) == 4 and inputs[0] == resized)
        self._check_numbers(inputs[3], _ROWS_AND_COLUMNS)
        return inputs[1], inputs[2]

    def _read_end(self, last: str, first: str) -> list[int]:
        """The sides of the crop, by its end, which is its start and these."""
        (start, wanted), _ = self._find(last, "Add", 2)
        self._fail_unless(start == first)
        found = find_integers(self._flow, wanted)
        if found is None or len(found) != 2 or min(found) < 1:
            raise _OtherStepsError
        return found

    def _check_start(self, first: str, wanted: list[int]) -> str:
        """The resized sides, of which the start is half of what is left."""
        (room, two), _ = self._find(first, "Div", 2)
        self._check_numbers(two, [2], [2, 2])
        (sides, less), _ = self._find(room, "Sub", 2)
        self._check_numbers(less, wanted)
        return sides

    def _check_sizes(self, resize: int, sides: str) -> None:
        """The sizes that are resized to: the picture's own batch and channels, and the sides."""
        (batch, resized), attributes = self._find(self._flow.nodes[resize].input[3], "Concat", 2)
        self._fail_unless(resized == sides and attributes.get("axis") == 0)
        (shape, start, end), _ = self._find(batch, "Slice", 3)
        self._check_numbers(start, [0])
        self._check_numbers(end, [2])
        self._check_shape(shape)

    def _check_shape(self, name: str) -> None:
        inputs, attributes = self._find(name, "Shape", 1)
        whole = not attributes.get("start") and attributes.get("end") is None
        self._fail_unless(list(inputs) == [self._given] and whole)

    def _read_sides(self, sides: str, wanted: list[int]) -> list[float]:
        """The sides before the crop: max(round(side * ratio), wanted), of the greater ratio of wanted to side."""
        (whole, least), _ = self._find(sides, "Max", 2)
        self._check_numbers(least, wanted)
        (near,), to = self._find(whole, "Cast", 1)
        (scaled,), _ = self._find(near, "Round", 1)
        (own, ratio), _ = self._find(scaled, "Mul", 2)
        self._fail_unless(to.get("to") == _INT64)
        self._check_own_sides(own)
        (ratios, axes), how = self._find(ratio, "ReduceMax", 2)
        self._check_numbers(axes, [0])
        (before, divisor), _ = self._find(ratios, "Div", 2)
        self._fail_unless(divisor == own and how.get("keepdims", 1) == 1)
        return self._read_doubles(before)

    def _check_own_sides(self, name: str) -> None:
        """The height and the width of what is given, in float64."""
        (sides,), to = self._find(name, "Cast", 1)
        (shape, start, end), _ = self._find(sides, "Slice", 3)
        self._check_numbers(start, [2])
        self._check_numbers(end, [4])
        self._fail_unless(to.get("to") == _DOUBLE)
        self._check_shape(shape)

    def _read_doubles(self, name: str) -> list[float]:
        found = self._flow.find_array(name)
        if found is None or str(found.dtype) != "float64" or found.shape != (2,):
            raise _OtherStepsError
        return [float(number) for number in found]

    def _find_stated(self, cropped: str, wanted: list[int]) -> str:
        """The crop with its sides stated once more, which a file that leaves its input's open needs."""
        index = self._flow.find_only_reader(cropped)
        if index is None or not self._flow.is_of(index, "Reshape") or self._flow.nodes[index].input[0] != cropped:
            return cropped
        shape = find_integers(self._flow, self._flow.nodes[index].input[1])
        attributes = self._flow.attributes(index) or {}
        self._fail_unless(shape and len(shape) == 4 and shape[0] in (0, -1) and shape[2:] == wanted)
        self._fail_unless(not attributes.get("allowzero") or shape != [0, *(shape or [])[1:]])
        name: str = self._flow.nodes[index].output[0]
        return name


def _as_text(value: object) -> object:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _find_part(wanted: list[int], before: list[float]) -> float:
    """The part of which the sides before the crop are those of the crop, to the last bit, in the fewest digits."""
    if not all(0 < side <= found for side, found in zip(wanted, before, strict=True)):
        raise _OtherStepsError
    near = wanted[0] / before[0]
    for digits in _DIGITS:
        part = float(f"{near:.{digits}g}")
        if part > 0 and [side / part for side in wanted] == before:
            return part
    raise _OtherStepsError
