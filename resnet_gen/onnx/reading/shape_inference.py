"""What ONNX's own code says of a model, asked in a process of its own: on a damaged one it may end the process."""

from __future__ import annotations

import json
import os
import select
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import onnx
from onnx import ModelProto, ValueInfoProto

from resnet_gen.onnx.reading.process import OTHER, NoAnswerError, limit_memory
from resnet_gen.ops import Shape
from resnet_gen.system.forking import fork_process, may_fork

_PATIENCE = 10.0
"""Seconds to wait for an answer."""


def infer_shapes(model: ModelProto) -> dict[str, Shape]:
    """The dimensions behind the batch of each value for which they follow; nothing where inference fails."""
    try:
        return {name: tuple(dims) for name, dims in _ask_question(_shapes, model).items()}
    except NoAnswerError:
        return {}


class ValueType(NamedTuple):
    """The element type of a tensor, by its number in TensorProto, and its dimensions: numbers, names, or unknown."""

    elem_type: int
    dims: tuple[int | str | None, ...] | None


def infer_types(model: ModelProto) -> dict[str, ValueType]:
    """What follows of each tensor that a node makes; nothing where inference fails."""
    try:
        found = _ask_question(_types, model)
    except NoAnswerError:
        return {}
    return {
        name: ValueType(elem_type, None if dims is None else tuple(dims)) for name, (elem_type, dims) in found.items()
    }


def read_type(value: ValueInfoProto) -> ValueType:
    """What a model states of a tensor."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return ValueType(tensor.elem_type, None)
    dims = (dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in tensor.shape.dim)
    return ValueType(tensor.elem_type, tuple(dims))


def explain_invalid(model: ModelProto) -> str | None:
    """Why a model is no valid ONNX, by ONNX's checker; None for one that is. Raises `NoAnswerError`."""
    found: str | None = _ask_question(_fault, model)
    return found


def _ask_question(question: Callable[[bytes], Any], model: ModelProto) -> Any:
    """The answer to a question about a model."""
    message = model.SerializeToString()
    if may_fork():
        return _ask_fork(question, message)
    return OTHER.ask(__name__, question.__name__, message, _PATIENCE)


def _ask_fork(question: Callable[[bytes], Any], message: bytes) -> Any:
    answer = b""
    with fork_process(partial(_answer_question, question, message)) as answers:
        if answers is not None and select.select([answers], [], [], _PATIENCE)[0]:
            answer = b"".join(iter(partial(os.read, answers, 1 << 16), b""))
    try:
        return json.loads(answer)
    except ValueError:  # it ended without an answer
        raise NoAnswerError from None


def _answer_question(question: Callable[[bytes], Any], message: bytes, descriptor: int) -> None:
    """Answer a question; what else onnx has to say of a damaged model is nobody's to read."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    limit_memory(len(message))
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(json.dumps(question(message)).encode())


def _fault(message: bytes) -> str | None:
    try:
        onnx.checker.check_model(ModelProto.FromString(message), full_check=True)
    except Exception as error:  # whatever onnx makes of a damaged model
        return str(error).strip().partition("\n")[0] or type(error).__name__
    return None


def _types(message: bytes) -> dict[str, ValueType]:
    return {value.name: read_type(value) for value in _infer_values(message)}


def _infer_values(message: bytes) -> list[ValueInfoProto]:
    """The tensors that nodes make, with what follows of them; none where inference fails."""
    try:
        graph = onnx.shape_inference.infer_shapes(ModelProto.FromString(message), data_prop=True).graph
    except Exception:  # whatever onnx makes of a damaged model
        return []
    return [*graph.value_info, *graph.output]


def _shapes(message: bytes) -> dict[str, Shape]:
    found = {}
    for value in _infer_values(message):
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if len(dims) > 1 and min(dims[1:]) > 0:
            found[value.name] = tuple(dims[1:])
    return found
