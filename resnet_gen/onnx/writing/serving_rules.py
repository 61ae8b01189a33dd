"""How ONNX spells what a file puts around a network: pixels decoded before it, classes chosen behind it."""

from __future__ import annotations

from typing import Any

from resnet_gen.onnx.writing.node_writer import NodeWriter, OperationRule
from resnet_gen.onnx.writing.resizing_rule import resize_and_crop
from resnet_gen.ops import Op, serving

_AXES_AS_INPUT = 18
"""The opset from which ReduceL2 takes its axes as an input."""
_SHORTEST = 1e-12
"""What a vector is divided by at least, as PyTorch's `normalize` has it."""


def _normalize(op: serving.NormalizePixels, call: NodeWriter) -> None:
    """Divided, subtracted, divided: in this order, as others round otherwise; what changes nothing is left out."""
    steps = list[tuple[str, str, Any]]()
    if op.scale != 1:
        steps.append(("Div", "scale", [op.scale]))
    if any(op.mean):
        steps.append(("Sub", "mean", _per_channel(op.mean)))
    if any(value != 1 for value in op.std):
        steps.append(("Div", "std", _per_channel(op.std)))
    (x,) = call.inputs
    for op_type, role, values in steps[:-1]:
        x = call.step(f"by_{role}", op_type, x, call.numbers(role, values))
    if not steps:
        call.end("Identity", x)
        return
    op_type, role, values = steps[-1]
    call.end(op_type, x, call.numbers(role, values))


def _per_channel(values: tuple[float, ...]) -> list[list[list[float]]]:
    return [[[value]] for value in values]


def _best_classes(op: serving.BestClasses, call: NodeWriter) -> None:
    call.end_second("scores", "TopK", *call.inputs, call.integers("k", [op.k]), axis=1, largest=1, sorted=1)


def _unit_length(_: serving.UnitLength, call: NodeWriter) -> None:
    (x,) = call.inputs
    if call.opset < _AXES_AS_INPUT:
        length = call.step("length", "ReduceL2", x, axes=[1], keepdims=1)
    else:
        length = call.step("length", "ReduceL2", x, call.integers("axes", [1]), keepdims=1)
    call.end("Div", x, call.step("divisor", "Max", length, call.numbers("shortest", [_SHORTEST])))


SERVING_RULES: dict[type[Op], OperationRule] = {
    serving.ChannelsFirst: lambda _, call: call.end("Transpose", *call.inputs, perm=[0, 3, 1, 2]),
    serving.ReverseChannels: lambda _, call: call.end(
        "Gather", *call.inputs, call.integers("order", [*reversed(range(call.node.shape[0]))]), axis=1
    ),
    serving.ResizeAndCrop: resize_and_crop,
    serving.NormalizePixels: _normalize,
    serving.BestClasses: _best_classes,
    serving.ScoresOfClasses: lambda _, call: call.end("GatherElements", *call.inputs, axis=1),
    serving.UnitLength: _unit_length,
}
"""How each of them is spelled."""
