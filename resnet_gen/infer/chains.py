"""A flow as a stem, blocks one after the other, and a head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from resnet_gen.graph import Value
from resnet_gen.infer import heads, stems
from resnet_gen.infer.attentions import AttentionMatch, AttentionObserver
from resnet_gen.infer.block_features import BlockFeatures
from resnet_gen.infer.blocks import BLOCKS
from resnet_gen.infer.flow import INPUT, Flow, TracingNet, is_bare, number_of
from resnet_gen.infer.network_choices import NetworkChoice
from resnet_gen.infer.part_settings import make_part
from resnet_gen.infer.shortcuts import propose_shortcuts
from resnet_gen.language.plan import MAX_BLOCKS
from resnet_gen.ops import MaxPool
from resnet_gen.parts.attentions.none import NoAttention
from resnet_gen.parts.base import Block, Head, Place, Shortcut, Stem
from resnet_gen.parts.heads.none import NoHead
from resnet_gen.parts.shortcuts.identity import Identity

_LOOKS = 64
"""Proposals for one block that are tried, at most."""


class BlockCandidate(NamedTuple):
    """One block as it was found: what it outputs, the shortcuts that fit, and the pooling behind it.

    `bare` says that the norm of what it outputs is folded, and the next block's.
    """

    kind: str
    block: Block
    look: BlockFeatures
    shortcuts: tuple[Shortcut, ...]
    attention: AttentionMatch | None
    dilation: int
    end: int
    bare: bool = False
    pool: MaxPool | None = None


class NetworkChain(NamedTuple):
    """A network as far as it was understood; `head` is None where that is not all of it.

    `seen` are the numbers of all values that it makes, the best attempt at what comes next included.
    """

    choice: NetworkChoice
    stem: Stem | None
    units: tuple[BlockCandidate, ...]
    head: Head | None
    seen: frozenset[int]


def find_chains(flow: Flow, choice: NetworkChoice) -> Iterator[NetworkChain]:
    """Every way found to read the flow with these choices; those that lead nowhere too."""
    for stem in stems.propose_stems(flow, chained=choice.chained):
        net = TracingNet(flow, choice.folds)
        bare = choice.preactivated
        end = net.try_build(lambda: stem.build(net, net.input, _make_observer(choice, Identity(), bare), bare=bare))  # noqa: B023
        if end is None:
            yield NetworkChain(choice, None, (), None, frozenset(net.farthest))
        elif (bare or not is_bare(end)) and _is_closed(flow, INPUT, net.seen, number_of(end)):
            yield from _ChainReader(flow, choice, stem, end, frozenset(net.seen)).read_chains()


def _make_observer(choice: NetworkChoice, shortcut: Shortcut, bare: bool) -> AttentionObserver:
    return AttentionObserver(choice.norm, choice.activation, shortcut, NoAttention(), choice.antialias, bare)


def _is_closed(flow: Flow, start: int, seen: Sequence[int], end: int) -> bool:
    """Whether nothing but `end` of what was met behind `start` is used elsewhere."""
    inside = {start, *seen}
    before = inside - {end}
    kept_inside = flow.output_set.isdisjoint(before - {start})
    return end in inside and kept_inside and all(inside.issuperset(flow.readers[number]) for number in before)


class _ChainReader:
    """Reads the blocks and the head behind a stem."""

    def __init__(self, flow: Flow, choice: NetworkChoice, stem: Stem, start: Value, seen: frozenset[int]) -> None:
        self.flow, self.choice, self.stem, self.seen = flow, choice, stem, seen
        self.start, self.bare = number_of(start), is_bare(start)
        self._looks: dict[str, BlockFeatures] = {}

    def read_chains(self) -> Iterator[NetworkChain]:
        """The network as blocks of one kind each, and then as blocks of several."""
        possible = [kind for kind in self.choice.kinds if self._find_block(self.start, kind, (), [])]
        for kind in possible:
            yield self._read_chain((kind,))
        yield self._read_chain(self.choice.kinds)

    def _read_chain(self, kinds: Sequence[str]) -> NetworkChain:
        here, units, farthest = self.start, list[BlockCandidate](), list[int]()
        seen = set(self.seen)
        self._looks = {}
        while len(units) < MAX_BLOCKS:
            farthest = []
            unit = next(filter(None, (self._find_block(here, kind, units, farthest) for kind in kinds)), None)
            if unit is None:
                break
            seen.update(farthest)
            units.append(unit)
            self._looks.setdefault(unit.kind, unit.look)
            here = self._skip_pooling(unit, seen)
        head, attempt = self._find_head(here, units)
        best = max(farthest, attempt, key=len)
        return NetworkChain(self.choice, self.stem, tuple(units), head, frozenset(seen | set(best)))

    def _skip_pooling(self, unit: BlockCandidate, seen: set[int]) -> int:
        """Where the next block begins: behind the pooling that follows this one, if any does."""
        pool = self.flow.readers[unit.end][0] if unit.pool else unit.end
        seen.add(pool)
        return pool

    def _find_block(
        self, start: int, kind: str, units: Sequence[BlockCandidate], farthest: list[int]
    ) -> BlockCandidate | None:
        """The block of this kind that begins at a value; `farthest` becomes what the best attempt has met."""
        how, first = BLOCKS[kind], self._looks.get(kind)
        for look in islice(how.read(self.flow, start, first), _LOOKS):
            settled = how.settle([look.raw, look.raw], [0, 0])
            block = settled and make_part(Block, kind, settled.settings)
            if not settled or not block or block.preactivated != self.choice.preactivated:
                continue
            for dilation in (look.dilation,) if look.dilation else (look.entering, 2 * look.entering):
                width, number = settled.widths[0], min(1, len(units))
                place = Place(width, look.stride, 0, number, dilation, look.entering, withheld=dilation)
                unit = self._try_shortcuts(
                    start, BlockCandidate(kind, block, look, (), None, dilation, start), place, units, farthest
                )
                if unit:
                    return unit
        return None

    def _try_shortcuts(
        self, start: int, unit: BlockCandidate, place: Place, units: Sequence[BlockCandidate], farthest: list[int]
    ) -> BlockCandidate | None:
        """The block with every shortcut that fits; of those that the one before might have if one of them does."""
        every = list(propose_shortcuts(self.flow, start))
        usual = [shortcut for shortcut in every if not units or shortcut in units[-1].shortcuts]
        for some in (usual, [shortcut for shortcut in every if shortcut not in usual]):
            found = [self._build_candidate(start, unit, place, shortcut, units, farthest) for shortcut in some]
            fitting = [one for one in found if one is not None]
            if fitting:
                same = [one for one in fitting if one.end == fitting[0].end]
                return fitting[0]._replace(shortcuts=tuple(one.shortcuts[0] for one in same))
        return None

    def _build_candidate(
        self,
        start: int,
        unit: BlockCandidate,
        place: Place,
        shortcut: Shortcut,
        units: Sequence[BlockCandidate],
        farthest: list[int],
    ) -> BlockCandidate | None:
        net = TracingNet(self.flow, self.choice.folds)
        using = _make_observer(self.choice, shortcut, unit.block.preactivated)
        bare = units[-1].bare if units else self.bare
        end = net.try_build(lambda: unit.block.build(net, net.value(start, bare=bare), place, using))
        if len(net.farthest) > len(farthest):
            farthest[:] = net.farthest
        if end is None or (is_bare(end) and not self.choice.preactivated):
            return None
        if not _is_closed(self.flow, start, net.seen, number_of(end)):
            return None
        farthest[:] = net.seen
        attention = next(iter(net.observations), None)
        number = number_of(end)
        found = unit._replace(shortcuts=(shortcut,), attention=attention, end=number, bare=is_bare(end))
        return found._replace(pool=self._find_pooling(number, [*units, unit]))

    def _find_pooling(self, number: int, units: Sequence[BlockCandidate]) -> MaxPool | None:
        """The pooling that ends a stage after this value, the last of these blocks'.

        All have one window, and no block strides beside them; any other is for the head to explain.
        """
        if len(self.flow.readers[number]) != 1:
            return None
        op = next((op for _, op in self.flow.find_readers(number, MaxPool)), None)
        if op is None or op.padding or op.ceil or op.stride == 1 or any(unit.look.stride > 1 for unit in units):
            return None
        return op if all(unit.pool.kernel == op.kernel for unit in units if unit.pool) else None

    def _find_head(self, here: int, units: Sequence[BlockCandidate]) -> tuple[Head | None, list[int]]:
        """The head that makes all outputs which no block makes; with what the best attempt has met."""
        best: list[int] = []
        for head in heads.propose_heads(self.flow, here) if units else ():
            net = TracingNet(self.flow, self.choice.folds)
            using = _make_observer(self.choice, Identity(), self.choice.preactivated)
            made = net.try_build(
                lambda: head.build(net, units[-1].block.finish(net, net.value(here, bare=units[-1].bare), using), using)  # noqa: B023
            )
            if made is not None and self._outputs_scores([number_of(value) for value in made.values()], units):
                return head, net.seen
            best = max(best, net.farthest, net.seen, key=len)  # a head that fits, with more behind it
        return (NoHead() if units and self._outputs_only_maps(units) else None), best

    def _outputs_scores(self, made: Sequence[int], units: Sequence[BlockCandidate]) -> bool:
        """Whether the network outputs what the head makes, after maps of blocks."""
        outputs, ends = self.flow.outputs, {unit.end for unit in units}
        maps, scores = outputs[: -len(made)], outputs[-len(made) :]
        return list(scores) == list(made) and ends.issuperset(maps)

    def _outputs_only_maps(self, units: Sequence[BlockCandidate]) -> bool:
        """Whether all that the network outputs are maps of its blocks, the last one's among them."""
        outputs = self.flow.outputs
        return units[-1].end in outputs and {unit.end for unit in units}.issuperset(outputs)
