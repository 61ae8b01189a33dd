"""Graph to ONNX, directly: nodes as protobuf, weights as a stream behind them.

A model is never held as one message. Everything but the weights is a few
kilobytes of protobuf; the weights are framed by hand (protobuf's encoding of an
initializer is a length and its bytes) and drawn, folded or read a few megabytes
at a time. What comes out is byte for byte what protobuf would have written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from resnet_gen import ops
from resnet_gen.graph import Graph, Node, Value
from resnet_gen.ops import DType, Op, Shape
from resnet_gen.problems import refuse
from resnet_gen.weights.base import Weights, runs

OLDEST_OPSET = 13
NEWEST_OPSET = onnx.defs.onnx_opset_version()
PROTOBUF_LIMIT = (1 << 31) - 1
"""Bytes that one protobuf message may have; larger models keep their weights beside them."""

_ELEMENT: dict[DType, int] = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16}
_NUMPY: dict[DType, str] = {"float32": "<f4", "float16": "<f2"}
_ALIGNMENT = 4096
_THREADS = 2


@dataclass(frozen=True)
class Options:
    """How a graph is written: `batch` is a size, or None for a symbolic dimension `N`."""

    opset: int | None = None
    batch: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    producer_version: str = ""
    external_above: int = PROTOBUF_LIMIT


@dataclass(frozen=True)
class Initializer:
    """One tensor of the file: a weight to be read in rows, or `data` known already."""

    name: str
    shape: Shape
    element: int
    itemsize: int
    data: bytes | None = None

    @property
    def nbytes(self) -> int:
        """Size of its data."""
        return math.prod(self.shape) * self.itemsize


class OnnxFile:
    """One graph as an ONNX file: `chunks()` of the model, and of its external data if it needs any."""

    def __init__(self, graph: Graph, weights: Weights, options: Options) -> None:
        self._weights, self._options = weights, options
        self._external: str | None = None
        self.opset = _opset(graph, options)
        self.initializers, nodes = _emitted(graph)
        self._dtypes = {n.weight_name(t.role): n.output.dtype for n in graph.nodes for t in n.tensors}
        self._before, self._after = _graph_parts(graph, nodes, options.batch)
        self._head, self._tail = _model_parts(self.opset, options)

    def structure(self) -> ModelProto:
        """The model without its weights' data: what a witness reads back."""
        model = ModelProto.FromString(self._head + self._tail)
        model.graph.MergeFromString(self._before)
        for tensor in self.initializers:
            model.graph.initializer.add().MergeFromString(_header(tensor))
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
        headers = [_header(t) + _data_frame(t, external, places.get(t.name)) for t in self.initializers]
        inside = [0 if t.name in places else t.nbytes for t in self.initializers]
        frames = [_length(5, len(h) + n) + h for h, n in zip(headers, inside, strict=True)]
        total = len(self._before) + len(self._after) + sum(map(len, frames)) + sum(inside)
        yield self._head + _length(7, total) + self._before
        data = self._data([t for t in self.initializers if t.name not in places])
        for frame, size in zip(frames, inside, strict=True):
            yield frame
            while size > 0:
                chunk = next(data)
                size -= len(chunk)
                yield chunk
        yield self._after + self._tail

    def external_chunks(self) -> Iterator[bytes | memoryview]:
        """The bytes of the external data file."""
        position = 0
        places = dict(self._places())
        tensors = [t for t in self.initializers if t.name in places]
        data = self._data(tensors)
        for tensor in tensors:
            yield bytes(places[tensor.name] - position)
            position = places[tensor.name] + tensor.nbytes
            size = tensor.nbytes
            while size > 0:
                chunk = next(data)
                size -= len(chunk)
                yield chunk

    def _places(self) -> Iterator[tuple[str, int]]:
        """Offset of each weight in the external data file, on page boundaries."""
        end = 0
        for tensor in self.initializers:
            if tensor.data is None:
                start = -(-end // _ALIGNMENT) * _ALIGNMENT
                yield tensor.name, start
                end = start + tensor.nbytes

    def _data(self, tensors: list[Initializer]) -> Iterator[bytes | memoryview]:
        """The tensors' bytes in order, drawn a few runs ahead by a few threads."""
        jobs = ((t, run) for t in tensors for run in (runs(t.shape) if t.data is None else [(0, 0)]))
        with ThreadPoolExecutor(_THREADS) as pool:
            waiting = [pool.submit(self._run, *job) for job in islice(jobs, 2 * _THREADS)]
            while waiting:
                done = waiting.pop(0).result()
                waiting += [pool.submit(self._run, *job) for job in islice(jobs, 1)]
                yield done

    def _run(self, tensor: Initializer, run: tuple[int, int]) -> bytes | memoryview:
        if tensor.data is not None:
            return tensor.data
        values = self._weights.rows(tensor.name, *run)
        dtype = self._dtypes[tensor.name]
        if dtype == "float32":
            return memoryview(np.ascontiguousarray(values, "<f4")).cast("B")
        with np.errstate(over="ignore"):
            cast = np.ascontiguousarray(values, _NUMPY[dtype])
        if not np.isfinite(cast).all() and np.isfinite(values).all():
            hint = "build it in float32, or fold batch norms first with --fold-bn"
            raise refuse(f"'{tensor.name}' has values beyond {dtype}", hint=hint)
        return memoryview(cast).cast("B")


def _opset(graph: Graph, options: Options) -> int:
    """The requested opset, or the lowest that the graph's operations have in these types."""
    lowest = OLDEST_OPSET
    if options.opset is None:
        return lowest
    if not lowest <= options.opset <= NEWEST_OPSET:
        raise refuse(f"opset {options.opset} cannot be written", hint=f"choose {lowest} to {NEWEST_OPSET}")
    return options.opset


# --- protobuf framing -------------------------------------------------------


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _length(field_number: int, size: int) -> bytes:
    """Tag and length of a length-delimited field."""
    return _varint(field_number << 3 | 2) + _varint(size)


def _header(tensor: Initializer) -> bytes:
    proto = TensorProto(dims=tensor.shape, data_type=tensor.element, name=tensor.name)
    return proto.SerializeToString(deterministic=True)


def _data_frame(tensor: Initializer, external: str | None, offset: int | None) -> bytes:
    """What precedes the raw data, or tells where in the external file it lies."""
    if offset is None:
        return _length(9, tensor.nbytes)
    proto = TensorProto(data_location=TensorProto.EXTERNAL)
    for key, value in (("location", external), ("offset", offset), ("length", tensor.nbytes)):
        proto.external_data.add(key=key, value=str(value))
    return proto.SerializeToString(deterministic=True)


def _model_parts(opset: int, options: Options) -> tuple[bytes, bytes]:
    """The model's fields before and after the graph."""
    opsets = [onnx.helper.make_opsetid("", opset)]
    head = ModelProto(
        ir_version=onnx.helper.find_min_ir_version_for(opsets),
        producer_name="resnet-gen",
        producer_version=options.producer_version,
    )
    tail = ModelProto(opset_import=opsets)
    for key in sorted(options.metadata):
        tail.metadata_props.add(key=key, value=options.metadata[key])
    return head.SerializeToString(deterministic=True), tail.SerializeToString(deterministic=True)


def _graph_parts(graph: Graph, nodes: list[NodeProto], batch: int | None) -> tuple[bytes, bytes]:
    """The graph's fields before and after the initializers."""
    before = GraphProto(name=graph.name, node=nodes)
    after = GraphProto(input=[_value_info(graph.input, batch)])
    after.output.extend(_value_info(value, batch) for value in graph.outputs)
    return before.SerializeToString(deterministic=True), after.SerializeToString(deterministic=True)


def _value_info(value: Value, batch: int | None) -> ValueInfoProto:
    info = ValueInfoProto(name=value.name)
    info.type.tensor_type.elem_type = _ELEMENT[value.dtype]
    dims = info.type.tensor_type.shape.dim
    if batch is None:
        dims.add(dim_param="N")
    else:
        dims.add(dim_value=batch)
    for side in value.shape:
        dims.add(dim_value=side)
    return info


# --- operations -------------------------------------------------------------


@dataclass
class _Call:
    """A node being written: its inputs so far, and the constants that it needs."""

    node: Node
    inputs: list[str]
    constants: list[Initializer] = field(default_factory=list)

    def constant(self, role: str, values: list[int] | list[float], dtype: str = "<i8") -> None:
        """Add a constant input called after the node and `role`."""
        array = np.asarray(values, dtype)
        element = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        name = f"{self.node.name}.{role}"
        shape = array.shape
        self.constants.append(Initializer(name, shape, element, array.itemsize, array.tobytes()))
        self.inputs.append(name)


Rule = Callable[[Any, _Call], tuple[str, dict[str, object]]]


def _square(side: int, times: int = 2) -> list[int]:
    return [side] * times


def _conv(op: ops.Conv, call: _Call) -> tuple[str, dict[str, object]]:
    return "Conv", {
        "dilations": _square(1),
        "group": op.groups,
        "kernel_shape": _square(op.kernel),
        "pads": _square(op.padding, 4),
        "strides": _square(op.stride),
    }


def _activation(op: ops.Activation, call: _Call) -> tuple[str, dict[str, object]]:
    names = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "silu": "Sigmoid", "leaky_relu": "LeakyRelu"}
    return names[op.function], {"alpha": float(op.slope)} if op.function == "leaky_relu" else {}


