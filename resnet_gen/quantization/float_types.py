"""Element types: the whole network in another float type, what goes in and comes out kept in float32 or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from resnet_gen.graph import Graph, Node, Value
from resnet_gen.ops import BatchNorm, Cast, DType, GroupNorm
from resnet_gen.ops.types import TypeChange
from resnet_gen.problems import refuse, several
from resnet_gen.weights.base import Weights
from resnet_gen.weights.stream import element_type


def set_precision(graph: Graph, dtype: DType, *, typed_io: bool = False) -> Graph:
    """Compute in `dtype` what is computed in float32; what is in eight bits stays so.

    Casts stand behind the input and before each output, unless these have the
    type too (`typed_io`). TensorRT 11 takes precision from the graph alone.
    """
    if dtype == "float32":
        return graph
    if typed_io:
        nodes = tuple(_retype_node(node, lambda value: _retype_value(value, dtype), dtype) for node in graph.nodes)
        outputs = tuple(_retype_value(value, dtype) for value in graph.outputs)
        return replace(graph, input=_retype_value(graph.input, dtype), nodes=nodes, outputs=outputs)
    inside = graph.input._replace(name=f"{graph.input.name}.cast", dtype=dtype)
    names = {value.name for value in graph.outputs}

    def retype(value: Value) -> Value:
        if value.name == graph.input.name:
            return inside
        name = f"{value.name}.{dtype}" if value.name in names else value.name
        return _retype_value(value._replace(name=name), dtype)

    first = _make_cast(inside.name, graph.input, inside, dtype)
    body = [_retype_node(node, retype, dtype) for node in graph.nodes]
    last = [_make_cast(f"{v.name}.cast", retype(v), v, "float32") for v in graph.outputs]
    return replace(graph, nodes=(first, *body, *last))


def check_variances(graph: Graph, weights: Weights, dtype: DType) -> None:
    """Refuse norms whose variances a type cannot hold: channels would be divided by zero, or by something else.

    `graph` computes in `dtype`, so that the norms that are left in it do.
    """
    kind = element_type(dtype)
    for node in graph.nodes:
        if isinstance(node.op, GroupNorm) and np.asarray(node.op.eps, np.float32).astype(kind) == 0:
            raise refuse(f"'{node.name}': its eps of {node.op.eps:g} is 0 in {dtype}", hint=f"set norm.eps, {_WIDER}")
        if isinstance(node.op, BatchNorm) and node.output.dtype == dtype:
            channels, beyond = _count_lost(node, node.op.eps, weights, kind)
            if channels:
                how = "are beyond" if beyond else "vanish in"
                what = f"variances of {several(channels, 'channel')} with eps {node.op.eps:g} {how} {dtype}"
                raise refuse(f"'{node.name}': {what}", hint=f"fold it with --fold-bn, {_WIDER}")


_WIDER = "or build in bf16 or fp32"
_MOST_LOST = 0.05
"""Of what a channel is divided by."""


def _count_lost(norm: Node, eps: float, weights: Weights, kind: np.dtype[Any]) -> tuple[int, bool]:
    """How many channels, of those with a number, are divided by something else where variance and eps are of a type.

    And whether the type's range is what ends there, for one of them.
    """
    exact = weights.rows(norm.weight_name("running_var"), 0, norm.shape[0])
    with np.errstate(all="ignore"):
        held = exact.astype(kind).astype(np.float64) + float(np.asarray(eps).astype(kind))
        wanted = exact.astype(np.float64) + eps
        lost = ~(np.abs(np.sqrt(held / wanted) - 1) <= _MOST_LOST)
        lost &= np.isfinite(np.sqrt(wanted))
        return int(lost.sum()), bool((lost & np.isinf(held)).any())


def _retype_value(value: Value, dtype: DType) -> Value:
    return value._replace(dtype=dtype) if value.dtype == "float32" else value


def _retype_node(node: Node, retype: Callable[[Value], Value], dtype: DType) -> Node:
    op = node.op
    if isinstance(op, TypeChange) and op.to == "float32":
        op = replace(op, to=dtype)
    return replace(node, op=op, inputs=tuple(map(retype, node.inputs)), output=retype(node.output))


def _make_cast(name: str, source: Value, result: Value, to: DType) -> Node:
    return Node(name, name, Cast(to), (source,), result)
