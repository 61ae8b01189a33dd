"""Measuring how long models take: in turns, in blocks, with what their outputs differ by."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from resnet_gen.engine.base import Runner
from resnet_gen.engine.pixel_runner import PixelRunner
from resnet_gen.problems import refuse
from resnet_gen.weights.base import Array

BLOCKS = 20
"""Blocks that the runs of one model at one batch are divided into, where there are as many runs."""
WARM_UP_RUNS = 3
WARM_UP_SHARE = 0.1
"""Of the seconds of a measurement, spent on warming up where three runs take less."""

BenchProgress = Callable[[float], None]
"""Called with the share that is done, 0 to 1."""


class Effort(NamedTuple):
    """How long to measure each model at each batch: seconds, runs, or what is reached first; one of them is set."""

    seconds: float | None = None
    repeat: int | None = None


@dataclass(frozen=True)
class Timing:
    """The seconds that the runs of a batch took, in blocks: what of them is reported."""

    batch: int
    blocks: tuple[tuple[float, ...], ...]

    @property
    def runs(self) -> int:
        """How many runs were timed."""
        return sum(map(len, self.blocks))

    @property
    def mean(self) -> float:
        """Seconds a batch."""
        return float(np.mean(self._all))

    def percentile(self, percent: float) -> float:
        """Seconds that so many percent of the runs did not exceed, interpolated between runs."""
        return float(np.percentile(self._all, percent))

    @property
    def images_per_second(self) -> float:
        """Images of all runs over the seconds of all runs."""
        return self.batch / self.mean

    @property
    def _all(self) -> Array:
        return np.concatenate([np.asarray(block) for block in self.blocks])


class SpeedRatio(NamedTuple):
    """How many times as fast the first of two is: median and quartiles over pairs of blocks."""

    median: float
    low: float
    high: float
    blocks: int


def compare_speed(first: Timing, second: Timing) -> SpeedRatio:
    """Median seconds of `second` over those of `first`; above 1 the first is the faster one.

    It is taken in each pair of blocks, which stood beside one another in time,
    so that a busy minute of the machine is in both of its sides or in none.
    """
    pairs = zip(first.blocks, second.blocks, strict=True)
    each = [float(np.median(b) / np.median(a)) for a, b in pairs]
    low, median, high = map(float, np.percentile(each, [25, 50, 75]))
    return SpeedRatio(median, low, high, len(each))


class OutputDifference(NamedTuple):
    """What two models' outputs differ by, over all outputs: the largest difference, and the largest value of the first.

    `agreeing` of `images` have the highest score at the same class in the
    first output that is a row of scores; None where there is none.
    """

    largest: float
    scale: float
    agreeing: int | None
    images: int


def compare_outputs(first: dict[str, Array], second: dict[str, Array]) -> OutputDifference | None:
    """Compare outputs, paired by name, else by order; None where their numbers or shapes differ."""
    names = list(first) if first.keys() == second.keys() else list(second)
    pairs = [
        (_widen_numbers(a), _widen_numbers(b)) for a, b in zip(first.values(), (second[n] for n in names), strict=False)
    ]
    if len(first) != len(second) or any(a.shape != b.shape for a, b in pairs):
        return None
    with np.errstate(invalid="ignore"):  # infinity less infinity: nan, which is what is to be said
        largest = _find_largest([a - b for a, b in pairs])
    scale = _find_largest([a for a, _ in pairs])
    scores = next(((a, b) for a, b in pairs if a.ndim == 2 and a.shape[1] > 1), None)
    agreeing = None if scores is None else int(np.sum(scores[0].argmax(axis=1) == scores[1].argmax(axis=1)))
    return OutputDifference(largest, scale, agreeing, len(pairs[0][0]) if pairs and pairs[0][0].ndim else 0)


def _find_largest(arrays: Sequence[Array]) -> float:
    """The largest magnitude; nan where there is any, which Python's `max` would lose."""
    return float(np.max([np.max(np.abs(values), initial=0.0) for values in arrays], initial=0.0))


def _widen_numbers(values: Array) -> Array:
    """In a type that no difference overflows in."""
    return values.astype(np.float64)


class Result(NamedTuple):
    """What was measured at one shape: a timing for each model, and for two of them how their outputs compare."""

    shape: tuple[int, ...]
    timings: tuple[Timing, ...]
    difference: OutputDifference | None


