"""What the tests of reading share: files of ours and files made by hand, read back and run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from resnet_gen.graph import Graph
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.onnx.reading import OnnxModel, read
from resnet_gen.onnx.writing import OnnxFile, WriterOptions
from resnet_gen.weights.base import Weights
from resnet_gen.weights.folding import fold_batch_norm
from resnet_gen.weights.initialization import SeededWeights
from resnet_gen.weights.standardization import standardize_weights
from tests.helpers.onnx_runs import difference, image, model_bytes, run
from tests.helpers.whole_tensors import whole

SHALLOW = "stages.depths=[1, 1, 1, 1]"


def network(name: str, *settings: str, fold: bool = False, seed: int = 0) -> tuple[Graph, Weights]:
    """A spec's graph as files have it, with weights."""
    graph = lower(load(str(name), settings))
    graph, weights = standardize_weights(graph, SeededWeights(graph, seed))
    return fold_batch_norm(graph, weights) if fold else (graph, weights)


def structure(graph: Graph, weights: Weights, path: Path, options: WriterOptions | None = None) -> Path:
    """A file of the graph without the numbers of its weights."""
    path.write_bytes(OnnxFile(graph, weights, options or WriterOptions()).structure())
    return path


def file(graph: Graph, weights: Weights, path: Path, options: WriterOptions | None = None) -> Path:
    """A file of the graph with its weights."""
    path.write_bytes(model_bytes(graph, weights, options))
    return path


def rebuilt(found: OnnxModel) -> bytes:
    """The file that we write of what was read."""
    return model_bytes(found.graph, found.weights)


def same_outputs(path: Path, found: OnnxModel, batch: int = 2) -> float:
    """By how much what was read, written again, differs from the file in its outputs; both run as they are written."""
    x = image(found.graph, found.batch or batch)
    return difference(run(rebuilt(found), x), run(path, x))


def tensors(graph: Graph, weights: Weights) -> dict[str, np.ndarray]:
    """Every tensor of a graph in float32."""
    return {name: whole(weights, name, tensor.shape) for name, tensor in graph.used().items()}


class Hand:
    """An ONNX file made node by node, for an image of 4 channels and 8 by 8 pixels."""

    def __init__(
        self, *, opset: int = 17, shape: tuple[int | str, ...] = ("N", 4, 8, 8), dtype: int = TensorProto.FLOAT
    ) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.functions: list[onnx.FunctionProto] = []
        self._opset, self._shape, self._dtype = opset, shape, dtype
        self._draw = np.random.default_rng(1)

    def node(self, op_type: str, *inputs: str, outputs: int = 1, name: str = "", **attributes: object) -> str:
        """One more node; returns the name of its first result."""
        made = [f"t{len(self.nodes)}" + (f".{i}" if i else "") for i in range(outputs)]
        self.nodes.append(helper.make_node(op_type, inputs, made, name=name, **attributes))
        return made[0]

    def constant(self, values: object, name: str = "", dtype: type = np.float32) -> str:
        """An initializer."""
        name = name or f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def integers(self, *values: int) -> str:
        """An initializer of integers."""
        return self.constant(values, dtype=np.int64)

    def weight(self, *shape: int, name: str = "") -> str:
        """An initializer of random numbers."""
        return self.constant(self._draw.uniform(0.5, 1.5, shape) * self._draw.choice([-1, 1], shape), name)

    def function(self, domain: str, name: str, *nodes: onnx.NodeProto, overload: str = "") -> None:
        """A function of the file, from a to b."""
        opsets = [helper.make_opsetid("", self._opset), helper.make_opsetid("of.its.own", 1)]
        self.functions.append(helper.make_function(domain, name, ["a"], ["b"], nodes, opsets, overload=overload))

    def model(self, *outputs: str) -> onnx.ModelProto:
        """The model that outputs these values."""
        given = helper.make_tensor_value_info("x", self._dtype, list(self._shape))
        results = [helper.make_tensor_value_info(name, self._dtype, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "hand", [given], results, self.constants)
        others = {node.domain for node in self.nodes} - {"", "ai.onnx"} | ({"of.its.own"} if self.functions else set())
        opsets = [("", self._opset), *((domain, 1) for domain in sorted(others))]
        return helper.make_model(
            graph,
            functions=self.functions,
            opset_imports=[helper.make_opsetid(*opset) for opset in opsets],
            ir_version=10 if self.functions else 8,
        )

    def write(self, path: Path, *outputs: str) -> Path:
        """The file of that model."""
        path.write_bytes(self.model(*outputs).SerializeToString())
        return path

    def read(self, path: Path, *outputs: str, partial: bool = False) -> OnnxModel:
        """The file, written and read."""
        return read(self.write(path, *outputs), partial=partial)
