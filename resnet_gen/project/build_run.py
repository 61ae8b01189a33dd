"""The builds of a project, done: what did not change is left as it is, one that fails hides no other."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from resnet_gen.build.build import build, check_build
from resnet_gen.build.build_notes import (
    drop_idle_fold,
    list_cost_notes,
    list_device_notes,
    list_quantization_notes,
    list_sparsity_notes,
)
from resnet_gen.build.manifest import is_as_built
from resnet_gen.build.manifest_schema import FileManifest, read_manifest
from resnet_gen.build.request import Request
from resnet_gen.engine.machine import installed_version
from resnet_gen.language.load import load
from resnet_gen.problems import Document, Problem, Refused, Span, refuse
from resnet_gen.project.build_inputs import digest_inputs
from resnet_gen.project.build_plan import PlannedBuild
from resnet_gen.system.digest import digest_file
from resnet_gen.system.journal import is_unfinished
from resnet_gen.system.worker_pool import run_orders

BuildStatus: TypeAlias = Literal["built", "unchanged", "refused", "to build", "as built", "differs", "missing"]
"""What became of a build; `to build` is of a plan, the last three of a check."""
BUILD_STATUSES: tuple[BuildStatus, ...] = get_args(BuildStatus)


class BuildRow(NamedTuple):
    """One network for one device in one precision, and what became of it."""

    build: str
    """The name of its table in the project file."""
    spec: str
    """The network's name, or the spec that cannot be read."""
    device: str | None
    """The device that it is for, where one is named."""
    precision: str
    """What layers compute in."""
    target: str
    """What is built."""
    serve: str | None
    """What its table's `serve` is called, where it has one."""
    status: BuildStatus
    """What became of it."""
    folder: str
    """The folder that it is built in."""
    file: str | None = None
    """The engine, or else the model, by its name in the folder."""
    bytes: int | None = None
    """Its size, with external data."""
    opset: int | None = None
    """The model's ONNX opset."""
    reason: str | None = None
    """Why it was refused, or which file differs."""
    report: str = ""
    """The whole of what is wrong, with lines and carets."""
    notes: tuple[str, ...] = ()
    """What whoever builds should know: costs and warnings."""


class BuildMode(NamedTuple):
    """What is done with what is planned: it is built (anew, to `replace` all), compared (`check`), or listed."""

    replace: bool = False
    check: bool = False
    list_only: bool = False


class BuildWorkers(NamedTuple):
    """Processes that build at the same time."""

    module: str
    """Whose `serve` does an order, of `build` as `BuildOrder.dump` has it and `parts`, and answers with its row."""
    jobs: int
    parts: str = "all"
    """Whose Python files of parts they run, in the words of `--parts`."""


class BuildOrder(NamedTuple):
    """A planned build and what is to be done with it."""

    plan: PlannedBuild
    mode: BuildMode

    def dump(self) -> dict[str, Any]:
        """It as JSON has it, for another process, which reads the spec itself."""
        plan = self.plan
        names = ("build", "spec", "settings", "wishes", "device", "precision", "target", "serve")
        told = {name: getattr(plan, name) for name in names}
        places = {key: _dump_place(span) for key, span in plan.places.items()}
        where = {"where": _dump_place(plan.where), "places": places}
        return {**told, **where, "folder": str(plan.folder), "mode": self.mode}

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> BuildOrder:
        """It from what `dump` returned; raises `Refused` for a spec that cannot be read any more."""
        settings = tuple(data["settings"])
        where = _parse_place(data["where"])
        places = {key: _parse_place(span) for key, span in data["places"].items()}
        given = {**data, "settings": settings, "folder": Path(data["folder"]), "where": where, "places": places}
        mode = BuildMode(*given.pop("mode"))
        return cls(PlannedBuild(**given, loaded=load(data["spec"], settings)), mode)

    def perform(self, checked: set[tuple[int, str]] | None = None) -> BuildRow:
        """Do it; what is wrong with it is in the row. A dry run lowers none twice that it has `checked`."""
        plan = self.plan
        if plan.refused:
            return _refuse_row(plan, plan.refused)
        try:
            return _perform(plan, self.mode, set() if checked is None else checked)
        except Refused as refused:
            return _refuse_row(plan, refused.problems)
        except OSError as error:  # where nobody expected one
            return _refuse_row(plan, (Problem(error.strerror or str(error), error.filename),))
        except MemoryError:
            return _refuse_row(plan, (Problem(f"{plan.name}: too little memory"),))

    def find_unchanged(self) -> BuildRow | None:
        """The row of what need not be built; None where it has to be, or is compared."""
        if self.mode.check or self.mode.replace:
            return None
        try:
            return _find_unchanged(self.plan, _read_own_manifest(self.plan), _digest(self.plan))
        except (OSError, Refused):  # whoever builds it says so
            return None


