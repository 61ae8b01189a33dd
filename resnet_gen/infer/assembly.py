"""What was found in a graph, as the data of a specification."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

from resnet_gen.infer.attentions import ATTENTIONS
from resnet_gen.infer.block_features import SharedSettings
from resnet_gen.infer.blocks import BLOCKS
from resnet_gen.infer.chains import BlockCandidate, NetworkChain
from resnet_gen.infer.flow import Flow
from resnet_gen.infer.part_settings import make_part, part_data
from resnet_gen.infer.stages import StageRun, describe_shrinking, group_stages, nominal_strides
from resnet_gen.infer.widths import find_width_rule
from resnet_gen.parts.attentions.none import NoAttention
from resnet_gen.parts.base import Attention, Block, Part, Shortcut

P = TypeVar("P", bound=Part)
T = TypeVar("T")

MAX_STAGES = 64


class _Place(NamedTuple):
    """A block, its stage and its number in it."""

    unit: BlockCandidate
    stage: int
    number: int


def assemble_spec(flow: Flow, chain: NetworkChain, name: str) -> dict[str, Any] | None:
    """The specification of a chain that has a head, as plain data; None if no settings explain all blocks."""
    for by_width in (False, True):
        stages = group_stages(flow, chain.units, by_width=by_width)
        inner = _stages(chain, stages) if len(stages) <= MAX_STAGES else None
        if inner is not None:
            return _write_spec(flow, chain, stages, inner, name)
    return None


def _write_spec(
    flow: Flow, chain: NetworkChain, stages: Sequence[StageRun], inner: Mapping[str, Any], name: str
) -> dict[str, Any]:
    channels, *size = flow.shapes[0]
    choice = chain.choice
    assert chain.stem
    assert chain.head, "the chain is a whole network"
    data: dict[str, Any] = {
        "name": name,
        "input": {"channels": channels, "size": size[0] if size[0] == size[1] else size},
        "stem": part_data(chain.stem, "width", "widths"),
        "stages": inner,
        "norm": part_data(choice.norm),
        "activation": part_data(choice.activation),
        "antialias": part_data(choice.antialias),
        "head": part_data(chain.head, "classes"),
        "outputs": _outputs(flow, chain, stages),
    }
    usual = {"norm": "batch", "activation": "relu", "antialias": "none", "outputs": []}
    return {key: value for key, value in data.items() if key not in usual or value != usual[key]}


def _outputs(flow: Flow, chain: NetworkChain, stages: Sequence[StageRun]) -> list[str]:
    """The stages whose maps are output, in order."""
    ends = {stage.units[-1].end: f"stage{number}" for number, stage in enumerate(stages, 1)}
    assert chain.head
    if chain.head.kind == "none" and len(flow.outputs) == 1 and not chain.choice.preactivated:
        return []
    return [ends[number] for number in flow.outputs if number in ends]


def _stages(chain: NetworkChain, stages: Sequence[StageRun]) -> dict[str, Any] | None:
    places = [_Place(unit, s, i) for s, stage in enumerate(stages) for i, unit in enumerate(stage.units)]
    blocks = _blocks(places)
    shrinks = describe_shrinking(chain, stages)
    rule = blocks and find_width_rule(
        [[blocks[i][1] for i in run] for run in _runs(places)], nominal_strides(stages), shrinks
    )
    if not blocks or rule is None:
        return None
    block, other_blocks = _find_usual([made for made, _ in blocks])
    shortcut, other_shortcuts = _find_usual(_shortcuts(places))
    attention, other_attentions = _find_usual(_attentions(places))
    overrides = _overrides(places, {"block": other_blocks, "shortcut": other_shortcuts, "attention": other_attentions})
    data: dict[str, Any] = {
        "depths": [len(stage.units) for stage in stages],
        "strides": shrinks.get("strides"),
        "widths": rule,
        "block": part_data(block),
        "shortcut": part_data(shortcut) if shortcut.kind != "projection" else None,
        "attention": part_data(attention) if attention.kind != "none" else None,
        "downsample": part_data(shrinks["downsample"]) if "downsample" in shrinks else None,
        "output_stride": shrinks.get("output_stride"),
        "overrides": overrides or None,
    }
    return {key: value for key, value in data.items() if value is not None}


def _runs(places: Sequence[_Place], numbers: Sequence[int] | None = None) -> list[list[int]]:
    """The numbers of all blocks, or some, those of each stage together."""
    own = range(len(places)) if numbers is None else numbers
    return [list(run) for _, run in groupby(own, key=lambda number: places[number].stage)]


def _settle_kinds(
    places: Sequence[_Place],
    kinds: Sequence[str | None],
    settle: Callable[[str, Sequence[_Place]], T | None],
) -> Iterator[tuple[str, list[int], T]]:
    """Each kind with the places settled as one: all that are of it together, or those of each stage, or each alone."""
    for kind in dict.fromkeys(filter(None, kinds)):
        own = [number for number, other in enumerate(kinds) if other == kind]
        for groups in ([own], _runs(places, own), [[number] for number in own]):
            found = [settle(kind, [places[number] for number in group]) for group in groups]
            if None not in found:
                yield from ((kind, group, one) for group, one in zip(groups, found, strict=True) if one is not None)
                break


def _blocks(places: Sequence[_Place]) -> list[tuple[Block, int]] | None:
    """The block of each place, and its width; None where no settings make it."""

    def settle(kind: str, some: Sequence[_Place]) -> SharedSettings | None:
        return BLOCKS[kind].settle([place.unit.look.raw for place in some], [place.number for place in some])

    found: dict[int, tuple[Block, int]] = {}
    for kind, group, (settings, widths) in _settle_kinds(places, [place.unit.kind for place in places], settle):
        block = make_part(Block, kind, settings)
        if block is None:
            return None
        found.update((number, (block, width)) for number, width in zip(group, widths, strict=True))
    return [found[i] for i in range(len(places))] if len(found) == len(places) else None


def _shortcuts(places: Sequence[_Place]) -> list[Shortcut]:
    """The shortcut of each block: the one that fits most of them wherever it fits."""
    fitting: Counter[Shortcut] = Counter()
    for place in places:
        fitting.update(place.unit.shortcuts)
    order = [shortcut for shortcut, _ in fitting.most_common()]
    return [next(shortcut for shortcut in order if shortcut in place.unit.shortcuts) for place in places]


def _attentions(places: Sequence[_Place]) -> list[Attention]:
    def settle(kind: str, some: Sequence[_Place]) -> dict[str, Any] | None:
        return ATTENTIONS[kind].settle([place.unit.attention.raw for place in some if place.unit.attention])

    kinds = [place.unit.attention.kind if place.unit.attention else None for place in places]
    found: dict[int, Attention] = {}
    for kind, group, settings in _settle_kinds(places, kinds, settle):
        made = make_part(Attention, kind, settings)
        found.update((number, made) for number in group if made)
    return [found.get(i, NoAttention()) for i in range(len(places))]


def _find_usual(parts: Sequence[P]) -> tuple[P, dict[int, P]]:
    """What most have, and what the others have, by number."""
    ((most, _),) = Counter(parts).most_common(1)
    return most, {number: made for number, made in enumerate(parts) if made != most}


def _overrides(places: Sequence[_Place], others: Mapping[str, Mapping[int, Part]]) -> dict[str, Any]:
    """What single stages or blocks have instead, by their place; neighbours that have the same under one key."""
    changed: dict[int, dict[str, Any]] = {}
    for what, by_number in others.items():
        for number, made in by_number.items():
            changed.setdefault(number, {})[what] = part_data(made)
    found: list[tuple[_Range, dict[str, Any]]] = []
    for run in _runs(places):
        for first, last in _find_equal_runs([changed.get(number) for number in run]):
            if run[first] in changed:
                here = _Range(places[run[0]].stage, places[run[0]].stage, first, last, last - first + 1 == len(run))
                found = _add_change(found, here, changed[run[first]])
    return {here.key(): change for here, change in found}


class _Range(NamedTuple):
    """Blocks `first` to `last` of each of some stages, or all of these stages' blocks."""

    stage: int
    to_stage: int
    first: int
    last: int
    whole: bool

    def key(self) -> str:
        """The range as specifications name it."""
        stages = f"stage{_span(self.stage, self.to_stage)}"
        return stages if self.whole else f"{stages}.block{_span(self.first, self.last)}"


def _span(first: int, last: int) -> str:
    return f"{first + 1}-{last + 1}" if last > first else f"{first + 1}"


def _find_equal_runs(row: Sequence[Any]) -> Iterator[tuple[int, int]]:
    """The first and last index of each run of equal values."""
    first = 0
    for index in range(1, len(row) + 1):
        if index == len(row) or row[index] != row[first]:
            yield first, index - 1
            first = index


def _add_change(
    found: list[tuple[_Range, dict[str, Any]]], here: _Range, change: dict[str, Any]
) -> list[tuple[_Range, dict[str, Any]]]:
    """One more change, written with that of the stage before where it is the same at the same blocks."""
    for index, (before, other) in enumerate(found):
        same = before[2:] == here[2:] or (before.whole and here.whole)
        if same and other == change and before.to_stage == here.stage - 1:
            return [*found[:index], (before._replace(to_stage=here.stage), change), *found[index + 1 :]]
    return [*found, (here, change)]
