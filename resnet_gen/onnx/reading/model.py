"""What a file holds once it is read: a graph, its weights, and what was noticed on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resnet_gen.graph import Graph
from resnet_gen.graph.surroundings import NOTHING_AROUND, Surroundings
from resnet_gen.onnx.reading.constants import FileConstant
from resnet_gen.onnx.reading.quantized_ranges import CodeRange
from resnet_gen.onnx.reading.rounding_error import MissingNumbersError
from resnet_gen.ops import BatchNorm, Conv
from resnet_gen.problems import refuse
from resnet_gen.weights.base import Array


class FileWeights:
    """The weights of a graph that was read, out of its file, by the names in the graph."""

    def __init__(self, constants: Mapping[str, FileConstant], path: Path) -> None:
        self._constants, self._path = constants, path

    def rows(self, name: str, start: int, stop: int) -> Array:
        """Rows start..stop of the tensor `name`; raises `Refused` if they are not in the file, or not finite."""
        values = self.raw_rows(name, start, stop)
        if not np.isfinite(values).all():
            raise refuse(f"'{name}' has values that are not finite in float32", str(self._path))
        return values

    def raw_rows(self, name: str, start: int, stop: int) -> Array:
        """The same rows, finite or not; raises `Refused` if they are not in the file."""
        try:
            return self._constants[name].rows(start, stop)
        except MissingNumbersError as missing:
            raise refuse(str(missing), str(self._path)) from None

    def steps(self, name: str, start: int, stop: int) -> Array | None:
        """What one code stands for in each of the rows start..stop of a tensor; None for what is no codes."""
        found = self._constants.get(name)
        if not found or not found.steps:
            return None
        steps: Array = np.asarray(found.steps(start, stop), np.float32).reshape(-1)
        return np.broadcast_to(steps, (stop - start,))

    @property
    def types(self) -> dict[str, str]:
        """NumPy's name of the type that each tensor was rounded to, by the tensor's name."""
        return {name: (c.rounded or c.dtype).name for name, c in self._constants.items()}


@dataclass(frozen=True)
class OnnxModel:
    """A file as a graph of ours in float32, the weights that go with it, and what was noticed.

    `batch` is the size that the file fixes, None where it leaves it open.
    `types` are the element types of weights, activations and what Q/DQ round
    to. `names` says what nodes are called after: how many after their weights,
    after the scopes of an exporter, after the file's nodes. `reach` is the magnitude up to which activations that are
    spelled out are computed as ours are: some overflow beyond. `covers` are the ranges of quantized activations;
    `replaceable` is how many initializers are inputs, too, so that whoever runs the file may give others; `images` is
    the element type of the input. `surroundings` are what the file has around the network, whose graph this is.
    `labels` are what its metadata call the classes, none where they cannot be read; `contradiction` is how what they
    say of the surroundings is not so. With `open_size` it takes images of any height and width, the graph being of one.
    """

    path: Path
    graph: Graph
    weights: FileWeights
    opset: int
    producer: str
    batch: int | None
    types: frozenset[str]
    names: Mapping[str, int]
    unread: int
    reach: float
    covers: tuple[CodeRange, ...]
    replaceable: int
    images: str
    surroundings: Surroundings = NOTHING_AROUND
    labels: tuple[str, ...] = ()
    contradiction: str | None = None
    open_size: bool = False

    @property
    def batch_norm(self) -> str | None:
        """`kept` behind convolutions, `folded` into their biases (or never there, which looks alike), or None."""
        makers = {node.output.name: node for node in self.graph.nodes}
        norms = [n for n in self.graph.nodes if isinstance(n.op, BatchNorm)]
        if any(n.inputs[0].name in makers and isinstance(makers[n.inputs[0].name].op, Conv) for n in norms):
            return "kept"
        convs = [n.op for n in self.graph.nodes if isinstance(n.op, Conv) and n.role != "attention"]
        return "folded" if any(op.bias for op in convs) else None

    @property
    def precision(self) -> str:
        """The precision as builds name it: fp32, fp16, bf16, int8 or fp8."""
        return next((name for dtype, name in _PRECISIONS.items() if dtype in self.types), "fp32")


_PRECISIONS = {
    "int8": "int8",
    "uint8": "int8",
    "float8_e4m3fn": "fp8",
    "float8_e5m2": "fp8",
    "float16": "fp16",
    "bfloat16": "bf16",
    "float64": "fp64",
}
