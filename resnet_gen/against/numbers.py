"""The weights of a file held against those that a spec would be built with, number by number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from resnet_gen.against.variants import Variant, largest_of_rows
from resnet_gen.graph import Node
from resnet_gen.ops import Tensor
from resnet_gen.problems import several
from resnet_gen.reading import Read
from resnet_gen.weights.base import Array, runs

if TYPE_CHECKING:
    from resnet_gen.against.model import Found

_EXPLAINED = {
    "float64": 1e-5,
    "float32": 1e-5,
    "float16": 2.0**-11 + 1e-5,
    "bfloat16": 2.0**-8,
    "int8": 0.51 / 63,
    "uint8": 0.51 / 63,
    "float8_e4m3fn": 0.51 * 32 / 448,
}
"""What rounding may change a number by, over that number or, in eight bits, over the largest of its row.

Folding in float32 is good for 1e-5; seven bits are used of eight where sums would saturate.
"""
_STEP = {"float16": 2.0**-23}
"""What may be lost of any number, however small: half precision's steps around zero, as converters clip them."""
_SMALLEST = float(np.finfo(np.float32).tiny)
_BY_ROW = ("int8", "uint8", "float8_e4m3fn")
_MOST = 3


class _Apart(NamedTuple):
    """How far a tensor is from what it is to be, over what its rounding is measured by, and how far it may be.

    `where` is the number that is furthest, `here` and `wanted` what it is and what it is to be.
    """

    name: str
    dtype: str
    far: float
    where: tuple[int, ...]
    here: float
    wanted: float

    @property
    def wrong(self) -> bool:
        return self.far > _explained(self.dtype)


def _explained(dtype: str) -> float:
    return _EXPLAINED.get(dtype, 1e-5)


class Told(NamedTuple):
    """What is to be said of a file's weights, what was left out, and what rounding does not explain."""

    words: str
    left: tuple[str, ...]
    faults: tuple[str, ...]


def compared(path: Path, weights: Path, found: Found, file: Read) -> Told:
    """A file's weights held against those that building the spec with `weights` would write."""
    apart = list(_apart(found, file))
    faults = [
        f"{path}: '{a.name}' is not that of {weights}: number {list(a.where)} is {a.here:.8g}, there {a.wanted:.8g}"
        for a in apart
        if a.wrong
    ]
    rest = len(faults) - _MOST
    told = (*faults[:_MOST], *([f"{path}: and {several(rest, 'more tensor')}"] if rest > 0 else ()))
    return Told("" if faults else f"weights {_how(weights, apart)}", tuple(_left_out(found, file)), told)


def _how(weights: Path, apart: list[_Apart]) -> str:
    """How near the numbers are."""
    by_row, each = (max((a.far for a in apart if (a.dtype in _BY_ROW) == rows), default=0.0) for rows in (True, False))
    within = [f"each number within {each:.1e} of itself"] if each else []
    within += [f"eight bits within {by_row:.1e} of their row's largest"] if by_row else []
    return f"those of {weights}, {', '.join(within)}" if within else f"exactly those of {weights}"


def _apart(found: Found, file: Read) -> Iterator[_Apart]:
    types = file.weights.types
    ours, theirs = ({n.name: n for n in graph.nodes} for graph in (found.variant.graph, file.graph))
    for a, b in found.match.pairs:
        wanted, node = ours[a.name], theirs[b.name]
        for tensor in wanted.tensors:
            if tensor.role == "bias" and _in_eight_bits(node, types):
                continue
            name = node.weight_name(tensor.role)
            unseen = _unseen(found.variant, wanted, node, file) if tensor.role == "weight" else None
            yield _furthest(found.variant, wanted, tensor, name, file, unseen)


def _in_eight_bits(node: Node, types: Mapping[str, str]) -> bool:
    """Whether the weight of a file's layer is stored in eight bits, for which calibration corrects its bias."""
    return node.op.is_layer and types.get(node.weight_name("weight")) in _BY_ROW


def _left_out(found: Found, file: Read) -> Iterator[str]:
    """The biases that are not compared."""
    theirs, types = {n.name: n for n in file.graph.nodes}, file.weights.types
    layers = [node for _, b in found.match.pairs if (node := theirs[b.name]).op.is_layer]
    eight = [node for node in layers if _in_eight_bits(node, types)]
    if eight:
        of = "" if len(eight) == len(layers) else f" of {len(eight)} of {len(layers)} layers"
        yield f"biases{of}, which calibration corrects,"


def _unseen(variant: Variant, wanted: Node, node: Node, file: Read) -> Array | None:
    """What of each filter in eight bits adds nothing that can be seen beside its bias, so that quantizers leave it out.

    The products of a filter's steps and its input's are then no smaller than the last digit of the bias.
    """
    steps = [c.most - c.least for c in file.covers if c.value == node.inputs[0].name]
    if not steps or not getattr(wanted.op, "bias", False) or not _in_eight_bits(node, file.weights.types):
        return None
    digits, least = (0.75 * 2.0**16, 2.0**-21) if "float16" in file.types else (2.0**24, 0.0)
    bias = np.abs(variant.weights.rows(wanted.weight_name("bias"), 0, wanted.shape[0]).astype(np.float64))
    unseen = np.maximum(bias / digits, np.where(bias > 0, least, 0.0)) * (255 / steps[0])
    return unseen.astype(np.float32)


def _furthest(
    variant: Variant, wanted: Node, tensor: Tensor, name: str, file: Read, unseen: Array | None = None
) -> _Apart:
    """The number of a tensor that is furthest from what it is to be; a tensor that is missing is zero."""
    dtype = file.weights.types.get(name)
    kept, worst = wanted.weight_name(tensor.role), _Apart(name, dtype or "float32", -1.0, (), 0.0, 0.0)
    for start, stop in runs(tensor.shape):
        a = variant.weights.rows(kept, start, stop).reshape(stop - start, *tensor.shape[1:])
        b = np.zeros_like(a) if dtype is None else file.weights.rows(name, start, stop).reshape(a.shape)
        if unseen is not None:
            b = _nearer(a, b, unseen[start:stop])
        far = _far(a, b, variant.sizes(kept, a, start, stop), worst.dtype)
        place = np.unravel_index(int(np.argmax(far)), far.shape) if far.size else ()
        if far.size and far[place] > worst.far:
            row, *rest = map(int, place)
            where = (start + row, *rest)
            worst = worst._replace(far=float(far[place]), where=where, here=float(b[place]), wanted=float(a[place]))
    return worst


def _nearer(wanted: Array, here: Array, unseen: Array) -> Array:
    """Rows, but what they differ by that cannot be seen."""
    most = unseen.reshape(-1, *[1] * (wanted.ndim - 1))
    near: Array = np.where(np.isfinite(here), here - np.clip(here - wanted, -most, most), here).astype(np.float32)
    return near


def _far(wanted: Array, here: Array, sizes: Array, dtype: str) -> Array:
    """By how much each number differs, over its size; infinitely where either is none, but for the same infinity."""
    if dtype in _BY_ROW:
        sizes = largest_of_rows(wanted)
    with np.errstate(all="ignore"):
        apart = np.maximum(np.abs(wanted.astype(np.float64) - here) - max(_STEP.get(dtype, 0.0), _SMALLEST), 0.0)
        far = np.where(apart > 0, apart / sizes, 0.0)
    real = np.isfinite(wanted) & np.isfinite(here)
    found: Array = np.where(real, far, np.inf)
    return found