def _dump_place(where: Span | None) -> list[Any] | None:
    """A place as JSON has it, with the one line that it is in."""
    return where and [where.document.name, where.document.line(where.line), *where[1:]]


def _parse_place(data: Sequence[Any] | None) -> Span | None:
    if data is None:
        return None
    name, text, line, column, end = data
    return Span(Document(name, "\n" * line + text), line, column, end)


def run_builds(
    plans: Sequence[PlannedBuild], mode: BuildMode, workers: BuildWorkers | None = None
) -> Iterator[tuple[int, BuildRow]]:
    """The number and the row of each planned build, as it is done: here, one after the other, or by `workers`."""
    orders = {number: BuildOrder(plan, mode) for number, plan in enumerate(plans)}
    if workers is None or workers.jobs == 1 or mode.list_only or len(orders) < 2:
        checked = set[tuple[int, str]]()
        yield from ((number, order.perform(checked)) for number, order in orders.items())
        return
    for number, order in list(orders.items()):  # hashes are sooner compared than processes begun
        row = order.perform() if order.plan.refused else order.find_unchanged()
        if row:
            del orders[number]
            yield number, row
    yield from _run_aside(orders, workers)


def _run_aside(orders: Mapping[int, BuildOrder], workers: BuildWorkers) -> Iterator[tuple[int, BuildRow]]:
    numbers = list(orders)
    sent = [{"build": order.dump(), "parts": workers.parts} for order in orders.values()]
    with _hold_folders(list(orders.values())):
        for place, answer in run_orders(workers.module, sent, workers.jobs):
            yield numbers[place], _read_answer(orders[numbers[place]].plan, answer)


def _read_answer(plan: PlannedBuild, answer: dict[str, Any] | str) -> BuildRow:
    if isinstance(answer, str):
        return _refuse_row(
            plan, (Problem(f"{plan.name}: {answer}", hint="too little memory, or a fault of a library"),)
        )
    if "refused" in answer:
        reason, report = answer["refused"]
        return _make_row(plan, "refused")._replace(reason=reason, report=report)
    return BuildRow(**{**answer, "notes": tuple(answer["notes"])})


@contextmanager
def _hold_folders(orders: Sequence[BuildOrder]) -> Iterator[None]:
    """Make the folders that several builds share before they begin: one that fails takes away what it made."""
    made: list[Path] = []
    for order in () if orders and orders[0].mode.check else orders:
        for folder in (*reversed(order.plan.folder.parents), order.plan.folder):
            with suppress(OSError):  # whoever builds there says so
                folder.mkdir()
                made.append(folder)
    try:
        yield
    finally:
        for folder in reversed(made):
            with suppress(OSError):  # something was built there
                folder.rmdir()


def _refuse_row(plan: PlannedBuild, problems: Sequence[Problem]) -> BuildRow:
    """The row of a build that cannot be."""
    row, problems = _make_row(plan, "refused"), [plan.locate(problem) for problem in problems]
    return row._replace(reason=problems[0].message, report="\n".join(map(str, problems)))


def _make_row(plan: PlannedBuild, status: BuildStatus) -> BuildRow:
    return BuildRow(*plan.place, status, str(plan.folder))


def _perform(plan: PlannedBuild, mode: BuildMode, checked: set[tuple[int, str]]) -> BuildRow:
    if mode.check:
        return _compare(plan)
    inputs, there = _digest(plan), _read_own_manifest(plan)
    if not mode.replace and (row := _find_unchanged(plan, there, inputs)):
        return row
    replace = mode.replace or (there is not None and there.project is not None)
    notes: list[str] = []
    if mode.list_only:
        check_build(plan.require_loaded(), plan.request(), plan.folder, replace=replace, checked=checked)
        return _make_row(plan, "to build")
    manifest = _build(plan, plan.request(), plan.folder, inputs, notes, replace=replace)[-1]
    return _describe(plan, _require_manifest(manifest), "built")._replace(notes=tuple(notes))


def _find_unchanged(plan: PlannedBuild, there: FileManifest | None, inputs: str | None) -> BuildRow | None:
    """The row of what is there and was built of the same; None where it is not."""
    if there and inputs and _is_unchanged(plan, there, inputs):
        return _describe(plan, there, "unchanged")
    return None


def _digest(plan: PlannedBuild) -> str | None:
    """The hash of what it is built of; None where something is missing, of which building it says more."""
    return _digest_or_explain(plan)[0]


