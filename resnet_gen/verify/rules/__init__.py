"""The rules, one file each, or one for a few that look at the same: listed here, and nowhere else."""

from __future__ import annotations

from resnet_gen.problems import refuse, shorten, suggest
from resnet_gen.verify.rules.against import (
    AgainstEngine,
    AgainstLayer,
    AgainstShape,
    AgainstSurroundings,
    AgainstWeight,
)
from resnet_gen.verify.rules.base import Explained, Rule
from resnet_gen.verify.rules.budget import BudgetKept
from resnet_gen.verify.rules.claim import ClaimMet
from resnet_gen.verify.rules.design import DeviationUnneeded, HalfMapDoubleFilters, SameMapSameFilters
from resnet_gen.verify.rules.invalid_spec import InvalidSpec
from resnet_gen.verify.rules.lock import AsLocked
from resnet_gen.verify.rules.reference import ReferenceCount, ReferenceState
from resnet_gen.verify.rules.suppression import Suppression

STANDARD: tuple[Rule, ...] = (
    ClaimMet(),
    ReferenceState(),
    ReferenceCount(),
    SameMapSameFilters(),
    HalfMapDoubleFilters(),
    DeviationUnneeded(),
    BudgetKept(),
)
"""The rules that every spec is held to, in the order in which they are checked.

A rule that needs more than a spec and its graph takes it when it is made; it stands in `RULES` alone.
"""

_AGAINST: tuple[type[Rule], ...] = (AgainstLayer, AgainstShape, AgainstSurroundings, AgainstWeight, AgainstEngine)
_KINDS: tuple[type[Explained], ...] = (
    InvalidSpec,
    *(type(rule) for rule in STANDARD),
    AsLocked,
    *_AGAINST,
    Suppression,
)

RULES: dict[str, type[Explained]] = {kind.id: kind for kind in _KINDS}
"""Every rule by its id."""


def find_rule(id: str, place: str = "") -> type[Explained]:
    """The rule of that id; raises `Refused` where there is none, and says in which place it was named."""
    if id not in RULES:
        raise refuse(f"{place}there is no rule '{shorten(str(id))}'", hint=suggest(str(id), RULES))
    return RULES[id]
