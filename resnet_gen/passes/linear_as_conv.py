"""Linear layers as convolutions, for targets that have no matrix product in a precision.

TensorRT-RTX refuses a float32 `Gemm` for SM75 but takes the same layer as a
convolution over the map that would have been flattened.
"""

from __future__ import annotations

from dataclasses import replace

from resnet_gen.graph import Graph, Node, Value
from resnet_gen.ops import Conv, Flatten, Linear
from resnet_gen.passes.rewire import rewired
from resnet_gen.weights.base import Array, Derived, Recipe, Weights


def linear_as_conv(graph: Graph, weights: Weights) -> tuple[Graph, Weights]:
    """Turn every linear layer into a convolution whose window is its whole map.

    Names and numbers stay; a weight (out, in) becomes (out, C, H, W). What was
    flattened before the layers is flattened after the last of them.
    """
    unflattened: dict[str, Value] = {}
    nodes: list[Node] = []
    recipes: dict[str, Recipe] = {}
    flatten = next(n for n in graph.nodes if isinstance(n.op, Flatten))
    last = max(i for i, n in enumerate(graph.nodes) if isinstance(n.op, Linear))
    for index, node in enumerate(graph.nodes):
        if node is flatten:
            unflattened[node.output.name] = node.inputs[0]
            continue
        if node.inputs[0].name in unflattened and index <= last:
            node = _over_map(node, unflattened, recipes)
        nodes.append(node)
        if index == last:
            nodes.append(_flattened_again(node, flatten, unflattened, graph))
    return rewired(graph, nodes, {}), Derived(weights, recipes)


def _over_map(node: Node, maps: dict[str, Value], recipes: dict[str, Recipe]) -> Node:
    """The node on the map that stands for its vector."""
    x = maps[node.inputs[0].name]
    op = node.op
    if isinstance(op, Linear):
        op = Conv(op.out, x.shape[1], bias=op.bias)
        recipes[node.weight_name("weight")] = _reshaped(node.weight_name("weight"), x.shape)
    output = node.output._replace(name=f"{node.name}.map", shape=op.shape(x.shape))
    maps[node.output.name] = output
    return replace(node, op=op, inputs=(x,), output=output)


def _reshaped(name: str, shape: tuple[int, ...]) -> Recipe:
    def rows(base: Weights, start: int, stop: int) -> Array:
        return base.rows(name, start, stop).reshape(stop - start, *shape)

    return rows


def _flattened_again(node: Node, flatten: Node, maps: dict[str, Value], graph: Graph) -> Node:
    """A flatten behind the last layer, whose result is the vector that was read before."""
    vector = next(n.output for n in graph.nodes if n.name == node.name)
    return replace(flatten, inputs=(maps[vector.name],), output=vector)