def _digest_or_explain(plan: PlannedBuild) -> tuple[str | None, str | None]:
    """The hash of what it is built of, or why that cannot be told."""
    try:
        return digest_inputs(plan.require_loaded(), plan.request()), None
    except Refused as refused:
        first = refused.problems[0]
        return None, f"{first.where}: {first.message}" if isinstance(first.where, str) else first.message
    except OSError as error:
        return None, f"{error.filename}: {error.strerror or error}"


def _read_own_manifest(plan: PlannedBuild) -> FileManifest | None:
    try:
        return read_manifest(plan.manifest())
    except Refused:  # what building says, and then replaces if that is wanted
        return None


def _require_manifest(path: Path) -> FileManifest:
    there = read_manifest(path)
    if there is None:
        raise refuse("is gone again", str(path))
    return there


def _is_unchanged(plan: PlannedBuild, there: FileManifest, inputs: str) -> bool:
    """Whether it is there, built of the same by the same, and every file as the manifest has it."""
    if there.engine and plan.request().backend and there.engine.version != installed_version(there.engine.library):
        return False
    return there.project is not None and _explain_change(plan, there, inputs) is None


def _explain_change(plan: PlannedBuild, there: FileManifest, inputs: str | None) -> str | None:
    """Why what is there is not what would be built, or is damaged; None where nothing says so.

    Without a hash of `inputs`, of the spec alone.
    """
    manifest = plan.manifest()
    if is_unfinished(manifest):
        return "half of it is new: what wrote it died"
    if there.project is None:
        return "it was not built as one of the project's"
    if there.spec.sha256 != plan.require_loaded().digest() or there.project.inputs != (inputs or there.project.inputs):
        return "it was built of something else than the project says now"
    for name, sha in there.files.items():
        if not (manifest.parent / name).is_file():
            return f"{name} is gone"
        if digest_file(manifest.parent / name) != sha:
            return f"{name} has other bytes than its manifest says"
    return None


class BuildState(NamedTuple):
    """What lies where a build is written: its manifest, if it was built; why it is `stale`, or why nobody can tell."""

    manifest: FileManifest | None
    stale: str | None = None
    unknown: str | None = None


def find_state(plan: PlannedBuild) -> BuildState:
    """The state of a planned build; raises `Refused` for a spec and a manifest that cannot be read."""
    there = read_manifest(plan.manifest())
    if there is None:
        return BuildState(None)
    inputs, unknown = _digest_or_explain(plan)
    return BuildState(there, _explain_change(plan, there, inputs), unknown)


def _build(
    plan: PlannedBuild, request: Request, folder: Path, inputs: str | None, notes: list[str], *, replace: bool
) -> Sequence[Path]:
    loaded = plan.require_loaded()
    request, more = drop_idle_fold(loaded, request)
    notes += more
    tell = partial(_note_cost, notes, plan.name)
    files = build(loaded, request, folder, replace=replace, aside=False, tell=tell, inputs=inputs)
    notes += [*list_device_notes(plan.name, request), *list_sparsity_notes(files[-1])]
    if request.quantizing:
        notes += list_quantization_notes(plan.name, files[-1], request.quantizing)
    return files


def _note_cost(notes: list[str], name: str, cost: Any) -> None:
    notes += list_cost_notes(name, cost)


def _describe(plan: PlannedBuild, there: FileManifest, status: BuildStatus) -> BuildRow:
    """A row with the main file of what is there."""
    folder = plan.manifest().parent
    file = there.main_file
    parts = [folder / name for name in (file, f"{file}.data") if name and (folder / name).is_file()]
    return _make_row(plan, status)._replace(
        folder=str(folder),
        file=file,
        bytes=sum(part.stat().st_size for part in parts) if parts else None,
        opset=there.onnx.opset if there.onnx else None,
    )


def _compare(plan: PlannedBuild) -> BuildRow:
    """Build it into a temporary folder, and say what differs from what is there."""
    with tempfile.TemporaryDirectory() as temporary:
        fresh = Path(temporary)
        notes: list[str] = []
        files = _build(plan, plan.request().freeze_cache(), fresh, _digest(plan), notes, replace=True)
        made = [path.relative_to(fresh) for path in files]
        other = [name for name in made if not is_as_built(fresh / name, plan.folder / name)]
        row = _describe_fresh(plan, fresh)._replace(notes=tuple(notes))
    if not other:
        return row
    gone = [name for name in other if not (plan.folder / name).exists()]
    shown = ", ".join(name.as_posix() for name in (gone or other)[:5])
    return row._replace(status="missing" if gone else "differs", reason=shown)


def _describe_fresh(plan: PlannedBuild, fresh: Path) -> BuildRow:
    moved = dataclasses.replace(plan, folder=fresh)
    row = _describe(moved, _require_manifest(moved.manifest()), "as built")
    return row._replace(folder=str(plan.manifest().parent))
