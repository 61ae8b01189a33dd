"""A device of which nobody states how fast it is, with the rates that the layers of a profile reached there."""

from __future__ import annotations

from statistics import median

from resnet_gen.graph import Graph
from resnet_gen.ops.precision import Precision
from resnet_gen.problems import refuse
from resnet_gen.speed.layer_comparison import LayerPair, compare_layers
from resnet_gen.speed.prediction import FIXED_SECONDS, SUSTAINED_BANDWIDTH, predict
from resnet_gen.speed.profile_files import ProfileData
from resnet_gen.speed.targets import Target

_GIGA = 1e9
_LEAST_PART = 0.01
"""Of what all would take if each took the median, which no layer that was interrupted changes: one that takes less says
little, as runtimes round to microseconds."""
_DIGITS = 4


def lacks_rates(target: Target, precision: Precision) -> bool:
    """Whether it is a CPU whose file states no peak of this precision, or no bandwidth."""
    return target.engine == "onnx" and (precision not in target.peak_tflops or target.bandwidth_gb_s is None)


def estimate_rates(graph: Graph, target: Target, precision: Precision, batch: int, profile: ProfileData) -> Target:
    """The same device with the best rates of arithmetic and of memory that a layer of the profile reached.

    What the file states stays. Raises `Refused` for a profile without a layer that computes and one that moves data.
    """
    stated = dict(target.peak_tflops)
    plain = {**stated, precision: stated.get(precision, 1.0)}
    unit = target.model_copy(update={"peak_tflops": plain, "bandwidth_gb_s": target.bandwidth_gb_s or 1.0})
    rows = compare_layers(predict(graph, unit, precision, batch), profile).matched
    usual = len(rows) * median(row.measured_ms or 0.0 for row in rows) if rows else 0.0
    long = [row for row in rows if (row.measured_ms or 0.0) >= _LEAST_PART * usual] or rows
    peak = max((sum(c.compute for c in row.kernels) / _seconds(row) for row in long), default=0.0)
    moved = max((sum(c.bytes for c in row.kernels) / _seconds(row) for row in long), default=0.0)
    if not (peak and moved):
        raise refuse(f"no rate of {target.name} follows from these layers", hint="is it the profile of this network?")
    rates = {precision: stated.get(precision) or _round(peak)}
    bandwidth = target.bandwidth_gb_s or _round(moved / _GIGA / SUSTAINED_BANDWIDTH)
    return target.model_copy(
        update={"peak_tflops": {**stated, **rates}, "bandwidth_gb_s": bandwidth, "note": _NOTE, "source": _SOURCE}
    )


_NOTE = "Peak and bandwidth are the best that a layer of a profile reached on one machine, and no manufacturer's."
_SOURCE = "a profile of layers, read by `resnet-gen profile`"


def _seconds(row: LayerPair) -> float:
    """What a row took beside what each kernel takes at the least."""
    measured = (row.measured_ms or 0.0) / 1e3
    return max(measured - FIXED_SECONDS * len(row.kernels), measured / 2, 1e-9)


def _round(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
