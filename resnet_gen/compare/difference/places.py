"""Where each node stands, as the names of a file show it: in which stage and block, and where in the block."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from resnet_gen.graph import Graph, Node
from resnet_gen.ops import Activation, Add, AvgPool, BatchNorm, GroupNorm, MaxPool

INNER = "stages."
_Block: TypeAlias = tuple[str, str]
"""A block by its stage and its path."""
_STEM, _HEAD = ("stem", "stem"), ("head", "head")


class NodePlace(NamedTuple):
    """Where a node stands."""

    stage: str
    block: str
    inside: str


def places_by_name(graph: Graph) -> list[NodePlace]:
    """Stages and blocks as names show them: `layer1.0.conv1` and `s1.b1.conv1.conv` have two numbered steps.

    A node whose name is no path, as `Relu_6` in files that keep the names of parameters alone, stands where its
    neighbours stand. Empty where names show some blocks and not others.
    """
    own = _place_by_name([node.name.split(".") for node in graph.nodes])
    blocks = _place_by_neighbours(graph, [(place.stage, place.block) if place else None for place in own])
    counts: Counter[tuple[str, str]] = Counter()
    found = []
    for node, place, (stage, block) in zip(graph.nodes, own, blocks, strict=False):  # of none, where some are unknown
        kind = type(node.op).__name__.lower()
        counts[block, kind] += 1
        inside = f"{kind} {counts[block, kind]}" if stage.startswith(INNER) else node.name
        found.append(place or NodePlace(stage, block, inside))
    return found


def _place_by_name(names: list[list[str]]) -> list[NodePlace | None]:
    """What each name shows alone; a name of one step shows nothing."""
    numbered = [[i for i, step in enumerate(name[:-1]) if _DIGIT.search(step)] for name in names]
    keys = [".".join(name[: steps[0] + 1]) if steps else "" for name, steps in zip(names, numbered, strict=True)]
    inner = dict.fromkeys(key for key, steps in zip(keys, numbered, strict=True) if len(steps) > 1)
    stages = {key: f"{INNER}{number}" for number, key in enumerate(inner)}
    blocks: dict[str, str] = {}
    counts: Counter[str] = Counter()
    found: list[NodePlace | None] = []
    for name, steps, key in zip(names, numbered, keys, strict=True):
        stage = stages.get(key)
        if stage is None:
            outer = "head" if blocks else "stem"
            found.append(NodePlace(outer, outer, ".".join(name)) if len(name) > 1 else None)
            continue
        if len(steps) < 2:
            found.append(NodePlace(stage, f"{stage}.{name[steps[0] + 1]}", ".".join(name[steps[0] + 1 :])))
            continue
        block = ".".join(name[: steps[1] + 1])
        if block not in blocks:
            blocks[block] = f"{stage}.{counts[stage]}"
            counts[stage] += 1
        found.append(NodePlace(stage, blocks[block], ".".join(name[steps[1] + 1 :])))
    return found


_DIGIT = re.compile(r"\d")


def _place_by_neighbours(graph: Graph, own: Sequence[_Block | None]) -> list[_Block]:
    """The block that each node stands in: its own, else that of its neighbours; empty where a block may have no name.

    What is led around belongs to one block, with the sum behind it. What all goes through belongs to the block before
    it as far as that goes, and else to the next.
    """
    ahead = [_HEAD]
    for block in reversed(own):
        ahead.append(block or ahead[-1])
    found: list[_Block] = []
    before, opened = _STEM, None
    for start, end in _split_pieces(graph):
        around = next(filter(None, own[start:end]), None if start == end else opened)
        unknown = isinstance(graph.nodes[end].op, Add) or (before != _STEM and ahead[-1 - end] != _HEAD)
        if unknown and not (around or own[end]) and any(node.op.is_layer for node in graph.nodes[start : end + 1]):
            return []
        before = own[end] or around or _place_last(graph.nodes[max(end - 1, 0) : end + 1], before, ahead[-1 - end])
        found += [block or around or before for block in own[start:end]]
        found.append(before)
        if end > start or own[end]:  # a block whose first node has a name and is no layer goes on
            opened = None if end > start or graph.nodes[end].op.is_layer else own[end]
    return found


def _place_last(nodes: Sequence[Node], before: _Block, ahead: _Block) -> _Block:
    """Where the last of these nodes stands, which all goes through: in the block before, in the next, or between."""
    op = nodes[-1].op
    normal = isinstance(op, (BatchNorm, GroupNorm)) and nodes[0].op.is_layer
    if before == _STEM or normal or isinstance(op, Activation):
        return before
    between = isinstance(op, (AvgPool, MaxPool)) and ahead != _HEAD and ahead[0] != before[0]
    return (before[0], f"{before[0]}.pool") if between else ahead


def _split_pieces(graph: Graph) -> Iterator[tuple[int, int]]:
    """Where each node is that all goes through, and where what leads to it from the last such node begins."""
    index = {node.output.name: at for at, node in enumerate(graph.nodes)}
    index[graph.input.name] = -1
    read: dict[int, int] = {index[value.name]: at for at, node in enumerate(graph.nodes) for value in node.inputs}
    start, farthest = 0, read.get(-1, 0)
    for at in range(len(graph.nodes)):
        if farthest <= at:
            yield start, at
            start = at + 1
        farthest = max(farthest, read.get(at, 0))
