"""ONNX read back: layers, parameters and MACs, by ONNX's own shape inference."""

from __future__ import annotations

import math

import onnx
from onnx import ModelProto, NodeProto

from resnet_gen.graph import Graph
from resnet_gen.graph.counts import count
from resnet_gen.onnx.witness import FileLayer, WitnessError, check_layers, compare_sequences
from resnet_gen.ops import BlurPool, GroupNorm, Op, Shape


def check_onnx(graph: Graph, serialized: bytes) -> None:
    """Raise `WitnessError` unless a serialized model holds the graph's layers, parameters and MACs.

    It may lack the data of its weights. Shapes come from ONNX's strict shape
    inference, parameters from the initializers that layers read.
    """
    model = _infer_shapes(serialized)
    shapes, types = _values(model)
    file = _Weights(model)
    check_layers(graph, [_layer(n, shapes, types) for n in _list_weighted_nodes(model)], "ONNX")
    compare_sequences("ONNX: output", [v.name for v in graph.outputs], [v.name for v in model.graph.output])
    ends = (graph.input, *graph.outputs)
    found = [v.name for v in (*model.graph.input, *model.graph.output)]
    compare_sequences(
        "ONNX: input or output",
        [(v.name, v.shape, v.dtype) for v in ends],  # 0 for a side that is open, in both
        [(name, shapes[name], types[name]) for name in found],
    )
    _check_parameters(graph, model, file)
    compare_sequences(
        "ONNX: layer in eight bits", _list_stored_layers(graph), file.list_stored(_list_weighted_nodes(model))
    )
    counts = count(graph)
    total = sum(
        math.prod(shapes[n.output[0]]) * math.prod(file.shape(n.input[1])[1:]) for n in _list_weighted_nodes(model)
    )
    if total != counts.macs:
        raise WitnessError(f"ONNX: {total} MACs, the graph has {counts.macs}")


def _list_stored_layers(graph: Graph) -> list[tuple[str, str]]:
    """The layers that the graph stores in eight bits, and the type."""
    pairs = ((node.name, getattr(node.op, "stored", None)) for node in graph.nodes)
    return [(name, stored.dtype) for name, stored in pairs if stored]


class _Weights:
    """The initializers of a file, and what stands between them and the layers: Q and DQ."""

    def __init__(self, model: ModelProto) -> None:
        self.tensors = {t.name: t for t in model.graph.initializer}
        self.makers = {name: node for node in model.graph.node for name in node.output}

    def shape(self, name: str) -> Shape:
        """Shape of a layer's weight, whether it is stored in eight bits or not."""
        found = self.tensors.get(self.find_initializers(name)[0])
        return tuple(found.dims) if found else ()

    def find_initializers(self, name: str) -> list[str]:
        """The initializer that a layer reads as `name`, and that of its scales if it is dequantized."""
        maker = self.makers.get(name)
        if not maker or maker.op_type != "DequantizeLinear":
            return [name]
        data, scale = maker.input[:2]
        while data in self.makers and self.makers[data].op_type == "QuantizeLinear":
            data = self.makers[data].input[0]
        return [data, scale]

    def list_stored(self, layers: list[NodeProto]) -> list[tuple[str, str]]:
        """The layers whose weight comes through DQ, and its type; raises `WitnessError` where the input does not."""
        found = []
        for node in layers:
            weight = self.makers.get(node.input[1])
            if weight is None or weight.op_type != "DequantizeLinear":
                continue
            before = self.makers.get(node.input[0])
            if before is None or before.op_type != "DequantizeLinear":
                raise WitnessError(f"ONNX: '{node.name}' has weights in eight bits, and its input has not")
            dims = tuple(self.tensors[weight.input[1]].dims)
            if dims != self.shape(node.input[1])[:1]:
                raise WitnessError(f"ONNX: '{node.name}' has {dims} scales of its weight, not one an output channel")
            kind = self.tensors[weight.input[2]].data_type
            found.append((node.name, onnx.helper.tensor_dtype_to_np_dtype(kind).name))
        return found


def _check_parameters(graph: Graph, model: ModelProto, file: _Weights) -> None:
    """Raise `WitnessError` unless layers read the graph's state, by name, and nothing is left over."""
    ours = graph.used()
    constants = {f"{n.name}.{role}" for n in graph.nodes for role in _CONSTANTS.get(type(n.op), ())}
    layers = [n for n in model.graph.node if n.op_type in ("Conv", "Gemm", "BatchNormalization")]
    inputs = [name for n in layers for name in n.input[1:] if name not in constants]
    read = [name for wire in inputs for name in file.find_initializers(wire)]
    wanted = ((name, tensor.shape) for name, tensor in ours.items())
    compare_sequences("ONNX: parameter", wanted, ((name, file.shape(name)) for name in read))
    counts = count(graph)
    state = sum(math.prod(file.shape(name)) for name in inputs)
    if state != counts.params + counts.buffers:
        raise WitnessError(f"ONNX: {state} parameters and buffers, the graph has {counts.params + counts.buffers}")
    unread = file.tensors.keys() - {name for n in model.graph.node for name in n.input}
    if unread:
        raise WitnessError(f"ONNX: nothing reads {sorted(unread)}")


_CONSTANTS: dict[type[Op], tuple[str, ...]] = {BlurPool: ("filter",), GroupNorm: ("mean", "variance")}
"""What a layer of the file reads without its being a weight."""


def _infer_shapes(serialized: bytes) -> ModelProto:
    try:
        return onnx.shape_inference.infer_shapes(serialized, check_type=True, strict_mode=True)
    except onnx.shape_inference.InferenceError as error:
        raise WitnessError(f"ONNX: {error}") from None


def _list_weighted_nodes(model: ModelProto) -> list[NodeProto]:
    return [n for n in model.graph.node if n.op_type in ("Conv", "Gemm")]


def _values(model: ModelProto) -> tuple[dict[str, Shape], dict[str, str]]:
    """Shape of one image and element type of every value."""
    shapes: dict[str, Shape] = {}
    types: dict[str, str] = {}
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        tensor = value.type.tensor_type
        shapes[value.name] = tuple(d.dim_value for d in tensor.shape.dim[1:])
        types[value.name] = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    return shapes, types


def _layer(node: NodeProto, shapes: dict[str, Shape], types: dict[str, str]) -> FileLayer:
    kind = "conv" if node.op_type == "Conv" else "linear"
    if node.output[0] not in shapes:
        raise WitnessError(f"ONNX: no shape follows for '{node.output[0]}'")
    return FileLayer(node.name, kind, shapes[node.output[0]], types[node.output[0]])
