"""How long a network takes on a device: a roofline of its kernels (docs/predict.md).

A kernel takes as long as its arithmetic or its memory traffic, whichever is
longer, and a fixed time beside. All times are in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple, TypeAlias

from resnet_gen import ops
from resnet_gen.graph import Graph
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.ops.precision import PRECISIONS, Precision
from resnet_gen.problems import refuse
from resnet_gen.speed.kernels import Kernel, find_kernels, most_activations
from resnet_gen.speed.limits import PREDICTED_BATCH, PREDICTED_PRECISION
from resnet_gen.speed.targets import Measured, Target, load_target, shipped_targets

BYTES: dict[Precision, int] = {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1, "fp8": 1}
"""Bytes of one element, weight or activation."""
SUSTAINED_BANDWIDTH = 0.8
"""Part of the peak bandwidth that streaming reaches: what STREAM-like copies measure on GPUs, 0.75 to 0.9."""
FIXED_SECONDS = 4e-6
"""What the start and the end of one kernel take, whatever it does."""
WINOGRAD = 2.25
"""By how much F(2x2, 3x3) saves multiplications (Lavin and Gray 2015, Sec. 4.1)."""
TILE = 64
"""Side of the tile of outputs that one multiprocessor computes; a layer uses no more of them than it has tiles."""

Bound: TypeAlias = Literal["compute", "memory", "overhead"]


class Cost(NamedTuple):
    """What one kernel costs for a whole batch: MACs, bytes that it moves, and the seconds of each at the peak."""

    kernel: Kernel
    macs: int
    bytes: int
    compute: float
    memory: float

    def seconds(self, efficiency: float) -> float:
        """Its time where arithmetic reaches this part of its peak."""
        return max(self.compute / efficiency, self.memory) + FIXED_SECONDS

    def find_bound(self, efficiency: float) -> Bound:
        """What most of its time goes into."""
        compute = self.compute / efficiency
        if max(compute, self.memory) < FIXED_SECONDS:
            return "overhead"
        return "compute" if compute > self.memory else "memory"


class Efficiency(NamedTuple):
    """The part of its peak at which a device computes, and where the number comes from."""

    value: float
    basis: str


@dataclass(frozen=True)
class KernelTime:
    """The time of a kernel, or of a stage's kernels, and what most of it goes into."""

    name: str
    kernels: int
    macs: int
    bytes: int
    seconds: float
    bound: Bound


@dataclass(frozen=True)
class Prediction:
    """The time of one pass of a batch, kernel by kernel."""

    target: Target
    """The device."""
    precision: Precision
    """What layers compute in."""
    batch: int
    """Images at once."""
    efficiency: Efficiency
    """The part of its peak at which the device computes, and where that number comes from."""
    costs: tuple[Cost, ...]
    """What each kernel costs: MACs, bytes, seconds of arithmetic and of memory traffic."""

    @property
    def seconds(self) -> float:
        """Time of one pass."""
        return _sum_seconds(self.costs, self.efficiency.value)

    @property
    def images_per_second(self) -> float:
        """Throughput of passes one after the other."""
        return self.batch / self.seconds

    def layers(self) -> list[KernelTime]:
        """One row a kernel, called after its first operation."""
        return [self._make_row(cost.kernel.node.name, [cost]) for cost in self.costs]

    def stages(self) -> list[KernelTime]:
        """One row a stage."""
        found: dict[str, list[Cost]] = {}
        for cost in self.costs:
            found.setdefault(cost.kernel.node.stage, []).append(cost)
        return [self._make_row(stage, costs) for stage, costs in found.items()]

    def total(self) -> KernelTime:
        """The whole network."""
        return self._make_row("total", list(self.costs))

    def _make_row(self, name: str, costs: list[Cost]) -> KernelTime:
        e = self.efficiency.value
        bounds: dict[Bound, float] = {}
        for cost in costs:
            bounds[cost.find_bound(e)] = bounds.get(cost.find_bound(e), 0.0) + cost.seconds(e)
        totals = sum(c.macs for c in costs), sum(c.bytes for c in costs)
        return KernelTime(
            name, len(costs), *totals, _sum_seconds(costs, e), max(bounds, key=lambda bound: bounds[bound])
        )


def choose_precision(asked: Precision | None, own: str | None) -> tuple[Precision, str]:
    """What layers are predicted in, and who says so: `asked` for, a file's `own`, or neither."""
    if asked is not None:
        return asked, "as asked for" if own in (None, asked) else f"as asked for; the file computes in {own}"
    if own is None:
        return PREDICTED_PRECISION, "by default"
    found: Precision | None = next((one for one in PRECISIONS if one == own), None)
    return (found, "the file's own") if found else ("fp32", f"as nothing is predicted in {own}, which the file has")


def predict(graph: Graph, target: Target, precision: Precision, batch: int = PREDICTED_BATCH) -> Prediction:
    """The time of a batch on a device; raises `Refused` for what the device cannot do or nobody can know."""
    if reason := target.refusal(precision):
        raise refuse(
            f"{target.name} does not run {precision}: {reason}", hint=f"it runs {', '.join(target.precisions)}"
        )
    rates, found = _find_rates(target, precision), find_kernels(graph)
    _check_memory(graph.name, found, target, precision, batch)
    costs = tuple(_compute_cost(kernel, rates, batch) for kernel in found)
    return Prediction(target, precision, batch, find_efficiency(target), costs)


def _sum_seconds(costs: Iterable[Cost], efficiency: float) -> float:
    return sum(cost.seconds(efficiency) for cost in costs)


