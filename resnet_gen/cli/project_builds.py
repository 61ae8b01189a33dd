"""`build` without a SPEC: everything that a project file builds, and one table of what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

from resnet_gen.api.projects import BUILD_WORKER
from resnet_gen.cli.output import say, say_json, say_lines
from resnet_gen.cli.projects import check_bare
from resnet_gen.language.notes import notes
from resnet_gen.problems import refuse, several
from resnet_gen.project.build_plan import PlannedBuild, plan_builds
from resnet_gen.project.build_run import BUILD_STATUSES, BuildMode, BuildRow, BuildWorkers, run_builds
from resnet_gen.project.project_file import Project

if TYPE_CHECKING:
    from resnet_gen.verify.build_trials import BuildAccuracy

_MEANT = ("specs", "builds", "config", "jobs", "dry_run", "form", "check", "force", "parts")
"""Options that say nothing of how a network is built."""
PLACE_HEADER = ("build", "spec", "device", "precision", "target", "serve")
"""What the rows of builds begin with."""
_HEADER = (*PLACE_HEADER, "file", "bytes", "opset", "status")
_RIGHT = (7, 8)


class ProjectRun(NamedTuple):
    """What is done with the builds of a project, and how it is shown."""

    names: tuple[str, ...]
    jobs: int
    dry_run: bool
    form: str
    check: bool
    force: bool


def run_project(project: Project, run: ProjectRun) -> int:
    """Build, compare or list what the project's builds say; returns the exit code."""
    context = click.get_current_context()
    check_bare(context, _MEANT, project)
    if run.check and (run.force or run.dry_run):
        raise refuse(f"--{'force' if run.force else 'dry-run'} means nothing beside --check", hint="it writes nothing")
    plans = plan_builds(project, run.names)
    _say_notes(plans)
    mode = BuildMode(run.force, run.check, run.dry_run)
    rows: dict[int, BuildRow] = {}
    for number, row in run_builds(plans, mode, BuildWorkers(BUILD_WORKER, run.jobs, context.params["parts"])):
        rows[number] = row
        _say_progress(row, len(rows), len(plans))
    found = [rows[number] for number in range(len(plans))]
    for report in dict.fromkeys(row.report for row in found if row.report):
        say_lines(f"{report}\n", err=True)
    _show_table(found, run.form)
    say(_summarize(found), err=True)
    return _exit_code(found)


def _say_notes(plans: Sequence[PlannedBuild]) -> None:
    """What the authors of the specs should know, once each."""
    specs = {id(plan.loaded): plan.loaded for plan in plans if plan.loaded}
    lines = [note for loaded in specs.values() for note in notes(loaded)]
    for line in dict.fromkeys(map(str, lines)):
        say_lines(f"{line}\n", err=True)


def _say_progress(row: BuildRow, number: int, all_of: int) -> None:
    for note in row.notes:
        say(note, err=True)
    say(f"{number}/{all_of} {name_build(row)}: {row.status}", err=True)


def name_build(row: BuildRow | BuildAccuracy) -> str:
    """A build in one line: its table, and what of it: `edge: net t4 int8 tensorrt`."""
    return f"{row.build}: {' '.join(map(str, filter(None, row[1 : len(PLACE_HEADER)])))}"


def list_place_cells(row: BuildRow | BuildAccuracy) -> tuple[str, ...]:
    """The cells that a build's row begins with, under `PLACE_HEADER`."""
    return tuple(str(value or "-") for value in row[: len(PLACE_HEADER)])


def _exit_code(rows: Sequence[BuildRow]) -> int:
    found = {row.status for row in rows}
    return 2 if "refused" in found else 1 if found & {"differs", "missing"} else 0


def _summarize(rows: Sequence[BuildRow]) -> str:
    counts = Counter(row.status for row in rows)
    shown = ", ".join(f"{counts[status]} {status}" for status in BUILD_STATUSES if counts[status])
    return f"{several(len(rows), 'build')}: {shown}"


def _show_table(rows: Sequence[BuildRow], form: str) -> None:
    if form == "json":
        say_json({"builds": [row._asdict() for row in rows]})
    elif form == "markdown":
        say_lines("".join(_list_markdown(rows)))
    else:
        from resnet_gen.graph.tables import align_columns

        say_lines(align_columns([_HEADER, *(_list_cells(row) for row in rows)], right=_RIGHT))


def _list_cells(row: BuildRow) -> tuple[str, ...]:
    file = f"{row.folder}/{row.file}" if row.file else row.folder
    reason = f": {row.reason}" if row.reason and row.status != "refused" else ""
    size = f"{row.bytes:,}" if row.bytes is not None else "-"
    return (*list_place_cells(row), file.replace("\\", "/"), size, str(row.opset or "-"), f"{row.status}{reason}")


def _list_markdown(rows: Sequence[BuildRow]) -> Iterator[str]:
    """The table as GitHub shows it, and why what was refused was."""
    from resnet_gen.system.templates import markdown

    yield f"**{_summarize(rows)}**\n\n"
    yield f"| {' | '.join(_HEADER)} |\n|{'|'.join('--:' if i in _RIGHT else '---' for i in range(len(_HEADER)))}|\n"
    for row in rows:
        yield f"| {' | '.join(map(markdown, _list_cells(row)))} |\n"
    for row in rows:
        if row.status == "refused":
            yield f"\n- {markdown(f'{row.build}: {row.spec}: {row.reason}')}"
    yield "\n"
