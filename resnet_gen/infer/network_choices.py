"""What a whole network is built with, as its operations suggest it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from resnet_gen.infer.blocks import BLOCKS
from resnet_gen.infer.flow import Flow
from resnet_gen.infer.part_settings import activation_part, make_part
from resnet_gen.ops import Activation, AvgPool, BatchNorm, BlurPool, GroupNorm
from resnet_gen.parts.base import ActivationPart, AntiAlias, Block, Norm
from resnet_gen.parts.registry import members

_ANTIALIASES = ("none", "average", "blur")
_CHAINED = ("conv", "highway")
"""Blocks whose convolutions have biases of their own."""
_MOST_ACTIVATIONS = 3


@dataclass(frozen=True)
class NetworkChoice:
    """Norm, activation and anti-aliasing of a whole network, and the kinds of blocks to look for.

    With `folds`, batch norms may have been folded into the convolutions before them.
    """

    norm: Norm
    activation: ActivationPart
    antialias: AntiAlias
    folds: bool
    preactivated: bool
    kinds: tuple[str, ...]

    @property
    def chained(self) -> bool:
        """Whether only blocks are looked for that are one convolution each."""
        return set(self.kinds) <= set(_CHAINED)


def propose_choices(flow: Flow, norms: bool) -> Iterator[NetworkChoice]:
    """What a network may have been built with, the likeliest first; without `norms` none that was folded."""
    tried = [row for row in _norms(flow) if norms or not row[1] or flow.count_ops(BatchNorm)]
    for (norm, folds, kinds), antialias, activation in product(tried, _antialiases(flow), _activations(flow)):
        for preactivated in (False, True):
            fitting = tuple(kind for kind in kinds if _is_preactivated(kind) == preactivated)
            if fitting:
                yield NetworkChoice(norm, activation, antialias, folds, preactivated, fitting)


def _is_preactivated(kind: str) -> bool:
    return next(m for m in members(Block) if m.kind_name() == kind).preactivated  # type: ignore[attr-defined, no-any-return]


def _norms(flow: Flow) -> list[tuple[Norm, bool, tuple[str, ...]]]:
    """Norms, whether they may be folded, and the blocks to look for.

    Where there is none to be seen, biases are taken for folded norms, but in blocks that have biases anyway.
    """
    every = tuple(BLOCKS)
    batch, group = flow.count_ops(BatchNorm), flow.count_ops(GroupNorm)
    if batch:
        return [(_make_part_or_default(Norm, "batch", eps=batch.most_common(1)[0][0].eps), True, every)]
    if group:
        op = group.most_common(1)[0][0]
        norms = [(o, shape) for o, shape in zip(flow.ops, flow.shapes, strict=True) if isinstance(o, GroupNorm)]
        sizes = {shape[0] // o.groups for o, shape in norms}
        more = {"group_size": min(sizes)} if len(sizes) == 1 and len(group) > 1 else {"groups": op.groups}
        layer = more == {"groups": 1}
        return [
            (
                _make_part_or_default(Norm, "layer" if layer else "group", eps=op.eps, **({} if layer else more)),
                False,
                every,
            )
        ]
    none, folded = _make_part_or_default(Norm, "none"), _make_part_or_default(Norm, "batch")
    return [(none, False, _CHAINED), (folded, True, every), (none, False, every)]


def _activations(flow: Flow) -> list[ActivationPart]:
    kinds = {m.kind_name() for m in members(ActivationPart)}
    common = [op for op, _ in flow.count_ops(Activation).most_common() if op.function in kinds]
    found = map(activation_part, common[:_MOST_ACTIVATIONS])
    return [activation for activation in found if activation] or [_make_part_or_default(ActivationPart, "relu")]


def _antialiases(flow: Flow) -> list[AntiAlias]:
    there = {"none": True, "average": bool(flow.count_ops(AvgPool)), "blur": bool(flow.count_ops(BlurPool))}
    return [_make_part_or_default(AntiAlias, kind) for kind in _ANTIALIASES if there[kind]]


def _make_part_or_default(family: type[Any], kind: str, **settings: Any) -> Any:
    made = make_part(family, kind, settings)
    return made if made is not None else make_part(family, kind, {})
