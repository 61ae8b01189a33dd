"""The two design rules of He et al. 2015, Sec. 3.3, between successive stages."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from resnet_gen.language.design_rules import HALF_MAP, SAME_MAP, DesignBreak, find_broken_steps, find_excused_steps
from resnet_gen.language.load import Loaded
from resnet_gen.problems import Loc, Problem
from resnet_gen.verify.rules.base import Rule
from resnet_gen.verify.subject import Subject


class _StepRule(Rule):
    """A design rule of the steps between stages."""

    def check(self, subject: Subject) -> Iterator[Problem]:
        """Where it is broken and neither the spec nor one that it extends says why."""
        if self.id in subject.loaded.spec.deviations:
            return
        broken = [step for step in _find_breaks(subject) if step.rule == self.id]
        excused = {step.excuse for step in find_excused_steps(subject.loaded)} if broken else set()
        for step in broken:
            if step.excuse not in excused:
                hint = f"{step.wanted} filters keep the rule; or say why under 'deviations: {{{self.id}: ...}}'"
                yield self.finding(subject, _find_place(subject.loaded), step.message, hint)


class SameMapSameFilters(_StepRule):
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

    What extends it need not say so again, as far as the same filters follow each other there.
    """

    id = SAME_MAP


class HalfMapDoubleFilters(_StepRule):
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

    What extends it need not say so again, as far as the same filters follow each other there.
    """

    id = HALF_MAP


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
        broken = {step.rule for step in _find_breaks(subject)}
        for rule in subject.loaded.spec.deviations:
            if rule not in broken:
                yield self.finding(subject, ("deviations", rule), f"'{rule}' is kept; nothing deviates")


def _find_place(loaded: Loaded) -> Loc:
    """The widths, where the spec itself states them; else what it states of its stages or its image."""
    marks, widths = loaded.source.marks, ("stages", "widths")
    own = [loc for loc, mark in marks.items() if mark.value.document in loaded.own and len(loc) == len(widths)]
    stated = [loc for loc in own if loc[0] == "stages" or loc == ("input", "size")]
    return widths if widths in own or not stated else stated[0]


@lru_cache(maxsize=1)
def _find_breaks(subject: Subject) -> tuple[DesignBreak, ...]:
    """What `find_broken_steps` finds; each of the rules asks."""
    return find_broken_steps(subject.loaded, subject.graph)
