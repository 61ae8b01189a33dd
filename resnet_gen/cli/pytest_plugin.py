"""pytest plugin: each spec a file of tests, one for each rule that `verify` knows.

It does nothing until it knows which files are specs, with `resnet_gen_specs = specs/*.yaml`
in pytest's settings or `--resnet-gen-specs 'specs/*.yaml'`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from resnet_gen.compare.difference.parts_option import ALL, permit_parts
from resnet_gen.problems import visible_line

if TYPE_CHECKING:
    from resnet_gen.verify.outcome import Outcome
    from resnet_gen.verify.rules.base import Rule

OPTION = "resnet_gen_specs"
PARTS = "resnet_gen_parts"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the user say which files are specs."""
    group = parser.getgroup("resnet-gen")
    what = "Collect YAML files that match GLOB, from pytest's root folder, as resnet-gen specs."
    group.addoption("--resnet-gen-specs", action="append", metavar="GLOB", dest=OPTION, default=[], help=what)
    run = "Whose Python files of parts are run: none, all or base:REVISION."
    group.addoption("--resnet-gen-parts", metavar="WORDS", dest=PARTS, default=ALL, help=run)
    parser.addini(OPTION, "Files that are resnet-gen specs: globs from pytest's root folder.", type="args", default=[])


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SpecFile | None:
    """A file as a spec, if it is one."""
    config = parent.config
    globs = [*config.getini(OPTION), *config.getoption(OPTION)]
    if file_path.suffix not in (".yaml", ".yml") or not file_path.is_relative_to(config.rootpath):
        return None
    inside = file_path.relative_to(config.rootpath)
    return SpecFile.from_parent(parent, path=file_path) if any(inside.match(glob) for glob in globs) else None


class SpecFile(pytest.File):
    """A spec: it can be read and built, and keeps each rule, those of the working folder's project too."""

    def collect(self) -> Iterator[pytest.Item]:
        """One test that it can be read at all, and one for each rule."""
        from resnet_gen.verify.outcome import applicable_rules

        chosen, more = _read_contract(self.config)
        for rule in applicable_rules(chosen, more):
            yield SpecItem.from_parent(self, name=rule)

    @cached_property
    def outcome(self) -> Outcome:
        """What verifying it came to; done once for all of its tests."""
        from resnet_gen.verify.outcome import examine

        chosen, more = _read_contract(self.config)
        with permit_parts(self.config.getoption(PARTS)):
            return examine(_shorten_path(self.path), (), chosen, more)


def _read_contract(config: pytest.Config) -> tuple[frozenset[str], tuple[Rule, ...]]:
    """The rules that are chosen, and those that the project adds; read once."""
    if _CONTRACT not in config.stash:
        from resnet_gen.cli.projects import verification_scope
        from resnet_gen.problems import Refused
        from resnet_gen.verify.rule_selection import choose_rules

        try:
            scope = verification_scope((), None, False)
            chosen = choose_rules(*scope.rules((), ()))
        except Refused as refused:  # a project file that cannot be read
            raise pytest.Collector.CollectError(str(refused)) from None
        config.stash[_CONTRACT] = chosen, scope.contract.rules if scope.contract else ()
    return config.stash[_CONTRACT]


_CONTRACT = pytest.StashKey[tuple[frozenset[str], "tuple[Rule, ...]"]]()


def _shorten_path(path: Path) -> str:
    """A file from the working folder where it lies below it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


class RuleFailure(Exception):
    """A rule that a spec breaks: everything found, as `verify` shows it."""


class SpecItem(pytest.Item):
    """A rule, compared with a spec."""

    parent: SpecFile

    def runtest(self) -> None:
        """Raise `RuleFailure` if the rule found anything; skip if the spec could not be read."""
        outcome = self.parent.outcome
        found = [finding for finding in (*outcome.invalid, *outcome.findings) if finding.rule == self.name]
        if found:
            raise RuleFailure("\n".join(map(str, found)))
        if outcome.invalid:
            pytest.skip("the spec cannot be read")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The findings alone: where pytest was does not matter."""
        return str(excinfo.value) if isinstance(excinfo.value, RuleFailure) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The spec, and the rule as reports call it."""
        return self.path, None, visible_line(f"{_shorten_path(self.path)}: {self.name}")