class _Rates(NamedTuple):
    """What a device does in a second: operations in tensor cores (or all), in plain cores, and bytes."""

    main: float
    plain: float | None
    bandwidth: float
    bytes: int
    target: Target


def _find_rates(target: Target, precision: Precision) -> _Rates:
    peaks = target.peak_tflops
    peak = peaks.get(precision)
    if peak is None and precision == "bf16":
        peak = peaks.get("fp16")  # the same circuits
    if peak is None and precision in ("fp16", "bf16") and "int8" in peaks and target.tensor_cores:
        peak = peaks["int8"] / 2  # tensor cores multiply two of 8 bits in the time of one of 16
    hint = "state it in a target of your own (docs/targets.md)"
    if target.engine == "onnx":
        hint = f"its figures are those of one machine: `resnet-gen run` measures there, or {hint}"
    if peak is None:
        raise refuse(f"no peak of {precision} is known for {target.name}", hint=hint)
    if target.bandwidth_gb_s is None:
        raise refuse(f"no bandwidth is known for {target.name}", hint=hint)
    plain = peaks.get("fp32") if target.tensor_cores else None
    bandwidth = target.bandwidth_gb_s * 1e9 * SUSTAINED_BANDWIDTH
    return _Rates(peak * 1e12, plain * 1e12 if plain else None, bandwidth, BYTES[precision], target)


def _check_memory(name: str, found: list[Kernel], target: Target, precision: Precision, batch: int) -> None:
    needed = BYTES[precision] * (sum(k.weights for k in found) + batch * most_activations(found))
    if target.memory_gb is not None and needed > target.memory_gb * 1e9:
        words = f"{name} in {precision} at batch {batch:,} needs {needed / 1e9:,.1f} GB, and {target.name} has"
        raise refuse(f"{words} {target.memory_gb:g}", hint=f"take a smaller {'batch' if batch > 1 else 'image'}")


def _compute_cost(kernel: Kernel, rates: _Rates, batch: int) -> Cost:
    moved = rates.bytes * (kernel.weights + batch * kernel.activations)
    return Cost(kernel, batch * kernel.macs, moved, _compute_seconds(kernel, rates, batch), moved / rates.bandwidth)


def _compute_seconds(kernel: Kernel, rates: _Rates, batch: int) -> float:
    """Time of the arithmetic at the peak of those multiprocessors that have a tile to compute."""
    if not kernel.macs:
        return 0.0
    rows, columns, groups = kernel.product
    tiles = groups * math.ceil(batch * rows / TILE) * math.ceil(columns / TILE)
    used = min(1.0, tiles / (rates.target.multiprocessors or 1))
    operations = 2 * batch * kernel.macs
    if not rates.target.tensor_cores:
        return operations / _winograd_factor(kernel) / rates.main / used
    times = [operations * _padding_factor(kernel, rates.bytes) / rates.main]
    if rates.plain:
        times.append(operations / rates.plain)
    return min(times) / used


def _winograd_factor(kernel: Kernel) -> float:
    """What Winograd's algorithm saves, where it applies and products do not come in matrices."""
    op = kernel.op
    fits = isinstance(op, ops.Conv) and (op.kernel, op.stride, op.dilation, op.groups) == (3, 1, 1, 1)
    return WINOGRAD if fits else 1.0


def _padding_factor(kernel: Kernel, size: int) -> float:
    """How much more tensor cores compute, as they take channels by 16 bytes (NVIDIA, Matrix Multiplication, 2.2)."""
    step = 16 // size
    _, columns, groups = kernel.product
    channels = kernel.node.input_shapes[0][0] / groups
    return (math.ceil(columns / step) * step / columns) * (math.ceil(channels / step) * step / channels)


def find_efficiency(target: Target) -> Efficiency:
    """The efficiency that the device's own measurement gives, else the mean of shipped devices of its class.

    The mean is geometric; a class are the devices with tensor cores, or those without.
    """
    if target.efficiency is not None:
        return Efficiency(target.efficiency, "stated in the device's file")
    if target.measured:
        m = target.measured
        source = f"{m.network} at {m.images_per_second:g} images/s ({m.precision}, batch {m.batch}; {m.source})"
        return Efficiency(_solve_efficiency(target, m), f"solved from {source}")
    alike = [t for t in map(load_target, shipped_targets()) if t.measured and t.tensor_cores == target.tensor_cores]
    values = [_solve_efficiency(t, t.measured) for t in alike if t.measured]
    names = ", ".join(t.name for t in alike)
    source = f"no measurement of {target.name} is known; the mean of {names} is taken for it"
    return Efficiency(math.exp(sum(map(math.log, values)) / len(values)), source)


def _solve_efficiency(target: Target, measured: Measured) -> float:
    """The efficiency with which the prediction of what was measured is what was measured, by bisection."""
    rates = _find_rates(target, measured.precision)
    costs = [_compute_cost(kernel, rates, measured.batch) for kernel in _find_kernels(measured.network)]
    found = solve_efficiency(costs, measured.batch / measured.images_per_second)
    if found is None:
        words = f"{measured.images_per_second:g} images/s of {measured.network} cannot be: its peaks do not allow it"
        raise refuse(f"measured of {target.name}: {words}")
    return found


def solve_efficiency(costs: Sequence[Cost], wanted: float) -> float | None:
    """The efficiency with which kernels take so many seconds, by bisection; None where none can."""
    low, high = 1e-6, 1e3
    if not _sum_seconds(costs, high) < wanted < _sum_seconds(costs, low):
        return None
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if _sum_seconds(costs, middle) > wanted else (low, middle)
    return high


@cache
def _find_kernels(network: str) -> tuple[Kernel, ...]:
    return tuple(find_kernels(lower(load(network))))
