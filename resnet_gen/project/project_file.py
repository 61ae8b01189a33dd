"""The project file: which specs belong together, what they are held to, and where their lock lies.

`resnet-gen.toml`, or the table `[tool.resnet-gen]` of a `pyproject.toml`, in the
working folder or the nearest one above it, up to the one that holds `.git`.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import BeforeValidator, Field

from resnet_gen.language.budgets import Budgets
from resnet_gen.language.engine_settings import EngineSettings
from resnet_gen.language.entry_limits import limit_entries
from resnet_gen.language.faults import validate
from resnet_gen.language.source import Source, dotted_path, read_document
from resnet_gen.language.spec import NAME_PATTERN, Words
from resnet_gen.parts.base import StrictModel
from resnet_gen.problems import Document, Loc, Problem, Refused, refuse, shorten
from resnet_gen.project.build_table import BuildTable, SpecPatterns
from resnet_gen.project.toml_source import read_toml
from resnet_gen.system.links import check_inside, check_named, shown_path
from resnet_gen.system.project_folder import PYPROJECT, list_candidates
from resnet_gen.system.resources import shipped_specs

LOCK = "resnet-gen.lock"
_MOST_GLOBS = 100
_MOST_TABLES = 100


class ProjectSettings(StrictModel):
    """What a project file can say."""

    specs: SpecPatterns | None = Field(
        None,
        description="The networks of the project, taken where a command names none: paths and globs from this file, "
        "and names of shipped networks.",
    )
    select: Annotated[tuple[Words, ...], Field(strict=False, max_length=100)] | None = Field(
        None, description="The rules that `verify` checks; all where it is left out."
    )
    ignore: Annotated[tuple[Words, ...], Field(strict=False, max_length=100)] = Field(
        (), description="Rules that `verify` does not check."
    )
    lock: Words | None = Field(None, description=f"The lock, by its path from this file; `{LOCK}` beside it.")
    engine: EngineSettings | None = Field(
        None, description="How engines are built, where a spec and the command line do not say it (docs/engines.md)."
    )
    budgets: dict[Words, Budgets] = Field(
        default_factory=dict,
        description="What networks may cost, by name or glob (`resnet*`); every one that fits holds.",
    )
    builds: Annotated[
        dict[Annotated[str, Field(pattern=NAME_PATTERN)], BuildTable], BeforeValidator(limit_entries(_MOST_TABLES))
    ] = Field(
        default_factory=dict,
        description="What is built of the networks, by names of your own; taken where a command names no spec.",
    )


@dataclass(frozen=True, eq=False)
class Project:
    """A project file, read, and the position of everything in it."""

    path: Path
    settings: ProjectSettings
    source: Source

    @property
    def folder(self) -> Path:
        """The folder that the project's paths start from."""
        return self.path.parent

    @property
    def lock_path(self) -> Path:
        """Where the lock lies, or would."""
        return self.folder / (self.settings.lock or LOCK)

    def check_lock(self) -> None:
        """Refuse a lock that lies elsewhere than in the project's repository."""
        check_named(self.lock_path, self.path, self.source.span(("lock",)), "lock")

    @cached_property
    def references(self) -> tuple[str, ...]:
        """The project's specs as commands take them, as the file lists them; raises `Refused` for what is not there."""
        return self._find_specs(self.settings.specs or (), ("specs",))

    def list_build_specs(self, build: str) -> tuple[str, ...]:
        """The same of one of the project's builds: those that it lists, or else the project."""
        specs = self.settings.builds[build].specs
        return self.references if specs is None else self._find_specs(specs, ("builds", build, "specs"))

    def _find_specs(self, patterns: Sequence[str], loc: Loc) -> tuple[str, ...]:
        self._check_globs()
        found: dict[Path, str] = {}
        faults: list[Problem] = []
        for index, pattern in enumerate(patterns):
            references = self._resolve_pattern(pattern)
            if not references:
                faults.append(self._describe_missing((*loc, index), pattern))
            for reference in references:
                faults += self._find_ways_out((*loc, index), reference)
                found.setdefault(_resolve_reference(reference), reference)
        if faults:
            raise Refused(faults)
        return tuple(found.values())

    def _check_globs(self) -> None:
        """Refuse more globs than any project has: each walks the folder."""
        lists: dict[Loc, Sequence[str]] = {("specs",): self.settings.specs or ()}
        lists.update({("builds", name, "specs"): table.specs or () for name, table in self.settings.builds.items()})
        globs = [
            (*loc, index)
            for loc, patterns in lists.items()
            for index, pattern in enumerate(patterns)
            if any(sign in pattern for sign in "*?[")
        ]
        if len(globs) > _MOST_GLOBS:
            over = globs[_MOST_GLOBS]
            hint = "name files, or take fewer and wider ones"
            raise refuse(f"{dotted_path(over[:-1])}: more than {_MOST_GLOBS} globs", self.source.span(over), hint)

    def _find_ways_out(self, loc: Loc, reference: str) -> tuple[Problem, ...]:
        """What is wrong with a spec that lies elsewhere than in the project's repository."""
        if reference in shipped_specs():
            return ()
        try:
            check_named(Path(reference), self.path, self.source.span(loc), f"{dotted_path(loc)}: '{reference}'")
        except Refused as refused:
            return refused.problems
        return ()

    def _describe_missing(self, loc: Loc, pattern: str) -> Problem:
        where, key = self.source.span(loc), dotted_path(loc)
        if os.path.isdir(self.folder / pattern):  # noqa: PTH112 - False, not an error, for what no file can be called
            return Problem(f"{key}: '{shorten(pattern)}' is a folder", where, f"write '{pattern.rstrip('/')}/*.yaml'")
        return Problem(f"{key}: there is no file '{shorten(pattern)}'", where, "paths start from this file")

    def _resolve_pattern(self, pattern: str) -> list[str]:
        """The specs that a name, path or glob means; files that are hidden, or in a hidden folder, are left out."""
        if pattern in shipped_specs():
            return [pattern]
        if os.path.isfile(self.folder / pattern):  # noqa: PTH113 - as in _describe_missing
            return [format_reference(self.folder / pattern)]
        try:
            names = [path.relative_to(self.folder) for path in self.folder.glob(pattern) if path.is_file()]
        except (OSError, ValueError, IndexError, RuntimeError):  # what Pythons make of a pattern that is none
            return []
        return [format_reference(self.folder / name) for name in sorted(names) if _is_in_sight(name.parts)]

    def has_spec(self, path: Path | None) -> bool:
        """Whether the spec at a path is one of the project's."""
        return path is not None and path.resolve() in self._paths

    def matches_path(self, path: Path) -> bool:
        """Whether the project's paths and globs mean a path as it is written, whether there is such a file or not."""
        try:
            parts = Path(os.path.relpath(path, self.folder)).parts
        except ValueError:  # on another drive
            return False
        steps = (PurePosixPath(posixpath.normpath(pattern)).parts for pattern in self.settings.specs or ())
        return any(parts == named or (_is_in_sight(parts) and _matches_glob(parts, named)) for named in steps)

    @cached_property
    def _paths(self) -> set[Path]:
        return set(map(_resolve_reference, self.references))

    def budgets(self, network: str) -> Iterator[tuple[str, Budgets]]:
        """The budgets for a network, each with the name or glob that it stands under."""
        for pattern, budgets in self.settings.budgets.items():
            if fnmatchcase(network, pattern):
                yield pattern, budgets


