"""Blocks as stages: where one begins, by how much it shrinks the map, and how it is dilated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from resnet_gen.infer.chains import BlockCandidate, NetworkChain
from resnet_gen.infer.flow import Flow
from resnet_gen.infer.part_settings import make_part
from resnet_gen.parts.base import Downsample


class StageRun(NamedTuple):
    """A run of blocks, by how much it shrinks the map, and its dilation."""

    units: tuple[BlockCandidate, ...]
    stride: int
    dilation: int


def group_stages(flow: Flow, units: Sequence[BlockCandidate], *, by_width: bool = True) -> list[StageRun]:
    """The stages: a new one where the map shrinks or is output, or dilation or, with `by_width`, filters change."""
    dilations = _dilations(units)
    runs: list[list[int]] = []
    for index, unit in enumerate(units):
        before = units[index - 1]
        new = (
            index == 0
            or unit.look.stride > 1
            or before.pool is not None
            or dilations[index] != dilations[index - 1]
            or before.end in flow.output_set
            or (by_width and flow.shapes[unit.end][0] != flow.shapes[before.end][0])
        )
        if new:
            runs.append([])
        runs[-1].append(index)
    return [_make_stage([units[i] for i in run], dilations[run[0]]) for run in runs]


def _make_stage(units: Sequence[BlockCandidate], dilation: int) -> StageRun:
    pool = units[-1].pool
    return StageRun(tuple(units), pool.stride if pool else units[0].look.stride, dilation)


def _dilations(units: Sequence[BlockCandidate]) -> list[int]:
    """The dilation of each block's stage: shown by its second window, or by the first of the block behind it."""
    entering = [*(unit.look.entering for unit in units[1:]), None]
    return [unit.look.dilation or after or unit.dilation for unit, after in zip(units, entering, strict=True)]


def nominal_strides(stages: Sequence[StageRun]) -> list[int]:
    """By how much each stage would shrink the map if none were dilated."""
    found, before = [], 1
    for stage in stages:
        found.append(stage.stride * max(1, stage.dilation // before))
        before = stage.dilation
    return found


def describe_shrinking(chain: NetworkChain, stages: Sequence[StageRun]) -> dict[str, Any]:
    """The keys of `stages` that say where the map shrinks."""
    found: dict[str, Any] = {}
    pools = [unit.pool for unit in chain.units if unit.pool]
    kind, settings = ("max_pool", {"kernel": pools[0].kernel}) if pools else ("stride", {})
    downsample = make_part(Downsample, kind, settings)
    assert downsample is not None
    nominal = nominal_strides(stages)
    if tuple(nominal) != downsample.default_strides(len(stages)):
        found["strides"] = nominal
    if pools:
        found["downsample"] = downsample
    if any(stage.dilation > 1 for stage in stages) and chain.stem:
        reached = chain.stem.shrinks
        for stage in stages:
            reached *= stage.stride
        found["output_stride"] = reached
    return found
