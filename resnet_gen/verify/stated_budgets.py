"""Budgets where they are stated: in a spec, or in a project file for networks of some names."""

from __future__ import annotations

from dataclasses import dataclass, replace

from resnet_gen.language.budgets import Budgets
from resnet_gen.language.source import Source, value_at
from resnet_gen.problems import Loc, Problem, Span


@dataclass(frozen=True)
class StatedBudgets:
    """Budgets, the text that states them, where in it, and what stands before a message about them."""

    budgets: Budgets
    source: Source
    loc: Loc
    prefix: str = ""

    def place(self, name: str, index: int | None = None) -> Loc:
        """Where a budget stands: those that come in lists may stand alone too."""
        loc = (*self.loc, name)
        return (*loc, index) if index is not None and isinstance(value_at(self.source.data, loc), list) else loc


def place_problem(problem: Problem, where: Span | None) -> Problem:
    """What is wrong with what a budget names, at the line that asks for it unless it has a line of its own."""
    if isinstance(problem.where, Span):
        return problem
    file = f"{problem.where}: " if problem.where else ""
    return replace(problem, message=file + problem.message, where=where)
