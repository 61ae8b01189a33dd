"""From the outputs of a network to those of its file: softmax, the best classes, vectors of length one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from onnx import TensorProto

from resnet_gen.graph.surroundings import ServedKind, ServedOutput
from resnet_gen.onnx.reading.constants import DTYPES
from resnet_gen.onnx.reading.surroundings.nodes import TensorFlow, find_integers

_MOST_STEPS = 8
_FLOATS = ("float16", "bfloat16", "float32", "float64")
_WIDE = (*_FLOATS, "int32", "int64")


@dataclass(frozen=True)
class OutputSteps:
    """Steps back from an output of a file: the tensor that was reached, and what is made of it.

    `part` says of the best classes whether their values or their indices are output.
    """

    tensor: str
    kind: ServedKind | None = None
    part: str = ""
    k: int | None = None
    softmax: bool = False
    normalized: bool = False
    node: int | None = None
    as_integers: bool = False
    rounding: tuple[float, float] | None = None


StepBack: TypeAlias = Callable[[TensorFlow, OutputSteps, int, dict[str, Any]], OutputSteps | None]
"""What an operator's node makes of what it reads; None where it does something else."""


def find_epilogue(flow: TensorFlow, ranks: Mapping[str, int]) -> tuple[ServedOutput, ...]:
    """What stands between the outputs of a network and those of its file, all of whose outputs are listed.

    Those that the file outputs as the network makes them are logits, an embedding or a map by what makes them and by
    their `ranks`, as far as these are stated; what they really are is seen once they are read (`settle_kinds`).
    """
    walked = (_walk_back(flow, name) for name in flow.outputs)
    return _list_outputs(flow, [_name_kind(flow, steps, ranks) for steps in walked])


def _name_kind(flow: TensorFlow, steps: OutputSteps, ranks: Mapping[str, int]) -> OutputSteps:
    """Steps of which it is said what the network outputs where that is output as it is."""
    if steps.kind is not None:
        return steps
    rank = ranks.get(steps.tensor)
    kind: ServedKind = "logits"
    if rank == _RANK_OF_MAP:
        kind = "map"
    elif rank is not None and not _ends_in_layer(flow, steps.tensor):
        kind = "embedding"
    return replace(steps, tensor=_skip_changes_of_type(flow, steps.tensor), kind=kind)


_RANK_OF_MAP = 4
_LAYERS = ("Conv", "Gemm", "MatMul")
_UNCHANGING = ("Add", "Cast", "DequantizeLinear", "Flatten", "Identity", "QuantizeLinear", "Reshape", "Squeeze")
"""What may stand between a layer and the scores that it makes; a sum is one with its bias."""


def _ends_in_layer(flow: TensorFlow, name: str) -> bool:
    """Whether a layer with weights makes a tensor, as one makes the scores of classes."""
    for _ in range(_MOST_STEPS):
        index = flow.find_maker(name, *_LAYERS, *_UNCHANGING)
        if index is None:
            return False
        node = flow.nodes[index]
        if node.op_type in _LAYERS:
            return True
        changing = [each for each in node.input if flow.find_array(each) is None]
        if node.op_type == "Add" and len(changing) != 1:
            return False
        name = changing[0] if changing else ""
    return False


def _list_outputs(flow: TensorFlow, walked: list[OutputSteps]) -> tuple[ServedOutput, ...]:
    """What each output is; values and indices of the same best classes are one."""
    found: list[ServedOutput] = []
    alone: dict[tuple[int | None, str], int] = {}
    for name, steps in zip(flow.outputs, walked, strict=True):
        place = alone.pop((steps.node, _OTHER.get(steps.part, "")), None) if steps.node is not None else None
        made = _make_output(name, steps)
        if place is None:
            alone[steps.node, steps.part] = len(found)
            found.append(made)
        else:
            values, indices = (found[place], made) if steps.part == "indices" else (made, found[place])
            found[place] = replace(values, kind="top_k", names=values.names + indices.names)
    return tuple(found)


_OTHER = {"values": "indices", "indices": "values"}


def _make_output(name: str, steps: OutputSteps) -> ServedOutput:
    assert steps.kind
    best = steps.kind == "top_k"
    kind: ServedKind = steps.kind if not best else "best_indices" if steps.part == "indices" else "best_scores"
    return ServedOutput(
        kind, steps.tensor, (name,), steps.k, steps.normalized, best and not steps.softmax, steps.rounding
    )


