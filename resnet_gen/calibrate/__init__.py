"""Ranges of activations, seen on ONNX Runtime while a network in float32 looks at images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from resnet_gen.calibrate.data import Images
from resnet_gen.calibrate.observers import observer
from resnet_gen.calibrate.running import Seen, batches, finite, running, watched
from resnet_gen.graph import Graph, Value
from resnet_gen.passes.quantize import Range
from resnet_gen.precision import Calibration
from resnet_gen.problems import refuse
from resnet_gen.weights.base import Weights


def calibrate(
    graph: Graph,
    weights: Weights,
    values: Sequence[Value],
    images: Images,
    how: Calibration,
    seen: Seen | None = None,
) -> dict[str, Range]:
    """The range of each of `values` while the graph, in float32, looks at `images`.

    Raises `Refused` for images that cannot be read, and where a value is not finite.
    """
    observers = {value.name: observer(how.method, how.percentile) for value in values}
    with running(graph, weights, values) as session:
        for batch in watched(batches(images, values), images, seen):
            if not np.isfinite(batch).all():
                raise refuse("the images to calibrate with hold numbers that are not finite")
            found = {**session.run(batch), graph.input.name: batch}
            for name, activation in finite({name: found[name] for name in observers}).items():
                observers[name].see(activation)
    ranges = {name: watching.range() for name, watching in observers.items()}
    if ranges.get(graph.input.name, (0, 1)) == (0, 0):
        raise refuse("the images to calibrate with are all zero", hint="scales for real ones cannot follow from them")
    return ranges
