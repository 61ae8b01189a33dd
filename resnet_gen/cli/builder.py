"""What `build` does with its options."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from resnet_gen.build import Batch, Request, Said
from resnet_gen.build import build as build_one
from resnet_gen.choose import Wish, choose
from resnet_gen.cli.options import natural_numbers
from resnet_gen.engine.tensorrt import Profile
from resnet_gen.load import Loaded, load
from resnet_gen.manifest import REPLACE_HINT, is_as_built
from resnet_gen.precision import Calibration, Float, Method, Placement
from resnet_gen.problems import refuse
from resnet_gen.resources import shipped_specs
from resnet_gen.write import Transaction

if TYPE_CHECKING:
    from resnet_gen.targets import Target

MAX_BATCH = 65_536


class Quantization(NamedTuple):
    """The options that say how to quantize, as they come."""

    calibration: str | None
    images: int
    method: Method
    percentile: float
    qdq: Placement | None
    rest: Float | None
    reduce_range: bool

    def wished(self) -> dict[str, Any]:
        """What is wished, in a wish's words."""
        given = Calibration(self.calibration, self.images, self.method, self.percentile) if self.calibration else None
        more = {"rest": self.rest, "reduce_range": self.reduce_range}
        return {"calibration": given, "placement": self.qdq, **more}


def build_all(
    specs: tuple[str, ...],
    settings: tuple[str, ...],
    folder: Path,
    *,
    check: bool,
    force: bool,
    sm: str | None,
    batch: str | None,
    device: str | None = None,
    io: str = "fp32",
    quantization: Quantization | None = None,
    **choices: Any,
) -> int:
    """Build every spec; returns the exit code."""
    request = choose(
        Wish(
            _device(device),
            capabilities=natural_numbers(sm, "--sm") if sm is not None else (),
            batch=parse_batch(batch),
            typed_io=io == "typed",
            **(quantization.wished() if quantization else {}),
            **choices,
        )
    )
    if request.target == "report":
        _check_report(request)
    loaded = [load(spec, settings) for spec in specs or shipped_specs()]
    _distinct(loaded)
    if check:
        return _check(loaded, request, folder, whole=not specs)
    for one in loaded:
        for path in _build(one, request, folder, force):
            click.echo(path)
    return 0


def _device(name: str | None) -> Target | None:
    if name is None:
        return None
    from resnet_gen.targets import load_target  # models that a build without a device does without

    return load_target(name)


def _build(loaded: Loaded, request: Request, folder: Path, force: bool) -> list[Path]:
    if request.target == "report":
        return _write_report(loaded, folder / loaded.spec.name, force)
    with _progress(loaded.spec.name, request) as said:
        return build_one(loaded, request, folder, replace=force, progress=said)


def _check_report(request: Request) -> None:
    """A report has neither weights nor precision: refuse options that would be ignored."""
    for field in dataclasses.fields(Request):
        if field.name != "target" and getattr(request, field.name) != field.default:
            option = _OPTIONS.get(field.name, f"--{field.name}")
            raise refuse(f"{option} means nothing for target 'report'")


_OPTIONS = {
    "compute_capabilities": "--sm",
    "fold": "--fold-bn",
    "device": "--for",
    "typed_io": "--io",
    "quantizing": "--precision",
}


def _write_report(loaded: Loaded, folder: Path, force: bool) -> list[Path]:
    """Write a report over an earlier one; refuse a folder that holds something else."""
    from resnet_gen.emit.report import report_files

    files = report_files(loaded)
    there = [name for name in files if (folder / name).exists()]
    if there and len(there) < len(files) and not force:
        raise refuse("exists and is not of a report", str(folder / there[0]), REPLACE_HINT)
    with Transaction(folder) as out:
        for name, text in files.items():
            out.text(name, text)
    return [folder / name for name in files]


def _distinct(loaded: list[Loaded]) -> None:
    """Two specs of one name would write the same files."""
    names = [one.spec.name for one in loaded]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise refuse(f"two specs are called '{min(twice)}'", hint="give one of them another name")


def parse_batch(text: str | None) -> Batch:
    """`8`, or `1:8:32` for smallest, tuned-for and largest; raises `Refused` for anything else."""
    if text is None:
        return Batch()
    parts = text.split(":")
    if len(parts) not in (1, 3) or not all(_is_batch(p) for p in parts):
        raise refuse(f"--batch: '{text}' is not a batch", hint="write --batch 8, or --batch 1:8:32 for a range")
    numbers = [int(part) for part in parts]
    if len(numbers) == 1:
        return Batch(fixed=numbers[0])
    if numbers != sorted(numbers):
        raise refuse(f"--batch: '{text}' does not rise", hint="smallest, tuned-for, largest")
    return Batch(profile=Profile(*numbers))


def _is_batch(text: str) -> bool:
    return text.isdecimal() and len(text) < 10 and 1 <= int(text) <= MAX_BATCH


def _check(loaded: list[Loaded], request: Request, folder: Path, *, whole: bool) -> int:
    """Build into a temporary folder and compare; print what differs."""
    with tempfile.TemporaryDirectory() as temporary:
        fresh = Path(temporary)
        wanted = {p.relative_to(fresh) for one in loaded for p in _build(one, request, fresh, force=True)}
        differing = sorted(name for name in wanted if not is_as_built(fresh / name, folder / name))
    there = {p.relative_to(folder) for p in folder.rglob("*") if p.is_file()} if whole and folder.is_dir() else set()
    stale = sorted(there - wanted)
    for name in differing:
        click.echo(f"{folder / name}: {'differs' if (folder / name).exists() else 'missing'}")
    for name in stale:
        click.echo(f"{folder / name}: no spec generates it")
    click.echo(f"{len(wanted)} files checked, {len(differing) + len(stale)} to change", err=True)
    return 1 if differing or stale else 0


@contextmanager
def _progress(name: str, request: Request) -> Iterator[Said | None]:
    """A progress bar on a terminal while an engine is built; nothing elsewhere."""
    if not (request.backend or request.quantizing) or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console) as bar:
        task = bar.add_task(name, total=None)

        def said(phase: str, done: int, steps: int) -> bool:
            bar.update(task, description=f"{name}: {phase[:50]}", completed=done, total=steps or None)
            return True

        yield said