def measure(
    runners: Sequence[Runner],
    x: Array,
    effort: Effort,
    progress: BenchProgress | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Result:
    """Measure each of the one or two models on the batch `x` (N, C, H, W), float32.

    Two are run alternately in blocks, so that what slows the machine for a while slows both. Every model is warmed up;
    in turns, a run that is not timed opens each block, since the other model's data are in the caches.
    """
    for runner in runners:
        x = runner.represent(x) if isinstance(runner, PixelRunner) else x
    inputs = [runner.prepare_input(x) for runner in runners]
    outputs = [_compute_outputs(runner, fed) for runner, fed in zip(runners, inputs, strict=True)]
    once = [_warm_up(runner, fed, effort, clock) for runner, fed in zip(runners, inputs, strict=True)]
    sizes = _choose_block_sizes(once, effort)
    blocks: list[list[tuple[float, ...]]] = [[] for _ in runners]
    start = clock()
    while not _is_enough(blocks, clock() - start, effort, progress):
        for which, (runner, fed) in enumerate(zip(runners, inputs, strict=True)):
            size = _limit_block(sizes[which], blocks[which], effort)
            blocks[which].append(_run_block(runner, fed, size, len(runners) > 1, clock))
    timings = tuple(Timing(len(x), tuple(of_one)) for of_one in blocks)
    return Result(x.shape, timings, compare_outputs(*outputs) if len(outputs) == 2 else None)


def _compute_outputs(runner: Runner, x: Array) -> dict[str, Array]:
    outputs = runner.run(x)
    for name, values in outputs.items():
        if values.dtype.kind not in "fiu":
            raise refuse(f"outputs {values.dtype} as '{name}', not numbers", runner.where)
    return outputs


def _warm_up(runner: Runner, x: Array, effort: Effort, clock: Callable[[], float]) -> float:
    """Seconds of a run, the median of those that warmed it up."""
    times: list[float] = []
    while len(times) < WARM_UP_RUNS or sum(times) < WARM_UP_SHARE * (effort.seconds or 0):
        times.append(_time_run(runner, x, clock))
    return float(np.median(times))


def _choose_block_sizes(once: Sequence[float], effort: Effort) -> list[int]:
    """Runs in a block of each model: blocks of one length in time, but of equal runs where those are counted."""
    counts = []
    if effort.seconds is not None:
        counts = [max(1, round(effort.seconds / BLOCKS / max(seconds, 1e-9))) for seconds in once]
    if effort.repeat is None:
        return counts
    return [min([math.ceil(effort.repeat / BLOCKS), *counts])] * len(once)


def _limit_block(size: int, blocks: Sequence[Sequence[float]], effort: Effort) -> int:
    return size if effort.repeat is None else min(size, effort.repeat - sum(map(len, blocks)))


def _is_enough(
    blocks: Sequence[Sequence[Sequence[float]]], elapsed: float, effort: Effort, progress: BenchProgress | None
) -> bool:
    """Whether the runs that were asked for are made, or the time for all models has passed."""
    runs = sum(map(len, blocks[0]))
    by_runs = runs / effort.repeat if effort.repeat else 0.0
    by_time = elapsed / (effort.seconds * len(blocks)) if effort.seconds else 0.0
    done = max(by_runs, by_time)
    if progress:
        progress(min(1.0, done))
    return runs > 0 and done >= 1


def _run_block(runner: Runner, x: Array, size: int, opened: bool, clock: Callable[[], float]) -> tuple[float, ...]:
    if opened:
        runner.run(x)
    return tuple(_time_run(runner, x, clock) for _ in range(size))


def _time_run(runner: Runner, x: Array, clock: Callable[[], float]) -> float:
    start = clock()
    runner.run(x)
    return clock() - start


def find_common_shape(
    runners: Sequence[Runner],
    wanted: tuple[int, ...] | None,
    batch: int | None,
    image: tuple[int, ...] | None = None,
) -> tuple[int, ...]:
    """The shape to measure at: `wanted`, else the image that the models take, `batch` times, or in their own batch.

    Sides that all models leave open are those of `image`. Raises `Refused` where a model does not take it, where two
    take different images, and where nothing says how large the image is.
    """
    if wanted is None:
        found = [next((r.shape[axis] for r in runners if r.shape[axis] is not None), None) for axis in range(4)]
        found[1:] = [side or own for side, own in zip(found[1:], image or (None, None, None), strict=True)]
        found[0] = batch or found[0] or _find_least_batch(runners)
        if None in found:
            raise refuse("its input is no image of a fixed size", runners[0].where, "give --shapes 1x3x224x224")
        wanted = tuple(side for side in found if side is not None)
    for runner in runners:
        runner.check(wanted)
    return wanted


def _find_least_batch(runners: Sequence[Runner]) -> int:
    return max((runner.bounds[0][0] for runner in runners if runner.bounds), default=1)
