"""From the outputs of a network to those of its file: softmax, the best classes, vectors of length one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from resnet_gen.graph.surroundings import ServedKind, ServedOutput
from resnet_gen.onnx.reading.constants import DTYPES
from resnet_gen.onnx.reading.surroundings.nodes import TensorFlow, find_integers

_MOST_STEPS = 8
_WIDE = ("float16", "bfloat16", "float32", "float64", "int32", "int64")


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


class OutputEpilogue(NamedTuple):
    """What stands behind a network: what the file outputs, of which tensors; and whether that is but a softmax."""

    outputs: tuple[ServedOutput, ...]
    sources: tuple[str, ...]
    is_softmax: bool


def find_epilogue(flow: TensorFlow) -> OutputEpilogue | None:
    """What stands between the outputs of a network and those of its file; None where nothing does.

    Those that the file outputs as the network makes them are `logits` here; what they are is seen once they are read.
    """
    walked = [_walk_back(flow, name) for name in flow.outputs]
    if all(steps.kind is None for steps in walked):
        return None
    outputs = _list_outputs(flow, walked)
    sources = tuple(dict.fromkeys(output.source for output in outputs))
    softmax = len(outputs) == len(sources) == 1 and outputs[0].kind == "probabilities"
    return OutputEpilogue(outputs, sources, softmax)


def _list_outputs(flow: TensorFlow, walked: list[OutputSteps]) -> tuple[ServedOutput, ...]:
    """What each output is; values and indices of the same best classes are one."""
    found: list[ServedOutput] = []
    alone: dict[tuple[int | None, str], int] = {}
    for name, steps in zip(flow.outputs, walked, strict=True):
        place = alone.pop((steps.node, _OTHER.get(steps.part, "")), None) if steps.node is not None else None
        if place is None:
            alone[steps.node, steps.part] = len(found)
            found.append(_make_output(flow, name, steps))
        else:
            (before,) = found[place].names
            names = (before, name) if steps.part == "indices" else (name, before)
            found[place] = replace(found[place], names=names)
    return tuple(found)


_OTHER = {"values": "indices", "indices": "values"}


def _make_output(flow: TensorFlow, name: str, steps: OutputSteps) -> ServedOutput:
    source = _skip_identities(flow, name) if steps.kind is None else steps.tensor
    raw = steps.kind == "top_k" and not steps.softmax
    return ServedOutput(steps.kind or "logits", source, (name,), steps.k, steps.normalized, raw)


def _skip_identities(flow: TensorFlow, name: str) -> str:
    """What a tensor is another name of, which may be made into something else, too."""
    while (index := flow.find_maker(name, "Identity")) is not None:
        name = flow.nodes[index].input[0]
    return name


def _walk_back(flow: TensorFlow, name: str) -> OutputSteps:
    """All that is known to be made of one tensor of the network."""
    steps = OutputSteps(name)
    for _ in range(_MOST_STEPS):
        index = flow.makers.get(steps.tensor)
        attributes = None if index is None else flow.attributes(index)
        step = _STEPS.get(flow.nodes[index].op_type) if index is not None else None
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


def _arg_max(flow: TensorFlow, steps: OutputSteps, index: int, attributes: dict[str, Any]) -> OutputSteps | None:
    usual = attributes.get("axis", 0) in (1, -1) and not attributes.get("select_last_index", 0)
    if steps.kind or not usual:
        return None
    return replace(steps, tensor=flow.nodes[index].input[0], kind="top_k", part="indices", k=1, node=index)


def _cast(flow: TensorFlow, steps: OutputSteps, index: int, attributes: dict[str, Any]) -> OutputSteps | None:
    """Another type: of indices one that holds them all, of the rest any floating point."""
    dtype = DTYPES.get(attributes.get("to", 0))
    if dtype is None or dtype.name not in _WIDE:
        return None
    integers = steps.as_integers or dtype.kind == "i"
    if integers and steps.kind and steps.part != "indices":
        return None
    return replace(steps, tensor=flow.nodes[index].input[0], as_integers=integers)


def _pass(flow: TensorFlow, steps: OutputSteps, index: int, attributes: dict[str, Any]) -> OutputSteps | None:
    return replace(steps, tensor=flow.nodes[index].input[0])


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
    attributes, node = flow.attributes(index) or {}, flow.nodes[index]
    axes = list(attributes.get("axes") or []) or (find_integers(flow, node.input[1]) if len(node.input) > 1 else None)
    return axes in ([1], [-1]) and bool(attributes.get("keepdims", 1))


_STEPS: dict[str, Callable[[TensorFlow, OutputSteps, int, dict[str, Any]], OutputSteps | None]] = {
    "ArgMax": _arg_max,
    "Cast": _cast,
    "Div": _divide_by_length,
    "Identity": _pass,
    "LpNormalization": _normalize,
    "Softmax": _softmax,
    "TopK": _top_k,
}
"""What may stand before an output."""
