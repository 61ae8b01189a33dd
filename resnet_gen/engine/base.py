"""What runs a model: one interface over the runtimes, and the number types that pass through it."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import ml_dtypes
import numpy as np
import numpy.typing as npt

from resnet_gen.problems import Refused, refuse
from resnet_gen.weights.base import Array

DynamicShape: TypeAlias = tuple[int | None, ...]
"""Sides of a tensor, batch first; None where symbolic."""

DTYPES: dict[str, Any] = {
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "uint8": np.dtype(np.uint8),
}
"""The types that an image may have, as NumPy knows them."""
BFLOAT16 = DTYPES["bfloat16"]


class Tuning(NamedTuple):
    """What one may ask of a runtime: threads, the type it computes in, and rest between the turns of two models.

    Without a hint it computes in the types of the file. `as_written` has ONNX Runtime run the file without rewriting
    it; `tells_types` has it note, on the first run, which types it computes in. An engine's work is launched as CUDA
    graphs with `cuda_graphs`; `host_code` lets a version-compatible engine bring the runtime that it carries.
    """

    threads: int | None = None
    precision_hint: str | None = None
    takes_turns: bool = False
    as_written: bool = False
    tells_types: bool = False
    cuda_graphs: bool = False
    host_code: bool = False


OWN_CHOICE = Tuning()
"""Nothing is asked for."""


@dataclass(frozen=True, kw_only=True)
class Runner(ABC):
    """A loaded model: where from, by what it is run, its one input, its outputs, and metadata.

    `runtime` has at least the keys `library` and `version`; `precision` says in which types layers are computed, as the
    runtime itself tells, and is there after the first run at the latest, if it is ever known. `bounds` are the smallest
    and the largest shape where a model takes a range of them, `more_bounds` those of an engine's further profiles.
    """

    where: str
    runtime: dict[str, str]
    input: str
    shape: DynamicShape
    dtype: Any
    outputs: tuple[str, ...]
    metadata: dict[str, str]
    bounds: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    more_bounds: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = ()

    @abstractmethod
    def run(self, x: Array) -> dict[str, Array]:
        """The outputs for the batch `x` (N, C, H, W), by name, complete when this returns.

        `x` is converted to `dtype` if it has another type; bfloat16 outputs
        come as float32. Raises `Refused` with the runtime's words if it fails.
        """

    def prepare_input(self, x: Array) -> Array:
        """`x` as `run` hands it to the runtime: contiguous, of type `dtype`; `x` itself if it is that already."""
        return np.ascontiguousarray(x, self.dtype)

    def check(self, shape: Sequence[int]) -> None:
        """Raises `Refused` if the model does not take a batch of this shape."""
        own = self.shape
        if len(own) != len(shape) or any(side not in (None, n) for side, n in zip(own, shape, strict=True)):
            raise refuse(f"takes {format_shape(own)}, not {format_shape(shape)}", self.where)
        if self.bounds and self.find_profile(shape) is None:
            ranges = [" to ".join(map(format_shape, pair)) for pair in (self.bounds, *self.more_bounds)]
            goes = f"its profile goes from {ranges[0]}" if len(ranges) == 1 else f"its profiles: {', '.join(ranges)}"
            message = f"{goes}{',' if len(ranges) == 1 else ';'} and {format_shape(shape)} lies outside"
            raise refuse(message, self.where, "build it with another --batch MIN:OPT:MAX")

    def find_profile(self, shape: Sequence[int]) -> int | None:
        """The number of the first profile that takes a shape; None if none does, or there are none."""
        pairs = (self.bounds, *self.more_bounds) if self.bounds else ()
        for index, (least, most) in enumerate(pairs):
            if all(a <= n <= b for a, n, b in zip(least, shape, most, strict=True)):
                return index
        return None

    def time_runs(self, x: Array, repeat: int) -> tuple[dict[str, Array], list[float]]:
        """The outputs, and the seconds that each of `repeat` runs took after one to warm up."""
        x = self.prepare_input(x)
        outputs = self.run(x)
        times = []
        for _ in range(repeat):
            start = time.perf_counter()
            outputs = self.run(x)
            times.append(time.perf_counter() - start)
        return outputs, times


def draw_input(shape: Sequence[int], seed: int, *, of_bytes: bool = False) -> npt.NDArray[Any]:
    """Noise in place of a batch: normally distributed, or bytes."""
    random = np.random.default_rng(seed)
    return random.integers(0, 256, shape, np.uint8) if of_bytes else random.standard_normal(shape, np.float32)


def format_types(types: Iterable[str]) -> str:
    """Types, the most frequent first: `u8, f32`."""
    return ", ".join(kind for kind, _ in Counter(types).most_common())


def format_shape(shape: Sequence[int | None]) -> str:
    """`8x3x224x224`, with `?` for what is symbolic."""
    return "x".join(str(side or "?") for side in shape)


def widen_bfloat16(values: Array) -> Array:
    """Outputs in a type that NumPy computes with: bfloat16, which it does not know, becomes float32."""
    return values.astype(np.float32) if values.dtype == BFLOAT16 else values


def refuse_no_image(where: str) -> Refused:
    """The refusal of a model whose input is something else."""
    known = ", ".join(DTYPES)
    return refuse("not a network with one image as its input", where, f"one input of 4 dimensions, of {known}")
