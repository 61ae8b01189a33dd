"""What a file on disk has around its network, without reading the network."""

from __future__ import annotations

from pathlib import Path

from resnet_gen.onnx.reading.header import FileHeader
from resnet_gen.onnx.reading.model_outline import read_outline
from resnet_gen.onnx.reading.surroundings import InnerModel, see_through


def read_inner_model(path: Path) -> InnerModel:
    """The network of a file, and what stands around it; raises `Refused` for one that cannot be read.

    What the outputs that the network makes itself are, logits or a vector or a map, goes by the layers before them.
    """
    outline = read_outline(path)
    header = FileHeader(outline, path)
    return see_through(outline.model, header.initializers(), header.opset())


def uses_resize(path: Path) -> bool:
    """Whether a file has ONNX's operator that resizes, as files had that were built before pictures were weighed."""
    return any(node.op_type == "Resize" for node in read_outline(path).model.graph.node)
