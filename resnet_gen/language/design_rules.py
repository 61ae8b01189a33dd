"""Steps between stages that break the design rules of He et al. 2015, Sec. 3.3, and which of them a parent excuses."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from resnet_gen.graph import Graph
from resnet_gen.language.load import Loaded, parent_of
from resnet_gen.language.lower import lower
from resnet_gen.language.plan import StagePlan, plan
from resnet_gen.ops import Shape
from resnet_gen.ops.base import format_shape
from resnet_gen.problems import Refused

SAME_MAP, HALF_MAP = "same-map-same-filters", "half-map-double-filters"
"""The rules, by their ids."""


class DesignBreak(NamedTuple):
    """A rule that is broken between two stages, and the filters that would keep it."""

    rule: str
    widths: tuple[int, int]
    wanted: int
    message: str

    @property
    def excuse(self) -> tuple[str, tuple[int, int]]:
        """What makes it the same step in a parent."""
        return self.rule, self.widths


def find_broken_steps(loaded: Loaded, graph: Graph) -> tuple[DesignBreak, ...]:
    """Every step from one stage to the next that breaks a rule."""
    found = []
    for (number, before, size), (following, after, smaller) in pairwise(_list_stages(loaded, graph)):
        rule, wanted = _wanted_width(before.width, size, smaller)
        if rule and after.width != wanted:
            maps, widths = (
                f"maps of {_format_map(size)} and {_format_map(smaller)}",
                f"{before.width} and {after.width} filters",
            )
            message = f"stages {number} and {following}: {maps} with {widths}"
            found.append(DesignBreak(rule, (before.width, after.width), wanted, message))
    return tuple(found)


def _wanted_width(width: int, size: Shape, smaller: Shape) -> tuple[str | None, int]:
    """The rule that applies between maps of these heights and widths, and the filters that it wants."""
    if smaller == size:
        return SAME_MAP, width
    if smaller == tuple(-(-side // 2) for side in size):
        return HALF_MAP, 2 * width
    return None, width


def _list_stages(loaded: Loaded, graph: Graph) -> list[tuple[int, StagePlan, Shape]]:
    """Each stage's number, plan, and the height and width of its blocks' map, were nothing of it withheld."""
    found = []
    nodes = reversed(graph.nodes)  # walked once: a stage ends before the next begins
    for stage in reversed(plan(loaded)):
        last = f"stages.{stage.number}.{stage.depth - 1}."
        sides = next(n.shape[1:] for n in nodes if n.path.startswith(last))
        found.append((stage.number + 1, stage, tuple(-(-side // stage.withheld) for side in sides)))
    return found[::-1]


def _format_map(size: Shape) -> str:
    """The side of a square map, else both."""
    return str(size[0]) if len({*size}) == 1 else format_shape(size)


def find_excused_steps(loaded: Loaded) -> list[DesignBreak]:
    """The steps that break a rule in what a spec extends, where that, or one that it extends in turn, says why.

    A child inherits a deviation as far as it breaks the rule in the same step, from and to the same filters.
    """
    try:
        parent = parent_of(loaded)
        steps = find_broken_steps(parent, lower(parent)) if parent else ()
    except Refused:  # no whole network by itself
        return []
    if not parent or not steps:
        return []
    more = {step.excuse for step in find_excused_steps(parent)}
    return [step for step in steps if step.rule in parent.spec.deviations or step.excuse in more]
