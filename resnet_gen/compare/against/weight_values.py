"""The weights of a file compared with those that a spec would be built with, number by number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from resnet_gen.compare.against.biases import allow_for_bias, find_least_scales, has_other_steps
from resnet_gen.compare.against.codes import count_steps_apart
from resnet_gen.compare.against.variants import NetworkVariant, find_largest_of_rows
from resnet_gen.graph import Node
from resnet_gen.onnx.reading import OnnxModel
from resnet_gen.ops import Tensor
from resnet_gen.verify.rules.against import list_first_faults
from resnet_gen.weights.base import Array, row_ranges

if TYPE_CHECKING:
    from resnet_gen.compare.against.matching import FileMatch

_EXPLAINED: dict[str | None, float] = {
    "float64": 1e-5,
    "float32": 1e-5,
    "float16": 2.0**-11 + 1e-5,
    "bfloat16": 2.0**-8,
    "int8": 0.51 / 63,
    "uint8": 0.51 / 63,
    "float8_e4m3fn": 0.51 * 2.0**-3,
}
"""What rounding may change a number by, over that number or, of integers, over the largest of its row.

Folding in float32 is good for 1e-5; seven bits are used of eight where sums would saturate.
"""
_STEP: dict[str | None, float] = {"float16": 2.0**-23}
"""What may be lost of any number, however small: half precision's steps around zero, as converters clip them."""
_SMALLEST = float(np.finfo(np.float32).tiny)
_BY_ROW = ("int8", "uint8")
_LARGEST, _LEAST_STEP = 448.0, 0.51 * 2.0**-9
"""Of FP8: the largest number, and half of the smallest."""
_EIGHT_BITS = {"int8": 0.51, "uint8": 0.51, "float8_e4m3fn": _LEAST_STEP}
"""What rounding may change any number by, over the scale of its row: half the least step."""
_NEAREST = 0.51
"""Of the step that a number in eight bits is in: what rounding to the nearest may change it by."""


class _Distance(NamedTuple):
    """How far a tensor is from what it is to be, over `by`, what its rounding is measured by, and how far it may be.

    `where` is the number that is furthest, `here` and `wanted` what it is and what it is to be.
    """

    name: str
    by: str
    may: float
    far: float
    where: tuple[int, ...]
    here: float
    wanted: float

    @property
    def wrong(self) -> bool:
        return self.far > self.may


_ITSELF, _ROW, _CORRECTION, _TOGETHER, _CODE = "itself", "row", "correction", "together", "code"


def _allow_by_type(dtype: str | None) -> float:
    return _EXPLAINED.get(dtype, 1e-5)


class WeightComparison(NamedTuple):
    """What is to be said of a file's weights, and what rounding does not explain."""

    words: str
    faults: tuple[str, ...]


def compare_weights(path: Path, weights: Path, found: FileMatch, file: OnnxModel) -> WeightComparison:
    """A file's weights compared with those that building the spec with `weights` would write."""
    apart = list(_measure_tensors(found, file))
    faults = [*(_describe_distance(path, weights, a) for a in apart if a.wrong), *_find_other_steps(path, found, file)]
    words = "" if faults else f"weights {_describe_nearness(weights, apart)}"
    return WeightComparison(words, list_first_faults(path, faults, "tensor"))


def _describe_distance(path: Path, weights: Path, a: _Distance) -> str:
    beyond = _BEYOND[a.by].format(f"{a.far:.3g}") if a.by in _BEYOND and np.isfinite(a.far) else ""
    place, here, there = list(a.where), f"{a.here:.8g}", f"{a.wanted:.8g}"
    return f"{path}: '{a.name}' is not that of {weights}: number {place} is {here}, there {there}{beyond}"


_BEYOND = {
    _CORRECTION: ", {} times as far as calibration may correct it",
    _TOGETHER: ", and all of them together are {} times as far as calibration may correct them",
    _CODE: ", which are {} steps apart, and rounding to the nearest is half a one",
}


def _find_other_steps(path: Path, found: FileMatch, file: OnnxModel) -> Iterator[str]:
    nodes = {node.name: node for node in file.graph.nodes}
    for name in (b.name for _, b in found.match.pairs):
        if has_other_steps(nodes[name], file):
            bias = nodes[name].weight_name("bias")
            yield f"{path}: '{bias}' has other steps than its weight's times its input's, which runtimes sum up in"


