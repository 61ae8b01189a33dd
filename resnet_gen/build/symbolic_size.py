"""A network for images of any size: which allow it, and what of them is symbolic then."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from resnet_gen import ops
from resnet_gen.graph import Graph
from resnet_gen.language.load import Loaded
from resnet_gen.language.lower import lower, with_input_size
from resnet_gen.onnx.writing.symbolic_size import find_size_dependence, list_open_values
from resnet_gen.problems import Refused, refuse, shorten

_PERIOD = 64
"""Sizes after which windows that round up end as before: no network shrinks its map by more."""


def find_open_values(loaded: Loaded, sizes: Collection[tuple[int, int]]) -> frozenset[str]:
    """The input, and the outputs whose sides depend on it; raises `Refused` where a node depends on the size.

    The network is lowered for each of the sizes, one more of odd sides, and where windows round up for a whole period
    of sizes; every node must be written alike for all of them.
    """
    graph = lower(loaded)
    others = [_lower_at(loaded, size) for size in sorted(set(_list_probes(graph, sizes)))]
    if node := find_size_dependence(graph, others):
        kind = type(node.op).__name__
        message = f"{loaded.spec.name} takes one size: '{shorten(node.name)}' ({kind}) depends on the map's size"
        raise refuse(message, hint="only networks without such a layer take others; build an engine a size")
    return list_open_values(graph, others)


def _list_probes(graph: Graph, sizes: Collection[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    yield from sizes
    height, width = min(sizes)
    tallest, widest = max(h for h, _ in sizes), max(w for _, w in sizes)
    rounds_up = any(isinstance(n.op, (ops.MaxPool, ops.AvgPool)) and n.op.ceil and n.op.padding for n in graph.nodes)
    for step in range(1, _PERIOD if rounds_up else 2):
        yield min(height + step, tallest), min(width + step, widest)


def _lower_at(loaded: Loaded, size: tuple[int, int]) -> Graph:
    try:
        return lower(with_input_size(loaded, size))
    except Refused as refused:
        height, width = size
        words = f"images of {height}x{width} cannot be: {refused.problems[0].message}"
        raise refuse(words, hint="take larger sizes, or other ones") from None
