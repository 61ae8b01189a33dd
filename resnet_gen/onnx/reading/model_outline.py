"""An ONNX file without the bytes of its weights: what its layers are is a few hundred kilobytes."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto

from resnet_gen.onnx.writing.protobuf import message
from resnet_gen.problems import refuse
from resnet_gen.system.allowance import Allowance
from resnet_gen.system.files import note_opened, open_regular_file, why_unread

_MOST_PARTS = 4096
"""Fields of a tensor; numbers that are not packed are one each."""
_KEPT = 1 << 12
"""Bytes of a tensor that are read at once: what shapes, paddings and scales take."""
_MAX_OUTLINE, _OUTLINE_PART = 16 << 20, 2
"""Bytes that are no weights, and the part of the file that they may be besides."""
_GRAPH, _INITIALIZER, _RAW_DATA, _FLOAT_DATA, _DATA_TYPE = 7, 5, 9, 4, 2
"""Numbers of fields in onnx.proto: ModelProto.graph, GraphProto.initializer, and of TensorProto."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class TooMuchError(Exception):
    """A file asks for more memory, or more time, than one of its size may take."""


class TensorPlace(NamedTuple):
    """Where in a file a tensor's bytes lie, and in which of its fields."""

    offset: int
    length: int
    field: str


class Outline(NamedTuple):
    """A model without large tensors' bytes, where each initializer's lie if they were left, and all bytes."""

    model: ModelProto
    places: tuple[TensorPlace | None, ...]
    data: mmap.mmap


def read_outline(path: Path) -> Outline:
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
        if sum(map(len, kept)) > _MAX_OUTLINE + len(data) // _OUTLINE_PART:
            raise TooMuchError
        model = _parse_model(b"".join(kept))
    except TooMuchError:
        raise refuse("it has more beside its weights than any network of its size", str(path)) from None
    except (ValueError, IndexError):
        hint = "an ONNX model is wanted; was it copied or downloaded completely?"
        raise refuse("not an ONNX file, or damaged", str(path), hint) from None
    if not model.graph.node and not model.graph.output:
        raise refuse("not an ONNX file, or damaged", str(path), "it has no layers")
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":  # lost if it is written over, whoever reads it
                note_opened(path.parent / entry.value)
    return Outline(model, tuple(places), data)


def _parse_model(data: bytes) -> ModelProto:
    model = ModelProto()
    try:
        model.ParseFromString(data)
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
        yield from (node.name, node.op_type, node.domain, node.overload, *node.input, *node.output)
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
    """How many fields may still be looked at, and what memory they may take: empty ones take two bytes of a file."""

    def __init__(self, size: int) -> None:
        self.fields = Allowance(600_000 + size // 20, TooMuchError)
        self.memory = Allowance((24 << 20) + size, TooMuchError)


def _without_data(data: mmap.mmap) -> tuple[list[bytes], list[TensorPlace | None]]:
    """The message in pieces, large tensors' bytes left out, and where those of each initializer are."""
    budget = _Budget(len(data))
    pieces: list[bytes] = []
    places: list[TensorPlace | None] = []
    for field in _read_fields(data, 0, len(data), budget):
        if field.number != _GRAPH or field.wire != _BYTES:
            _measure(data, field, ModelProto.DESCRIPTOR, budget)
            pieces.append(data[field.start : field.end])
            continue
        inner: list[bytes] = []
        for part in _read_fields(data, field.body, field.end, budget):
            if part.number == _INITIALIZER and part.wire == _BYTES:
                tensor, place = _strip_tensor(data, part, budget)
                inner.append(message(_INITIALIZER, tensor))
                places.append(place)
            else:
                _measure(data, part, GraphProto.DESCRIPTOR, budget)
                inner.append(data[part.start : part.end])
        pieces.append(message(_GRAPH, b"".join(inner)))
    return pieces, places


def _strip_tensor(data: mmap.mmap, field: _Field, budget: _Budget) -> tuple[bytes, TensorPlace | None]:
    kept, place = [], None
    budget.memory.take(_OF_MESSAGE)
    parts = list(islice(_read_fields(data, field.body, field.end, budget), _MOST_PARTS + 1))
    if len(parts) > _MOST_PARTS:
        raise TooMuchError
    for part in parts:
        if part.end - part.body > _KEPT and _is_as_in_memory(data, part, parts):
            place = TensorPlace(
                part.body, part.end - part.body, TensorProto.DESCRIPTOR.fields_by_number[part.number].name
            )
        else:
            _measure(data, part, TensorProto.DESCRIPTOR, budget)
            kept.append(data[part.start : part.end])
    return b"".join(kept), place


def _is_as_in_memory(data: mmap.mmap, part: _Field, parts: Sequence[_Field]) -> bool:
    """Whether a field is a tensor's numbers byte for byte, as raw data are, and the packed floats of a float tensor."""
    if part.wire != _BYTES or part.number != _FLOAT_DATA:
        return part.wire == _BYTES and part.number == _RAW_DATA
    kinds = [_read_varint(data, p.body)[0] for p in parts if (p.number, p.wire) == (_DATA_TYPE, _VARINT)]
    alone = sum(p.number in (_FLOAT_DATA, _RAW_DATA) for p in parts) == 1
    return kinds == [TensorProto.FLOAT] and alone


_OF_MESSAGE, _OF_TEXT, _OF_NUMBER = 200, 48, 16
"""Bytes of memory that a message, a text beside its letters, and a number take once they are parsed."""


_DEEPEST = 100
"""Messages within one another that protobuf reads."""


def _measure(data: mmap.mmap, field: _Field, message: Any, budget: _Budget, depth: int = 0) -> None:
    """Take from the budget what a field of a message, with all that is in it, takes in memory; skip unknown ones."""
    known = message.fields_by_number.get(field.number)
    if known is None:
        return
    if depth > _DEEPEST:
        raise ValueError("messages within messages")
    if field.wire != _BYTES:
        budget.memory.take(_OF_NUMBER)
    elif known.message_type is not None:
        budget.memory.take(_OF_MESSAGE)
        for part in _read_fields(data, field.body, field.end, budget):
            _measure(data, part, known.message_type, budget, depth + 1)
    elif known.cpp_type == known.CPPTYPE_STRING:
        budget.memory.take(_OF_TEXT + field.end - field.body)
    else:
        body = np.frombuffer(data, np.uint8, field.end - field.body, field.body)
        budget.memory.take(_OF_NUMBER * int(np.count_nonzero(body < 0x80)))


def _read_fields(data: mmap.mmap, start: int, stop: int, budget: _Budget) -> Iterator[_Field]:
    """The fields of the message between two positions; raises `ValueError` or `IndexError` where there is none."""
    while start < stop:
        budget.fields.take()
        tag, body = _read_varint(data, start)
        wire = tag & 7
        if wire == _VARINT:
            end = _read_varint(data, body)[1]
        elif wire == _BYTES:
            size, body = _read_varint(data, body)
            end = body + size
        elif wire in (_FIXED64, _FIXED32):
            end = body + (8 if wire == _FIXED64 else 4)
        else:
            raise ValueError("a group")
        if end > stop:
            raise ValueError("a field beyond its message")
        yield _Field(tag >> 3, start, body, end, wire)
        start = end


def _read_varint(data: mmap.mmap, at: int) -> tuple[int, int]:
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
