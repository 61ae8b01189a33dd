"""What `build` does with its options."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet_gen.build.batches import NO_SHAPES, ShapeOptions, resolve_batch
from resnet_gen.build.build import build as build_one
from resnet_gen.build.manifest import REPLACE_HINT, is_as_built, read
from resnet_gen.build.output_kinds import REPORT
from resnet_gen.build.request import Request
from resnet_gen.build.request_resolution import BuildWishes, resolve_request
from resnet_gen.cli.hints import warn_of_saturation
from resnet_gen.cli.loading import load_noted
from resnet_gen.cli.options import natural_numbers
from resnet_gen.cli.output import say
from resnet_gen.engine.cpu_numerics import (
    FOR_SLOW_BFLOAT16,
    SLOW_BFLOAT16,
    describe_saturation_by,
    slows_bfloat16,
    sums_saturate,
)
from resnet_gen.engine.tensorrt import Progress
from resnet_gen.language.load import Loaded
from resnet_gen.language.lower import lower
from resnet_gen.ops.precision import Calibration, Method, QuantizationChoice
from resnet_gen.problems import refuse, several, visible
from resnet_gen.system.journal import recover
from resnet_gen.system.write import Transaction
from resnet_gen.weights.folding import find_foldable_norms

if TYPE_CHECKING:
    from resnet_gen.build.precision_cost import PrecisionCost
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
            **choices,
        )
    )
    if request.target == REPORT:
        _check_report(request)
    elif request.quantizing and not request.compare and not request.comparable:
        hint = "what eight bits cost is measured as they are chosen"
        raise refuse(f"--no-compare means nothing for --precision {request.precision}", hint=hint)
    return request


def _load_device(name: str | None) -> Target | None:
    if name is None:
        return None
    from resnet_gen.speed.targets import load_target  # models that a build without a device does without

    return load_target(name)


def _build_spec(loaded: Loaded, request: Request, folder: Path, force: bool) -> list[Path]:
    if request.target == REPORT:
        return _write_report(loaded, folder / loaded.spec.name, force)
    if request.fold and not find_foldable_norms(lower(loaded)):
        say(f"note: {loaded.spec.name}: no batch norm follows a convolution: --fold-bn changes nothing", err=True)
        request = dataclasses.replace(request, fold=False)
    with _show_progress(loaded.spec.name, request) as progress:
        tell = partial(_report_cost, loaded.spec.name)
        paths = build_one(loaded, request, folder, replace=force, progress=progress, tell=tell)
    if request.precision == "bf16" and request.device and request.device.engine == "onnx" and slows_bfloat16():
        say(f"note: {loaded.spec.name}: {SLOW_BFLOAT16}", err=True)
        say(f"hint: {FOR_SLOW_BFLOAT16}", err=True)
    if request.quantizing:
        _report_quantization(loaded.spec.name, paths[-1], request.quantizing)
    return paths


def _report_cost(name: str, cost: PrecisionCost) -> None:
    """What a build costs beside FP32."""
    say(f"{name}: {cost.summarize()}", err=True)
    for warning in cost.list_warnings():
        say(f"warning: {name}: {warning}", err=True)


def _report_quantization(name: str, path: Path, how: QuantizationChoice) -> None:
    """What eight bits cost, and whether this machine can show it."""
    entry = (read(path) or {})["quantization"]
    ratios = ", ".join(f"{output} {ratio} dB" for output, ratio in entry["signal_to_noise_db"].items())
    agreement = entry["top1_agreement"]
    same = "" if agreement is None else f"; same best class for {agreement:.0%}"
    say(f"{name}: signal to noise of {ratios} against FP32 on {_name_noise_images(entry)}{same}", err=True)
    costliest = ", ".join(f"{layer} {ratio} dB" for layer, ratio in entry["costliest_db"].items())
    say(f"{name}: costliest layers: {costliest}", err=True)
    if entry["accuracy_is_meaningless"]:
        say(f"warning: {name}: calibrated with random images: its accuracy means nothing", err=True)
    if how.kind == "fp8":
        say("note: ONNX Runtime 1.32 computes FP8 files right only without its optimizer (ORT_DISABLE_ALL)", err=True)
    if how.kind == "int8" and how.placement == "cpu" and entry["weight_bits"] == 8 and sums_saturate():
        warn_of_saturation(describe_saturation_by("ONNX Runtime", name))


def _name_noise_images(entry: dict[str, Any]) -> str:
    """The images that the error was measured on: whether the scales follow from them."""
    if entry["accuracy_is_meaningless"]:
        return several(entry["noise_images"], "random image")
    if entry["held_out_images"]:
        calibrating = several(entry["calibration"]["images"], "image")
        return f"{several(entry['noise_images'], 'image')} held out of its calibration with {calibrating}"
    return f"{several(entry['noise_images'], 'image')} that it was calibrated with (too few to hold any out)"


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
