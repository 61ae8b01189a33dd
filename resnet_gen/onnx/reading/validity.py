"""Whether a file that was read is valid ONNX, which a runtime asks before it runs it."""

from __future__ import annotations

from pathlib import Path

from onnx import ModelProto, TensorProto, helper

from resnet_gen.onnx.reading.constants import NUMBERS
from resnet_gen.onnx.reading.model_outline import read_outline
from resnet_gen.onnx.reading.shape_inference import explain_invalid
from resnet_gen.problems import shorten, visible


def find_fault(path: Path) -> str | None:
    """Why a file is no valid ONNX, in a line; None for one that is. Raises `NoAnswerError` where that is not known."""
    found = explain_invalid(_without_numbers(read_outline(path).model))
    return found and shorten(visible(found), 200)


def _without_numbers(model: ModelProto) -> ModelProto:
    """The model with inputs in place of the initializers whose numbers were not read, and without documentation."""
    model.ClearField("doc_string")
    graph, empty = model.graph, [t for t in model.graph.initializer if not any(getattr(t, name) for name in NUMBERS)]
    known, gone = {value.name for value in graph.input}, {tensor.name for tensor in empty}
    kept = [TensorProto.FromString(t.SerializeToString()) for t in graph.initializer if t.name not in gone]
    more = [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in empty if t.name not in known]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    graph.input.extend(more)
    for node in graph.node:
        node.domain = "" if node.domain == "ai.onnx" else node.domain  # two names of one domain, which checkers part
    return model
