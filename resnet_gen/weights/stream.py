"""The bytes of a graph's weights, in order, a few megabytes at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from resnet_gen.graph import Graph
from resnet_gen.ops import DType
from resnet_gen.problems import refuse
from resnet_gen.weights.base import Weights, runs

ELEMENTS: dict[DType, str] = {"float32": "<f4", "float16": "<f2"}
"""NumPy's name of each element type as files have it."""


def weight_bytes(graph: Graph, weights: Weights) -> Iterator[memoryview]:
    """The bytes of each run of rows, tensor by tensor as `graph.state()` has them."""
    for node in graph.nodes:
        for tensor in node.tensors:
            for start, stop in runs(tensor.shape):
                yield _bytes(weights, node.weight_name(tensor.role), node.output.dtype, start, stop)


def _bytes(weights: Weights, name: str, dtype: DType, start: int, stop: int) -> memoryview:
    """One run of rows as bytes; raises `Refused` for finite values that `dtype` cannot hold."""
    values = weights.rows(name, start, stop)
    if dtype == "float32":
        return np.ascontiguousarray(values, ELEMENTS[dtype]).data.cast("B")
    with np.errstate(over="ignore"):
        cast = np.ascontiguousarray(values, ELEMENTS[dtype])
    if not np.isfinite(cast).all() and np.isfinite(values).all():
        raise refuse(f"'{name}' has values beyond {dtype}", hint="build it in float32, or try --fold-bn")
    return cast.data.cast("B")
