"""A small network with steps around it that are spelled in ways of other tools, without our code."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from resnet_gen.language.load import load_text
from resnet_gen.language.lower import lower
from resnet_gen.language.source import read_text
from resnet_gen.problems import Document
from resnet_gen.weights.initialization import SeededWeights
from tests.helpers.onnx_runs import model_bytes

SPEC = """\
name: small
input: {channels: 3, size: 8}
stem: {kind: conv3x3, width: 4}
stages: {depths: [1], widths: [4], block: basic}
head: {kind: linear, classes: 5}
"""
VECTOR, MAP = "head.flatten", "head.pool"
"""What the last layer reads, and before it the map of one pixel."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@cache
def small_file() -> bytes:
    """The network by itself, as we write it."""
    graph = lower(load_text(read_text(Document("small.yaml", SPEC))))
    return model_bytes(graph, SeededWeights(graph))


class Around:
    """A model to which steps are added before its network and behind it, node by node."""

    def __init__(self, dtype: int = TensorProto.UINT8, layout: str = "NHWC") -> None:
        self.model = onnx.load_from_string(small_file())
        self.graph = self.model.graph
        (inner,) = self.graph.input
        self.inner, self.before, self.behind, self.number = inner.name, [], [], 0
        sides = [d.dim_param or d.dim_value for d in inner.type.tensor_type.shape.dim]
        dims = [sides[0], *sides[2:], sides[1]] if layout == "NHWC" else sides
        self.graph.input[0].CopyFrom(helper.make_tensor_value_info("pixels", dtype, dims))
        self.last, self.outputs = "pixels", []

    def constant(self, values, dtype=np.float32) -> str:
        self.number += 1
        name = f"constant{self.number}"
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def step(self, op: str, *operands: str, first: bool = True, **attributes) -> Around:
        """One more node before the network."""
        self.number += 1
        name, reads = f"step{self.number}", [self.last, *operands] if first else [*operands, self.last]
        self.before.append(helper.make_node(op, reads, [name], **attributes))
        self.last = name
        return self

    def output(
        self, op: str, reads: str, *operands: str, results: int = 1, shown: bool = True, **attributes
    ) -> list[str]:
        """One more node behind the network, whose results are output where they are `shown`."""
        self.number += 1
        names = [f"out{self.number}_{i}" for i in range(results)]
        self.behind.append(helper.make_node(op, [reads, *operands], names, **attributes))
        self.outputs += names if shown else []
        return names

    def write(self, path: Path, *, keep: bool = False) -> Path:
        """The file; `keep` has it output what the network outputs, too, and first."""
        if self.before:
            self.before[-1].output[0] = self.inner
        nodes = [*self.before, *self.graph.node, *self.behind]
        del self.graph.node[:]
        self.graph.node.extend(nodes)
        if self.outputs:
            kept = list(self.graph.output) if keep else []
            del self.graph.output[:]
            self.graph.output.extend([*kept, *map(helper.make_empty_tensor_value_info, self.outputs)])
            self.model = onnx.shape_inference.infer_shapes(self.model)
        path.write_bytes(self.model.SerializeToString())
        return path


def normalized(path: Path, *, reverse: bool = False) -> Path:
    """The usual file: eight bits, divided by 255, less the mean, over the deviation."""
    around = Around().step("Transpose", perm=[0, 3, 1, 2])
    if reverse:
        around.step("Gather", around.constant([2, 1, 0], np.int64), axis=1)
    around.step("Cast", to=TensorProto.FLOAT).step("Div", around.constant(255.0))
    around.step("Sub", around.constant(np.reshape(MEAN, (3, 1, 1)))).step(
        "Div", around.constant(np.reshape(STD, (3, 1, 1)))
    )
    return around.write(path)


def resize_by_operator(around: Around, side: int, crop: float) -> Around:
    """One more step: a picture of any size to a square, by `Resize`, as our files had it at first."""
    given, before = around.last, around.before

    def node(op, *reads, **attributes):
        around.number += 1
        before.append(helper.make_node(op, reads, [f"crop{around.number}"], **attributes))
        return f"crop{around.number}"

    def integers(*values):
        return around.constant(values, np.int64)

    wanted, shape = integers(side, side), node("Shape", given)
    sides = node("Cast", node("Slice", shape, integers(2), integers(4)), to=TensorProto.DOUBLE)
    ratio = node(
        "ReduceMax", node("Div", around.constant([side / crop] * 2, np.float64), sides), integers(0), keepdims=1
    )
    near = node("Cast", node("Round", node("Mul", sides, ratio)), to=TensorProto.INT64)
    resized = node("Max", near, wanted)
    whole = node("Concat", node("Slice", shape, integers(0), integers(2)), resized, axis=0)
    how = {"coordinate_transformation_mode": "half_pixel", "mode": "linear"}
    made = node("Resize", given, "", "", whole, antialias=1, exclude_outside=1, **how)
    first = node("Div", node("Sub", resized, wanted), integers(2))
    cropped = node("Slice", made, first, node("Add", first, wanted), integers(2, 3))
    around.last = node("Reshape", cropped, integers(0, 3, side, side))
    return around
