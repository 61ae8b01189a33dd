"""ONNX's messages, each as its bytes; the numbers are those of the fields in onnx.proto.

They are written by hand because the onnx package takes longer to import than
a network to write. The tests compare every byte with what onnx itself writes.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from math import prod
from typing import NamedTuple

from resnet_gen.graph import Value
from resnet_gen.onnx.writing.protobuf import float32, integer, integers, length, message, text
from resnet_gen.ops import DType, Shape
from resnet_gen.ops.serving import name_sides

INT64 = 7
ELEMENT_OF: dict[DType, int] = {
    "float32": 1,
    "uint8": 2,
    "int8": 3,
    "int32": 6,
    "int64": INT64,
    "float16": 10,
    "bfloat16": 16,
    "float8_e4m3fn": 17,
}
"""TensorProto.DataType."""

IR_OF_OPSET = {
    **dict.fromkeys((13, 14), 7),
    **dict.fromkeys((15, 16, 17, 18), 8),
    **dict.fromkeys((19, 20), 9),
    **dict.fromkeys((21, 22), 10),
    23: 11,
    24: 12,
    **dict.fromkeys((25, 26), 13),
}
"""ONNX's opsets that are written, and the IR version of the release that brought each (onnx/docs/Versioning.md)."""

_EXTERNAL = 1
_ATTRIBUTE_TYPES = {"f": 1, "i": 2, "s": 3, "ints": 7}

Attribute = float | int | str | list[int]


class Initializer(NamedTuple):
    """One tensor of the file: a weight to be read in rows, or `data` known already."""

    name: str
    shape: Shape
    element: int
    itemsize: int
    data: bytes | None = None

    @property
    def nbytes(self) -> int:
        """Size of its data."""
        return prod(self.shape) * self.itemsize


def tensor_header(tensor: Initializer) -> bytes:
    """TensorProto's fields before the data."""
    return integers(1, tensor.shape) + integer(2, tensor.element) + text(8, tensor.name)


def data_frame(tensor: Initializer, external: str | None = None, offset: int | None = None) -> bytes:
    """What precedes the raw data, or says where in the external file it lies."""
    if offset is None:
        return length(9, tensor.nbytes)
    entries = {"location": external, "offset": offset, "length": tensor.nbytes}
    return b"".join(message(13, _entry(k, str(v))) for k, v in entries.items()) + integer(14, _EXTERNAL)


def node(
    name: str, op_type: str, inputs: Sequence[str], outputs: Sequence[str], attributes: Mapping[str, Attribute]
) -> bytes:
    """GraphProto's field of one node."""
    wires = b"".join(text(1, i) for i in inputs) + b"".join(text(2, o) for o in outputs)
    settings = b"".join(message(5, _attribute(key, attributes[key])) for key in sorted(attributes))
    return message(1, wires + text(3, name) + text(4, op_type) + settings)


def graph_parts(
    name: str,
    nodes: Sequence[bytes],
    given: Value,
    outputs: Sequence[Value],
    batch: int | None,
    open_values: Container[str] = (),
) -> tuple[bytes, bytes]:
    """GraphProto's fields before and after the initializers; the sides of maps in `open_values` are symbolic."""
    before = b"".join(nodes) + text(2, name)
    after = message(11, _value_info(given, batch, ("H", "W") if given.name in open_values else ()))
    for value in outputs:
        sides = (f"{value.name}.H", f"{value.name}.W") if value.name in open_values else ()
        after += message(12, _value_info(value, batch, sides))
    return before, after


def model_parts(opset: int, metadata: Mapping[str, str], producer_version: str) -> tuple[bytes, bytes]:
    """ModelProto's fields before and after the graph."""
    head = integer(1, IR_OF_OPSET[opset]) + text(2, "resnet-gen") + text(3, producer_version)
    tail = message(8, text(1, "") + integer(2, opset))
    return head, tail + b"".join(message(14, _entry(key, metadata[key])) for key in sorted(metadata))


def initializer(header: bytes, data: int) -> bytes:
    """GraphProto's field of an initializer but for its last `data` bytes."""
    return length(5, len(header) + data) + header


def graph(size: int) -> bytes:
    """What stands before a graph of `size` bytes in ModelProto."""
    return length(7, size)


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, float):
        kind, body = "f", float32(2, value)
    elif isinstance(value, int):
        kind, body = "i", integer(3, value)
    elif isinstance(value, str):
        kind, body = "s", text(4, value)
    else:
        kind, body = "ints", integers(8, value)
    return text(1, name) + body + integer(20, _ATTRIBUTE_TYPES[kind])


def _value_info(value: Value, batch: int | None, sides: Sequence[str] = ()) -> bytes:
    """A value's type and shape; `sides` are names of its last dimensions, where those are symbolic."""
    first = text(2, "N") if batch is None else integer(1, batch)
    named = [*name_sides(value.shape)[: len(value.shape) - len(sides)], *sides]
    coded = (text(2, side) if isinstance(side, str) else integer(1, side) for side in named)
    dims = b"".join(message(1, dim) for dim in (first, *coded))
    tensor = integer(1, ELEMENT_OF[value.dtype]) + message(2, dims)
    return text(1, value.name) + message(2, message(1, tensor))


def _entry(key: str, value: str) -> bytes:
    return text(1, key) + text(2, value)
