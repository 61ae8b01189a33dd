"""The bytes of a graph's weights, in order, made a few megabytes ahead by a thread."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from resnet_gen.graph import Graph
from resnet_gen.ops import DType, Shape
from resnet_gen.problems import refuse
from resnet_gen.weights.base import Weights, runs

ELEMENTS: dict[DType, str] = {"float32": "<f4", "float16": "<f2"}
"""NumPy's name of each element type as files have it."""

_AHEAD = 12 << 20
"""Bytes that may wait to be read."""

Run = tuple[str, DType, Shape, int, int]


class WeightStream:
    """Iterates over the weights' bytes in runs of rows, tensor by tensor as `graph.state()` has them.

    Iterating again begins again. `start` begins the first iteration early, so
    that weights are drawn while other work goes on.
    """

    def __init__(self, graph: Graph, weights: Weights) -> None:
        self._graph, self._weights = graph, weights
        self._begun: _Ahead | None = None

    def start(self) -> WeightStream:
        """Begin to make the first runs now."""
        self._begun = _Ahead(self._jobs(), self._weights)
        return self

    def stop(self) -> None:
        """Drop what was begun and not read."""
        if self._begun:
            self._begun.close()
            self._begun = None

    def __iter__(self) -> Generator[memoryview, None, None]:
        """The bytes of each run, in order; close it, for Python swallows an interruption while it collects one."""
        ahead = self._begun or _Ahead(self._jobs(), self._weights)
        self._begun = None
        try:
            yield from ahead
        finally:
            ahead.close()

    def _jobs(self) -> Iterator[Run]:
        for node in self._graph.nodes:
            for tensor in node.tensors:
                for start, stop in runs(tensor.shape):
                    yield node.weight_name(tensor.role), node.output.dtype, tensor.shape, start, stop


class _Ahead:
    """Runs being made by a thread, up to `_AHEAD` bytes of them waiting to be read."""

    def __init__(self, jobs: Iterator[Run], weights: Weights) -> None:
        self._jobs, self._weights = jobs, weights
        self._pool = ThreadPoolExecutor(1)
        self._waiting: deque[tuple[int, Future[memoryview]]] = deque()
        self._size = 0
        self._fill()

    def __iter__(self) -> Iterator[memoryview]:
        while self._waiting:
            size, made = self._waiting.popleft()
            yield made.result()
            self._size -= size
            self._fill()

    def close(self) -> None:
        """Stop the thread."""
        self._pool.shutdown(cancel_futures=True)

    def _fill(self) -> None:
        while self._size < _AHEAD and (run := next(self._jobs, None)):
            name, dtype, shape, start, stop = run
            size = (stop - start) * math.prod(shape[1:]) * np.dtype(ELEMENTS[dtype]).itemsize
            self._waiting.append((size, self._pool.submit(_bytes, self._weights, name, dtype, start, stop)))
            self._size += size


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
