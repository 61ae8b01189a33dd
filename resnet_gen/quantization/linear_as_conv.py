"""Linear layers as convolutions, for devices that have no matrix product in the graph's type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from resnet_gen.graph import Graph, Node
from resnet_gen.ops import AsMap, Conv, Flatten, Linear
from resnet_gen.weights.base import DerivedWeights, Recipe, Weights


def linear_as_conv(graph: Graph, weights: Weights) -> tuple[Graph, Weights]:
    """Turn every linear layer into a 1x1 convolution on a map of one pixel.

    Names and numbers stay; a weight (out, in) becomes (out, in, 1, 1).
    """
    linear = [node for node in graph.nodes if isinstance(node.op, Linear)]
    recipes = {node.weight_name("weight"): _reshape_weight(node.weight_name("weight")) for node in linear}
    nodes = tuple(new for node in graph.nodes for new in _rewrite_node(node))
    return replace(graph, nodes=nodes), DerivedWeights(weights, recipes)


def _rewrite_node(node: Node) -> Iterator[Node]:
    op, (x, *_) = node.op, node.inputs
    if not isinstance(op, Linear):
        yield node
        return
    pixel = x._replace(name=f"{node.name}.pixel", shape=(*x.shape, 1, 1))
    result = node.output._replace(name=f"{node.name}.map", shape=(op.out, 1, 1))
    yield Node(pixel.name, pixel.name, AsMap(), (x,), pixel, node.role)
    yield replace(node, op=Conv(op.out, 1, bias=op.bias), inputs=(pixel,), output=result)
    yield Node(f"{node.name}.flatten", f"{node.name}.flatten", Flatten(), (result,), node.output, node.role)


def _reshape_weight(name: str) -> Recipe:
    return lambda base, start, stop: base.rows(name, start, stop)[:, :, None, None]
