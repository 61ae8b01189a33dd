"""A graph on ONNX Runtime with whichever of its activations one wants to see."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from resnet_gen.engine.base import Tuning
from resnet_gen.engine.onnxruntime import Session, open_model
from resnet_gen.graph import Graph, Value
from resnet_gen.onnx.writing import OnnxFile, WriterOptions
from resnet_gen.problems import refuse
from resnet_gen.quantization.calibration.images import Images
from resnet_gen.weights.base import Array, Weights

ImageProgress = Callable[[int, int], object]
"""Called with the images seen and their number in all."""

_AT_ONCE = 1 << 24
"""Elements of activations that are looked at together."""
_MOST_AT_ONCE = 32


@contextmanager
def open_session(
    graph: Graph, weights: Weights, values: Sequence[Value], *, as_written: bool = False
) -> Iterator[Session]:
    """The graph, loaded, with `values` (and nothing else, if there are any) as its outputs."""
    wanted = tuple(value for value in values if value.name != graph.input.name) or graph.outputs
    file = OnnxFile(replace(graph, outputs=wanted), weights, WriterOptions())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        external = f"{path.name}.data" if file.needs_external_data else None
        if external:
            _write_model(path.with_name(external), file.external_chunks())
        _write_model(path, file.chunks(external))
        yield open_model(path, graph.name, Tuning(as_written=as_written))


def require_finite(found: dict[str, Array], copy: str = "") -> dict[str, Array]:
    """Values by their names, handed on; raises `Refused` if one is not finite. `copy` ends the names of copies."""
    for name, values in found.items():
        if not np.isfinite(values).all():
            what = name.removesuffix(copy)
            raise refuse(f"'{what}' is not finite for some of the images", hint="look at the weights")
    return found


def _write_model(path: Path, chunks: Iterator[bytes | memoryview]) -> None:
    with path.open("wb") as stream:
        stream.writelines(chunks)


def split_batches(images: Images, values: Sequence[Value]) -> Iterator[Array]:
    """The images, as many at once as activations of all `values` may be held for."""
    each = sum(math.prod(value.shape) for value in values)
    size = min(max(1, _AT_ONCE // max(1, each)), _MOST_AT_ONCE)
    rest = iter(images)
    while batch := list(islice(rest, size)):
        yield np.stack(batch)


def watch_batches(found: Iterator[Array], images: Images, progress: ImageProgress | None) -> Iterator[Array]:
    """The batches; `progress` hears how many images have been dealt with when the next is asked for."""
    done = 0
    for batch in found:
        yield batch
        done += len(batch)
        if progress:
            progress(done, len(images))
