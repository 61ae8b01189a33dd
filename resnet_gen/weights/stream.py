"""The bytes of a graph's weights, in order, a few megabytes at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from resnet_gen.graph import Graph
from resnet_gen.ops import DType
from resnet_gen.problems import refuse
from resnet_gen.weights.base import Array, Weights, row_ranges


def element_type(dtype: DType) -> np.dtype[Any]:
    """NumPy's type of an element as files have it."""
    if dtype in ("bfloat16", "float8_e4m3fn"):
        import ml_dtypes  # which the other types do without

        kind: np.dtype[Any] = np.dtype(getattr(ml_dtypes, dtype))
        return kind
    return np.dtype(dtype).newbyteorder("<")


def largest_number(dtype: DType) -> float:
    """The greatest finite number of a type."""
    if dtype == "bfloat16":
        return float(np.uint32(0x7F7F0000).view(np.float32))
    return float(np.finfo(np.dtype(dtype)).max)


def weight_bytes(graph: Graph, weights: Weights) -> Iterator[memoryview]:
    """The bytes of each run of rows, tensor by tensor as nodes use them; raises `Refused` as `narrow_values` does."""
    for node in graph.nodes:
        for tensor in node.tensors:
            name, dtype = node.weight_name(tensor.role), tensor.dtype or node.output.dtype
            for start, stop in row_ranges(tensor.shape):
                values = weights.rows(name, start, stop)
                yield narrow_values(values, name, dtype).view(np.uint8).data.cast("B")


_HOLDING = {
    "float16": "--precision bf16 or fp32, and beside eight bits --rest, holds that",
    "bfloat16": "--precision fp32, and beside eight bits --rest, holds that",
}


def narrow_values(values: Array, name: str, dtype: DType) -> npt.NDArray[Any]:
    """Values of the tensor `name` in another type; raises `Refused` for finite ones that it cannot hold."""
    with np.errstate(over="ignore"):
        cast: npt.NDArray[Any] = np.ascontiguousarray(values, element_type(dtype))
    if dtype in ("float16", "bfloat16") and not np.isfinite(cast).all() and np.isfinite(values).all():
        raise refuse(f"'{name}' has values beyond {dtype}", hint=_HOLDING[dtype])
    return cast