def _describe_nearness(weights: Path, apart: list[_Distance]) -> str:
    """How near the numbers are."""
    words = {_ITSELF: "each number within {} of itself", _ROW: "eight bits within {} of their row's largest"}
    words[_CORRECTION] = "their biases within {} of what calibration may correct"
    most = {by: max((a.far for a in apart if a.by == by), default=0.0) for by in words}
    within = [words[by].format(f"{far:.1e}") for by, far in most.items() if far]
    return f"those of {weights}, {', '.join(within)}" if within else f"exactly those of {weights}"


def _measure_tensors(found: FileMatch, file: OnnxModel) -> Iterator[_Distance]:
    types = file.weights.types
    ours, theirs = ({n.name: n for n in graph.nodes} for graph in (found.variant.graph, file.graph))
    for a, b in found.match.pairs:
        wanted, node = ours[a.name], theirs[b.name]
        for tensor in wanted.tensors:
            if tensor.role == "bias" and _has_eight_bits(node, types):
                yield from _stop_at_first_wrong(_measure_bias(found.variant, wanted, node, file))
                continue
            name = node.weight_name(tensor.role)
            unseen = _bound_unseen_change(found.variant, wanted, node, file) if tensor.role == "weight" else None
            furthest = [_find_furthest(found.variant, wanted, tensor, name, file, unseen)]
            if unseen is not None:
                furthest.append(_measure_code(found.variant, wanted, tensor, name, file))
            yield from _stop_at_first_wrong(furthest)


def _stop_at_first_wrong(apart: Iterable[_Distance]) -> Iterator[_Distance]:
    """How far a tensor is by each measure, up to the first by which it is wrong: it is reported once."""
    for one in apart:
        yield one
        if one.wrong:
            return


def _has_eight_bits(node: Node, types: Mapping[str, str]) -> bool:
    """Whether the weight of a file's layer is stored in eight bits, for which calibration corrects its bias."""
    return node.op.is_layer and types.get(node.weight_name("weight")) in _EIGHT_BITS


def _measure_bias(variant: NetworkVariant, wanted: Node, node: Node, file: OnnxModel) -> Iterator[_Distance]:
    """The bias of a layer in eight bits that is furthest, and how far all are; one that is missing is zero."""
    kept, name, size = wanted.weight_name("bias"), node.weight_name("bias"), wanted.shape[0]
    exact, dtype = variant.weights.rows(kept, 0, size), file.weights.types.get(name)
    here = np.zeros_like(exact) if dtype is None else file.weights.raw_rows(name, 0, size)
    allowed = allow_for_bias(variant, wanted, node, file)
    read_as = "float16" if "float16" in file.types else dtype  # what codes are read as
    rounding = allowed.rounding + _allow_by_type(read_as) * variant.sizes(kept, exact, 0, size)
    slack = (rounding + max(_STEP.get(read_as, 0.0), _SMALLEST)).astype(np.float32)
    moved = here - exact.astype(np.float64)
    beyond = np.maximum(np.abs(moved) - slack, 0.0)
    with np.errstate(all="ignore"):
        far = np.where(beyond > 0, beyond / allowed.correction, 0.0)
    far = np.where(np.isfinite(exact) & np.isfinite(here) & ~np.isnan(far), far, np.inf)
    place = int(np.argmax(far))
    one = _Distance(name, _CORRECTION, 1.0, float(far[place]), (place,), float(here[place]), float(exact[place]))
    yield one
    if np.isfinite(far).all():
        yield one._replace(by=_TOGETHER, far=allowed.together(moved.astype(np.float32), slack))


def _measure_code(variant: NetworkVariant, wanted: Node, tensor: Tensor, name: str, file: OnnxModel) -> _Distance:
    """The number of a weight in eight bits that is furthest from the code that is nearest to what it is to be."""
    kept, dtype = wanted.weight_name(tensor.role), file.weights.types[name]
    worst = _Distance(name, _CODE, _NEAREST, -1.0, (), 0.0, 0.0)
    read_as = next((kind for kind in ("bfloat16", "float16") if kind in file.types), "float32")  # the coarsest first
    least = max(_STEP["float16"] if "float16" in file.types else 0.0, _SMALLEST)
    for start, stop in row_ranges(tensor.shape):
        a = variant.weights.rows(kept, start, stop).reshape(stop - start, *tensor.shape[1:])
        b = file.weights.raw_rows(name, start, stop).reshape(a.shape)
        slack = _allow_by_type(read_as) * variant.sizes(kept, a, start, stop) + least
        far = count_steps_apart(a, b, file.weights.steps(name, start, stop), dtype, slack)
        worst = _choose_worse(worst, a, b, far, start)
    return worst