def _skip_changes_of_type(flow: TensorFlow, name: str) -> str:
    """What a tensor is another name of, or the same in another float type, of which more may be made."""
    for _ in range(_MOST_STEPS):
        index = flow.find_maker(name, "Identity", "Cast")
        dtype = None if index is None else DTYPES.get((flow.attributes(index) or {}).get("to", TensorProto.FLOAT))
        if index is None or dtype is None or dtype.name not in _FLOATS:
            break
        name = flow.nodes[index].input[0]
    return name


def _walk_back(flow: TensorFlow, name: str, known: Mapping[str, StepBack] | None = None) -> OutputSteps:
    """All that is known to be made of one tensor of the network, by the operators of `known`."""
    steps = OutputSteps(name)
    for _ in range(_MOST_STEPS):
        index = flow.makers.get(steps.tensor)
        attributes = None if index is None else flow.attributes(index)
        step = (known or _STEPS).get(flow.nodes[index].op_type) if index is not None else None
        before = step(flow, steps, index, attributes) if step and index is not None and attributes is not None else None
        if before is None:
            break
        steps = before
    return steps if steps.kind else OutputSteps(name)


def _softmax(flow: TensorFlow, steps: OutputSteps, index: int, attributes: dict[str, Any]) -> OutputSteps | None:
    if steps.kind not in (None, "top_k") or steps.softmax or attributes.get("axis", -1) not in (1, -1):
        return None
    if steps.as_integers and steps.kind is None:
        return None
    return replace(steps, tensor=flow.nodes[index].input[0], kind=steps.kind or "probabilities", softmax=True)


def _top_k(flow: TensorFlow, steps: OutputSteps, index: int, attributes: dict[str, Any]) -> OutputSteps | None:
    node = flow.nodes[index]
    many = find_integers(flow, node.input[1])
    usual = attributes.get("axis", -1) in (1, -1) and attributes.get("largest", 1) and attributes.get("sorted", 1)
    if steps.kind or not usual or not many or len(many) != 1 or many[0] < 1:
        return None
    part = "values" if node.output[0] == steps.tensor else "indices"
    if steps.as_integers and part == "values":
        return None
    return replace(steps, tensor=node.input[0], kind="top_k", part=part, k=many[0], node=index)


def _choose_scores(flow: TensorFlow, steps: OutputSteps, index: int, attributes: dict[str, Any]) -> OutputSteps | None:
    """The scores of the best classes, or their probabilities, by the numbers of these."""
    scores, chosen = (_walk_back(flow, name, _STEPS_OF_CLASSES) for name in flow.nodes[index].input)
    if steps.kind or steps.as_integers or attributes.get("axis", 0) not in (1, -1):
        return None
    if chosen.part != "indices" or scores.kind not in (None, "probabilities") or scores.tensor != chosen.tensor:
        return None
    return replace(chosen, part="values", softmax=scores.softmax)


def _arg_max(flow: TensorFlow, steps: OutputSteps, index: int, attributes: dict[str, Any]) -> OutputSteps | None:
    usual = attributes.get("axis", 0) in (1, -1) and not attributes.get("select_last_index", 0)
    if steps.kind or not usual:
        return None
    return replace(steps, tensor=flow.nodes[index].input[0], kind="top_k", part="indices", k=1, node=index)


def _max(flow: TensorFlow, steps: OutputSteps, index: int, attributes: dict[str, Any]) -> OutputSteps | None:
    """The score of the best class alone; a network itself may end in another maximum."""
    scores = flow.nodes[index].input[0]
    if steps.kind or steps.as_integers or _find_reduced(flow, index) not in ([1], [-1]):
        return None
    if flow.find_maker(scores, "Softmax") is None and not _ends_in_layer(flow, scores):
        return None
    return replace(steps, tensor=scores, kind="top_k", part="values", k=1, node=index)


def _cast(flow: TensorFlow, steps: OutputSteps, index: int, attributes: dict[str, Any]) -> OutputSteps | None:
    """Another type: of indices one that holds them all, of the rest, and of what they are chosen by, any float."""
    dtype = DTYPES.get(attributes.get("to", 0))
    if dtype is None or dtype.name not in _WIDE or (steps.kind and dtype.kind == "i"):
        return None
    integers = steps.as_integers or dtype.kind == "i"
    if integers and steps.kind and steps.part != "indices":
        return None
    return replace(steps, tensor=flow.nodes[index].input[0], as_integers=integers)


def _pass(flow: TensorFlow, steps: OutputSteps, index: int, attributes: dict[str, Any]) -> OutputSteps | None:
    return replace(steps, tensor=flow.nodes[index].input[0])