def _max_pool(op: ops.MaxPool, call: _Call) -> tuple[str, dict[str, object]]:
    window = {"kernel_shape": _square(op.kernel), "strides": _square(op.stride)}
    return "MaxPool", {**window, "pads": _square(op.padding, 4)}


def _avg_pool(op: ops.AvgPool, call: _Call) -> tuple[str, dict[str, object]]:
    return "AveragePool", {"kernel_shape": _square(op.kernel), "strides": _square(op.stride)}


def _one_minus(op: ops.OneMinus, call: _Call) -> tuple[str, dict[str, object]]:
    signal = call.inputs.pop()
    call.constant("one", [1.0], _NUMPY[call.node.output.dtype])
    call.inputs.append(signal)
    return "Sub", {}


def _pad_channels(op: ops.PadChannels, call: _Call) -> tuple[str, dict[str, object]]:
    more = op.out - call.node.input_shapes[0][0]
    call.constant("pads", [0, 0, 0, 0, 0, more, 0, 0])
    return "Pad", {"mode": "constant"}


def _subsample(op: ops.Subsample, call: _Call) -> tuple[str, dict[str, object]]:
    _, h, w = call.node.input_shapes[0]
    call.constant("starts", [0, 0])
    call.constant("ends", [h, w])
    call.constant("axes", [2, 3])
    call.constant("steps", [op.stride, op.stride])
    return "Slice", {}


