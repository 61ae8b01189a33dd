"""A graph as stages of blocks of nodes: what two networks are aligned by, from the coarse to the fine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from resnet_gen.graph import Graph, Node
from resnet_gen.matching import visible
from resnet_gen.ops import (
    AvgPool,
    BatchNorm,
    BlurPool,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    MaxPool,
    Op,
    Subsample,
    SumPositions,
)

INNER = "stages."
FLAT = "network"

_ALIKE: dict[type[Op], str] = {
    **dict.fromkeys((BatchNorm, GroupNorm), "norm"),
    **dict.fromkeys((MaxPool, AvgPool, BlurPool, Subsample), "pool"),
    **dict.fromkeys((GlobalAvgPool, GlobalMaxPool, SumPositions), "global pool"),
}


def sort_of(node: Node) -> str:
    """What an operation is there for: one of a sort may stand in another's place."""
    return _ALIKE.get(type(node.op), type(node.op).__name__)


@dataclass(frozen=True, eq=False)
class Block:
    """The nodes of a block, in order; `path` says where it stands, `places` where each node stands in it."""

    path: str
    nodes: tuple[Node, ...]
    places: tuple[str, ...]

    @cached_property
    def exactly(self) -> tuple[tuple[str, Op], ...]:
        """What it is made of, with every setting."""
        return tuple((place, visible(node.op)) for place, node in zip(self.places, self.nodes, strict=True))

    @cached_property
    def roughly(self) -> tuple[tuple[str, str], ...]:
        """The sorts of operations that it is made of."""
        return tuple((place, sort_of(node)) for place, node in zip(self.places, self.nodes, strict=True))


@dataclass(frozen=True, eq=False)
class Stage:
    """The blocks of a stage, in order; `path` is `stem`, `stages.0`, ..., `head`, or `network` where none are known."""

    path: str
    blocks: tuple[Block, ...]

    @property
    def channels(self) -> int:
        """Channels that it puts out."""
        return self.blocks[-1].nodes[-1].shape[0]

    @property
    def inner(self) -> bool:
        """Whether it is neither stem nor head."""
        return self.path.startswith(INNER)


class _Place(NamedTuple):
    """Where a node stands."""

    stage: str
    block: str
    inside: str


def outlines(before: Graph, after: Graph, *, by_name: bool) -> tuple[list[Stage], list[Stage]]:
    """The stages of both graphs, in order: by the nodes' paths, or by their names where paths say nothing.

    Both are one stage of one block where the names of either tell of none.
    """
    graphs = (before, after)
    placed = [_by_name(graph) if by_name else _by_path(graph) for graph in graphs]
    if not all(any(place.stage.startswith(INNER) for place in places) for places in placed) and by_name:
        placed = [[_Place(FLAT, FLAT, node.name) for node in graph.nodes] for graph in graphs]
    first, second = (_grouped(graph, places) for graph, places in zip(graphs, placed, strict=True))
    return first, second


def _grouped(graph: Graph, places: list[_Place]) -> list[Stage]:
    found: dict[str, dict[str, list[tuple[Node, str]]]] = {}
    for node, place in zip(graph.nodes, places, strict=True):
        found.setdefault(place.stage, {}).setdefault(place.block, []).append((node, place.inside))
    return [
        Stage(path, tuple(Block(block, *zip(*nodes, strict=True)) for block, nodes in blocks.items()))
        for path, blocks in found.items()
    ]


def _by_path(graph: Graph) -> list[_Place]:
    return [_Place(n.stage, n.block, n.path.removeprefix(f"{n.block}.")) for n in graph.nodes]


def _by_name(graph: Graph) -> list[_Place]:
    """Stages and blocks as names tell of them: `layer1.0.conv1` and `s1.b1.conv1.conv` have two numbered steps."""
    names = [node.name.split(".") for node in graph.nodes]
    numbered = [[i for i, step in enumerate(name[:-1]) if _DIGIT.search(step)] for name in names]
    keys = [".".join(name[: steps[0] + 1]) if steps else "" for name, steps in zip(names, numbered, strict=True)]
    inner = dict.fromkeys(key for key, steps in zip(keys, numbered, strict=True) if len(steps) > 1)
    stages = {key: f"{INNER}{number}" for number, key in enumerate(inner)}
    blocks: dict[str, str] = {}
    counts: dict[str, int] = {}
    found = []
    for name, steps, key in zip(names, numbered, keys, strict=True):
        stage = stages.get(key)
        if stage is None:
            found.append(_Place(*("head" if blocks else "stem",) * 2, ".".join(name)))
            continue
        if len(steps) < 2:
            found.append(_Place(stage, f"{stage}.{name[steps[0] + 1]}", ".".join(name[steps[0] + 1 :])))
            continue
        block = ".".join(name[: steps[1] + 1])
        if block not in blocks:
            blocks[block] = f"{stage}.{counts.get(stage, 0)}"
            counts[stage] = counts.get(stage, 0) + 1
        found.append(_Place(stage, blocks[block], ".".join(name[steps[1] + 1 :])))
    return found


_DIGIT = re.compile(r"\d")
