"""What a project holds its specs to beyond what each says of itself: its budgets and its lock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from resnet_gen.problems import Problem, Refused, refuse, several, shorten, suggest
from resnet_gen.project.lock import Lock, read_lock
from resnet_gen.project.project_file import Project
from resnet_gen.system.links import shown_path
from resnet_gen.verify.outcome import Outcome, project_outcome
from resnet_gen.verify.rules import RULES
from resnet_gen.verify.rules.base import Rule
from resnet_gen.verify.rules.budget import BudgetKept, ProjectBudgetKept
from resnet_gen.verify.rules.invalid_spec import InvalidSpec
from resnet_gen.verify.rules.lock import AsLocked


class Contract(NamedTuple):
    """A project, its lock, and the rules that come of them."""

    project: Project
    lock: Lock | None
    rules: tuple[Rule, ...]

    def outcome(self, networks: Iterable[str], chosen: Collection[str]) -> Outcome:
        """What the project says of networks that are not among `networks`, which are all that it has."""
        names = set(networks)
        found = [*self._find_idle_budgets(names), *self._find_idle_locks(names)]
        tables = len(self.project.settings.budgets)
        covered = [f"budgets for {several(tables, 'name')}"] if tables else []
        covered += [f"lock of {several(len(self.lock.networks), 'network')}"] if self.lock else []
        rules = [rule for rule in (BudgetKept.id, AsLocked.id) if rule in chosen]
        problems = [problem for problem in found if problem.rule in rules]
        return project_outcome(shown_path(self.project.path), rules, covered, problems)

    def _find_idle_budgets(self, names: Collection[str]) -> Iterator[Problem]:
        for pattern in self.project.settings.budgets:
            if not any(fnmatchcase(name, pattern) for name in names):
                where = self.project.source.span(("budgets", pattern), key=True)
                yield Problem(f"no network is called '{pattern}'", where, suggest(pattern, names), BudgetKept.id)

    def _find_idle_locks(self, names: Collection[str]) -> Iterator[Problem]:
        if self.lock and self.project.settings.specs:
            for name in self.lock.networks:
                if name not in names:
                    words = f"{name}: locked, and no longer there"
                    yield Problem(words, self.lock.span(name), "`resnet-gen lock` takes it out", AsLocked.id)


def read_contract(project: Project) -> Contract:
    """The contract of a project.

    Raises `Refused` for a lock that is damaged, or named and not there, and for rules that there are not.
    """
    if faults := list(_find_unknown_rules(project)):
        raise Refused(faults)
    project.check_lock()
    lock = read_lock(project.lock_path, shown_path(project.lock_path))
    if lock is None and project.settings.lock:
        where = project.source.span(("lock",))
        raise refuse(f"lock: there is no file '{project.settings.lock}'", where, "`resnet-gen lock` writes it")
    rules: tuple[Rule, ...] = (ProjectBudgetKept(project),)
    return Contract(project, lock, (*rules, AsLocked(project, lock)) if lock else rules)


def _find_unknown_rules(project: Project) -> Iterator[Problem]:
    """What is wrong with the rules that a project selects and ignores."""
    settings = project.settings
    for key, rules in (("select", settings.select or ()), ("ignore", settings.ignore)):
        for index, rule in enumerate(rules):
            where = project.source.span((key, index))
            if rule not in RULES:
                words = f"{key}.{index}: there is no rule '{shorten(rule)}'"
                yield Problem(words, where, suggest(rule, RULES))
            elif key == "ignore" and rule == InvalidSpec.id:
                yield Problem(f"{key}.{index}: '{rule}' cannot be ignored", where, "leave the spec away")
            elif key == "ignore" and rule in (settings.select or ()):
                words = f"{key}.{index}: '{rule}' is selected too"
                yield Problem(words, where, "leave it away from one of them")
