"""Weight standardization, computed once into the weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from resnet_gen.graph import Graph, Node
from resnet_gen.ops import Conv
from resnet_gen.weights.base import Array, DerivedWeights, Recipe, Weights


def standardize_weights(graph: Graph, weights: Weights) -> tuple[Graph, Weights]:
    """Give each standardized convolution the weights that it computes with, and make it an ordinary one.

    Every filter gets mean 0 and variance 1 (Qiao et al. 2019, Eq. 3). The sums are formed in float64.
    """
    recipes: dict[str, Recipe] = {}
    for node in graph.nodes:
        if isinstance(node.op, Conv) and node.op.standardize is not None:
            recipes[node.weight_name("weight")] = _recipe(node, node.op.standardize)
    if not recipes:
        return graph, weights
    return strip_standardization(graph), DerivedWeights(weights, recipes)


def strip_standardization(graph: Graph) -> Graph:
    """The graph with ordinary convolutions alone, as it is written once the weights are standardized."""
    return replace(graph, nodes=tuple(map(_make_ordinary, graph.nodes)))


def _make_ordinary(node: Node) -> Node:
    if isinstance(node.op, Conv) and node.op.standardize is not None:
        return replace(node, op=replace(node.op, standardize=None))
    return node


def _recipe(node: Node, eps: float) -> Recipe:
    name = node.weight_name("weight")

    def standardize(base: Weights, start: int, stop: int) -> Array:
        rows = base.rows(name, start, stop)
        filters = rows.reshape(len(rows), -1).astype(np.float64)
        filters -= filters.mean(axis=1, keepdims=True)
        filters /= np.sqrt((filters**2).mean(axis=1, keepdims=True) + eps)
        return filters.reshape(rows.shape).astype(np.float32)

    return standardize