def _dequantize(flow: TensorFlow, steps: OutputSteps, index: int, attributes: dict[str, Any]) -> OutputSteps | None:
    """Codes of eight bits and what they stand for, of what is no layer's: those of a layer are the network's own."""
    before = flow.find_maker(flow.nodes[index].input[0], "QuantizeLinear")
    if before is None or steps.as_integers or flow.find_maker(flow.nodes[before].input[0], *_ROUNDED) is None:
        return None
    (scale, zero), here = (_find_quantization(flow, each) for each in (before, index))
    if scale is None or zero is None or here != (scale, zero):
        return None
    ends = np.iinfo(zero.dtype)
    low, high = (float(scale) * (end - int(zero)) for end in (ends.min, ends.max))
    least, most = steps.rounding or (low, high)
    return replace(steps, tensor=flow.nodes[before].input[0], rounding=(max(low, least), min(high, most)))


def _find_quantization(flow: TensorFlow, index: int) -> tuple[Any, Any]:
    """The one scale and the one zero point, of eight bits, of a node that quantizes or reverses that; else None."""
    named = [name for name in flow.nodes[index].input[1:] if name]
    scale, zero = (flow.find_array(name) for name in named) if len(named) == 2 else (None, None)
    if scale is None or zero is None or scale.size != 1 or zero.size != 1 or zero.dtype not in (np.int8, np.uint8):
        return None, None
    return scale.reshape(())[()], zero.reshape(())[()]


def _normalize(flow: TensorFlow, steps: OutputSteps, index: int, attributes: dict[str, Any]) -> OutputSteps | None:
    """ONNX's own operator for vectors of length one."""
    if steps.kind or steps.as_integers or attributes.get("p", 2) != 2 or attributes.get("axis", -1) not in (1, -1):
        return None
    return replace(steps, tensor=flow.nodes[index].input[0], kind="embedding", normalized=True)


def _divide_by_length(
    flow: TensorFlow, steps: OutputSteps, index: int, attributes: dict[str, Any]
) -> OutputSteps | None:
    """A vector over its length, which is kept from being zero."""
    vector, length = flow.nodes[index].input
    if steps.kind or steps.as_integers:
        return None
    while (before := flow.find_maker(length, "Clip", "Max", "Expand", "Identity")) is not None:
        node = flow.nodes[before]
        length = node.input[0]
        if node.op_type in ("Clip", "Max") and not _is_floor(flow, before):
            return None
    found = flow.find_maker(length, "ReduceL2")
    if found is None or flow.nodes[found].input[0] != vector or not _reduces_vector(flow, found):
        return None
    return replace(steps, tensor=vector, kind="embedding", normalized=True)


_LARGEST_FLOOR = 1e-3


def _is_floor(flow: TensorFlow, index: int) -> bool:
    """Whether a node keeps what it reads from being smaller than almost nothing, and no more."""
    node = flow.nodes[index]
    low = flow.find_array(node.input[1]) if len(node.input) > 1 else None
    high = len(node.input) > 2 and node.input[2]
    return not high and low is not None and low.size == 1 and 0 <= float(low.reshape(-1)[0]) <= _LARGEST_FLOOR


def _reduces_vector(flow: TensorFlow, index: int) -> bool:
    return _find_reduced(flow, index) in ([1], [-1]) and bool((flow.attributes(index) or {}).get("keepdims", 1))


def _find_reduced(flow: TensorFlow, index: int) -> list[int] | None:
    """The axes over which a node goes, where it states them."""
    attributes, node = flow.attributes(index) or {}, flow.nodes[index]
    return list(attributes.get("axes") or []) or (find_integers(flow, node.input[1]) if len(node.input) > 1 else None)


_STEPS_OF_CLASSES: dict[str, StepBack] = {
    "ArgMax": _arg_max,
    "Cast": _cast,
    "DequantizeLinear": _dequantize,
    "Identity": _pass,
    "ReduceMax": _max,
    "Softmax": _softmax,
    "TopK": _top_k,
}
"""What may stand before scores, and before the numbers of classes."""
_STEPS: dict[str, StepBack] = {
    **_STEPS_OF_CLASSES,
    "Div": _divide_by_length,
    "GatherElements": _choose_scores,
    "LpNormalization": _normalize,
}
"""What may stand before an output."""
_ROUNDED = tuple(kind for kind in _STEPS if kind not in ("Cast", "DequantizeLinear", "Identity"))
"""What quantizers of whole files round behind."""
