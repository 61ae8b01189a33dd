"""The last layer of a model: found, and replaced for another number of classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from resnet_gen.onnx.wrapping.constant_lists import read_list
from resnet_gen.onnx.wrapping.editor import ModelEditor
from resnet_gen.problems import shorten

_PASSING = ("Cast", "Flatten", "Identity", "LogSoftmax", "Reshape", "Softmax", "Squeeze")
"""What may stand between the last layer and the output."""
_ROUNDING = ("DequantizeLinear", "QuantizeLinear")
_LAYERS = ("Conv", "Gemm", "MatMul")


def find_last_layer(editor: ModelEditor, *, rounded: bool = False) -> Any:
    """The node of the last layer with weights of the one output, seen through what makes no other scores of it.

    With `rounded` it may stand before Q/DQ, of which other weights would need other scales.
    """
    passing = (*_PASSING, *_ROUNDING) if rounded else _PASSING
    if len(editor.graph.outputs) != 1:
        raise editor.make_refusal(f"it has {len(editor.graph.outputs)} outputs, and the last layer is that of one")
    tensor = editor.graph.outputs[0]
    for _ in range(16):
        if len(tensor.inputs) != 1:
            break
        (node,) = tensor.inputs
        if node.op in _LAYERS:
            return node
        constants = [t for t in node.inputs if isinstance(t, editor.surgeon.Constant)]
        if node.op not in passing and not (node.op == "Add" and constants):
            break
        tensor = next(t for t in node.inputs if t not in constants)
    raise editor.make_refusal("no last layer is found: its output is made by no Gemm, MatMul or Conv")


def replace_last_layer(editor: ModelEditor, classes: int, draw: Any) -> str:
    """New weights for another number of classes; `draw` makes an array of a shape and a number of inputs."""
    layer = find_last_layer(editor)
    weight = layer.inputs[1]
    if not isinstance(weight, editor.surgeon.Constant) or layer.attrs.get("group", 1) != 1:
        raise editor.make_refusal(f"--classes: the weights of '{shorten(layer.name)}' are no plain numbers in the file")
    old, axis = weight.shape, _class_axis(layer)
    if old[axis] == classes:
        raise editor.make_refusal(f"--classes: it has {classes:,} classes already")
    new = tuple(classes if place == axis else n for place, n in enumerate(old))
    layer.inputs[1] = _draw_constant(editor, "weight", layer, new, np.prod(new) // classes, weight.dtype, draw)
    _replace_biases(editor, layer, old[axis], classes, int(np.prod(new) // classes), draw)
    editor.forget_shapes()
    _move_classes(editor, layer, old[axis], classes)
    kind = "all zeros" if draw is None else "drawn from a seed"
    return f"classes {old[axis]:,} -> {classes:,}: the weights of '{shorten(layer.name)}' are new, {kind}"


def _draw_constant(
    editor: ModelEditor, role: str, layer: Any, shape: tuple[int, ...], fan: int, dtype: Any, draw: Any
) -> Any:
    values = np.zeros(shape, np.float32) if draw is None else draw(role, shape, int(fan))
    name = editor.new_name(f"{layer.name or 'last_layer'}.new_{role}")
    return editor.surgeon.Constant(name, np.ascontiguousarray(values.astype(dtype)))


def _replace_biases(editor: ModelEditor, layer: Any, old: int, classes: int, fan: int, draw: Any) -> None:
    """The bias of the layer, and one that is added behind it."""
    behind = layer.outputs[0].outputs
    added = [n for n in behind if layer.op == "MatMul" and n.op == "Add"]
    for node, places in ((layer, range(2, len(layer.inputs))), *((n, range(len(n.inputs))) for n in added)):
        for place in places:
            bias = node.inputs[place]
            if isinstance(bias, editor.surgeon.Constant) and bias.values.size == old:
                shape = tuple(classes if n == old else n for n in bias.shape)
                node.inputs[place] = _draw_constant(editor, "bias", layer, shape, fan, bias.dtype, draw)


def _move_classes(editor: ModelEditor, layer: Any, old: int, classes: int) -> None:
    """Lists of dimensions behind the layer that end with the old number of classes."""
    waiting = [*layer.outputs]
    while waiting:
        for node in waiting.pop().outputs:
            waiting += node.outputs
            dims = read_list(editor.surgeon, node.inputs[1]) if node.op == "Reshape" else None
            if dims and old in dims:
                name = editor.new_name(f"{node.inputs[1].name}_of_new_classes")
                new = [classes if n == old else n for n in dims]
                node.inputs[1] = editor.surgeon.Constant(name, np.array(new, np.int64))


def _class_axis(layer: Any) -> int:
    """Along which axis of the weights the classes lie."""
    if layer.op == "Conv":
        return 0
    return 0 if layer.op == "Gemm" and layer.attrs.get("transB", 0) else 1
