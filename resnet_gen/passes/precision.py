"""Element types: the whole network in float16, its input and outputs kept in float32."""

from __future__ import annotations

from dataclasses import replace

from resnet_gen.graph import Graph, Node, Value
from resnet_gen.ops import Cast, DType


def set_precision(graph: Graph, dtype: DType) -> Graph:
    """Compute everything in `dtype`; casts stand behind the input and before each output.

    TensorRT 11 takes precision from the graph alone (strongly typed networks).
    """
    if dtype == "float32":
        return graph
    inside = graph.input._replace(name=f"{graph.input.name}.cast", dtype=dtype)
    names = {value.name for value in graph.outputs}

    def typed(value: Value) -> Value:
        if value.name == graph.input.name:
            return inside
        name = f"{value.name}.{dtype}" if value.name in names else value.name
        return value._replace(name=name, dtype=dtype)

    first = _cast(inside.name, graph.input, inside, dtype)
    body = [replace(n, inputs=tuple(map(typed, n.inputs)), output=typed(n.output)) for n in graph.nodes]
    last = [_cast(f"{v.name}.cast", typed(v), v, "float32") for v in graph.outputs]
    return replace(graph, nodes=(first, *body, *last))


def _cast(name: str, source: Value, result: Value, to: DType) -> Node:
    return Node(name, name, Cast(to), (source,), result)
