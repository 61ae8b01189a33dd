"""Which tests look at a mutant: those that call its function, cheap ones first, then their neighbours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from tests.mutants.mutate import Mutant

FIRST_FILES = 4
BUDGET = 120.0
"""Seconds of tests, as they were recorded, that look at one mutant at the most, unless another is asked for."""


class Stage(NamedTuple):
    """Tests that run together, in order, in one process."""

    tests: tuple[str, ...]
    seconds: float


class Selection:
    """The tests of each function."""

    def __init__(self, recorded: Mapping[str, tuple[float, list[str]]], budget: float = BUDGET) -> None:
        self.budget = budget
        self.seconds = {test: seconds for test, (seconds, _) in recorded.items()}
        self.calling: dict[str, set[str]] = defaultdict(set)
        self.inside: dict[str, list[str]] = defaultdict(list)
        for test, (_, functions) in recorded.items():
            self.inside[_file(test)].append(test)
            for function in functions:
                self.calling[function].add(test)
                file = function.partition(":")[0]
                self.calling[f"{file}:"].add(test)
                self.calling[f"{file.rpartition('/')[0]}:"].add(test)

    def stages(self, mutant: Mutant) -> list[Stage]:
        """What to run until something fails: a few files of the cheapest tests, the other tests, their neighbours."""
        keys = (f"{mutant.file}:{mutant.function}", f"{mutant.file}:", f"{mutant.file.rpartition('/')[0]}:")
        calling = next((self.calling[key] for key in keys if self.calling[key]), set())
        of_file: dict[str, list[float]] = defaultdict(list)
        for test in calling:
            of_file[_file(test)].append(self.seconds[test])
        order = sorted(of_file, key=lambda file: (sum(sorted(of_file[file])[:20]) / min(20, len(of_file[file])), file))
        first = {test for test in calling if _file(test) in order[:FIRST_FILES]}
        neighbours = {test for file in of_file for test in self.inside[file]} - calling
        left, found = self.budget, []
        for tests in (first, calling - first, neighbours):
            stage = self._cheapest(tests, left)
            left -= stage.seconds
            found += [stage] if stage.tests else []
        return found

    def _cheapest(self, tests: set[str], budget: float) -> Stage:
        chosen, spent = [], 0.0
        for test in sorted(tests, key=lambda test: (self.seconds[test], test)):
            if spent + self.seconds[test] > budget:
                break
            chosen.append(test)
            spent += self.seconds[test]
        return Stage(tuple(chosen), spent)


def _file(test: str) -> str:
    return test.partition("::")[0]