def _resolve_reference(reference: str) -> Path:
    return shipped_specs().get(reference, Path(reference)).resolve()


def _is_in_sight(parts: Sequence[str]) -> bool:
    """Whether a path is neither hidden nor in a hidden folder."""
    return not any(part[0] == "." and part != ".." for part in parts)


def _matches_glob(parts: Sequence[str], steps: Sequence[str]) -> bool:
    """Whether a path's parts are what a glob's steps say."""
    taken = {0}  # how many parts the steps so far may be
    for step in steps:
        if step == "**":
            taken = set(range(min(taken, default=len(parts) + 1), len(parts) + 1))
        else:
            taken = {n + 1 for n in taken if n < len(parts) and fnmatchcase(parts[n], step)}
    return len(parts) in taken


def format_reference(path: Path) -> str:
    """A file as commands take it: by its path from the working folder, and never as a shipped network's name."""
    name = shown_path(path)
    return f".{os.sep}{name}" if name in shipped_specs() else name


def find_project(folder: Path | None = None) -> Project | None:
    """The project that a folder, the working one by default, belongs to; None where there is none."""
    found = (_read_if_project(path) for path in list_candidates(folder))
    return next((project for project in found if project), None)


def read_project(path: Path) -> Project:
    """The project of a file; raises `Refused` with every fault at its position."""
    project = _read_if_project(path)
    if project is None:
        raise refuse("has no table [tool.resnet-gen]", shown_path(path))
    return project


def _read_if_project(path: Path) -> Project | None:
    check_inside(path)
    return parse_project(path, read_document(path, shown_path(path), "TOML", "project file"))


def parse_project(path: Path, document: Document) -> Project | None:
    """The project in the text of the file at `path`; None for that of a `pyproject.toml` without one."""
    source = read_toml(document)
    table = _tool_table(source) if path.name == PYPROJECT else source
    return _validate_project(path, table) if table else None


def _tool_table(source: Source) -> Source | None:
    tool = source.data.get("tool")
    if not isinstance(tool, dict) or "resnet-gen" not in tool:
        return None
    start = ("tool", "resnet-gen")
    marks = {loc[2:]: source.marks[loc] for loc in source.marks if loc[:2] == start}
    return Source(tool["resnet-gen"], marks, source.joint)


def _validate_project(path: Path, source: Source) -> Project:
    if not isinstance(source.data, dict):
        raise refuse("tool.resnet-gen: not a table", source.span(()))
    return Project(path, validate(ProjectSettings, source), source)
