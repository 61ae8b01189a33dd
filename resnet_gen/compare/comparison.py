"""Two networks compared: what differs, whatever they were read from, and how long each takes on a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from resnet_gen.compare.difference.graphs import compare
from resnet_gen.compare.difference.key_changes import find_differing
from resnet_gen.compare.difference.sides import Side
from resnet_gen.compare.formats.comparison import Latency
from resnet_gen.compare.report import Report
from resnet_gen.compare.surroundings import compare_surroundings, settle_side
from resnet_gen.ops.precision import Precision
from resnet_gen.speed.limits import PREDICTED_BATCH, PREDICTED_PRECISION

if TYPE_CHECKING:
    from resnet_gen.speed.targets import Target

Predictor: TypeAlias = Callable[[Side, Side], Latency]


def compare_sides(first: Side, second: Side, predict_times: Predictor | None = None) -> Report:
    """What differs; of a file no more than it shows, and with batch norms folded in both if one has them folded."""
    latency = predict_times(first, second) if predict_times else None
    if "onnx" in (first.what, second.what):
        from resnet_gen.compare.difference.folding import compare_files  # NumPy, which comparing specs does without

        difference, folding = compare_files(settle_side(first, second), settle_side(second, first))
        return Report(first, second, difference, latency, *folding, terms=compare_surroundings(first, second))
    terms = find_differing(first.stated or {}, second.stated or {})
    versions = first.graph.name == second.graph.name or "revision" in (first.what, second.what)
    if not versions:
        terms = tuple(term._replace(loosened=False) for term in terms)
    return Report(first, second, compare(first.graph, second.graph), latency, terms=terms, versions=versions)


def make_predictor(
    target: Target, precision: Precision = PREDICTED_PRECISION, batch: int = PREDICTED_BATCH
) -> Predictor:
    """What predicts the times of two networks on a device; it raises `Refused` as `predict` does."""
    from resnet_gen.speed.prediction import predict  # the devices' models, which comparing alone does without

    def predict_times(before: Side, after: Side) -> Latency:
        each = [1e3 * predict(side.graph, target, precision, batch).seconds for side in (before, after)]
        return Latency(target.name, precision, batch, *each)

    return predict_times
