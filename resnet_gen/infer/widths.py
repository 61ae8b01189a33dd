"""The rule behind the filters of stages.

A new rule needs a place in `find_width_rule`; tests/house/test_infer.py asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from resnet_gen.infer.part_settings import make_part
from resnet_gen.parts.base import Downsample, WidthRule


def find_width_rule(widths: Sequence[Sequence[int]], strides: Sequence[int], shrinks: Mapping[str, Any]) -> Any:
    """The rule, as a specification writes it, that gives every block of every stage these filters; None without one."""
    depths = [len(stage) for stage in widths]
    downsample = shrinks.get("downsample") or make_part(Downsample, "stride", {})
    entering = downsample.entering(strides) if downsample else strides
    for written in _propose_rules(widths):
        kind, settings = ("list", {"values": written}) if isinstance(written, list) else (written["kind"], written)
        rule = make_part(WidthRule, kind, {key: value for key, value in settings.items() if key != "kind"})
        if rule and [list(stage) for stage in rule.by_block(depths, rule.widths(entering))] == [*map(list, widths)]:
            return written
    return None


def _propose_rules(widths: Sequence[Sequence[int]]) -> Iterator[Any]:
    firsts = [stage[0] for stage in widths]
    if len(set(firsts)) > 1:
        yield {"kind": "double", "first": firsts[0]}
    else:
        yield {"kind": "constant", "width": firsts[0]}
    yield firsts
    yield from _propose_additive(widths)


def _propose_additive(widths: Sequence[Sequence[int]]) -> Iterator[Any]:
    """PyramidNet's rule: from the filters that the first block adds, and the last has."""
    every = [width for stage in widths for width in stage]
    total = len(every)
    if len(set(every)) <= len(widths):
        return
    slope = (every[-1] - every[0]) / (total - 1)
    for first in range(round(every[0] - slope) - 1, round(every[0] - slope) + 2):
        low = max((w - first) * total / (i + 1) for i, w in enumerate(every))
        high = min((w + 1 - first) * total / (i + 1) for i, w in enumerate(every))
        for alpha in (float(every[-1] - first), low, (low + high) / 2):
            if alpha > 0:
                yield {"kind": "additive", "first": first, "alpha": int(alpha) if alpha.is_integer() else alpha}
