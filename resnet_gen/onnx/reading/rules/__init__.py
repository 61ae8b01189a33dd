"""How ONNX's operators are read: one rule an operator, the mirror image of `onnx.writing.rules.RULES`."""

from __future__ import annotations

from collections.abc import Callable

from resnet_gen.onnx.reading.constants import FileConstant
from resnet_gen.onnx.reading.operator_call import OperatorCall
from resnet_gen.onnx.reading.rules import (
    arithmetic,
    arrangement,
    constants,
    conversions,
    elementwise,
    layers,
    pooling,
    rounding,
)
from resnet_gen.onnx.reading.signals import QuantizedSignal, ShapeSizes, UnexplainedOperator, Wire
from resnet_gen.ops import GlobalAvgPool, GlobalMaxPool

Rule = Callable[[OperatorCall], "Wire | list[Wire]"]

RULES: dict[str, Rule] = {
    "Add": elementwise.binary,
    "AveragePool": pooling.avg_pool,
    "BatchNormalization": layers.batch_norm,
    "Cast": rounding.cast,
    "CastLike": rounding.cast,
    "Clip": elementwise.clip,
    "Concat": arrangement.concat,
    "Conv": layers.conv,
    "DequantizeLinear": rounding.dequantize,
    "Div": elementwise.binary,
    "Dropout": arrangement.dropout,
    "Elu": elementwise.unary,
    "Erf": elementwise.unary,
    "Exp": elementwise.unary,
    "Expand": arrangement.expand,
    "Flatten": arrangement.flatten,
    "Gather": arrangement.gather,
    "Gelu": elementwise.unary,
    "Greater": elementwise.binary,
    "GreaterOrEqual": elementwise.binary,
    "Gemm": layers.gemm,
    "GlobalAveragePool": pooling.whole_map(GlobalAvgPool),
    "GlobalMaxPool": pooling.whole_map(GlobalMaxPool),
    "GroupNormalization": layers.group_norm,
    "HardSigmoid": elementwise.unary,
    "HardSwish": elementwise.unary,
    "Identity": arrangement.same,
    "InstanceNormalization": layers.instance_norm,
    "LeakyRelu": elementwise.unary,
    "Less": elementwise.binary,
    "LessOrEqual": elementwise.binary,
    "Log": elementwise.unary,
    "MatMul": layers.matmul,
    "Max": elementwise.binary,
    "MaxPool": pooling.max_pool,
    "Min": elementwise.binary,
    "Mish": elementwise.unary,
    "Mul": elementwise.binary,
    "Neg": elementwise.unary,
    "PRelu": elementwise.binary,
    "Pad": arrangement.pad,
    "Pow": elementwise.binary,
    "QuantizeLinear": rounding.quantize,
    "ReduceMax": pooling.reduce,
    "ReduceMean": pooling.reduce,
    "ReduceSum": pooling.reduce,
    "Relu": elementwise.unary,
    "Reshape": arrangement.reshape,
    "Shape": constants.shape,
    "Sigmoid": elementwise.unary,
    "Slice": arrangement.slices,
    "Softmax": arrangement.softmax,
    "Softplus": elementwise.unary,
    "Split": arrangement.split,
    "Squeeze": arrangement.squeeze,
    "Sub": elementwise.binary,
    "Swish": elementwise.unary,
    "Tanh": elementwise.unary,
    "ThresholdedRelu": elementwise.unary,
    "Transpose": arrangement.transpose,
    "Unsqueeze": arrangement.unsqueeze,
    "Where": elementwise.where,
}
"""What an operator on activations is."""

OF_CONSTANTS: dict[str, Rule] = {
    **dict.fromkeys(
        ("Add", "Sub", "Mul", "Div", "Sqrt", "Neg", "Reciprocal", "Pow", "Equal", "Where"), arithmetic.arithmetic
    ),
    **dict.fromkeys(("Cast", "CastLike"), conversions.cast),
    **dict.fromkeys(("Expand", "ConstantOfShape"), constants.expand),
    **dict.fromkeys(("Squeeze", "Unsqueeze"), constants.redimensioned),
    "BatchNormalization": arithmetic.batch_norm,
    "Concat": constants.concat,
    "Constant": constants.constant,
    "DequantizeLinear": conversions.dequantize,
    "Gather": constants.gather,
    "Identity": arrangement.same,
    "QuantizeLinear": conversions.quantize,
    "Range": constants.ranges,
    "ReduceMean": arithmetic.mean,
    "Reshape": constants.reshape,
    "Shape": constants.shape,
    "Slice": constants.slices,
    "Transpose": constants.transpose,
}
"""What an operator on constants alone is."""


_OF_QUANTIZED = ("DequantizeLinear", "Identity", "Shape")
"""The operators that may read an activation while it is quantized."""


def rule_for(call: OperatorCall) -> Rule | None:
    """The rule of a node, by its operator and whether all that it reads is known; None where there is none.

    Raises `UnexplainedOperator` where it reads an activation that is quantized.
    """
    wires = [wire for wire in call.wires if wire is not None]
    quantized = next((wire for wire in wires if isinstance(wire, QuantizedSignal)), None)
    if quantized and call.node.op_type not in _OF_QUANTIZED:
        raise UnexplainedOperator(f"it reads an activation as {quantized.dtype.name}, before a DequantizeLinear")
    fixed = all(isinstance(wire, (FileConstant, ShapeSizes)) for wire in wires)
    if call.node.op_type == "CastLike" and call.wires and isinstance(call.wires[0], (FileConstant, ShapeSizes)):
        fixed = True
    return (OF_CONSTANTS if fixed else RULES).get(call.node.op_type)
