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

OperatorRule = Callable[[OperatorCall], "Wire | list[Wire]"]

_OF_ONE = (
    "Abs Elu Erf Exp Gelu HardSigmoid HardSwish LeakyRelu Log Mish Neg Reciprocal Relu Sigmoid Softplus Swish Tanh "
    "ThresholdedRelu"
)
_OF_TWO = "Add Div Greater GreaterOrEqual Less LessOrEqual Max Min Mul PRelu Pow Sub"
"""Elementwise operators of one activation, and of two operands."""

RULES: dict[str, OperatorRule] = {
    **dict.fromkeys(_OF_ONE.split(), elementwise.apply_unary),
    **dict.fromkeys(_OF_TWO.split(), elementwise.apply_binary),
    **dict.fromkeys(("Cast", "CastLike"), rounding.cast),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), pooling.pool_whole_map),
    **dict.fromkeys(("ReduceMax", "ReduceMean", "ReduceSum"), pooling.reduce),
    "AveragePool": pooling.avg_pool,
    "BatchNormalization": layers.batch_norm,
    "Clip": elementwise.clip,
    "Concat": arrangement.concat,
    "Conv": layers.conv,
    "DequantizeLinear": rounding.dequantize,
    "Dropout": arrangement.dropout,
    "Expand": arrangement.expand,
    "Flatten": arrangement.flatten,
    "Gather": arrangement.gather,
    "Gemm": layers.gemm,
    "GroupNormalization": layers.group_norm,
    "Identity": arrangement.identity,
    "InstanceNormalization": layers.instance_norm,
    "MatMul": layers.matmul,
    "MaxPool": pooling.max_pool,
    "Pad": arrangement.pad,
    "QuantizeLinear": rounding.quantize,
    "Reshape": arrangement.reshape,
    "Shape": constants.shape,
    "Slice": arrangement.slices,
    "Softmax": arrangement.softmax,
    "Split": arrangement.split,
    "Squeeze": arrangement.squeeze,
    "Transpose": arrangement.transpose,
    "Unsqueeze": arrangement.unsqueeze,
    "Where": elementwise.where,
}
"""What an operator on activations is."""

OF_CONSTANTS: dict[str, OperatorRule] = {
    **dict.fromkeys(arithmetic.FUNCTIONS, arithmetic.arithmetic),
    **dict.fromkeys(("Cast", "CastLike"), conversions.cast),
    **dict.fromkeys(("Expand", "ConstantOfShape"), constants.expand),
    **dict.fromkeys(("Squeeze", "Unsqueeze"), constants.change_dims),
    "BatchNormalization": arithmetic.batch_norm,
    "Concat": constants.concat,
    "Constant": constants.constant,
    "DequantizeLinear": conversions.dequantize,
    "Gather": constants.gather,
    "Identity": arrangement.identity,
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


def rule_for(call: OperatorCall) -> OperatorRule | None:
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
