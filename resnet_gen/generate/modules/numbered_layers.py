"""A sequence whose layers are numbered through all stages, as VGG's: its stages and blocks as what writes their layers.

Such layers have names (`features.7`) that say nothing of stages; where they stand in the network does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, pairwise

from resnet_gen.generate.modules.tree import Level, MemberStep, ModuleUnit, OperationLeaf
from resnet_gen.graph import is_block, stage_and_block


def group_layers(unit: ModuleUnit) -> ModuleUnit:
    """The network with such sequences grouped; every other one is left as it is."""
    if _is_flat(unit):
        return _group_stages(unit)
    inner = [replace(s, what=group_layers(s.what)) if isinstance(s.what, ModuleUnit) else s for s in unit.steps]
    changed = any(new.what is not old.what for new, old in zip(inner, unit.steps, strict=True))
    return replace(unit, steps=tuple(inner)) if changed else unit


def _is_flat(unit: ModuleUnit) -> bool:
    """Whether it is a chain of operations, numbered without a gap, from more than one block."""
    leaves = [step.what for step in unit.steps if isinstance(step.what, OperationLeaf)]
    numbered = [step.name for step in unit.steps] == [str(number) for number in range(len(leaves))]
    return unit.chain and numbered and len({stage_and_block(leaf.place)[1] for leaf in leaves}) > 1


def _group_stages(unit: ModuleUnit) -> ModuleUnit:
    stages = groupby(unit.steps, key=lambda step: stage_and_block(step.what.place)[0])
    steps = [_make_stage(name, list(members)) for name, members in stages]
    return replace(unit, steps=tuple(_link_members(steps)), outputs=(str(len(steps) - 1),))


def _make_stage(name: str, steps: Sequence[MemberStep]) -> ModuleUnit:
    """The layers of one stage: its blocks, and what stands behind them."""
    if not name.startswith("stages."):
        return _make_unit("inner", [step.what for step in steps])
    blocks = [
        (block, [step.what for step in members])
        for block, members in groupby(steps, key=lambda step: stage_and_block(step.what.place)[1])
    ]
    inner = [_make_unit("block", members) for block, members in blocks if is_block(block)]
    behind = [what for block, members in blocks if not is_block(block) for what in members]
    return _make_unit("stage", [replace(_make_unit("inner", inner), spread=False), *behind])


def _make_unit(level: Level, members: Sequence[OperationLeaf | ModuleUnit]) -> ModuleUnit:
    steps = tuple(_link_members(members))
    return ModuleUnit(
        name="",
        level=level,
        steps=steps,
        inputs=_input_shapes(members[0]),
        outputs=(steps[-1].name,),
        shapes=_output_shapes(members[-1]),
        place=members[0].place,
        role="main",
        spread=True,
    )


def _link_members(members: Sequence[OperationLeaf | ModuleUnit]) -> list[MemberStep]:
    names = ["in0", *map(str, range(len(members)))]
    return [MemberStep(name, what, (given,)) for (given, name), what in zip(pairwise(names), members, strict=True)]


def _input_shapes(what: OperationLeaf | ModuleUnit) -> tuple[tuple[int, ...], ...]:
    return what.shapes if isinstance(what, OperationLeaf) else what.inputs


def _output_shapes(what: OperationLeaf | ModuleUnit) -> tuple[tuple[int, ...], ...]:
    return (what.op.shape(*what.shapes),) if isinstance(what, OperationLeaf) else what.shapes
