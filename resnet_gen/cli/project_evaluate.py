"""`evaluate` without a SPEC: every build of a project on labelled images, and one table of what they get right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from resnet_gen.cli.evaluate_report import format_interval, format_percent, proportion_entry
from resnet_gen.cli.image_progress import show_image_progress
from resnet_gen.cli.output import output_text, say, say_lines
from resnet_gen.cli.project_builds import PLACE_HEADER, list_place_cells, name_build
from resnet_gen.cli.projects import check_bare
from resnet_gen.engine.evaluation.evaluation import EvaluationEffort
from resnet_gen.problems import json_text, several
from resnet_gen.project.build_plan import plan_builds
from resnet_gen.project.project_file import Project
from resnet_gen.system.write import check_writable
from resnet_gen.verify.build_accuracy import evaluate_builds
from resnet_gen.verify.build_trials import ACCURACY_STATUSES, BuildAccuracy, ImageChoice, plan_trials

_MEANT = (
    "data", "classes_file", "runtime", "batch", "limit", "skip_broken", "form", "output", "config", "builds", "parts",
)  # fmt: skip
"""Options that say nothing of what is built."""
_HEADER = (*PLACE_HEADER, "runtime", "images", "top-1", "95 % interval", "top-5", "budget", "status")
_RIGHT = (7, 8, 9, 10)


class ProjectEvaluation(NamedTuple):
    """What is evaluated of a project, and how it is shown."""

    names: tuple[str, ...]
    choice: ImageChoice
    effort: EvaluationEffort
    form: str
    output: Path | None


def evaluate_project(project: Project, run: ProjectEvaluation) -> int:
    """Evaluate what the project's builds have left; returns the exit code."""
    check_bare(click.get_current_context(), _MEANT, project)
    if run.output is not None:
        check_writable(run.output, filter(None, (project.path, run.choice.classes_file)))
    trials = plan_trials(project, plan_builds(project, run.names), run.choice)
    rows: dict[int, BuildAccuracy] = {}
    with show_image_progress() as progress:
        for number, row in evaluate_builds(trials, run.effort, progress):
            rows[number] = row
            _say_progress(row, len(rows), len(trials))
    found = [rows[number] for number in range(len(trials))]
    for report in dict.fromkeys(row.report for row in found if row.report):
        say_lines(f"{report}\n", err=True)
    output_text(_FORMATS[run.form](found), run.output)
    say(_summarize(found), err=True)
    return _exit_code(found)


def _say_progress(row: BuildAccuracy, number: int, all_of: int) -> None:
    for note in row.notes:
        say(f"note: {name_build(row)}: {note}", err=True)
    say(f"{number}/{all_of} {name_build(row)}: {row.status}", err=True)


def _exit_code(rows: Sequence[BuildAccuracy]) -> int:
    """2 for what cannot be read, 1 for a bound that does not hold, or that nothing was held against."""
    found = {row.status for row in rows}
    unheld = any(row.status == "not evaluated" and row.bounds for row in rows)
    return 2 if "refused" in found else 1 if unheld or found & {"missed", "not built", "stale"} else 0


def _summarize(rows: Sequence[BuildAccuracy]) -> str:
    counts = Counter(row.status for row in rows)
    shown = ", ".join(f"{counts[status]} {status}" for status in ACCURACY_STATUSES if counts[status])
    builds = len({row[: BuildAccuracy._fields.index("status")] for row in rows})
    evaluations = f", {several(len(rows), 'evaluation')}" if builds < len(rows) else ""
    return f"{several(builds, 'build')}{evaluations}: {shown}"


def _list_cells(row: BuildAccuracy) -> tuple[str, ...]:
    runtime = " ".join(filter(None, map((row.runtime or {}).get, ("library", "version")))) or "-"
    images = f"{row.images:,}" if row.images is not None else "-"
    top1 = (format_percent(row.top1.value), format_interval(row.top1)) if row.top1 else ("-", "-")
    top5 = format_percent(row.top5.value) if row.top5 else "-"
    bounds = ", ".join(held.bound for held in row.bounds) or "-"
    reason = f": {row.reason}" if row.reason and row.status != "refused" else ""
    return (*list_place_cells(row), runtime, images, *top1, top5, bounds, f"{row.status}{reason}")


def _format_text(rows: Sequence[BuildAccuracy]) -> str:
    from resnet_gen.graph.tables import align_columns

    return align_columns([_HEADER, *(_list_cells(row) for row in rows)], right=_RIGHT)


def _format_json(rows: Sequence[BuildAccuracy]) -> str:
    return json_text({"builds": [_make_entry(row) for row in rows]}) + "\n"


def _make_entry(row: BuildAccuracy) -> dict[str, Any]:
    shares = {key: part and proportion_entry(part) for key, part in (("top1", row.top1), ("top5", row.top5))}
    speed = None if row.images_per_second is None else round(row.images_per_second, 2)
    return {
        **row._asdict(),
        **shares,
        "fp32": row.fp32 and proportion_entry(row.fp32),
        "bounds": [held._asdict() for held in row.bounds],
        "images_per_second": speed,
    }


def _format_markdown(rows: Sequence[BuildAccuracy]) -> str:
    return "".join(_list_markdown(rows))


def _list_markdown(rows: Sequence[BuildAccuracy]) -> Iterator[str]:
    """The table as GitHub shows it, and what is to be known of its figures."""
    from resnet_gen.system.templates import markdown

    yield f"**{_summarize(rows)}**\n\n"
    yield f"| {' | '.join(_HEADER)} |\n|{'|'.join('--:' if i in _RIGHT else '---' for i in range(len(_HEADER)))}|\n"
    for row in rows:
        yield f"| {' | '.join(map(markdown, _list_cells(row)))} |\n"
    for row in rows:
        said = [row.reason] if row.status == "refused" and row.reason else []
        for note in (*said, *row.notes):
            yield f"\n- {markdown(f'{row.build}: {row.spec} {row.precision}: {note}')}"
    yield "\n"


_FORMATS = {"text": _format_text, "json": _format_json, "markdown": _format_markdown}
