"""Batch norm folded into the convolution before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from resnet_gen.graph import Graph, Node, Value
from resnet_gen.graph.rewiring import rewire_graph
from resnet_gen.ops import BatchNorm, Conv
from resnet_gen.weights.base import Array, DerivedWeights, Recipe, Weights

_Sums: TypeAlias = npt.NDArray[np.float64]


def fold_batch_norm(graph: Graph, weights: Weights) -> tuple[Graph, Weights]:
    """Fold each batch norm whose input is a convolution that nothing else reads.

    A convolution gains a bias where it had none. Pre-activation norms, which
    follow a sum, stay, and so do those of a convolution that the network puts
    out. The sums are formed in float64.
    """
    pairs = find_foldable_norms(graph)
    recipes: dict[str, Recipe] = {}
    for norm in graph.nodes:
        if norm.name in pairs:
            recipes.update(_recipes(pairs[norm.name], norm))
    return folded_graph(graph), DerivedWeights(weights, recipes)


def find_foldable_norms(graph: Graph) -> dict[str, Node]:
    """The convolution that each batch norm that can be folded goes into, by the norm's name."""
    outputs = {value.name for value in graph.outputs}
    makers = {node.output.name: node for node in graph.nodes if node.output.name not in outputs}
    readers = graph.consumers()
    return {
        norm.name: conv
        for norm in graph.nodes
        if isinstance(norm.op, BatchNorm) and (conv := makers.get(norm.inputs[0].name))
        if isinstance(conv.op, Conv) and len(readers[conv.output.name]) == 1
    }


def folded_graph(graph: Graph) -> Graph:
    """The graph that folding leaves."""
    pairs, outputs = find_foldable_norms(graph), {value.name for value in graph.outputs}
    results = {pairs[n.name].name: n.output for n in graph.nodes if n.name in pairs}
    put_out = {conv: value for conv, value in results.items() if value.name in outputs}
    nodes = [_add_bias(n, put_out) if n.name in results else n for n in graph.nodes if n.name not in pairs]
    same = {results[conv.name].name: conv.output for conv in pairs.values() if conv.name not in put_out}
    return rewire_graph(graph, nodes, same)


def _add_bias(conv: Node, put_out: Mapping[str, Value]) -> Node:
    """The convolution with a bias; what it makes has the norm's name where the network puts that out."""
    assert isinstance(conv.op, Conv)
    return replace(conv, op=replace(conv.op, bias=True), output=put_out.get(conv.name, conv.output))


def _recipes(conv: Node, norm: Node) -> dict[str, Recipe]:
    """How the folded weight and bias come from the convolution's and the norm's tensors."""
    weight_name, bias_name = conv.weight_name("weight"), conv.weight_name("bias")

    def weight(base: Weights, start: int, stop: int) -> Array:
        by_row = _scale(norm, base, start, stop).astype(np.float32)[:, None, None, None]
        scaled: Array = base.rows(weight_name, start, stop) * by_row
        return scaled

    def bias(base: Weights, start: int, stop: int) -> Array:
        shift, beta = _summands(conv, norm, base, start, stop)
        return (shift + beta).astype(np.float32)

    return {weight_name: weight, bias_name: bias}


def summands_of_biases(graph: Graph) -> dict[str, Recipe]:
    """How large the parts are of which each bias that folding makes is the sum, by its name."""

    def size(conv: Node, norm: Node) -> Recipe:
        return lambda *of: np.sum(np.abs(_summands(conv, norm, *of)), axis=0)

    makers = find_foldable_norms(graph)
    return {makers[n.name].weight_name("bias"): size(makers[n.name], n) for n in graph.nodes if n.name in makers}


def _scale(norm: Node, base: Weights, start: int, stop: int) -> _Sums:
    assert isinstance(norm.op, BatchNorm)
    variance = base.rows(norm.weight_name("running_var"), start, stop).astype(np.float64)
    return base.rows(norm.weight_name("weight"), start, stop) / np.sqrt(variance + norm.op.eps)


def _summands(conv: Node, norm: Node, base: Weights, start: int, stop: int) -> tuple[_Sums, _Sums]:
    """The two parts of which a folded bias is the sum."""
    assert isinstance(conv.op, Conv)
    scale = _scale(norm, base, start, stop)
    mean = base.rows(norm.weight_name("running_mean"), start, stop).astype(np.float64)
    shift = base.rows(conv.weight_name("bias"), start, stop) - mean if conv.op.bias else -mean
    return shift * scale, base.rows(norm.weight_name("bias"), start, stop).astype(np.float64)
