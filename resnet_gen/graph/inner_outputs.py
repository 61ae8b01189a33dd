"""Outputs of a file that lie inside of its network: on the way to others, which are those of a specification."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from resnet_gen.graph import Graph, Value, live
from resnet_gen.graph.surroundings import Surroundings

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
    """A file's network without the embeddings among its outputs, where these lie on the way to others."""
    sources = list(dict.fromkeys(output.source for output in around.outputs))
    plain = {output.source for output in around.outputs if output.kind != "embedding"}
    outputs = tuple(v for name, v in zip(sources, graph.outputs, strict=True) if name in plain) if sources else ()
    return (outputs and _keep(graph, outputs)) or graph


def _keep(graph: Graph, outputs: tuple[Value, ...]) -> Graph | None:
    """The graph with fewer outputs, if all of it is needed for them."""
    found = live(replace(graph, outputs=outputs))
    return found if len(found.nodes) == len(graph.nodes) else None
