"""ONNX files of anybody's, read as graphs of our own operations, with the weights that go with them."""

from __future__ import annotations

from pathlib import Path

from resnet_gen.onnx.reading.model import FileWeights, OnnxModel
from resnet_gen.onnx.reading.model_outline import read_outline
from resnet_gen.onnx.reading.opaque import Opaque
from resnet_gen.onnx.reading.reader import ModelReader, NotExplained
from resnet_gen.problems import refuse

__all__ = ["FileWeights", "NotExplained", "OnnxModel", "Opaque", "read"]


def read(path: Path, *, partial: bool = False) -> OnnxModel:
    """What a file computes, in our operations.

    Raises `NotExplained`, a `Refused`, with the first node that they do not explain;
    with `partial` such a node becomes an `Opaque` operation of the graph.
    """
    try:
        return ModelReader(path, read_outline(path), partial=partial).read()
    except RecursionError:
        raise refuse("its nodes wait for one another too deeply", str(path)) from None
