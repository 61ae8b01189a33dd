"""The ways in which a file may write one network: norms kept or folded, linear layers as such or as convolutions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from resnet_gen.graph import Graph, Value, live
from resnet_gen.ops import AsMap, Conv, Flatten, Linear
from resnet_gen.passes.fold import fold_batch_norm
from resnet_gen.passes.linear_as_conv import linear_as_conv
from resnet_gen.passes.rewire import rewired
from resnet_gen.passes.standardize import standardize_weights
from resnet_gen.weights.base import Weights


class Variant(NamedTuple):
    """A graph as a file may hold it, and the weights that go with it."""

    graph: Graph
    weights: Weights
    folded: bool


def variants(graph: Graph, weights: Weights) -> Iterator[Variant]:
    """Every way in which a file may write a spec's graph."""
    kept = Variant(*standardize_weights(graph, weights), folded=False)
    graph, weights = fold_batch_norm(kept.graph, kept.weights)
    folded = Variant(graph, weights, folded=len(graph.nodes) < len(kept.graph.nodes))
    yield kept
    yield folded
    if any(isinstance(node.op, Linear) for node in graph.nodes):
        for variant in (kept, folded):
            turned, theirs = linear_as_conv(variant.graph, variant.weights)
            yield Variant(_collapsed(turned), theirs, variant.folded)


def _collapsed(graph: Graph) -> Graph:
    """The graph without maps of one pixel that are flattened and made a map again."""
    makers = {node.output.name: node for node in graph.nodes}
    same: dict[str, Value] = {}
    for node in graph.nodes:
        before = makers.get(node.inputs[0].name)
        if isinstance(node.op, AsMap) and before and isinstance(before.op, Flatten):
            whole = before.inputs[0]
            if whole.shape == node.shape:
                same[node.output.name] = whole
    return live(rewired(graph, [node for node in graph.nodes if node.output.name not in same], same))


def without_biases(graph: Graph) -> Graph:
    """The graph with no biases: exporters leave out those that are zero."""
    nodes = (
        replace(node, op=replace(node.op, bias=False)) if isinstance(node.op, (Conv, Linear)) else node
        for node in graph.nodes
    )
    return replace(graph, nodes=tuple(nodes))
