"""Pictures of any size that a graph resizes by products with weights, which it computes from the picture's sides.

What the weights are is read as terms: of each operator and what it reads, with the operands of sums and products in
one order. Terms that are the same are one number, so that nothing is compared twice, however a file shares them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import permutations
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from resnet_gen.onnx.reading.surroundings.nodes import TensorFlow
from resnet_gen.ops.serving import find_decimal

_Term: TypeAlias = int
_COMMUTATIVE = ("Add", "Max", "Min", "Mul")
_ATTRIBUTES = {
    **dict.fromkeys((*_COMMUTATIVE, "Div", "Range", "Shape", "Sub", "Unsqueeze"), ()),
    "Cast": ("to",), "Gather": ("axis",), "ReduceSum": ("keepdims", "noop_with_empty_axes"),
}  # fmt: skip
"""The operators that weights are made by, and which of their attributes matter."""
_MOST_TERMS, _MOST_PAIRS = 120, 12
_FLOAT, _UINT8 = 1, 2


class WeighedCrop(NamedTuple):
    """What resizes and crops: the tensor that it makes, its type, its height and width, and the part that is kept."""

    tensor: str
    dtype: str
    size: tuple[int, int]
    crop: float


class _OtherTermsError(Exception):
    """The nodes compute something else."""


def find_weighed_crop(flow: TensorFlow, given: str, *, whole: bool) -> WeighedCrop | None:
    """What resizes and crops a float32 tensor (N, C, H, W); None where its nodes compute anything else.

    With `whole` values are rounded to whole ones after the columns and after the rows, halves up; else nowhere.
    """
    try:
        return _read_crop(flow, given, whole)
    except _OtherTermsError:
        return None


def _read_crop(flow: TensorFlow, given: str, whole: bool) -> WeighedCrop:
    readers = {index for index in flow.readers.get(given, []) if not flow.is_of(index, "Shape")}
    if len(readers) != 1 or given in flow.outputs:
        raise _OtherTermsError
    tensor, columns = _follow_product(flow, given, readers.pop(), 0)
    tensor = _follow_rounding(flow, tensor) if whole else tensor
    tensor, rows = _follow_product(flow, tensor, flow.find_only_reader(tensor), 1)
    tensor, dtype = (_follow_rounding(flow, tensor) if whole else tensor), "float32"
    index = flow.find_only_reader(tensor)
    if whole and index is not None and flow.is_of(index, "Cast") and (flow.attributes(index) or {})["to"] == _UINT8:
        tensor, dtype = flow.nodes[index].output[0], "uint8"
    terms = _Terms(flow, given)
    found = terms.read(rows), terms.read(columns)
    size = terms.find_size()
    for part in terms.list_parts(size):
        if found == tuple(_weigh(terms, size, part, axis) for axis in (0, 1)):
            return WeighedCrop(tensor, dtype, size, find_decimal(part))
    raise _OtherTermsError


def _follow_product(flow: TensorFlow, name: str, index: int | None, place: int) -> tuple[str, str]:
    """What a product makes of a tensor, which is its operand at this place, and the other operand."""
    node = None if index is None or not flow.is_of(index, "MatMul") else flow.nodes[index]
    if node is None or node.input[place] != name or node.input[1 - place] == name:
        raise _OtherTermsError
    return node.output[0], node.input[1 - place]


def _follow_rounding(flow: TensorFlow, name: str) -> str:
    """A tensor rounded to whole numbers, halves up."""
    add = flow.find_only_reader(name)
    if add is None or not flow.is_of(add, "Add"):
        raise _OtherTermsError
    half = flow.find_array(next((other for other in flow.nodes[add].input if other != name), ""))
    floor = flow.find_only_reader(flow.nodes[add].output[0])
    if half is None or half.size != 1 or half.item() != 0.5 or floor is None or not flow.is_of(floor, "Floor"):
        raise _OtherTermsError
    result: str = flow.nodes[floor].output[0]
    return result


class _Terms:
    """The terms of a graph as numbers, the same for the same."""

    def __init__(self, flow: TensorFlow, given: str) -> None:
        self._flow, self._given = flow, given
        self._numbers: dict[Any, _Term] = {}
        self._read: dict[str, _Term] = {}
        self._constants: dict[tuple[tuple[int, ...], tuple[int, ...]], None] = {}

    def make(self, kind: str, *operands: _Term, **attributes: int) -> _Term:
        """The term of an operator and its operands."""
        ordered = tuple(sorted(operands)) if kind in _COMMUTATIVE else operands
        words = tuple(attributes[name] for name in _ATTRIBUTES[kind])
        return self._numbers.setdefault((kind, words, ordered), len(self._numbers))

    def constant(self, values: Any) -> _Term:
        """The term of whole numbers; of one alone, whatever its dimensions."""
        array = np.asarray(values)
        shape = array.shape if array.size != 1 else ()
        return self._numbers.setdefault((shape, tuple(array.reshape(-1).tolist())), len(self._numbers))

    def find_picture(self) -> _Term:
        """The picture."""
        return self._numbers.setdefault("given", len(self._numbers))

    def read(self, name: str) -> _Term:
        """The term of a tensor; raises `_OtherTermsError` for an operator that makes no weights, and for too many."""
        if name not in self._read:
            if len(self._read) > _MOST_TERMS:
                raise _OtherTermsError
            self._read[name] = -1  # no node reads what it makes: this counts those that are being read
            self._read[name] = self._read_maker(name)
        return self._read[name]

    def _read_maker(self, name: str) -> _Term:
        if name == self._given:
            return self.find_picture()
        array = self._flow.find_array(name)
        if array is not None:
            return self._read_constant(array)
        index = self._flow.find_maker(name, *_ATTRIBUTES)
        if index is None:
            raise _OtherTermsError
        node, attributes = self._flow.nodes[index], self._flow.attributes(index) or {}
        if node.op_type == "Shape" and (attributes.get("start") or attributes.get("end") is not None):
            raise _OtherTermsError
        words = {key: attributes.get(key, 0) for key in _ATTRIBUTES[node.op_type]}
        return self.make(node.op_type, *(self.read(each) for each in node.input), **words)

    def _read_constant(self, array: Any) -> _Term:
        if array.dtype.kind not in "iu":
            raise _OtherTermsError
        self._constants[array.shape, tuple(array.reshape(-1).tolist())] = None
        return self.constant(array)

    def find_size(self) -> tuple[int, int]:
        """The height and width that are made: how many rows and columns have a middle."""
        tables = [shape for shape, _ in self._constants if len(shape) == 2 and min(shape) == 1]
        if not tables:
            raise _OtherTermsError
        return max(rows for rows, _ in tables), max(columns for _, columns in tables)

    def list_parts(self, size: Sequence[int]) -> Iterator[Fraction]:
        """What part of a side the crop may keep, by two constants of which one may be twice the sides before it."""
        pairs = [values for shape, values in self._constants if shape == (2,)][:_MOST_PAIRS]
        for twice, divisors in permutations(pairs, 2):
            if min(*twice, *divisors) > 0:
                part = Fraction(2 * size[1] * divisors[0], twice[0])
                if part <= 1:
                    yield part


def _weigh(terms: _Terms, size: Sequence[int], part: Fraction, axis: int) -> _Term:
    """The weights of rows (made, own) or columns (own, made), as Pillow's triangles have them."""
    made, constant = terms.make, terms.constant
    own, resized = _read_sides(terms, [2, 3]), _resize_sides(terms, size, part)
    first = made("Div", made("Sub", resized, constant([*size])), constant(2))
    reach = made("Mul", made("Max", own, resized), constant(2))
    own, resized, first, reach = (made("Gather", each, constant(axis), axis=0) for each in (own, resized, first, reach))
    step = made("Mul", resized, constant(2))
    places = made("Range", resized, made("Mul", own, step), step)
    middles = np.arange(1, 2 * size[axis], 2).reshape((-1, 1) if axis == 0 else (1, -1))
    moved = made("Add", constant(middles), made("Mul", first, constant(2)))
    centers = made("Mul", moved, own)
    places = made("Unsqueeze", places, constant(1)) if axis else places
    before = made("Sub", places, made("Sub", centers, reach))
    behind = made("Sub", made("Add", centers, reach), places)
    parts = made("Cast", made("Max", made("Min", before, behind), constant(0)), to=_FLOAT)
    return made("Div", parts, made("ReduceSum", parts, constant(1 - axis), keepdims=1, noop_with_empty_axes=0))


def _read_sides(terms: _Terms, which: Sequence[int]) -> _Term:
    return terms.make("Gather", terms.make("Shape", terms.find_picture()), terms.constant([*which]), axis=0)


def _resize_sides(terms: _Terms, size: Sequence[int], part: Fraction) -> _Term:
    """Sides that hold the crop, of which it keeps that part: the other's ratio decides, or its own, which is constant.

    Halves go to even: rounded down, or up where that is even.
    """
    made, constant = terms.make, terms.constant
    before = [side / part for side in size]
    least = [max(side, round(each)) for side, each in zip(size, before, strict=True)]
    scaled = made("Mul", _read_sides(terms, [2, 3]), constant([2 * each.numerator for each in before[::-1]]))
    parts = made("Mul", _read_sides(terms, [3, 2]), constant([each.denominator for each in before[::-1]]))
    raised, twice = made("Add", scaled, parts), made("Mul", parts, constant(2))
    up = made("Div", raised, twice)
    down = made("Div", made("Sub", raised, constant(1)), twice)
    even = made("Mul", made("Div", up, constant(2)), constant(2))
    return made("Max", made("Max", down, even), constant(least))
