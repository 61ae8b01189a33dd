"""Outputs of a file that lie inside of its network: on the way to others, which are those of a specification."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import combinations

from resnet_gen.graph import Graph, Value, live
from resnet_gen.graph.surroundings import Surroundings
from resnet_gen.ops import Flatten, GlobalAvgPool

_MOST_OUTPUTS = 12
"""Outputs of which those are looked for that a spec has: beyond, there are too many ways."""


def keep_stated_outputs(graph: Graph, around: Surroundings, wanted: Graph) -> Graph:
    """A file's network with as many outputs as a spec's has, of their shapes, where others lie on the way to these."""
    many = len(wanted.outputs)
    if not around.outputs or not many < len(graph.outputs) <= _MOST_OUTPUTS:
        return graph
    shapes = [value.shape for value in wanted.outputs]
    for outputs in combinations(graph.outputs, many):
        if [value.shape for value in outputs] == shapes and (found := _keep(graph, outputs)):
            return found
    return graph


def drop_embeddings(graph: Graph, around: Surroundings) -> Graph:
    """A file's network without the embeddings among its outputs, where these lie on the way to others.

    Where they do not, a network ends in the map that is averaged for them.
    """
    named = around.name_values(graph.outputs)
    plain = {output.source for output in around.outputs if output.kind != "embedding"}
    outputs = tuple(value for name, value in named.items() if name in plain)
    if not named or len(outputs) == len(named):
        return graph
    return (outputs and _keep(graph, outputs)) or _end_in_maps(graph, {*named.values()} - {*outputs})


def order_outputs(graph: Graph, around: Surroundings) -> Graph:
    """A file's network with its outputs in the order in which they are made, as a spec has them.

    Their own order is that of what is around the network, which `serve` states where pixels are taken.
    """
    if around.input is None:
        return graph
    places = {node.output: index for index, node in enumerate(graph.nodes)}
    outputs = sorted(graph.outputs, key=lambda value: places.get(value, -1))
    return replace(graph, outputs=tuple(outputs)) if all(value in places for value in outputs) else graph


def _end_in_maps(graph: Graph, vectors: Collection[Value]) -> Graph:
    """The graph with outputs before they are averaged, where that is what makes these vectors."""
    makers = {node.output: node for node in graph.nodes}

    def find_map(vector: Value) -> Value:
        flat = makers.get(vector)
        pool = makers.get(flat.inputs[0]) if flat and isinstance(flat.op, Flatten) else None
        return pool.inputs[0] if pool and isinstance(pool.op, GlobalAvgPool) else vector

    outputs = dict.fromkeys(find_map(value) if value in vectors else value for value in graph.outputs)
    return live(replace(graph, outputs=tuple(outputs)))


def _keep(graph: Graph, outputs: tuple[Value, ...]) -> Graph | None:
    """The graph with fewer outputs, if all of it is needed for them."""
    found = live(replace(graph, outputs=outputs))
    return found if len(found.nodes) == len(graph.nodes) else None
