"""The weights of a file held against those that a spec would be built with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from resnet_gen.graph import Node
from resnet_gen.ops import Tensor
from resnet_gen.reading import Read
from resnet_gen.weights.base import Array, Weights, runs

if TYPE_CHECKING:
    from resnet_gen.against.model import Found

_EXPLAINED = {
    "float64": 1e-5,
    "float32": 1e-5,
    "float16": 2.0**-11,
    "bfloat16": 2.0**-8,
    "int8": 0.51 / 63,
    "uint8": 0.51 / 63,
    "float8_e4m3fn": 0.51 * 32 / 448,
}
"""What rounding may change a number by, over the largest of its tensor or, in eight bits, of its row.

Folding in float32 is good for 1e-5; seven bits are used of eight where sums would saturate.
"""
_BY_ROW = ("int8", "uint8", "float8_e4m3fn")
_LEAST = np.float32(1e-30)
_MOST = 3


class _Apart(NamedTuple):
    """How far a tensor is from what it is to be, over its largest number, and how far it may be."""

    name: str
    far: float
    explained: float


def compared(path: Path, weights: Path, found: Found, file: Read) -> tuple[str, tuple[str, ...]]:
    """What is to be said of a file's weights, and what of them cannot be explained by rounding."""
    apart = list(_apart(found, file))
    worst = max(apart, key=lambda a: a.far, default=None)
    more = _left_out(found, file)
    if worst is None or worst.far == 0.0:
        words = f", weights exactly those of {weights}{more}"
    else:
        words = f", weights those of {weights} within {worst.far:.1e} of each tensor's largest number{more}"
    wrong = [a for a in apart if a.far > a.explained]
    faults = [
        f"{path}: '{a.name}' is not that of {weights}: it differs by {a.far:.1e} of its largest number" for a in wrong
    ]
    rest = len(faults) - _MOST
    told = (*faults[:_MOST], *([f"{path}: and {rest} more tensors"] if rest > 0 else ()))
    return ("" if wrong else words), told


def _apart(found: Found, file: Read) -> Iterator[_Apart]:
    types = file.weights.types
    ours, theirs = ({n.name: n for n in graph.nodes} for graph in (found.variant.graph, file.graph))
    for a, b in found.match.pairs:
        wanted, node = ours[a.name], theirs[b.name]
        for tensor in wanted.tensors:
            if tensor.role == "bias" and _in_eight_bits(node, types):
                continue
            name = node.weight_name(tensor.role)
            dtype = types.get(name, "float32")
            far = _far(wanted, tensor, name if name in types else None, found.variant.weights, file.weights, dtype)
            yield _Apart(name, far, _EXPLAINED.get(dtype, 1e-5))


def _in_eight_bits(node: Node, types: Mapping[str, str]) -> bool:
    """Whether the weight of a file's layer is stored in eight bits, for which calibration corrects its bias."""
    return node.op.is_layer and types.get(node.weight_name("weight")) in _BY_ROW


def _left_out(found: Found, file: Read) -> str:
    """What is to be said of biases that are not compared."""
    theirs, types = {n.name: n for n in file.graph.nodes}, file.weights.types
    layers = [node for _, b in found.match.pairs if (node := theirs[b.name]).op.is_layer]
    eight = [node for node in layers if _in_eight_bits(node, types)]
    if not eight:
        return ""
    of = "" if len(eight) == len(layers) else f" of {len(eight)} of {len(layers)} layers"
    return f"; biases{of}, which calibration corrects, not compared"


def _far(wanted: Node, tensor: Tensor, name: str | None, ours: Weights, theirs: Weights, dtype: str) -> float:
    """The largest difference of a tensor over its largest number, or that of each row; a missing one is zero."""
    apart, reach, rows = 0.0, 0.0, 0.0
    for start, stop in runs(tensor.shape):
        a = ours.rows(wanted.weight_name(tensor.role), start, stop)
        b = np.zeros_like(a) if name is None else theirs.rows(name, start, stop)
        difference, size = np.abs(a - b), np.abs(a)
        apart, reach = max(apart, _most(difference)), max(reach, _most(size))
        if dtype in _BY_ROW:
            rows = max(rows, _most(np.divide(_each(difference), np.maximum(_each(size), _LEAST))))
    if dtype in _BY_ROW:
        return rows
    return apart / reach if reach else apart


def _each(values: Array) -> Array:
    """The largest number of each row."""
    largest: Array = values.reshape(len(values), -1).max(axis=1)
    return largest


def _most(values: Array) -> float:
    return float(np.max(values, initial=0.0))
