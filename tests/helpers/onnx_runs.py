"""What several tests share: small networks, weights by the reference's rule, and ONNX Runtime."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from resnet_gen.graph import Graph
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.onnx.writing import OnnxFile, WriterOptions
from resnet_gen.onnx.writing.messages import IR_OF_OPSET
from resnet_gen.weights.base import Array, Weights
from tests.reference import weights_rule

TINY = Path(__file__).parents[1] / "fixtures" / "checkpoints" / "tiny.yaml"
TOLERANCE = 5e-5
"""Of the largest output: what two float32 runs of one network may differ by (tests/reference)."""


ruled = lru_cache(maxsize=512)(weights_rule.tensor)
"""Values by the rule; a network asks for each tensor several times, a few rows at a time."""


class Ruled:
    """Weights by the rule behind the reference outputs, or as stated in `forced`."""

    def __init__(self, graph: Graph, forced: dict[str, float] | None = None) -> None:
        self._shapes = {name: tensor.shape for name, tensor in graph.state().items()}
        self._forced = forced or {}

    def rows(self, name: str, start: int, stop: int) -> Array:
        shape = self._shapes[name]
        for end, value in self._forced.items():
            if name.endswith(end):
                return np.full((stop - start, *shape[1:]), value, np.float32)
        return ruled(name, shape)[start:stop]


def network(name: str, *settings: str) -> Graph:
    """The graph of a shipped spec, or of the spec at a path, with `--set` texts."""
    return lower(load(str(name), settings))


def model_bytes(graph: Graph, weights: Weights | None, options: WriterOptions | None = None) -> bytes:
    return b"".join(OnnxFile(graph, weights, options or WriterOptions()).chunks())


def image(graph: Graph, batch: int = 1) -> Array:
    """A batch of images of the graph's shape, the same at every call."""
    rng = np.random.Generator(np.random.PCG64(batch))
    return rng.standard_normal((batch, *graph.input.shape)).astype(np.float32)


def session(model: bytes | Path, *, optimized: bool = False) -> onnxruntime.InferenceSession:
    """A session that runs the file as written, or as ONNX Runtime rewrites it unless told not to."""
    options = onnxruntime.SessionOptions()
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    source = str(model) if isinstance(model, Path) else model
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


@lru_cache
def runs(opset: int) -> bool:
    """Whether the ONNX Runtime that is here reads files of an opset."""
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    opsets = [onnx.helper.make_opsetid("", opset)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=IR_OF_OPSET[opset])
    try:
        session(model.SerializeToString())
    except Exception:  # ONNX Runtime raises a dozen classes of its own
        return False
    return True


class Session:
    """A model as it is written, run."""

    def __init__(self, model: bytes | Path, *, optimized: bool = False) -> None:
        self._session = session(model, optimized=optimized)
        self._input = self._session.get_inputs()[0].name

    def run(self, x: Array) -> Array:
        """Its outputs for one input; several as one row of numbers for each image."""
        found = self._session.run(None, {self._input: x})
        return found[0] if len(found) == 1 else np.concatenate([y.reshape(len(x), -1) for y in found], axis=1)


def run(model: bytes | Path, x: Array) -> Array:
    """The outputs of a model for one input, as `Session.run` gives them."""
    return Session(model).run(x)


def run_named(model: bytes | Path, x: Array, *, optimized: bool = False) -> dict[str, Array]:
    """Every output of a model for one input, by its name."""
    running = session(model, optimized=optimized)
    names = [output.name for output in running.get_outputs()]
    return dict(zip(names, running.run(None, {running.get_inputs()[0].name: x}), strict=True))


def outputs(graph: Graph, weights: Weights, x: Array | None = None) -> Array:
    """What the ONNX of a graph outputs."""
    return run(model_bytes(graph, weights), image(graph) if x is None else x)


def difference(found: Array, wanted: Array) -> float:
    """The largest difference, over the largest wanted value."""
    assert found.shape == wanted.shape
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())
