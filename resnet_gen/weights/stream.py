"""The bytes of a graph's weights, in order, made a few runs ahead by threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np

from resnet_gen.graph import Graph
from resnet_gen.ops import DType
from resnet_gen.problems import refuse
from resnet_gen.weights.base import Weights, runs

ELEMENTS: dict[DType, str] = {"float32": "<f4", "float16": "<f2"}
"""NumPy's name of each element type as files have it."""

_THREADS = 2
_AHEAD = 64

Run = tuple[str, DType, int, int]


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
                    yield node.weight_name(tensor.role), node.output.dtype, start, stop


class _Ahead:
    """Runs being made by threads, at most `_AHEAD` of them waiting to be read."""

    def __init__(self, jobs: Iterator[Run], weights: Weights) -> None:
        self._jobs, self._weights = jobs, weights
        self._pool = ThreadPoolExecutor(_THREADS)
        self._waiting: deque[Future[memoryview]] = deque()
        self._submit(_AHEAD)

    def __iter__(self) -> Iterator[memoryview]:
        while self._waiting:
            made = self._waiting.popleft().result()
            self._submit(1)
            yield made

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown(cancel_futures=True)

    def _submit(self, count: int) -> None:
        for job in islice(self._jobs, count):
            self._waiting.append(self._pool.submit(_bytes, self._weights, *job))


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
