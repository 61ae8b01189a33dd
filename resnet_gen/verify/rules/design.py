"""The two design rules of He et al. 2015, Sec. 3.3, between successive stages."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from resnet_gen.ops import Shape
from resnet_gen.plan import StagePlan, plan
from resnet_gen.problems import Problem
from resnet_gen.verify.rules.base import Rule
from resnet_gen.verify.subject import Subject


class SameMapSameFilters(Rule):
    """Stages with maps of one size have the same filters (He et al. 2015, Sec. 3.3).

    "For the same output feature map size, the layers have the same number of filters": the first of the two simple
    design rules of the plain networks from which the ResNets were made. Two successive stages whose maps have one
    size must therefore have one width. The width is that of the stage's blocks before any expansion. The map of a
    dilated stage, of one with `last_stride`, and of one whose width `double` gives counts as if it had shrunk.

    Source: He et al. 2015, Deep Residual Learning for Image Recognition, Sec. 3.3. This spec breaks it:

        name: mine
        extends: resnet18
        stages: {strides: [1, 1, 2, 2], widths: [64, 128, 256, 512]}

    To mend it, give both stages the same `widths`, or let the later one shrink the map; a last stage that is to keep
    the map larger has `last_stride: 1` in place of `strides`. A network that breaks the
    rule on purpose says why, and is then held to breaking it (rule `deviation-unneeded`):

        deviations: {same-map-same-filters: "widths grow linearly with depth"}
    """

    id = "same-map-same-filters"

    def check(self, subject: Subject) -> Iterator[Problem]:
        return _undeclared(self, subject)


class HalfMapDoubleFilters(Rule):
    """Where the map halves, the filters double (He et al. 2015, Sec. 3.3).

    "If the feature map size is halved, the number of filters is doubled so as to preserve the time complexity per
    layer": the second of the two design rules. Where a stage's map has half the height and half the width of the map
    before, rounded up, its width must be twice the width before. The width is that of the stage's blocks before any
    expansion. The map of a dilated stage, of one with `last_stride`, and of one whose width `double` gives counts as
    if it had shrunk.

    Source: He et al. 2015, Deep Residual Learning for Image Recognition, Sec. 3.3. This spec breaks it:

        name: mine
        extends: resnet18
        stages: {widths: [64, 128, 256, 256]}

    To mend it, double the width, or let the later stage keep the map's size. A network that breaks the rule on
    purpose says why, and is then held to breaking it (rule `deviation-unneeded`):

        deviations: {half-map-double-filters: "the last stage is kept narrow"}
    """

    id = "half-map-double-filters"

    def check(self, subject: Subject) -> Iterator[Problem]:
        return _undeclared(self, subject)


class DeviationUnneeded(Rule):
    """A stated deviation from a design rule is one.

    A design rule that stands under `deviations` must be broken somewhere. One that is kept would excuse the next
    change that breaks it, without anybody having decided so.

    Source: ours. This spec breaks it:

        name: mine
        extends: resnet18
        deviations: {half-map-double-filters: "the last stage is kept narrow"}

    To mend it, delete the entry.
    """

    id = "deviation-unneeded"

    def check(self, subject: Subject) -> Iterator[Problem]:
        broken = {step.rule for step in _broken(subject)}
        for rule in subject.loaded.spec.deviations:
            if rule not in broken:
                yield self.finding(subject, ("deviations", rule), f"'{rule}' is kept; nothing deviates")


class _Step(NamedTuple):
    """A rule that is broken between two stages, and the filters that would keep it."""

    rule: str
    wanted: int
    message: str


def _undeclared(rule: Rule, subject: Subject) -> Iterator[Problem]:
    """Where a design rule is broken and the spec does not say why."""
    if rule.id in subject.loaded.spec.deviations:
        return
    for step in _broken(subject):
        if step.rule == rule.id:
            hint = f"{step.wanted} filters keep the rule; or say why under 'deviations: {{{rule.id}: ...}}'"
            yield rule.finding(subject, ("stages", "widths"), step.message, hint)


@lru_cache(maxsize=1)
def _broken(subject: Subject) -> tuple[_Step, ...]:
    """Every step from one stage to the next that breaks a rule; each of the rules asks."""
    found = []
    for (number, before, size), (following, after, smaller) in pairwise(_stages(subject)):
        rule, wanted = _wanted_width(before.width, size, smaller)
        if rule and after.width != wanted:
            maps, widths = f"maps of {_map(size)} and {_map(smaller)}", f"{before.width} and {after.width} filters"
            found.append(_Step(rule, wanted, f"stages {number} and {following}: {maps} with {widths}"))
    return tuple(found)


def _wanted_width(width: int, size: Shape, smaller: Shape) -> tuple[str | None, int]:
    """The rule that applies between maps of these heights and widths, and the filters that it wants."""
    if smaller == size:
        return SameMapSameFilters.id, width
    if smaller == tuple(-(-side // 2) for side in size):
        return HalfMapDoubleFilters.id, 2 * width
    return None, width


def _stages(subject: Subject) -> Iterator[tuple[int, StagePlan, Shape]]:
    """Each stage's number, plan, and the height and width of its blocks' map, were nothing of it withheld."""
    for index, stage in enumerate(plan(subject.loaded)):
        last = f"stages.{index}.{stage.depth - 1}."
        sides = next(n.shape[1:] for n in reversed(subject.graph.nodes) if n.path.startswith(last))
        yield index + 1, stage, tuple(-(-side // stage.withheld) for side in sides)


def _map(size: Shape) -> str:
    """The side of a square map, else both."""
    return str(size[0]) if len({*size}) == 1 else "x".join(map(str, size))
