"""The stages of a spec with every default and rule worked out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import accumulate
from operator import mul
from typing import NamedTuple

from resnet_gen.language.load import Loaded
from resnet_gen.language.source import dotted_path
from resnet_gen.language.spec import Spec, Stages
from resnet_gen.parts.base import Attention, Block, Downsample, Shortcut, Trait
from resnet_gen.parts.registry import load_parts, members
from resnet_gen.problems import Loc, Problem, refuse, several

MAX_BLOCKS = 8_192
_MOST_FITTED = 1_000_000
"""Overrides times blocks, each of which may fit each."""


CHOICES = ("block", "shortcut", "attention")
"""What overrides choose; what `stages` says of the first is also for what follows the last block."""


class BlockChoice(NamedTuple):
    """What one block is made of, and where the spec says so; `shortcut_at` is None where it does not."""

    block: Block
    shortcut: Shortcut
    attention: Attention
    block_at: Loc
    shortcut_at: Loc | None
    attention_at: Loc


class StagePlan(NamedTuple):
    """One stage: the filters of its blocks, by how much the map shrinks, and how its windows are dilated.

    `number` counts stages from 0; `first` is the number of its first block in the network, `chosen` is what each
    block is made of. `withheld` is by how much its map would be smaller, had it shrunk wherever the widths suppose it.
    """

    number: int
    widths: tuple[int, ...]
    stride: int
    first: int
    dilation: int
    entering_dilation: int
    withheld: int
    chosen: tuple[BlockChoice, ...]

    @property
    def depth(self) -> int:
        """How many blocks."""
        return len(self.widths)

    @property
    def width(self) -> int:
        """Filters of its last block."""
        return self.widths[-1]


_PLACES = re.compile(r"stage([1-9]\d*)(?:-(\d+))?(?:\.block([1-9]\d*)(?:-(\d+))?)?", re.ASCII)


@lru_cache(maxsize=4_096)
def _parse_place(key: str) -> tuple[range, range] | None:
    """The stages and the blocks that a key such as `stage1-2.block3` means, which count from 1."""
    found = _PLACES.fullmatch(key)
    if not found:
        return None
    first, last, from_block, to_block = (int(n) if n else None for n in found.groups())
    assert first
    blocks = range(1, MAX_BLOCKS + 1) if from_block is None else range(from_block, (to_block or from_block) + 1)
    return range(first, (last or first) + 1), blocks


def matches_block(key: str, stage: int, block: int) -> bool:
    """Whether a key such as `stage1-2.block3` means this block; both numbers count from 1."""
    place = _parse_place(key)
    return place is not None and stage in place[0] and block in place[1]


def _matches_any_block(key: str, depths: Sequence[int]) -> bool:
    place = _parse_place(key)
    return place is not None and any(
        number in place[0] and place[1][:1] and place[1][0] <= depth for number, depth in enumerate(depths, 1)
    )


def plan(loaded: Loaded) -> list[StagePlan]:
    """The stages that are built; raises `Refused` where lists differ in length or choices do not go together."""
    stages = loaded.spec.stages
    depths = _plan_depths(loaded)
    strides = _plan_strides(loaded, depths)
    kept, dilations = _plan_dilations(loaded, strides.stated)
    widths = stages.widths.widths(stages.downsample.entering(strides.nominal))
    _check_length(loaded, widths, depths, ("stages", "widths"))
    widths = tuple(stages.block.fitted(width) for width in widths)
    _check_settings(loaded, depths)
    _check_overrides(loaded, depths)
    chosen = _choose_blocks(stages, depths)
    _check_places(loaded, chosen)
    withheld = _count_withheld(stages.downsample, strides.nominal, kept)
    found, first = [], 0
    by_block = stages.widths.by_block(depths, widths)
    for index, (inner, stride, dilation) in enumerate(zip(by_block, kept, dilations, strict=True)):
        entering = dilations[index - 1] if index else 1
        found.append(StagePlan(index, inner, stride, first, dilation, entering, withheld[index], chosen[index]))
        first += len(inner)
    return found[: _count_built_stages(loaded, len(found))]


class _Strides(NamedTuple):
    """By how much each stage shrinks the map as stated, and as its widths suppose."""

    stated: tuple[int, ...]
    nominal: tuple[int, ...]


def _plan_strides(loaded: Loaded, depths: Sequence[int]) -> _Strides:
    stages = loaded.spec.stages
    default = stages.downsample.default_strides(len(depths))
    stated = stages.strides or default
    _check_length(loaded, stated, depths, ("stages", "strides"))
    nominal = default if stages.widths.by_stage else stated
    return _Strides(stated if stages.last_stride is None else (*stated[:-1], stages.last_stride), nominal)


def _count_withheld(downsample: Downsample, nominal: Sequence[int], kept: Sequence[int]) -> list[int]:
    """By how much the map of each stage's blocks would be smaller, had it shrunk by the `nominal` strides."""
    steps = zip(downsample.entering(nominal), downsample.entering(kept), strict=True)
    return list(accumulate((max(1, wanted // got) for wanted, got in steps), mul))


def stride_notes(loaded: Loaded) -> list[Problem]:
    """Where one would think that strides change widths, and they do not; raises `Refused` as `plan` does."""
    stages = loaded.spec.stages
    nominal = _plan_strides(loaded, _plan_depths(loaded)).nominal
    supposed, stated = map(stages.downsample.entering, (nominal, stages.strides or nominal))
    other = [str(n) for n, (a, b) in enumerate(zip(supposed, stated, strict=True), 1) if n > 1 and a != b]
    if not other:
        return []
    which = f"stage{'s' if len(other) > 1 else ''} {', '.join(other)}"
    widths = [stage.width for stage in plan(loaded)]
    message = f"stages.strides: the widths stay {widths}, whatever the strides of {which}"
    where = loaded.source.span(("stages", "strides"))
    return [Problem(message, where, "write 'widths: [...]' for others", severity="note")]


def width_notes(loaded: Loaded) -> list[Problem]:
    """Widths that a spec writes out, and that its blocks round to others."""
    stages = loaded.spec.stages
    ruled = stages.widths.depths() is not None  # RegNet's line, of whose filters nobody wrote any
    written = stages.widths.widths(stages.downsample.entering(_plan_strides(loaded, _plan_depths(loaded)).nominal))
    built = [stages.block.fitted(width) for width in written]
    if ruled or list(written) == built:
        return []
    message = f"stages.widths: {list(written)} become {built}, as the block '{stages.block.kind}' rounds them"
    hint = "write these, or other settings of the block"
    return [Problem(message, loaded.source.span(("stages", "widths")), hint, severity="note")]


def _plan_depths(loaded: Loaded) -> tuple[int, ...]:
    stages = loaded.spec.stages
    ruled = stages.widths.depths()
    where = loaded.source.span(("stages", "depths"))
    if ruled and stages.depths and ruled != stages.depths:
        raise refuse(f"stages.depths: the width rule decides them: {list(ruled)}", where, "leave 'depths' out")
    depths = ruled or stages.depths
    assert depths, "checked with the spec"
    if sum(depths) > MAX_BLOCKS:
        raise refuse(f"stages.depths: more than {MAX_BLOCKS:,} blocks", where)
    return depths


def _check_length(loaded: Loaded, values: Sequence[int], depths: Sequence[int], loc: Loc) -> None:
    n = len(depths)
    if len(values) != n:
        message = f"{dotted_path(loc)}: {several(len(values), 'value')} for {several(n, 'stage')}"
        here, there = loaded.source.span(loc), loaded.source.span(("stages", "depths"))
        inherited = here and there and here.document != there.document
        hint = f"write one for each stage; 'depths' is at {there}" if inherited else "write one for each stage"
        raise refuse(message, here, hint)


def _plan_dilations(loaded: Loaded, strides: Sequence[int]) -> tuple[list[int], list[int]]:
    """Strides and dilations of the stages, the map shrinking no further than `output_stride`."""
    wanted = loaded.spec.stages.output_stride
    shrunk, dilation = loaded.spec.stem.shrinks, 1
    if wanted is None:
        return list(strides), [1] * len(strides)
    reached = list(accumulate(strides, mul, initial=shrunk))
    kept, dilations = [], []
    for stride in strides:
        if shrunk >= wanted:
            dilation, stride = dilation * stride, 1
        shrunk *= stride
        kept.append(stride)
        dilations.append(dilation)
    if wanted not in reached or (dilation > 1 and not loaded.spec.stages.downsample.dilates):
        _refuse_stride(loaded, reached)
    return kept, dilations


def _refuse_stride(loaded: Loaded, reached: Sequence[int]) -> None:
    wanted, downsample = loaded.spec.stages.output_stride, loaded.spec.stages.downsample
    where = loaded.source.span(("stages", "output_stride"))
    if not downsample.dilates:
        raise refuse(f"stages.output_stride: stages that end in '{downsample.kind}' cannot be dilated", where)
    known = ", ".join(map(str, dict.fromkeys(reached)))
    raise refuse(f"stages.output_stride: the map shrinks by {known}, never by {wanted}", where)


def _check_settings(loaded: Loaded, depths: Sequence[int]) -> None:
    """Refuse settings that do not fit the stages, or each other."""
    spec, span = loaded.spec, loaded.source.span
    for loc, block in _list_blocks(spec.stages):
        if fault := block.check(depths):
            raise refuse(f"{dotted_path(loc)}: {fault}", span(loc))
    if spec.antialias.kind != "none" and spec.stages.output_stride is not None:
        message = f"stages.output_stride: a dilated stage does not shrink its map, which '{spec.antialias.kind}' needs"
        raise refuse(message, span(("stages", "output_stride")), "leave out 'antialias' or 'output_stride'")


def _list_blocks(stages: Stages) -> Iterator[tuple[Loc, Block]]:
    """Every block that a spec names, and where."""
    yield ("stages", "block"), stages.block
    for key, override in stages.overrides.items():
        if override.block:
            yield ("stages", "overrides", key, "block"), override.block


def _check_places(loaded: Loaded, chosen: Sequence[Sequence[BlockChoice]]) -> None:
    """Refuse what a block of the network has no place for."""
    for one in {id(one): one for stage in chosen for one in stage}.values():
        for trait, loc in _list_wanted_traits(loaded.spec, one):
            if trait not in one.block.takes:
                place = "" if one.block_at == ("stages", "block") else dotted_path(one.block_at[:-1])
                which = f"'{one.block.kind}' of {place}" if place else f"'{one.block.kind}'"
                hint = f"blocks that have: {', '.join(_list_kinds_taking(trait))}"
                if place and loc == ("stages", "attention"):
                    hint = f"write 'attention: none' in {place}; {hint}"
                message = f"{dotted_path(loc)}: the block {which} has no place for it"
                raise refuse(message, loaded.source.span(loc), hint)


def _list_wanted_traits(spec: Spec, one: BlockChoice) -> Iterator[tuple[Trait, Loc]]:
    """What a block is to have that not every one has a place for, and where the spec says so."""
    if one.attention.kind != "none":
        yield "attention", one.attention_at
    if spec.antialias.kind != "none":
        yield "antialias", ("antialias",)
    if spec.stages.output_stride is not None:
        yield "dilation", ("stages", "output_stride")


def _list_kinds_taking(trait: Trait) -> list[str]:
    load_parts()
    return [part.kind_name() for part in members(Block) if issubclass(part, Block) and trait in part.takes]


def choose_for_all(stages: Stages) -> BlockChoice:
    """What a block is made of that no override is for."""
    stated: Loc | None = ("stages", "shortcut") if "shortcut" in stages.model_fields_set else None
    places: tuple[Loc, Loc | None, Loc] = ("stages", "block"), stated, ("stages", "attention")
    return BlockChoice(stages.block, stages.shortcut, stages.attention, *places)


def _choose_blocks(stages: Stages, depths: Sequence[int]) -> list[tuple[BlockChoice, ...]]:
    """What each block of each stage is made of: the last override that says so counts."""

    @cache
    def with_overrides(keys: tuple[str, ...]) -> BlockChoice:
        found = choose_for_all(stages)
        for key in keys:
            for what in CHOICES:
                if chosen := getattr(stages.overrides[key], what):
                    found = found._replace(**{what: chosen, f"{what}_at": ("stages", "overrides", key, what)})
        return found

    places = {key: place for key in stages.overrides if (place := _parse_place(key))}
    chosen = []
    for number, depth in enumerate(depths, 1):
        here = [(key, blocks) for key, (numbers, blocks) in places.items() if number in numbers]
        blocks = range(1, depth + 1)
        chosen.append(tuple(with_overrides(tuple(key for key, those in here if n in those)) for n in blocks))
    return chosen


def _check_overrides(loaded: Loaded, depths: Sequence[int]) -> None:
    stages, span = loaded.spec.stages, loaded.source.span
    for key, override in stages.overrides.items():
        loc: Loc = ("stages", "overrides", key)
        if not _matches_any_block(key, depths):
            raise refuse(f"stages.overrides: there is no '{key}'", span(loc, key=True))
        if override.block and override.block.preactivated != stages.block.preactivated:
            message = "stages.overrides: blocks with and without pre-activation cannot follow each other"
            raise refuse(message, span((*loc, "block")))
    if len(stages.overrides) * sum(depths) > _MOST_FITTED:
        message = f"stages.overrides: more of them than are looked for in {sum(depths):,} blocks"
        raise refuse(message, span(("stages", "overrides"), key=True))


def _count_built_stages(loaded: Loaded, stages: int) -> int:
    """How many stages are built: all, or without a head those up to the last that is output."""
    spec = loaded.spec
    for index, name in enumerate(spec.outputs):
        where = loaded.source.span(("outputs", index))
        if int(name.removeprefix("stage")) > stages:
            raise refuse(f"outputs: there is no '{name}'", where, f"stages are stage1 to stage{stages}")
        if name in spec.outputs[:index]:
            raise refuse(f"outputs: '{name}' stands there twice", where)
    if spec.outputs and spec.head.kind == "none":
        return max(int(name.removeprefix("stage")) for name in spec.outputs)
    return stages
