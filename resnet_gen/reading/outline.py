"""An ONNX file without the bytes of its weights: what its layers are is a few hundred kilobytes."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from onnx import ModelProto

from resnet_gen.files import open_regular_file, why_unread
from resnet_gen.problems import refuse

_KEPT = 1 << 12
"""Bytes of a tensor that are read at once: what shapes, paddings and scales take."""
_MAX_FIELDS = 600_000
_MAX_OUTLINE = 1 << 28
_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9
"""Numbers of fields in onnx.proto: ModelProto.graph, GraphProto.initializer, TensorProto.raw_data."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Place(NamedTuple):
    """Where in a file a tensor's bytes lie."""

    offset: int
    length: int


class Outline(NamedTuple):
    """A model without large tensors' bytes, where each initializer's lie if they were left, and all bytes."""

    model: ModelProto
    places: tuple[Place | None, ...]
    data: mmap.mmap


def outline(path: Path) -> Outline:
    """Read a file's outline; raises `Refused` for what is no ONNX file."""
    try:
        with open_regular_file(path) as stream:
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError:
        raise refuse("an empty file", str(path)) from None
    except OSError as error:
        raise refuse(why_unread(error), str(path)) from None
    try:
        kept, places = _without_data(data)
        if sum(map(len, kept)) > _MAX_OUTLINE:
            raise ValueError("too much that is no weight")
        model = _parsed(b"".join(kept))
    except (ValueError, IndexError):
        hint = "an ONNX model is wanted; was it copied or downloaded completely?"
        raise refuse("not an ONNX file, or damaged", str(path), hint) from None
    if not model.graph.node and not model.graph.output:
        raise refuse("not an ONNX file, or damaged", str(path), "it has no layers")
    return Outline(model, tuple(places), data)


def _parsed(message: bytes) -> ModelProto:
    model = ModelProto()
    try:
        model.ParseFromString(message)
    except Exception as error:  # protobuf's, which is nobody's to import
        raise ValueError(str(error)) from None
    if not all(isinstance(text, str) for text in _texts(model)):  # bytes, where it is no UTF-8
        raise ValueError("names that are no text")
    return model


def _texts(model: ModelProto) -> Iterator[object]:
    """Every name of a model."""
    graph = model.graph
    yield from (model.producer_name, model.producer_version, graph.name)
    yield from (entry.domain for entry in model.opset_import)
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
        yield from (text for entry in node.metadata_props for text in (entry.key, entry.value))
    for tensor in graph.initializer:
        yield tensor.name
        yield from (text for entry in tensor.external_data for text in (entry.key, entry.value))
    yield from (value.name for value in (*graph.input, *graph.output))


class _Field(NamedTuple):
    """A field of a protobuf message: its number, where it begins, its body, and its end."""

    number: int
    start: int
    body: int
    end: int
    wire: int


class _Budget:
    """How many fields may still be looked at: a file of empty ones would take forever."""

    def __init__(self, left: int) -> None:
        self._left = left

    def spend(self) -> None:
        """Take one; raises `ValueError` when there are none left."""
        self._left -= 1
        if self._left < 0:
            raise ValueError("too many fields")


def _without_data(data: mmap.mmap) -> tuple[list[bytes], list[Place | None]]:
    """The message in pieces, large tensors' bytes left out, and where those of each initializer are."""
    budget = _Budget(_MAX_FIELDS)
    pieces: list[bytes] = []
    places: list[Place | None] = []
    for field in _fields(data, 0, len(data), budget):
        if field.number != _GRAPH or field.wire != _BYTES:
            pieces.append(data[field.start : field.end])
            continue
        inner: list[bytes] = []
        for part in _fields(data, field.body, field.end, budget):
            if part.number == _INITIALIZER and part.wire == _BYTES:
                tensor, place = _tensor(data, part, budget)
                inner.append(_frame(_INITIALIZER, tensor))
                places.append(place)
            else:
                inner.append(data[part.start : part.end])
        pieces.append(_frame(_GRAPH, b"".join(inner)))
    return pieces, places


def _tensor(data: mmap.mmap, field: _Field, budget: _Budget) -> tuple[bytes, Place | None]:
    kept, place = [], None
    for part in _fields(data, field.body, field.end, budget):
        size = part.end - part.body
        if part.number == _RAW_DATA and part.wire == _BYTES and size > _KEPT:
            place = Place(part.body, size)
        else:
            kept.append(data[part.start : part.end])
    return b"".join(kept), place


def _fields(data: mmap.mmap, start: int, stop: int, budget: _Budget) -> Iterator[_Field]:
    """The fields of the message between two positions; raises `ValueError` or `IndexError` where there is none."""
    while start < stop:
        budget.spend()
        tag, body = _varint(data, start)
        wire = tag & 7
        if wire == _VARINT:
            end = _varint(data, body)[1]
        elif wire == _BYTES:
            size, body = _varint(data, body)
            end = body + size
        elif wire in (_FIXED64, _FIXED32):
            end = body + (8 if wire == _FIXED64 else 4)
        else:
            raise ValueError("a group")
        if end > stop:
            raise ValueError("a field beyond its message")
        yield _Field(tag >> 3, start, body, end, wire)
        start = end


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    """The number at a position, and the position behind it."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
        if shift > 63:
            raise ValueError("a number too long")


def _frame(number: int, body: bytes) -> bytes:
    size, out = len(body), bytearray([number << 3 | _BYTES])
    while size > 0x7F:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out) + body
