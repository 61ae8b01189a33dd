"""How each operation is spelled in ONNX: one rule an operation."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from resnet_gen import ops
from resnet_gen.graph import Graph, Node
from resnet_gen.onnx.writing import messages
from resnet_gen.onnx.writing.messages import ELEMENT_OF, Attribute, Initializer
from resnet_gen.onnx.writing.node_writer import NodeWriter, OperationRule
from resnet_gen.onnx.writing.serving_rules import SERVING_RULES
from resnet_gen.ops import Op
from resnet_gen.weights.base import Array
from resnet_gen.weights.stream import element_type, largest_number


def _conv(op: ops.Conv, call: NodeWriter) -> None:
    assert op.standardize is None, "weights are standardized by a pass"
    call.end(
        "Conv",
        *_layer_inputs(op, call),
        dilations=[op.dilation] * 2,
        group=op.groups,
        kernel_shape=[op.kernel] * 2,
        pads=[op.padding] * 4,
        strides=[op.stride] * 2,
    )


def _layer_inputs(op: ops.Conv | ops.Linear, call: NodeWriter) -> list[str]:
    """Operand, weight and bias; what is stored in eight bits goes through Q/DQ, one scale an output channel."""
    stored = op.stored
    if not stored:
        return call.inputs
    x, weight, scale, *bias = call.inputs
    zero = call.numbers("weight_zero_point", np.zeros(op.out), stored.dtype)
    if stored.in_graph:
        weight = call.step("weight_quantize", "QuantizeLinear", weight, scale, zero, axis=0)
    inputs = [x, call.step("weight_dequantize", "DequantizeLinear", weight, scale, zero, axis=0)]
    if stored.bias and bias:
        return [*inputs, call.step("bias_dequantize", "DequantizeLinear", *bias, axis=0)]
    return inputs + bias


def _channel_conv(op: ops.ChannelConv, call: NodeWriter) -> None:
    x, weight = call.inputs
    row = call.step("row", "Reshape", x, call.integers("row_shape", [0, 1, -1]))
    around = op.kernel // 2
    y = call.step("conv", "Conv", row, weight, kernel_shape=[op.kernel], pads=[around, around])
    call.end("Reshape", y, call.integers("shape", [0, -1, 1, 1]))


def _group_norm(op: ops.GroupNorm, call: NodeWriter) -> None:
    """As each group's own normalization, then each channel's scale and shift: all opsets and runtimes have these."""
    x, weight, bias = call.inputs
    c, h, w = call.node.shape
    groups = call.step("groups", "Reshape", x, call.integers("groups_shape", [0, op.groups, -1]))
    ones, zeros = (call.numbers(role, [value] * op.groups) for role, value in (("ones", 1.0), ("zeros", 0.0)))
    normal = call.step("normal", "InstanceNormalization", groups, ones, zeros, epsilon=op.eps)
    back = call.step("channels", "Reshape", normal, call.integers("channels_shape", [0, c, h, w]))
    mean, variance = call.numbers("mean", [0.0] * c), call.numbers("variance", [1.0] * c)
    call.end("BatchNormalization", back, weight, bias, mean, variance, epsilon=0.0)


def _activation(op: ops.Activation, call: NodeWriter) -> None:
    (x,) = call.inputs
    if op.function in _ONE_NODE:
        op_type, attributes = _ONE_NODE[op.function]
        call.end(op_type, x, **attributes, **({"alpha": float(op.slope)} if op.sloped else {}))
    elif op.function == "gelu":
        scaled = call.step("scaled", "Mul", x, call.numbers("sqrt_half", [math.sqrt(0.5)]))
        part = call.step("part", "Add", call.step("erf", "Erf", scaled), call.numbers("one", [1.0]))
        call.end("Mul", call.step("half_x", "Mul", x, call.numbers("half", [0.5])), part)
    else:
        call.end("Mul", x, _GATES[op.function](x, call))


_SIXTH: dict[str, Attribute] = {"alpha": 1 / 6, "beta": 0.5}
_ONE_NODE: dict[str, tuple[str, dict[str, Attribute]]] = {
    "relu": ("Relu", {}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "hard_sigmoid": ("HardSigmoid", _SIXTH),
    "leaky_relu": ("LeakyRelu", {}),
    "elu": ("Elu", {}),
}
_GATES: dict[str, Callable[[str, NodeWriter], str]] = {
    "silu": lambda x, call: call.step("sigmoid", "Sigmoid", x),
    "hard_swish": lambda x, call: call.step("sigmoid", "HardSigmoid", x, **_SIXTH),
    "mish": lambda x, call: call.step("tanh", "Tanh", call.step("softplus", "Softplus", x)),
}
"""Activations that are x times a gate of x."""


def _overhang_attributes(op: ops.MaxPool | ops.AvgPool, call: NodeWriter) -> dict[str, Attribute]:
    """How the last windows may hang over the map's end.

    With `ceil_mode` ONNX's shape inference before opset 22 has a window that begins past the map too, which no runtime
    computes; padding behind the map that takes in the windows within it, and none else, says the same without.
    """
    (_, *sides), (_, *places) = call.node.input_shapes[0], call.node.shape
    if places == [1 - (side + 2 * op.padding - op.kernel) // -op.stride for side in sides]:
        return {"ceil_mode": 1}
    reached = ((n - 1) * op.stride + op.kernel - op.padding for n in places)
    behind = [max(0, end - side) for end, side in zip(reached, sides, strict=True)]
    return {"pads": [op.padding, op.padding, *behind]}


def _max_pool(op: ops.MaxPool, call: NodeWriter) -> None:
    window: dict[str, Attribute] = {"kernel_shape": [op.kernel] * 2, "strides": [op.stride] * 2}
    window |= {"pads": [op.padding] * 4, **(_overhang_attributes(op, call) if op.ceil else {})}
    if not op.zeros:
        call.end("MaxPool", *call.inputs, **window)
        return
    # Not as a Pad before the pooling: ONNX Runtime 1.31 makes one node of the two, whose padding is not zero.
    most = call.step("most", "MaxPool", *call.inputs, **window)
    call.end("Max", most, call.numbers("border", _border(op, call)))


def _border(op: ops.MaxPool, call: NodeWriter) -> Array:
    """Zero where a window reaches into the padding, elsewhere the least number there is."""
    inside = windows_inside(op, call.node.input_shapes[0], call.node.shape)
    return np.where(inside, -largest_number(call.node.output.dtype), 0.0)[None, None]


def windows_inside(op: ops.MaxPool, given: ops.Shape, made: ops.Shape) -> npt.NDArray[np.bool_]:
    """Which windows reach into no padding, by row and column of the map that they make."""
    inside = []
    for side, places in zip(given[1:], made[1:], strict=True):
        first = np.arange(places) * op.stride - op.padding
        inside.append((first >= 0) & (first + op.kernel <= side))
    return np.outer(*inside)


def _avg_pool(op: ops.AvgPool, call: NodeWriter) -> None:
    more = _overhang_attributes(op, call) if op.ceil else {}
    if op.padding:
        more = {"pads": [op.padding] * 4, "count_include_pad": 1}
    call.end("AveragePool", *call.inputs, kernel_shape=[op.kernel] * 2, strides=[op.stride] * 2, **more)


def _blur_pool(op: ops.BlurPool, call: NodeWriter) -> None:
    channels = call.node.shape[0]
    padded = call.step("pad", "Pad", *call.inputs, call.integers("pads", [0, 0, 1, 1] * 2), mode="reflect")
    row = np.asarray([0.25, 0.5, 0.25])
    window = call.numbers("filter", np.broadcast_to(np.outer(row, row), (channels, 1, 3, 3)))
    call.end("Conv", padded, window, group=channels, kernel_shape=[3, 3], strides=[op.stride] * 2)


def _over_channels(op_type: str, call: NodeWriter) -> None:
    if call.opset < _AXES_AS_INPUT:
        call.end(op_type, *call.inputs, axes=[1], keepdims=1)
    else:
        call.end(op_type, *call.inputs, call.integers("axes", [1]), keepdims=1)


_AXES_AS_INPUT = 18
"""The opset from which ReduceMean and ReduceMax take their axes as an input."""


def _pad_channels(op: ops.PadChannels, call: NodeWriter) -> None:
    more = op.out - call.node.input_shapes[0][0]
    call.end("Pad", *call.inputs, call.integers("pads", [0, 0, 0, 0, 0, more, 0, 0]), mode="constant")


def _pad_map(op: ops.PadMap, call: NodeWriter) -> None:
    pads = [0, 0, op.before, op.before, 0, 0, op.after, op.after]
    call.end("Pad", *call.inputs, call.integers("pads", pads), mode="constant")


def _slice(call: NodeWriter, axes: list[int], starts: list[int], ends: list[int], steps: list[int]) -> None:
    parts = {"starts": starts, "ends": ends, "axes": axes, "steps": steps}
    call.end("Slice", *call.inputs, *(call.integers(role, values) for role, values in parts.items()))


def _subsample(op: ops.Subsample, call: NodeWriter) -> None:
    _, h, w = call.node.input_shapes[0]
    if call.open_map:
        h = w = _TO_THE_END
    _slice(call, [2, 3], [0, 0], [h, w], [op.stride] * 2)


_TO_THE_END = (1 << 31) - 1
"""As an end of a slice: past any map."""


def _split_softmax(op: ops.SplitSoftmax, call: NodeWriter) -> None:
    shape = [0, op.splits, -1] if op.groups == 1 else [0, op.groups, op.splits, -1]
    y = call.step("splits", "Reshape", *call.inputs, call.integers("splits_shape", shape))
    if op.groups > 1:
        y = call.step("turned", "Transpose", y, perm=[0, 2, 1, 3])
    y = call.step("softmax", "Softmax", y, axis=1)
    call.end("Reshape", y, call.integers("shape", [0, -1, 1, 1]))


def _quantize(op: ops.Quantize, call: NodeWriter) -> None:
    scale = call.numbers("scale", op.scale, call.node.inputs[0].dtype)
    call.end("QuantizeLinear", *call.inputs, scale, call.numbers("zero_point", op.zero_point))


def _dequantize(op: ops.Dequantize, call: NodeWriter) -> None:
    zero = call.numbers("zero_point", op.zero_point, call.node.inputs[0].dtype)
    call.end("DequantizeLinear", *call.inputs, call.numbers("scale", op.scale), zero)


RULES: dict[type[Op], OperationRule] = {
    ops.Conv: _conv,
    ops.ChannelConv: _channel_conv,
    ops.Linear: lambda op, call: call.end("Gemm", *_layer_inputs(op, call), alpha=1.0, beta=1.0, transA=0, transB=1),
    ops.BatchNorm: lambda op, call: call.end("BatchNormalization", *call.inputs, epsilon=op.eps),
    ops.GroupNorm: _group_norm,
    ops.Activation: _activation,
    ops.MaxPool: _max_pool,
    ops.AvgPool: _avg_pool,
    ops.BlurPool: _blur_pool,
    ops.GlobalAvgPool: lambda _, call: call.end("GlobalAveragePool", *call.inputs),
    ops.GlobalMaxPool: lambda _, call: call.end("GlobalMaxPool", *call.inputs),
    ops.SumPositions: lambda _, call: call.end("ReduceSum", *call.inputs, call.integers("axes", [2, 3]), keepdims=1),
    ops.ChannelMean: lambda _, call: _over_channels("ReduceMean", call),
    ops.ChannelMax: lambda _, call: _over_channels("ReduceMax", call),
    ops.Flatten: lambda _, call: call.end("Flatten", *call.inputs, axis=1),
    ops.AsMap: lambda _, call: call.end("Reshape", *call.inputs, call.integers("shape", [0, -1, 1, 1])),
    ops.Add: lambda _, call: call.end("Add", *call.inputs),
    ops.Mul: lambda _, call: call.end("Mul", *call.inputs),
    ops.OneMinus: lambda _, call: call.end("Sub", call.numbers("one", [1.0]), *call.inputs),
    ops.PadChannels: _pad_channels,
    ops.PadMap: _pad_map,
    ops.TakeChannels: lambda op, call: _slice(call, [1], [op.start], [op.stop], [1]),
    ops.Concat: lambda op, call: call.end("Concat", *call.inputs, axis=op.axis + 1),
    ops.SplitSoftmax: _split_softmax,
    ops.Subsample: _subsample,
    ops.Softmax: lambda _, call: call.end("Softmax", *call.inputs, axis=1),
    ops.Cast: lambda op, call: call.end("Cast", *call.inputs, to=ELEMENT_OF[op.to]),
    ops.Quantize: _quantize,
    ops.Dequantize: _dequantize,
}
"""How each operation is spelled in ONNX."""


def emit_graph(graph: Graph, opset: int, *, open_map: bool = False) -> tuple[list[Initializer], list[bytes]]:
    """The initializers and the nodes of a graph, in order; with `open_map`, for maps of any size."""
    initializers: list[Initializer] = []
    nodes: list[bytes] = []
    for node in graph.nodes:
        more, own = emit_node(node, opset, open_map=open_map)
        initializers += more
        nodes += own
    return initializers, nodes


def emit_node(node: Node, opset: int, *, open_map: bool = False) -> tuple[list[Initializer], list[bytes]]:
    """The initializers and the ONNX nodes of one node, in order."""
    weights = [_weight(node, tensor) for tensor in node.tensors]
    call = NodeWriter(node, opset, [v.name for v in node.inputs] + [w.name for w in weights], open_map)
    (RULES.get(type(node.op)) or SERVING_RULES[type(node.op)])(node.op, call)
    return weights + call.constants, call.nodes


def _weight(node: Node, tensor: ops.Tensor) -> Initializer:
    dtype = tensor.dtype or node.output.dtype
    return Initializer(node.weight_name(tensor.role), tensor.shape, ELEMENT_OF[dtype], element_type(dtype).itemsize)


def lowest_opset(graph: Graph) -> int:
    """The lowest opset whose operators take the graph's element types."""
    return max((_opset(node) for node in graph.nodes), default=OLDEST_OPSET)


OLDEST_OPSET = min(messages.IR_OF_OPSET)
_BFLOAT16_LAYERS = 22
"""The opset from which convolutions and pooling take bfloat16."""
_SCALES_OF_ANY_TYPE = 19
"""The opset from which Q/DQ take 8-bit floats, and scales in what they quantize."""


def _opset(node: Node) -> int:
    types = {node.output.dtype, *(value.dtype for value in node.inputs)}
    if "bfloat16" in types:
        return _BFLOAT16_LAYERS
    retyped = isinstance(node.op, ops.Quantize | ops.Dequantize) or getattr(node.op, "stored", None)
    return _SCALES_OF_ANY_TYPE if retyped and types & {"float16", "float8_e4m3fn"} else OLDEST_OPSET
