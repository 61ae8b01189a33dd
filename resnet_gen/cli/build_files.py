"""What `build` does with its options."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet_gen.build.batches import NO_SHAPES, ShapeOptions, resolve_batch
from resnet_gen.build.build import build as build_one
from resnet_gen.build.build_notes import (
    drop_idle_fold,
    list_cost_notes,
    list_device_notes,
    list_quantization_notes,
    list_sparsity_notes,
)
from resnet_gen.build.manifest import REPLACE_HINT, is_as_built
from resnet_gen.build.output_kinds import REPORT
from resnet_gen.build.request import Request
from resnet_gen.build.request_resolution import BuildWishes, resolve_request
from resnet_gen.cli.loading import load_noted
from resnet_gen.cli.options import natural_numbers
from resnet_gen.cli.output import say
from resnet_gen.engine.tensorrt import Progress
from resnet_gen.language.load import Loaded
from resnet_gen.ops.precision import Calibration, Method
from resnet_gen.problems import refuse, visible
from resnet_gen.system.journal import recover
from resnet_gen.system.write import Transaction

if TYPE_CHECKING:
    from resnet_gen.language.engine_settings import EngineSettings
    from resnet_gen.speed.targets import Target


def _resolve_calibration(
    source: str | None, most: int | None, method: Method | None, percentile: float | None
) -> Calibration | None:
    """What to calibrate with; raises `Refused` for options that would be ignored."""
    more = {"most": most, "method": method, "percentile": percentile}
    given: dict[str, Any] = {name: value for name, value in more.items() if value is not None}
    if source is None:
        if given:
            raise refuse(f"{_CALIBRATION[next(iter(given))]} means nothing without --calibration")
        return None
    if percentile is not None and method not in (None, "percentile"):
        raise refuse(f"--percentile means nothing for --calibration-method {method}")
    return Calibration(source, **given)


_CALIBRATION = {"most": "--calibration-images", "method": "--calibration-method", "percentile": "--percentile"}


def build_all(
    specs: tuple[str, ...],
    settings: tuple[str, ...],
    folder: Path,
    *,
    whole: bool,
    check: bool,
    force: bool,
    **choices: Any,
) -> int:
    """Build every spec; returns the exit code.

    `whole` says that nothing else is built into the folder, so that `check` finds what no spec makes.
    """
    if check and force:
        raise refuse("--force means nothing beside --check", hint="it writes nothing")
    request = _resolve_request(**choices)
    loaded = [load_noted(spec, settings) for spec in specs]
    _check_distinct(loaded)
    if check:
        return _check_built(loaded, request, folder, whole=whole)
    for one in loaded:
        for path in _build_spec(one, request, folder, force):
            say(path)
    return 0


def _resolve_request(
    *,
    sm: str | None,
    batch: str | None,
    shapes: ShapeOptions = NO_SHAPES,
    device: str | None = None,
    io: str = "fp32",
    calibration: str | None = None,
    images: int | None = None,
    method: Method | None = None,
    percentile: float | None = None,
    engine: dict[str, Any] | None = None,
    **choices: Any,
) -> Request:
    """What the options come to; raises `Refused` for what does not go together."""
    request = resolve_request(
        BuildWishes(
            _load_device(device),
            capabilities=natural_numbers(sm, "--sm") if sm is not None else (),
            batch=resolve_batch(batch, shapes),
            typed_io=io == "typed",
            calibration=_resolve_calibration(calibration, images, method, percentile),
            engine=_read_engine_options(engine) if engine else None,
            **choices,
        )
    )
    if request.target == REPORT:
        _check_report(request)
    elif request.quantizing and not request.compare and not request.comparable:
        hint = "what eight bits cost is measured as they are chosen"
        raise refuse(f"--no-compare means nothing for --precision {request.precision}", hint=hint)
    return request


def _read_engine_options(given: dict[str, Any]) -> EngineSettings:
    from resnet_gen.build.engine_arguments import read_settings  # models that other builds do without

    return read_settings(given)


def _load_device(name: str | None) -> Target | None:
    if name is None:
        return None
    from resnet_gen.speed.targets import load_target  # models that a build without a device does without

    return load_target(name)


def _build_spec(loaded: Loaded, request: Request, folder: Path, force: bool) -> list[Path]:
    if request.target == REPORT:
        return _write_report(loaded, folder / loaded.spec.name, force)
    request, notes = drop_idle_fold(loaded, request)
    _say_all(notes)
    name = loaded.spec.name
    with _show_progress(name, request) as progress:
        paths = build_one(
            loaded, request, folder, replace=force, progress=progress,
            tell=lambda cost: _say_all(list_cost_notes(name, cost)),
        )  # fmt: skip
    _say_all([*list_device_notes(name, request), *list_sparsity_notes(paths[-1])])
    if request.quantizing:
        _say_all(list_quantization_notes(name, paths[-1], request.quantizing))
    return paths


def _say_all(lines: Iterable[str]) -> None:
    for line in lines:
        say(line, err=True)


def _check_report(request: Request) -> None:
    """A report has neither weights nor precision: refuse options that would be ignored."""
    names = [field.name for field in dataclasses.fields(Request)]
    defaults = Request(REPORT, compare=True)
    for name in sorted(names, key=lambda name: name != "device"):  # which decides some of the others
        if name != "target" and getattr(request, name) != getattr(defaults, name):
            option = _OPTIONS.get(name, f"--{name}")
            raise refuse(f"{option} means nothing for target '{REPORT}'", hint="it has neither weights nor types")


_OPTIONS = {
    "compute_capabilities": "--sm",
    "fold": "--fold-bn",
    "device": "--for",
    "typed_io": "--io",
    "quantizing": "--precision",
    "compare": "--no-compare",
    "symbolic_size": "--symbolic-size",
}


def _write_report(loaded: Loaded, folder: Path, force: bool) -> list[Path]:
    """Write a report over an earlier one; refuse a folder that holds something else."""
    from resnet_gen.generate.report import report_files

    files = report_files(loaded)
    recover(folder)
    there = [name for name in files if (folder / name).exists()]
    if there and len(there) < len(files) and not force:
        raise refuse("exists and is not of a report", str(folder / there[0]), REPLACE_HINT)
    with Transaction(folder) as out:
        for name, text in files.items():
            out.write_text(name, text)
    return [folder / name for name in files]


def _check_distinct(loaded: list[Loaded]) -> None:
    """Two specs of one name would write the same files."""
    names = [one.spec.name for one in loaded]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise refuse(f"two specs are called '{min(twice)}'", hint="give one of them another name")


def _check_built(loaded: list[Loaded], request: Request, folder: Path, *, whole: bool) -> int:
    """Build into a temporary folder and compare; print what differs."""
    request = request.freeze_cache()
    with tempfile.TemporaryDirectory() as temporary:
        fresh = Path(temporary)
        wanted = {p.relative_to(fresh) for one in loaded for p in _build_spec(one, request, fresh, force=True)}
        differing = sorted(name for name in wanted if not is_as_built(fresh / name, folder / name))
    there = {p.relative_to(folder) for p in folder.rglob("*") if p.is_file()} if whole and folder.is_dir() else set()
    if request.target == REPORT:  # beside which there may be what `generate` writes
        there = {p for p in there if len(p.parts) <= 2}
    stale = sorted(there - wanted)
    for name in differing:
        say(f"{folder / name}: {'differs' if (folder / name).exists() else 'missing'}")
    for name in stale:
        say(f"{folder / name}: no spec generates it")
    say(f"{len(wanted)} files checked, {len(differing) + len(stale)} to change", err=True)
    return 1 if differing or stale else 0


@contextmanager
def _show_progress(name: str, request: Request) -> Iterator[Progress | None]:
    """A progress bar on a terminal while an engine is built; nothing elsewhere."""
    if not (request.backend or request.quantizing) or not sys.stderr.isatty():
        yield None
        return
    from rich import progress
    from rich.console import Console
    from rich.markup import escape

    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), progress.TimeElapsedColumn())
    with progress.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(escape(name), total=None)

        def show_phase(phase: str, done: int, steps: int) -> bool:
            bar.update(task, description=escape(visible(f"{name}: {phase[:50]}")), completed=done, total=steps or None)
            return True

        yield show_phase
