"""Graph to ONNX, directly: nodes as protobuf, weights as a stream behind them.

A model is never held as one message. Everything but the weights is a few
kilobytes of protobuf; the weights are framed by hand (protobuf's encoding of an
initializer is a length and its bytes) and drawn, folded or read a few megabytes
at a time. What comes out is byte for byte what protobuf would have written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field

import onnx
from onnx import ModelProto

from resnet_gen.emit.onnx.frames import data_frame, graph_parts, header, length, model_parts
from resnet_gen.emit.onnx.rules import RULES, Initializer, emitted
from resnet_gen.graph import Graph
from resnet_gen.problems import refuse
from resnet_gen.weights.base import Weights
from resnet_gen.weights.stream import WeightStream

__all__ = ["NEWEST_OPSET", "OLDEST_OPSET", "PROTOBUF_LIMIT", "RULES", "Initializer", "OnnxFile", "Options"]

OLDEST_OPSET = 13
NEWEST_OPSET = onnx.defs.onnx_opset_version()
PROTOBUF_LIMIT = (1 << 31) - 1
"""Bytes that one protobuf message may have; larger models keep their weights beside them."""

_ALIGNMENT = 4096


@dataclass(frozen=True)
class Options:
    """How a graph is written: `batch` is a size, or None for a symbolic dimension `N`."""

    opset: int | None = None
    batch: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    producer_version: str = ""
    external_above: int = PROTOBUF_LIMIT


class OnnxFile:
    """One graph as an ONNX file: `chunks()` of the model, and of its external data if it needs any.

    The weights may come as a stream that has begun already.
    """

    def __init__(self, graph: Graph, weights: Weights | WeightStream, options: Options) -> None:
        self._stream = weights if isinstance(weights, WeightStream) else WeightStream(graph, weights)
        self._options = options
        self.opset = _opset(options)
        self.initializers, nodes = emitted(graph)
        self._before, self._after = graph_parts(graph, nodes, options.batch)
        self._head, self._tail = model_parts(self.opset, options.metadata, options.producer_version)

    def structure(self) -> ModelProto:
        """The model without its weights' data: what a witness reads back."""
        model = ModelProto()
        model.ParseFromString(self._head + self._tail)
        model.graph.MergeFromString(self._before)
        for tensor in self.initializers:
            model.graph.initializer.add().MergeFromString(header(tensor))
            if tensor.data is not None:
                model.graph.initializer[-1].raw_data = tensor.data
        model.graph.MergeFromString(self._after)
        return model

    @property
    def nbytes(self) -> int:
        """Bytes of all weights, about what the file will have."""
        return sum(t.nbytes for t in self.initializers)

    @property
    def ir_version(self) -> int:
        """ONNX's IR version that goes with the opset."""
        return int(ModelProto.FromString(self._head).ir_version)

    @property
    def needs_external_data(self) -> bool:
        """Whether the weights are too large to stand in the model itself."""
        inside = sum(t.nbytes + 256 for t in self.initializers)
        return inside + len(self._before) + len(self._tail) > self._options.external_above

    def chunks(self, external: str | None = None) -> Iterator[bytes | memoryview]:
        """The model's bytes in order; with `external`, data is left to the file of that name."""
        places = dict(self._places()) if external else {}
        headers = [header(t) + data_frame(t, external, places.get(t.name)) for t in self.initializers]
        inside = [0 if t.name in places else t.nbytes for t in self.initializers]
        frames = [length(5, len(h) + n) + h for h, n in zip(headers, inside, strict=True)]
        total = len(self._before) + len(self._after) + sum(map(len, frames)) + sum(inside)
        yield self._head + length(7, total) + self._before
        with closing(iter(self._stream)) as stream:
            for tensor, frame in zip(self.initializers, frames, strict=True):
                yield frame
                if tensor.data is not None:
                    yield tensor.data
                elif not external:
                    yield from _next(stream, tensor)
        yield self._after + self._tail

    def external_chunks(self) -> Iterator[bytes | memoryview]:
        """The bytes of the external data file."""
        position = 0
        places = dict(self._places())
        with closing(iter(self._stream)) as stream:
            for tensor in self.initializers:
                if tensor.name in places:
                    yield bytes(places[tensor.name] - position)
                    yield from _next(stream, tensor)
                    position = places[tensor.name] + tensor.nbytes

    def _places(self) -> Iterator[tuple[str, int]]:
        """Offset of each weight in the external data file, on page boundaries."""
        end = 0
        for tensor in self.initializers:
            if tensor.data is None:
                start = -(-end // _ALIGNMENT) * _ALIGNMENT
                yield tensor.name, start
                end = start + tensor.nbytes


def _next(stream: Iterator[memoryview], tensor: Initializer) -> Iterator[memoryview]:
    """The next tensor's share of the stream."""
    size = tensor.nbytes
    while size > 0:
        chunk = next(stream)
        size -= len(chunk)
        yield chunk


def _opset(options: Options) -> int:
    """The requested opset, or the lowest that the graph's operations have in these types."""
    lowest = OLDEST_OPSET
    if options.opset is None:
        return lowest
    if not lowest <= options.opset <= NEWEST_OPSET:
        raise refuse(f"opset {options.opset} cannot be written", hint=f"choose {lowest} to {NEWEST_OPSET}")
    return options.opset