def _bound_unseen_change(variant: NetworkVariant, wanted: Node, node: Node, file: OnnxModel) -> Array | None:
    """What eight bits may change each number of a filter by where its scale is the least that there can be."""
    types = file.weights.types
    if not _has_eight_bits(node, types):
        return None
    dtype = types[node.weight_name("weight")]
    scales = find_least_scales(variant, wanted, node, file, integers=dtype in _BY_ROW)
    return (_EIGHT_BITS[dtype] * scales).astype(np.float32)


def _find_furthest(
    variant: NetworkVariant, wanted: Node, tensor: Tensor, name: str, file: OnnxModel, unseen: Array | None = None
) -> _Distance:
    """The number of a tensor that is furthest from what it is to be; a tensor that is missing is zero."""
    dtype = file.weights.types.get(name)
    kept, by = wanted.weight_name(tensor.role), _ROW if dtype in _BY_ROW else _ITSELF
    worst = _Distance(name, by, _allow_by_type(dtype), -1.0, (), 0.0, 0.0)
    largest = _find_largest(variant, tensor, kept) if by == _ROW and _has_one_step(tensor, name, file) else None
    for start, stop in row_ranges(tensor.shape):
        a = variant.weights.rows(kept, start, stop).reshape(stop - start, *tensor.shape[1:])
        b = np.zeros_like(a) if dtype is None else file.weights.raw_rows(name, start, stop).reshape(a.shape)
        if unseen is not None:
            b = _remove_slack(a, b, _bound_slack(a, unseen[start:stop], dtype))
        sizes = variant.sizes(kept, a, start, stop)
        if by == _ROW:
            sizes = find_largest_of_rows(a) if largest is None else np.full_like(a, largest)
        worst = _choose_worse(worst, a, b, _measure_distance(a, b, sizes, dtype), start)
    return worst


def _has_one_step(tensor: Tensor, name: str, file: OnnxModel) -> bool:
    """Whether the codes of all rows have one scale, as quantizers give them by default: it is that of the largest."""
    steps = file.weights.steps(name, 0, tensor.shape[0])
    return steps is not None and len(np.unique(steps)) == 1


def _find_largest(variant: NetworkVariant, tensor: Tensor, kept: str) -> float:
    each = (
        np.abs(variant.weights.rows(kept, start, stop)).max(initial=0.0) for start, stop in row_ranges(tensor.shape)
    )
    return float(max(each, default=0.0))


def _choose_worse(worst: _Distance, wanted: Array, here: Array, far: Array, start: int) -> _Distance:
    """What is furthest, once the rows from `start` on are known."""
    place = np.unravel_index(int(np.argmax(far)), far.shape) if far.size else ()
    if not far.size or far[place] <= worst.far:
        return worst
    row, *rest = map(int, place)
    where = (start + row, *rest)
    return worst._replace(far=float(far[place]), where=where, here=float(here[place]), wanted=float(wanted[place]))


def _bound_slack(wanted: Array, unseen: Array, dtype: str | None) -> Array:
    """What eight bits may change each number of rows by at least; numbers of floating point, by their row's scale."""
    least = unseen.reshape(-1, *[1] * (wanted.ndim - 1))
    if dtype in _BY_ROW:
        return least
    made: Array = np.maximum(least, _LEAST_STEP / _LARGEST * find_largest_of_rows(wanted))
    return made


def _remove_slack(wanted: Array, here: Array, slack: Array) -> Array:
    """Rows, but what they differ by that cannot be seen."""
    return np.where(np.isfinite(here), here - np.clip(here - wanted, -slack, slack), here).astype(np.float32)


def _measure_distance(wanted: Array, here: Array, sizes: Array, dtype: str | None) -> Array:
    """By how much each number differs, over its size; infinitely where either is none or an infinity."""
    with np.errstate(all="ignore"):
        apart = np.maximum(np.abs(wanted.astype(np.float64) - here) - max(_STEP.get(dtype, 0.0), _SMALLEST), 0.0)
        far = np.where(apart > 0, apart / sizes, 0.0)
    real = np.isfinite(wanted) & np.isfinite(here)
    return np.where(real, far, np.inf)
