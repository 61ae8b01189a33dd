"""A whole ONNX file in memory, checked as what anybody may have written; and the types and shapes of its tensors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from onnx import ModelProto, TensorProto, ValueInfoProto, helper

from resnet_gen.graph.surroundings import Surroundings
from resnet_gen.onnx.reading.constants import FileConstant
from resnet_gen.onnx.reading.header import FileHeader
from resnet_gen.onnx.reading.model_outline import Outline, read_outline
from resnet_gen.onnx.reading.process import NoAnswerError
from resnet_gen.onnx.reading.rounding_error import MissingNumbersError
from resnet_gen.onnx.reading.shape_inference import ValueType, infer_types, read_type
from resnet_gen.onnx.reading.surroundings import see_through
from resnet_gen.onnx.reading.validity import find_fault
from resnet_gen.problems import refuse, shorten

_LARGEST = (1 << 31) - (1 << 20)
"""Bytes that a message of protobuf may have, less some for what is put around."""


class WholeModel(NamedTuple):
    """A model with all its numbers, what it has around its network, and the type and dimensions of its tensors.

    `given` is its one input; dimensions are numbers, names, or None where nothing is stated.
    """

    proto: ModelProto
    surroundings: Surroundings
    types: dict[str, ValueType]
    given: str
    opset: int

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself."""
        return {entry.key: entry.value for entry in self.proto.metadata_props}


def load_whole(path: Path) -> WholeModel:
    """A file with the numbers that lie in others; raises `Refused` for what is no whole, valid model of one image."""
    outline = read_outline(path)
    header = FileHeader(outline, path)
    opset, constants = header.opset(), header.initializers()
    given = [value.name for value in outline.model.graph.input if value.name not in constants]
    if len(given) != 1:
        raise header.make_refusal(f"it has {len(given)} inputs, and a network of images has one")
    _check_validity(path)
    around = see_through(outline.model, constants, opset).surroundings
    proto = _fill_in(path, outline, constants)
    types = infer_types(outline.model) | {
        value.name: read_type(value) for value in (*outline.model.graph.input, *outline.model.graph.output)
    }
    dims = types[given[0]].dims
    if dims is None or len(dims) != 4:
        raise header.make_refusal(f"input '{given[0]}': no batch of images, which has 4 dimensions")
    return WholeModel(proto, around, types, given[0], opset)


def _check_validity(path: Path) -> None:
    try:
        why = find_fault(path)
    except NoAnswerError:
        why = "ONNX's checker gives no answer"
    if why:
        raise refuse(f"no valid ONNX: {why}", str(path))


def _fill_in(path: Path, outline: Outline, constants: dict[str, FileConstant]) -> ModelProto:
    """The model with the numbers of its tensors inside."""
    size = sum(constant.size * constant.dtype.itemsize for constant in constants.values())
    if size + outline.model.ByteSize() > _LARGEST:
        hint = "ONNX files of that size keep their weights in another file, which this command does not write"
        raise refuse("2 GiB or more, which no ONNX file by itself may have", str(path), hint)
    proto = ModelProto()
    proto.CopyFrom(outline.model)
    for tensor, place in zip(proto.graph.initializer, outline.places, strict=True):
        if place is not None or tensor.data_location == TensorProto.EXTERNAL:
            _fill_tensor(tensor, constants[tensor.name], str(path))
    return proto


def _fill_tensor(tensor: TensorProto, constant: FileConstant, where: str) -> None:
    try:
        data = constant.array().tobytes()
    except MissingNumbersError as missing:
        raise refuse(str(missing), where, "its weights are wanted, not its structure alone") from None
    filled = TensorProto(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type, raw_data=data)
    tensor.CopyFrom(filled)


def make_reference(whole: WholeModel, outputs: Sequence[str], given: str | None, dims: Sequence[Any] | None) -> bytes:
    """The model as it is, but with other tensors output, another as its input, and its input's dimensions open.

    Nothing is edited by onnx-graphsurgeon here: what was edited is held against it.
    """
    model = ModelProto()
    model.CopyFrom(whole.proto)
    graph = model.graph
    if given is not None:
        _begin_at(model, given, whole)
    if dims is not None:
        value = next(v for v in graph.input if v.name == (given or whole.given))
        elem_type = value.type.tensor_type.elem_type
        value.CopyFrom(helper.make_tensor_value_info(value.name, elem_type, dims))
        del graph.value_info[:]
    if given is not None:
        _drop_unread_nodes(model, outputs)
    del graph.output[:]
    graph.output.extend(_make_value(name, whole.types.get(name)) for name in dict.fromkeys(outputs))
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _make_value(name: str, known: ValueType | None) -> ValueInfoProto:
    if known is None:
        return helper.make_empty_tensor_value_info(name)
    dims = None if known.dims is None else [None] * len(known.dims)
    return helper.make_tensor_value_info(name, known.elem_type, dims)


def _drop_unread_nodes(model: ModelProto, outputs: Sequence[str]) -> None:
    """Leave out nodes that no output depends on, nor what the input is made of."""
    nodes, needed = list(model.graph.node), set(outputs)
    given = {value.name for value in model.graph.input}
    kept = []
    for node in reversed(nodes):
        if needed.intersection(node.output) and not given.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    del model.graph.node[:]
    model.graph.node.extend(reversed(kept))


def _begin_at(model: ModelProto, given: str, whole: WholeModel) -> None:
    """Take a tensor inside of a model as its input; nodes that nothing reads then are left."""
    graph = model.graph
    known = whole.types.get(given)
    if known is None or known.dims is None:
        raise refuse(f"nothing is known of the shape of '{shorten(given)}'")
    place = next(at for at, value in enumerate(graph.input) if value.name == whole.given)
    graph.input[place].CopyFrom(helper.make_tensor_value_info(given, known.elem_type, known.dims))


def find_coarsest_type(whole: WholeModel) -> str:
    """The coarsest type that a model computes in: `float32`, `float16`, `bfloat16`, or `eight bits`."""
    if any(node.op_type in _QUANTIZED for node in whole.proto.graph.node):
        return "eight bits"
    found = {tensor.data_type for tensor in whole.proto.graph.initializer}
    if TensorProto.BFLOAT16 in found:
        return "bfloat16"
    return "float16" if TensorProto.FLOAT16 in found else "float32"


_QUANTIZED = ("ConvInteger", "DequantizeLinear", "MatMulInteger", "QLinearConv", "QLinearMatMul", "QuantizeLinear")