RULES: dict[type[Op], Rule] = {
    ops.Conv: _conv,
    ops.Linear: lambda op, call: ("Gemm", {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 1}),
    ops.BatchNorm: lambda op, call: ("BatchNormalization", {"epsilon": op.eps}),
    ops.Activation: _activation,
    ops.MaxPool: _max_pool,
    ops.AvgPool: _avg_pool,
    ops.GlobalAvgPool: lambda op, call: ("GlobalAveragePool", {}),
    ops.Flatten: lambda op, call: ("Flatten", {"axis": 1}),
    ops.Add: lambda op, call: ("Add", {}),
    ops.Mul: lambda op, call: ("Mul", {}),
    ops.OneMinus: _one_minus,
    ops.PadChannels: _pad_channels,
    ops.Subsample: _subsample,
    ops.Softmax: lambda op, call: ("Softmax", {"axis": 1}),
    ops.Cast: lambda op, call: ("Cast", {"to": _ELEMENT[op.to]}),
}
"""How each operation is spelled in ONNX: operator type and attributes."""


def _emitted(graph: Graph) -> tuple[list[Initializer], list[NodeProto]]:
    """The initializers and the nodes of a graph, in order."""
    initializers: list[Initializer] = []
    nodes: list[NodeProto] = []
    for node in graph.nodes:
        weights = [_weight(node, tensor) for tensor in node.tensors]
        call = _Call(node, [v.name for v in node.inputs] + [w.name for w in weights])
        op_type, attributes = RULES[type(node.op)](node.op, call)
        initializers += weights + call.constants
        nodes += _node_protos(node, op_type, call.inputs, attributes)
    return initializers, nodes


def _weight(node: Node, tensor: ops.Tensor) -> Initializer:
    dtype = node.output.dtype
    return Initializer(node.weight_name(tensor.role), tensor.shape, _ELEMENT[dtype], np.dtype(_NUMPY[dtype]).itemsize)


def _node_protos(node: Node, op_type: str, inputs: list[str], attributes: dict[str, object]) -> list[NodeProto]:
    output = node.output.name
    proto = NodeProto(name=node.name, op_type=op_type, input=inputs, output=[output])
    proto.attribute.extend(_attribute(name, value) for name, value in sorted(attributes.items()))
    if not (isinstance(node.op, ops.Activation) and node.op.function == "silu"):
        return [proto]
    gate = f"{node.name}.sigmoid"
    proto.name, proto.output[0] = gate, gate
    return [proto, NodeProto(name=node.name, op_type="Mul", input=[*inputs, gate], output=[output])]


def _attribute(name: str, value: object) -> AttributeProto:
    return onnx.helper.make_attribute(name, value)
