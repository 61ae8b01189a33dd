"""A network for images of any size: which allow it, and what of them is symbolic then."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from resnet_gen import ops
from resnet_gen.graph import Graph
from resnet_gen.language.load import Loaded
from resnet_gen.language.lower import lower, with_input_size
from resnet_gen.language.served_outputs import with_served_maps
from resnet_gen.onnx.writing.symbolic_size import find_size_dependence, list_open_values
from resnet_gen.ops.limits import SIDES
from resnet_gen.problems import Refused, refuse, shorten
from resnet_gen.weights.standardization import strip_standardization

_PERIOD = 64
"""Sizes after which windows that round up end as before: no network shrinks its map by more."""


class SizeRange(NamedTuple):
    """What a file of a symbolic size leaves open, and the (height, width) between which that was looked at."""

    open_values: frozenset[str]
    least: tuple[int, int]
    most: tuple[int, int]


def find_any_size(loaded: Loaded) -> SizeRange:
    """What is open in a file that no profile bounds: from half of the network's own size, where that can be, to twice.

    Every remainder that a map may leave is among the sizes that are tried. Raises `Refused` as `find_open_values`.
    """
    height, width = loaded.spec.input.size
    half = -(-height // 2), -(-width // 2)
    most = min(max(2 * height, height + _PERIOD), SIDES.most), min(max(2 * width, width + _PERIOD), SIDES.most)
    for least in (half, (height, width)):
        try:
            return SizeRange(find_open_values(loaded, {least, (height, width), most}, tries_all=True), least, most)
        except Refused:
            if least == (height, width):
                raise
    raise AssertionError


def find_open_values(loaded: Loaded, sizes: Collection[tuple[int, int]], *, tries_all: bool = False) -> frozenset[str]:
    """The input, and the outputs whose sides depend on it; raises `Refused` where a node depends on the size.

    The network is lowered for each of the sizes, one more of odd sides, and, where windows round up or as `tries_all`
    says, for a whole period of sizes; every node must be written alike for all of them.
    """
    _check_served(loaded)
    loaded = with_served_maps(loaded)
    graph = _lower(loaded)
    period = _find_period(_lower_at(loaded, max(sizes))) if tries_all else 2
    others = [_lower_at(loaded, size) for size in sorted(set(_list_probes(graph, sizes, period)))]
    if node := find_size_dependence(graph, others):
        kind = type(node.op).__name__
        message = f"{loaded.spec.name} takes one size: '{shorten(node.name)}' ({kind}) depends on the map's size"
        raise refuse(message, hint="only networks without such a layer take others; build a file a size")
    return list_open_values(graph, others)


def _check_served(loaded: Loaded) -> None:
    """Raise `Refused` for pixels of which the sides do not stand last, or that the graph resizes."""
    serve = loaded.spec.serve
    if serve and serve.size == "any":
        raise refuse("pictures of any size are resized to the network's own", hint="leave out one of the two")
    if serve and serve.layout != "NCHW":
        words = f"pixels come as {serve.layout}, and only the last two sides can be symbolic"
        raise refuse(words, hint="serve.layout: NCHW")


def _find_period(graph: Graph) -> int:
    """Sizes after which maps leave the same remainders again: by how much the network shrinks the longer side, or more.

    A side of `least` may be one that was rounded up, of a map that is shrunk by more than their ratio.
    """
    least = min((max(node.output.shape[1:]) for node in graph.nodes if isinstance(node.op, ops.Conv)), default=1)
    return min(_PERIOD, -(-max(graph.input.shape[1:]) // max(1, least - 1)))


def _list_probes(graph: Graph, sizes: Collection[tuple[int, int]], period: int) -> Iterator[tuple[int, int]]:
    yield from sizes
    height, width = min(sizes)
    tallest, widest = max(h for h, _ in sizes), max(w for _, w in sizes)
    rounds_up = any(isinstance(n.op, (ops.MaxPool, ops.AvgPool)) and n.op.ceil and n.op.padding for n in graph.nodes)
    for step in range(1, _PERIOD if rounds_up else period):
        yield min(height + step, tallest), min(width + step, widest)


def _lower(loaded: Loaded) -> Graph:
    return strip_standardization(lower(loaded))


def _lower_at(loaded: Loaded, size: tuple[int, int]) -> Graph:
    try:
        return _lower(with_input_size(loaded, size))
    except Refused as refused:
        height, width = size
        words = f"images of {height}x{width} cannot be: {refused.problems[0].message}"
        raise refuse(words, hint="take larger sizes, or other ones") from None
