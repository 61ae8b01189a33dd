"""The ways in which a file may write one network: norms kept or folded, linear layers as such or as convolutions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from resnet_gen.graph import Graph, Value, live
from resnet_gen.graph.rewiring import rewire_graph
from resnet_gen.ops import AsMap, Conv, Flatten, Linear
from resnet_gen.quantization.linear_as_conv import linear_as_conv
from resnet_gen.weights.base import Array, Recipe, Weights
from resnet_gen.weights.folding import fold_batch_norm, summands_of_biases
from resnet_gen.weights.standardization import standardize_weights


class NetworkVariant(NamedTuple):
    """A graph as a file may hold it, and the weights that go with it.

    What the rounding of a number is to be measured by is that number, but for those that are sums: `summed` tells
    how large their parts are, by tensor, and `centred` which weights have had the mean of each filter taken off.
    """

    graph: Graph
    weights: Weights
    folded: bool
    base: Weights
    summed: Mapping[str, Recipe]
    centred: frozenset[str]

    def sizes(self, name: str, values: Array, start: int, stop: int) -> Array:
        """What the rounding of rows start..stop of a tensor, which are `values`, is measured by."""
        if name in self.centred:
            return find_largest_of_rows(values)
        return self.summed[name](self.base, start, stop) if name in self.summed else np.abs(values)


def find_largest_of_rows(values: Array) -> Array:
    """The largest magnitude of each row, at every place of the row."""
    largest = np.abs(values).reshape(len(values), -1).max(axis=1, initial=0.0)
    return np.broadcast_to(largest.reshape(-1, *[1] * (values.ndim - 1)), values.shape)


def list_variants(graph: Graph, weights: Weights) -> Iterator[NetworkVariant]:
    """Every way in which a file may write a spec's graph."""
    centred = frozenset(
        node.weight_name("weight")
        for node in graph.nodes
        if isinstance(node.op, Conv) and node.op.standardize is not None
    )
    graph, weights = standardize_weights(graph, weights)
    kept = NetworkVariant(graph, weights, folded=False, base=weights, summed={}, centred=centred)
    graph, weights = fold_batch_norm(kept.graph, kept.weights)
    folds = len(graph.nodes) < len(kept.graph.nodes)
    folded = NetworkVariant(graph, weights, folds, kept.weights, summands_of_biases(kept.graph), centred)
    yield kept
    yield folded
    if any(isinstance(node.op, Linear) for node in graph.nodes):
        for variant in (kept, folded):
            turned, theirs = linear_as_conv(variant.graph, variant.weights)
            yield variant._replace(graph=_collapse_maps(turned), weights=theirs)


def _collapse_maps(graph: Graph) -> Graph:
    """The graph without maps of one pixel that are flattened and made a map again."""
    makers = {node.output.name: node for node in graph.nodes}
    same: dict[str, Value] = {}
    for node in graph.nodes:
        before = makers.get(node.inputs[0].name)
        if isinstance(node.op, AsMap) and before and isinstance(before.op, Flatten):
            whole = before.inputs[0]
            if whole.shape == node.shape:
                same[node.output.name] = whole
    return live(rewire_graph(graph, [node for node in graph.nodes if node.output.name not in same], same))


def without_biases(graph: Graph) -> Graph:
    """The graph with no biases: exporters leave out those that are zero."""
    nodes = (
        replace(node, op=replace(node.op, bias=False)) if isinstance(node.op, (Conv, Linear)) else node
        for node in graph.nodes
    )
    return replace(graph, nodes=tuple(nodes))
