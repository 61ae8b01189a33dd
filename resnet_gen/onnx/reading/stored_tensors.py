"""What an ONNX file stores, tensor by tensor, whether or not its network can be read."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from resnet_gen.onnx.reading.header import FileHeader
from resnet_gen.onnx.reading.model_outline import read_outline
from resnet_gen.ops import Shape


class StoredTensors(NamedTuple):
    """Name, shape and element type of each initializer, in the file's order, and how many nodes hold a constant."""

    initializers: list[tuple[str, Shape, str]]
    constants: int


def list_stored_tensors(path: Path) -> StoredTensors:
    """What a file stores; raises `Refused` for what is no ONNX file, and for initializers that cannot be."""
    outline = read_outline(path)
    found = FileHeader(outline, path).initializers()
    constants = sum(node.op_type == "Constant" for node in outline.model.graph.node)
    return StoredTensors([(name, tensor.dims, tensor.dtype.name) for name, tensor in found.items()], constants)
