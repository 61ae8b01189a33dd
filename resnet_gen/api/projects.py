"""Projects: everything that a project file builds (docs/projects.md)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from resnet_gen.api.arguments import AnyPath, check_within
from resnet_gen.problems import refuse
from resnet_gen.project.build_plan import plan_builds
from resnet_gen.project.build_run import BuildMode, BuildRow, BuildWorkers, run_builds
from resnet_gen.project.limits import JOBS
from resnet_gen.project.project_file import Project, find_project, read_project

BUILD_WORKER = "resnet_gen.api.build_worker"
"""The module whose `serve` builds in a process of its own."""


def build_project(
    config: AnyPath | None = None,
    *,
    builds: Sequence[str] = (),
    jobs: int = 1,
    replace: bool = False,
    check: bool = False,
    dry_run: bool = False,
) -> tuple[BuildRow, ...]:
    """Build what `[builds]` of a project file says, but for what is there and was built of the same.

    A network that cannot be built hides no other: its row says why.

    Args:
        config: The project file; that of the working folder.
        builds: Names of the builds to take; all of them.
        jobs: How many processes build at once, 1 to 64; this one alone.
        replace: Build everything anew, and replace what something else left there.
        check: Write nothing, and compare what is there with what would be built.
        dry_run: Do nothing, and say what would be done.

    Returns:
        A row for each network, device, precision and target, in the order of the file.

    Raises:
        Refused: For a project file with faults or without `[builds]`, two builds of one file, and a name that no
            build has.

    Example:
        >>> from pathlib import Path
        >>> from resnet_gen import build_project
        >>> text = '[builds.edge]\\nspecs = ["cifar-resnet20"]\\nprecisions = ["fp32", "fp16"]\\n'
        >>> _ = Path("resnet-gen.toml").write_text(text)
        >>> for row in build_project():
        ...     print(row.spec, row.precision, row.status, row.folder, row.bytes)
        cifar-resnet20 fp32 built build/edge/fp32/onnx 1098607
        cifar-resnet20 fp16 built build/edge/fp16/onnx 556480
        >>> {row.status for row in build_project()}
        {'unchanged'}
    """
    check_within("jobs", jobs, *JOBS)
    if check and (replace or dry_run):
        raise refuse("check: writes nothing, so that replace and dry_run mean nothing beside it")
    plans = plan_builds(require_project(config), builds)
    mode = BuildMode(replace, check, dry_run)
    found = dict(run_builds(plans, mode, BuildWorkers(BUILD_WORKER, jobs)))
    return tuple(found[number] for number in range(len(plans)))


def require_project(config: AnyPath | None) -> Project:
    """The project of a file, or of the working folder; raises `Refused` where there is none."""
    project = find_project() if config is None else read_project(Path(config))
    if project is None:
        raise refuse("there is no project file here", hint="write resnet-gen.toml with a table [builds.NAME]")
    return project
