"""Graph to ONNX, directly: a few kilobytes of nodes, then the weights as a stream.

A model is never held as one message: its weights are drawn, folded or read a
few megabytes at a time. What comes out is byte for byte what protobuf would
have written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from resnet_gen.graph import Graph
from resnet_gen.onnx.metadata_keys import SIZE_KEY
from resnet_gen.onnx.writing import messages
from resnet_gen.onnx.writing.messages import IR_OF_OPSET, Initializer
from resnet_gen.onnx.writing.rules import OLDEST_OPSET, RULES, emit_graph, lowest_opset
from resnet_gen.problems import refuse
from resnet_gen.weights.base import Weights
from resnet_gen.weights.stream import weight_bytes

__all__ = [
    "NEWEST_OPSET",
    "OLDEST_OPSET",
    "PROTOBUF_LIMIT",
    "RULES",
    "Initializer",
    "OnnxFile",
    "WriterOptions",
]

NEWEST_OPSET = max(IR_OF_OPSET)
PROTOBUF_LIMIT = (1 << 31) - 1
"""Bytes that one protobuf message may have; larger models keep their weights beside them."""

_ALIGNMENT = 4096


@dataclass(frozen=True)
class WriterOptions:
    """How a graph is written: `batch` is a size, or None for a symbolic dimension `N`.

    `open_values` are the input and the outputs whose height and width are symbolic, if any are.
    """

    opset: int | None = None
    batch: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    producer_version: str = ""
    external_above: int = PROTOBUF_LIMIT
    open_values: frozenset[str] = frozenset()


class OnnxFile:
    """One graph as an ONNX file: `chunks()` of the model, and of its external data if it needs any."""

    def __init__(self, graph: Graph, weights: Weights, options: WriterOptions) -> None:
        self._graph, self._weights = graph, weights
        self._options = options
        self.opset = _opset(options, lowest_opset(graph))
        self.initializers, nodes = emit_graph(graph, self.opset, open_map=bool(options.open_values))
        parts = partial(messages.graph_parts, graph.name, nodes, graph.input, graph.outputs, options.batch)
        self._before, self._after = parts(options.open_values)
        self._after_fixed = self._after if not options.open_values else parts()[1]
        metadata = dict(options.metadata)
        if options.open_values:
            metadata[SIZE_KEY] = "x".join(map(str, graph.input.shape[1:]))
        self._head, self._tail = messages.model_parts(self.opset, metadata, options.producer_version)

    def structure(self) -> bytes:
        """The model without its weights' data, its height and width fixed: what a witness reads back."""
        tensors = []
        for tensor in self.initializers:
            data = messages.data_frame(tensor) + tensor.data if tensor.data is not None else b""
            tensors.append(messages.initializer(messages.tensor_header(tensor) + data, 0))
        graph = b"".join((self._before, *tensors, self._after_fixed))
        return self._head + messages.graph(len(graph)) + graph + self._tail

    @property
    def nbytes(self) -> int:
        """Bytes of all weights, about what the file will have."""
        return sum(t.nbytes for t in self.initializers)

    @property
    def ir_version(self) -> int:
        """ONNX's IR version that goes with the opset."""
        return IR_OF_OPSET[self.opset]

    @property
    def needs_external_data(self) -> bool:
        """Whether the weights are too large to stand in the model itself."""
        inside = sum(t.nbytes + 256 for t in self.initializers)
        return inside + len(self._before) + len(self._tail) > self._options.external_above

    def chunks(self, external: str | None = None) -> Iterator[bytes | memoryview]:
        """The model's bytes in order; with `external`, data is left to the file of that name."""
        frames, total = self._frames(external)
        yield self._head + messages.graph(total) + self._before
        stream = weight_bytes(self._graph, self._weights)
        for tensor, frame in zip(self.initializers, frames, strict=True):
            yield frame
            if tensor.data is not None:
                yield tensor.data
            elif not external:
                yield from _take_tensor(stream, tensor)
        yield self._after + self._tail

    def size(self, external: str) -> int:
        """Bytes of the model that is written, and of its external data file of that name where it needs one."""
        places = dict(self._places()) if self.needs_external_data else {}
        _, total = self._frames(external if places else None)
        model = len(self._head + messages.graph(total)) + total + len(self._tail)
        return model + max((places[t.name] + t.nbytes for t in self.initializers if t.name in places), default=0)

    def _frames(self, external: str | None) -> tuple[list[bytes], int]:
        """Each initializer but for its data, and the size of the graph that they all stand in."""
        places = dict(self._places()) if external else {}
        inside = [0 if t.name in places else t.nbytes for t in self.initializers]
        frames = [
            messages.initializer(messages.tensor_header(t) + messages.data_frame(t, external, places.get(t.name)), size)
            for t, size in zip(self.initializers, inside, strict=True)
        ]
        return frames, len(self._before) + len(self._after) + sum(map(len, frames)) + sum(inside)

    def external_chunks(self) -> Iterator[bytes | memoryview]:
        """The bytes of the external data file."""
        position = 0
        places = dict(self._places())
        stream = weight_bytes(self._graph, self._weights)
        for tensor in self.initializers:
            if tensor.name in places:
                yield bytes(places[tensor.name] - position)
                yield from _take_tensor(stream, tensor)
                position = places[tensor.name] + tensor.nbytes

    def _places(self) -> Iterator[tuple[str, int]]:
        """Offset of each weight in the external data file, on page boundaries."""
        end = 0
        for tensor in self.initializers:
            if tensor.data is None:
                start = -(-end // _ALIGNMENT) * _ALIGNMENT
                yield tensor.name, start
                end = start + tensor.nbytes


def _take_tensor(stream: Iterator[memoryview], tensor: Initializer) -> Iterator[memoryview]:
    """The next tensor's share of the stream."""
    size = tensor.nbytes
    while size > 0:
        chunk = next(stream)
        size -= len(chunk)
        yield chunk


def _opset(options: WriterOptions, lowest: int) -> int:
    """The requested opset, or the lowest that the graph's operations have in these types."""
    if options.opset is None:
        return lowest
    if not OLDEST_OPSET <= options.opset <= NEWEST_OPSET:
        raise refuse(f"opset {options.opset} cannot be written", hint=f"choose {lowest} to {NEWEST_OPSET}")
    if options.opset < lowest:
        hint = f"the lowest that can is {lowest}"
        raise refuse(f"opset {options.opset} cannot carry a network of these element types", hint=hint)
    return options.opset
