"""`generate` without a SPEC: what the builds of a project say, beside what they build."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from resnet_gen.build.manifest_schema import read_manifest
from resnet_gen.cli.output import say, say_lines
from resnet_gen.cli.projects import check_bare
from resnet_gen.generate.base import CodeSubject, generate_files
from resnet_gen.generate.output import find_differing, write_generated
from resnet_gen.problems import Problem, Refused, refuse, several
from resnet_gen.project.build_plan import PlannedBuild, plan_builds
from resnet_gen.project.project_file import Project
from resnet_gen.system.journal import recover
from resnet_gen.system.links import shown_path

_MEANT = ("specs", "builds", "config", "check", "force", "parts")
"""Options that say nothing of what is generated."""


def generate_project(project: Project, names: tuple[str, ...], *, check: bool, force: bool) -> int:
    """Write, or compare, what the project's builds generate; returns the exit code.

    What is wrong with one network hides no other.
    """
    check_bare(click.get_current_context(), _MEANT, project)
    plans = [plan for plan in plan_builds(project, names) if plan.generate]
    if not plans:
        hint = 'add generate = ["pytorch"] to [builds.NAME], or say --to'
        raise refuse("no build of the project generates anything", shown_path(project.path), hint)
    found = _CodeFiles()
    problems = list[Problem]()
    for plan in plans:
        try:
            files = _generate_beside(plan, check)
            found.add(plan, files)
            found.compare(plan, files, check, force)
        except Refused as refused:
            problems += map(plan.locate, refused.problems)
    if problems:
        say_lines("".join(f"{problem}\n" for problem in dict.fromkeys(problems)), err=True)
    done = "to change" if check else "written"
    say(f"{several(len(found.writers), 'file')} checked, {found.changed} {done}", err=True)
    return 2 if problems else 1 if check and found.changed else 0


def _generate_beside(plan: PlannedBuild, check: bool) -> dict[str, str]:
    """Everything that is generated for one planned build, by name; raises `Refused`."""
    subject = CodeSubject(plan.require_loaded(), plan.folder)
    if not check:
        recover(plan.folder)  # a card lists what is built there
    files: dict[str, str] = {}
    for language in plan.generate:
        new = generate_files(subject, language)
        if twice := files.keys() & new.keys():
            raise refuse(f"builds.{plan.build}: two of its targets generate '{min(twice)}'", plan.where)
        files.update(new)
    return files


def _list_built(plan: PlannedBuild) -> set[Path]:
    """The files that the manifest of a build lists; raises `Refused` for one that cannot be read."""
    path = plan.manifest()
    manifest = read_manifest(path)
    return {path.parent / name for name in manifest.files} if manifest else set()


class _CodeFiles:
    """What is generated so far, each file with the build that it is of."""

    def __init__(self) -> None:
        self.writers: dict[Path, PlannedBuild] = {}
        self.changed = 0

    def add(self, plan: PlannedBuild, files: Mapping[str, str]) -> None:
        """Take the files of one more; raises `Refused` where another writes one of them."""
        for name in files:
            other = self.writers.setdefault(plan.folder / name, plan)
            if other is not plan:
                words = (
                    f"builds.{plan.build}: {plan.name} writes '{name}' where builds.{other.build} ({other.where}) does"
                )
                raise refuse(
                    words, plan.where, "give them folders of their own, as in folder = 'build/{spec}/{device}'"
                )

    def compare(self, plan: PlannedBuild, files: Mapping[str, str], check: bool, force: bool) -> None:
        """Say of each of the files that differs, or write them."""
        other = find_differing(plan.folder, files)
        if clash := next((name for name in other if plan.folder / name in _list_built(plan)), None):
            words = f"builds.{plan.build}: the build itself writes '{clash}', and generate another"
            raise refuse(words, plan.places.get("generate", plan.where), "put one of the two into a build of its own")
        self.changed += len(other)
        if check:
            for name, what in other.items():
                say(f"{plan.folder / name}: {what}")
        elif other:
            write_generated(plan.folder, files, replace=force)
            for name in other:
                say(plan.folder / name)
