"""Ranges of activations, seen on ONNX Runtime while a network in float32 looks at images."""

from __future__ import annotations

from collections.abc import Sequence

from resnet_gen.graph import Graph, Value
from resnet_gen.language.spec import Input
from resnet_gen.ops.precision import Calibration
from resnet_gen.quantization.calibration.activations import (
    ImageProgress,
    open_session,
    require_finite,
    split_batches,
    watch_batches,
)
from resnet_gen.quantization.calibration.image_content import ImageContent
from resnet_gen.quantization.calibration.images import Images
from resnet_gen.quantization.calibration.observers import make_observer
from resnet_gen.quantization.placement import Range
from resnet_gen.weights.base import Weights


def calibrate(
    graph: Graph,
    weights: Weights,
    values: Sequence[Value],
    images: Images,
    how: Calibration,
    progress: ImageProgress | None = None,
    pictures: Input | None = None,
) -> dict[str, Range]:
    """The range of each of `values` while the graph, in float32, looks at `images`.

    Raises `Refused` for images that cannot be read, and where a value is not finite. Images that are to be
    `pictures` are refused where they show nothing, and warned of where they are not normalized so.
    """
    content = ImageContent()
    observers = {value.name: make_observer(how.method, how.percentile) for value in values}
    with open_session(graph, weights, values) as session:
        for batch in watch_batches(split_batches(images, values), images, progress):
            content.see(batch)
            found = {**session.run(batch), graph.input.name: batch}
            for name, activation in require_finite({name: found[name] for name in observers}).items():
                observers[name].see(activation)
    if pictures:
        content.check(pictures)
    return {name: watching.range() for name, watching in observers.items()}
