"""The project that a command works in."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
from click.core import ParameterSource

from resnet_gen.problems import Problem, Refused, refuse
from resnet_gen.system.links import shown_path
from resnet_gen.system.project_folder import list_candidates

if TYPE_CHECKING:
    from resnet_gen.language.engine_settings import EngineSettings
    from resnet_gen.project.project_file import Project
    from resnet_gen.verify.contract import Contract
    from resnet_gen.verify.rules.base import Rule
    from resnet_gen.verify.subject import AccuracyEvaluation


class VerificationScope(NamedTuple):
    """The specs to verify, and the contract of their project; `whole` says that these are all that it has.

    `against` are rules that compare them with a file, and `evaluation` that budgets of accuracy are held.
    """

    references: tuple[str, ...]
    contract: Contract | None = None
    whole: bool = False
    against: tuple[Rule, ...] = ()
    evaluation: AccuracyEvaluation | None = None

    def rules(self, select: Sequence[str], ignore: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
        """What `--select` and `--ignore` say, or else the project."""
        if self.contract is None or select or ignore:
            return select, ignore
        settings = self.contract.project.settings
        return settings.select or (), settings.ignore

    def read(self) -> Iterator[Path]:
        """The files that are read of the project and its specs."""
        from resnet_gen.language.load import list_spec_files

        if self.contract:
            yield from (self.contract.project.path, self.contract.project.lock_path)
        for reference in self.references:
            yield from list_spec_files(reference)


class BuildScope(NamedTuple):
    """The specs to build, and their project, which says how engines are built; None where there is none."""

    references: tuple[str, ...]
    project: Project | None

    @property
    def engine(self) -> EngineSettings | None:
        """What the project says of how engines are built."""
        return self.project.settings.engine if self.project else None

    @contextmanager
    def locating(self) -> Iterator[None]:
        """What is refused of the project's `[engine]` has its line."""
        try:
            yield
        except Refused as refused:
            if self.project is None:
                raise
            raise Refused(map(self._locate, refused.problems)) from None

    def _locate(self, problem: Problem) -> Problem:
        from resnet_gen.build.engine_tuning import find_project_key

        key = find_project_key(problem.message)
        if key is None or problem.where is not None or self.project is None:
            return problem
        return replace(problem, where=self.project.source.span(("engine", key)))


def verification_scope(specs: tuple[str, ...], config: Path | None, no_config: bool) -> VerificationScope:
    """The specs that are named, else the project's, else all shipped ones, and what they are held to."""
    from resnet_gen.system.resources import shipped_specs

    project = open_project(config, no_config)
    if project is None:
        return VerificationScope(specs or tuple(shipped_specs()))
    from resnet_gen.verify.contract import read_contract

    held = read_contract(project)
    references = specs or (project.references if project.settings.specs else tuple(shipped_specs()))
    return VerificationScope(references, held, not specs)


def find_builds(specs: tuple[str, ...], names: tuple[str, ...], config: Path | None, no_config: bool) -> Project | None:
    """The project whose builds are meant, as no SPEC is named; None where it has none, or a SPEC is."""
    if specs:
        if names:
            raise refuse("--builds means nothing where a SPEC is named", hint="leave one of them away")
        return None
    project = open_project(config, no_config)
    if names and project is None:
        raise refuse("--builds: there is no project file", hint="write resnet-gen.toml with a table [builds.NAME]")
    return project if project and (names or project.settings.builds) else None


def check_bare(ctx: click.Context, meant: Collection[str], project: Project) -> None:
    """Refuse options but those that are `meant` for all that a project builds: its file says the others."""
    for param in ctx.command.params:
        stated = ctx.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE
        if stated and param.name not in meant:
            option = max(param.opts, key=len)
            hint = f"name a SPEC, or write it into {shown_path(project.path)}"
            raise refuse(f"{option} means nothing for the builds of a project", hint=hint)


def check_of_builds(ctx: click.Context, only: Collection[str]) -> None:
    """Refuse options that are for all that a project builds `only`."""
    for param in ctx.command.params:
        if param.name in only and ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE:
            option = max(param.opts, key=len)
            hint = "leave out the SPEC, and write [builds.NAME] into the project file"
            raise refuse(f"{option} is for the builds of a project", hint=hint)


def choose_project_specs(config: Path | None, no_config: bool) -> tuple[str, ...]:
    """The specs that a project lists, where no SPEC is named; raises `Refused` for none."""
    project = open_project(config, no_config)
    found = project.references if project and project.settings.specs else ()
    if not found:
        raise refuse("no SPEC is named, and no project file lists any", hint="name one, as `resnet-gen list` has them")
    return found


def choose_specs_to_build(specs: tuple[str, ...], config: Path | None, no_config: bool, *, every: bool) -> BuildScope:
    """The specs that are named, else the project's; all shipped ones only where `every` one is asked for."""
    from resnet_gen.system.resources import shipped_specs

    shipped = tuple(shipped_specs())
    for option, value in {"--all-shipped": every, "--config": config}.items():
        if value and specs:
            raise refuse(f"{option} means nothing where a SPEC is named", hint="leave one of them away")
    if every and (config or no_config):
        raise refuse(f"--{'config' if config else 'no-config'} means nothing beside --all-shipped")
    project = None if every else open_project(config, no_config)
    listed = project.references if project and project.settings.specs and not specs else ()
    found = shipped if every else specs or listed
    if not found:
        hint = f"name a SPEC, or a network of `resnet-gen list`; --all-shipped builds all {len(shipped)}"
        raise refuse("nothing to build: no SPEC is named, and no project file lists any", hint=hint)
    return BuildScope(found, project)


def open_project(config: Path | None, no_config: bool) -> Project | None:
    """The project of `--config`, else the one that the working folder belongs to; None where there is none."""
    if config and no_config:
        raise refuse("--config and --no-config exclude each other")
    if no_config or not (config or any(list_candidates())):
        return None
    from resnet_gen.project.project_file import find_project, read_project

    return read_project(config) if config else find_project()
