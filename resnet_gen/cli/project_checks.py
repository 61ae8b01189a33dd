"""`check-engine` without a FILE: everything that a project builds, held against what its file says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from resnet_gen.build.engine_check import all_fit, check
from resnet_gen.build.manifest_schema import read_manifest
from resnet_gen.build.option_checks import Check, EngineRequirements
from resnet_gen.cli.check_report import make_entry, say_checks
from resnet_gen.cli.output import say, say_json, say_lines
from resnet_gen.cli.projects import check_bare
from resnet_gen.problems import Problem, Refused, refuse, several
from resnet_gen.project.build_plan import PlannedBuild, plan_builds
from resnet_gen.project.project_file import Project

_MEANT = ("file", "builds", "config", "form", "parts")
"""Options that say nothing of what a file must be."""


class CheckedFile(NamedTuple):
    """A file of a build, or where its manifest would be, and what was found of it."""

    file: Path
    checks: list[Check]


def check_project(project: Project, names: tuple[str, ...], form: str) -> int:
    """Check the engine or model of each of the project's builds; returns the exit code.

    One that is not built does not fit. What cannot be read hides no other.
    """
    check_bare(click.get_current_context(), _MEANT, project)
    found, problems = list[CheckedFile](), list[Problem]()
    for plan in plan_builds(project, names):
        try:
            found += _check_plan(plan)
        except Refused as refused:
            problems += map(plan.locate, refused.problems)
    for problem in dict.fromkeys(problems):
        say_lines(f"{problem}\n", err=True)
    fitting = sum(all_fit(one.checks) for one in found)
    if form == "json":
        say_json({"fits": fitting == len(found) and not problems, "files": [make_entry(*one) for one in found]})
    else:
        _say_files(found)
    say(f"{several(len(found), 'file')} checked, {fitting} fit", err=True)
    return 2 if problems else 0 if fitting == len(found) else 1


def _check_plan(plan: PlannedBuild) -> Iterator[CheckedFile]:
    """The engine of a planned build, or else its model; raises `Refused` for what cannot be read."""
    loaded = plan.require_loaded()
    path, request = plan.manifest(), plan.request()
    manifest = read_manifest(path)
    if manifest is None:
        yield CheckedFile(path, [Check("manifest", "no", "not built: `resnet-gen build` builds it")])
        return
    if manifest.main_file is None:
        raise refuse("names neither an engine nor a model", str(path))
    file = path.parent / manifest.main_file
    if not file.is_file():
        yield CheckedFile(file, [Check("file", "no", f"there is no such file, and {path.name} names it")])
        return
    seed = request.seed if request.weights is None else None
    asked = EngineRequirements(loaded, request.weights, seed, request.device)
    yield CheckedFile(file, [*check(file, asked), _check_precision(manifest.precision, plan)])


def _check_precision(precision: str, plan: PlannedBuild) -> Check:
    if precision == plan.precision:
        return Check("precision", "ok", precision)
    return Check("precision", "no", f"built in {precision}, and builds.{plan.build} says {plan.precision}")


def _say_files(found: list[CheckedFile]) -> None:
    for one in found:
        say(f"{one.file}:")
        say_checks(one.checks)
