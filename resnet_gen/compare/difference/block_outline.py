"""A graph as stages of blocks of nodes: what two networks are aligned by, from the coarse to the fine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from resnet_gen import ops
from resnet_gen.compare.difference.places import INNER, NodePlace, places_by_name
from resnet_gen.graph import Graph, Node
from resnet_gen.graph.matching import drop_invisible
from resnet_gen.ops import Op

FLAT = "network"

_ALIKE: dict[type[Op], str] = {
    **dict.fromkeys((ops.BatchNorm, ops.GroupNorm), "norm"),
    **dict.fromkeys((ops.MaxPool, ops.AvgPool, ops.BlurPool, ops.Subsample), "pool"),
    **dict.fromkeys((ops.GlobalAvgPool, ops.GlobalMaxPool, ops.SumPositions), "global pool"),
}


def kind_of(node: Node) -> str:
    """What an operation is there for: one of a sort may stand in another's place."""
    return _ALIKE.get(type(node.op), type(node.op).__name__)


@dataclass(frozen=True, eq=False)
class BlockOutline:
    """The nodes of a block, in order; `path` says where it stands, `places` where each node stands in it."""

    path: str
    nodes: tuple[Node, ...]
    places: tuple[str, ...]

    @cached_property
    def exact_key(self) -> tuple[tuple[str, Op], ...]:
        """What it is made of, with every setting."""
        return tuple(zip(self.places, self.ops, strict=True))

    @cached_property
    def rough_key(self) -> tuple[tuple[str, str], ...]:
        """The sorts of operations that it is made of."""
        return tuple((place, kind_of(node)) for place, node in zip(self.places, self.nodes, strict=True))

    @cached_property
    def ops(self) -> tuple[Op, ...]:
        """The same as `exact_key`, whatever its nodes are called."""
        return tuple(drop_invisible(node.op) for node in self.nodes)


@dataclass(frozen=True, eq=False)
class StageOutline:
    """The blocks of a stage, in order; `path` is `stem`, `stages.0`, ..., `head`, or `network` where none are known."""

    path: str
    blocks: tuple[BlockOutline, ...]

    @property
    def nodes(self) -> list[Node]:
        """The nodes of all its blocks."""
        return [node for block in self.blocks for node in block.nodes]

    @property
    def channels(self) -> int:
        """Channels that it outputs."""
        return self.blocks[-1].nodes[-1].shape[0]

    @property
    def inner(self) -> bool:
        """Whether it is neither stem nor head."""
        return self.path.startswith(INNER)


def outlines(before: Graph, after: Graph, *, by_name: bool) -> tuple[list[StageOutline], list[StageOutline]]:
    """The stages of both graphs, in order: by the nodes' paths, or by their names where paths say nothing.

    Both are one stage of one block where the names of either show none.
    """
    graphs = (before, after)
    placed = [places_by_name(graph) if by_name else _place_by_path(graph) for graph in graphs]
    if not all(any(place.stage.startswith(INNER) for place in places) for places in placed) and by_name:
        placed = [[NodePlace(FLAT, FLAT, node.name) for node in graph.nodes] for graph in graphs]
    elif by_name:
        one, other = zip(graphs, placed, strict=True)
        placed = [_move_first_norm(*one, *other), _move_first_norm(*other, *one)]
    first, second = (_group_places(graph, places) for graph, places in zip(graphs, placed, strict=True))
    return first, second


def _move_first_norm(graph: Graph, places: list[NodePlace], other: Graph, theirs: list[NodePlace]) -> list[NodePlace]:
    """The places of a file of half its names, with what its stem has more than the other's in the first block.

    Where activations precede convolutions, the first norm and activation belong to a block that no neighbour shows.
    """
    half = any(
        "." not in n.name and place.stage.startswith(INNER) for n, place in zip(graph.nodes, places, strict=True)
    )
    ours, wanted = (
        [kind_of(node) for node, place in zip(g.nodes, found, strict=True) if place.stage == "stem"]
        for g, found in ((graph, places), (other, theirs))
    )
    more = range(len(wanted), len(ours))
    if not half or ours[: len(wanted)] != wanted or not {"Activation", "norm"}.issuperset(ours[len(wanted) :]):
        return places
    block = next(place for place in places if place.stage.startswith(INNER))
    return [block._replace(inside=graph.nodes[at].name) if at in more else place for at, place in enumerate(places)]


def _group_places(graph: Graph, places: list[NodePlace]) -> list[StageOutline]:
    found: dict[str, dict[str, list[tuple[Node, str]]]] = {}
    for node, place in zip(graph.nodes, places, strict=True):
        found.setdefault(place.stage, {}).setdefault(place.block, []).append((node, place.inside))
    return [
        StageOutline(path, tuple(BlockOutline(block, *zip(*nodes, strict=True)) for block, nodes in blocks.items()))
        for path, blocks in found.items()
    ]


def _place_by_path(graph: Graph) -> list[NodePlace]:
    return [NodePlace(n.stage, n.block, n.path.removeprefix(f"{n.block}.")) for n in graph.nodes]
