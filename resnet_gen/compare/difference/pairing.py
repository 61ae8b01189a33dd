"""Which stage, block and node of one network is which of another: by where they stand, then by what they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from resnet_gen.compare.difference.align import Aligner, AlignmentKey, Pairs
from resnet_gen.compare.difference.block_outline import FLAT, BlockOutline, StageOutline, kind_of, outlines
from resnet_gen.graph import Graph, Node
from resnet_gen.graph.matching import drop_invisible


@dataclass(frozen=True)
class BlockPair:
    """A block of each network, None where there is none; `nodes` has each node of both, and its partner."""

    before: BlockOutline | None
    after: BlockOutline | None
    nodes: Pairs[Node]


@dataclass(frozen=True)
class StagePair:
    """A stage of each network, None where there is none, and their blocks."""

    before: StageOutline | None
    after: StageOutline | None
    blocks: tuple[BlockPair, ...]


def pair(before: Graph, after: Graph, *, by_name: bool) -> list[StagePair]:
    """Every stage, block and node of both, in the order of the networks; `by_name` as for `outlines`."""
    aligner = Aligner()
    stages = _pair_stages(*outlines(before, after, by_name=by_name), aligner)
    return [StagePair(a, b, tuple(_pair_blocks(a, b, aligner))) for a, b in stages]


def _pair_stages(first: list[StageOutline], second: list[StageOutline], aligner: Aligner) -> Pairs[StageOutline]:
    """Stages by their number; where one has more, the others keep their channels if they can."""
    ours, theirs = ([stage for stage in stages if stage.inner] for stages in (first, second))
    pairs = aligner.align(ours, theirs, [lambda stage: stage.channels], rest=False)
    if len(pairs) > max(len(ours), len(theirs)) or len(ours) == len(theirs):
        pairs = aligner.align(ours, theirs, [])
    a, b = ({s.path: s for s in stages if not s.inner} for stages in (first, second))
    outer = {path: (a.get(path), b.get(path)) for path in (*a, *b)}
    head = [outer.pop("head")] if "head" in outer else []
    return [*outer.values(), *pairs, *head]


def _pair_blocks(before: StageOutline | None, after: StageOutline | None, aligner: Aligner) -> Iterator[BlockPair]:
    first, second = (stage.blocks if stage else () for stage in (before, after))
    alike = [block.path.split(".")[2:] for block in first] == [block.path.split(".")[2:] for block in second]
    for a, b in aligner.align(first, second, () if alike else _BLOCK_KEYS):
        yield BlockPair(a, b, _pair_nodes(a, b, aligner))


_BLOCK_KEYS: tuple[AlignmentKey[BlockOutline], ...] = (
    lambda block: block.exact_key,
    lambda block: block.rough_key,
    lambda block: block.ops,
)
"""By what blocks are paired, the strictest first; without names where those of one say nothing."""


def _pair_nodes(before: BlockOutline | None, after: BlockOutline | None, aligner: Aligner) -> Pairs[Node]:
    """Nodes of one place and sort; what is left over, of one sort and role, in order."""
    if not (before and after) or before.exact_key == after.exact_key:
        first, second = (block.nodes if block else () for block in (before, after))
        return aligner.align(first, second, [])
    if before.path == FLAT:
        return aligner.align(before.nodes, after.nodes, _NODE_KEYS, rest=False)
    named = dict(zip(after.rough_key, after.nodes, strict=True))
    ends = {id(before.nodes[-1]): named.pop(after.rough_key[-1])} if _ends_alike(before, after) else {}
    partners = {
        id(node): ends[id(node)] if id(node) in ends else named.pop(place, None)
        for place, node in zip(before.rough_key, before.nodes, strict=True)
    }
    left = [node for node in before.nodes if partners[id(node)] is None]
    ours, theirs = (Counter(map(kind_of, nodes)) for nodes in (left, named.values()))
    for node in left:  # the only ones of their sort, in whatever order they stand: a block's sum
        if ours[kind_of(node)] == theirs[kind_of(node)] == 1:
            partners[id(node)] = named.pop(next(key for key in named if key[1] == kind_of(node)))
    left = [node for node in left if partners[id(node)] is None]
    for a, b in aligner.align(left, list(named.values()), _NODE_KEYS[2:], rest=False):
        if a:
            partners[id(a)] = b
    return _merge_nodes(before.nodes, after.nodes, partners)


def _ends_alike(before: BlockOutline, after: BlockOutline) -> bool:
    """Whether a block of other layers ends alike: what follows takes the end's result, whatever that is called."""
    layers = [sum(node.op.is_layer for node in block.nodes) for block in (before, after)]
    return layers[0] != layers[1] and kind_of(before.nodes[-1]) == kind_of(after.nodes[-1])


_NODE_KEYS: tuple[AlignmentKey[Node], ...] = (
    lambda node: (drop_invisible(node.op), node.input_shapes),
    lambda node: drop_invisible(node.op),
    lambda node: (kind_of(node), node.role),
    kind_of,
)
"""By what nodes are paired whose place no name shows, the strictest first."""


def _merge_nodes(first: tuple[Node, ...], second: tuple[Node, ...], partners: dict[int, Node | None]) -> Pairs[Node]:
    """Both in one order: what has no partner stands before what follows it."""
    taken = {id(node) for node in partners.values() if node}
    place = {id(node): index for index, node in enumerate(second)}
    found: Pairs[Node] = []
    done = 0
    for node in first:
        partner = partners[id(node)]
        if partner:
            upto = place[id(partner)]
            found += [(None, b) for b in second[done:upto] if id(b) not in taken]
            done = max(done, upto)
        found.append((node, partner))
    return found + [(None, b) for b in second[done:] if id(b) not in taken]
