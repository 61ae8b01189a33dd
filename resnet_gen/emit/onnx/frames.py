"""ONNX's messages around the weights, and protobuf's framing of what stands between them."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from google.protobuf.message import Message
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from resnet_gen.emit.onnx.rules import ONNX_ELEMENTS, Initializer
from resnet_gen.graph import Graph, Value


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def length(field_number: int, size: int) -> bytes:
    """Tag and length of a length-delimited field."""
    return _varint(field_number << 3 | 2) + _varint(size)


def _bytes(message: Message) -> bytes:
    serialized: bytes = message.SerializeToString(deterministic=True)
    return serialized


def header(tensor: Initializer) -> bytes:
    """The tensor's fields before its data."""
    return _bytes(TensorProto(dims=tensor.shape, data_type=tensor.element, name=tensor.name))


def data_frame(tensor: Initializer, external: str | None, offset: int | None) -> bytes:
    """What precedes the raw data, or tells where in the external file it lies."""
    if offset is None:
        return length(9, tensor.nbytes)
    proto = TensorProto(data_location=TensorProto.EXTERNAL)
    for key, value in (("location", external), ("offset", offset), ("length", tensor.nbytes)):
        proto.external_data.add(key=key, value=str(value))
    return _bytes(proto)


def model_parts(opset: int, metadata: Mapping[str, str], producer_version: str) -> tuple[bytes, bytes]:
    """The model's fields before and after the graph."""
    opsets = [onnx.helper.make_opsetid("", opset)]
    head = ModelProto(
        ir_version=onnx.helper.find_min_ir_version_for(opsets),
        producer_name="resnet-gen",
        producer_version=producer_version,
    )
    tail = ModelProto(opset_import=opsets)
    for key in sorted(metadata):
        tail.metadata_props.add(key=key, value=metadata[key])
    return _bytes(head), _bytes(tail)


def graph_parts(graph: Graph, nodes: list[NodeProto], batch: int | None) -> tuple[bytes, bytes]:
    """The graph's fields before and after the initializers."""
    before = GraphProto(name=graph.name, node=nodes)
    after = GraphProto(input=[_value_info(graph.input, batch)])
    after.output.extend(_value_info(value, batch) for value in graph.outputs)
    return _bytes(before), _bytes(after)


def _value_info(value: Value, batch: int | None) -> ValueInfoProto:
    info = ValueInfoProto(name=value.name)
    info.type.tensor_type.elem_type = ONNX_ELEMENTS[value.dtype]
    dims = info.type.tensor_type.shape.dim
    if batch is None:
        dims.add(dim_param="N")
    else:
        dims.add(dim_value=batch)
    for side in value.shape:
        dims.add(dim_value=side)
    return info
