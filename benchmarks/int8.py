"""ResNet-50 in INT8 on the CPU: ours, ONNX Runtime's `quantize_static`, NNCF and NVIDIA's Model Optimizer.

`python -m benchmarks int8` measures all there is; `--runtime`, `--batch` and `--accuracy` choose a part. What was
measured is kept in the folder of the files, and shown again, until `--again` or other files. The files are run in
turns in one process, block by block, in each of several rounds that load them anew, as two loads of one file differ by
where their weights lie in memory: what counts is the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from benchmarks import quantized_files
from benchmarks.images import crops
from resnet_gen.engine import openvino as own_openvino
from resnet_gen.engine.base import Runner, Tuning
from resnet_gen.engine.runtimes import open_file
from resnet_gen.engine.signal_power import SignalPower
from resnet_gen.language.load import load
from resnet_gen.speed.benchmark import Effort, compare_speed, measure
from resnet_gen.weights.base import Array

RUNTIMES = ("onnxruntime", "openvino")
BATCHES = (1, 8)
TEST = 64
AIM, AHEAD = 1.0, 3.0
"""What is to be reached: images a second over those of the best of the others, and decibels more than each of them."""


class Side(NamedTuple):
    """A file, and the runtimes that it is for: ours are placed for one or for both, NNCF quantizes what each reads."""

    name: str
    file: str
    timed: bool = True
    runtimes: tuple[str, ...] = RUNTIMES


SIDES = (
    Side("ours", "ours/resnet50.onnx", runtimes=("onnxruntime",)),
    Side("ours", "ours-openvino/resnet50.onnx", runtimes=("openvino",)),
    Side("quantize_static", "static.onnx"),
    Side("NNCF", "nncf.onnx", runtimes=("onnxruntime",)),
    Side("NNCF", "nncf.xml", runtimes=("openvino",)),
    Side("Model Optimizer", "modelopt.onnx"),
    Side("ours, --qdq cpu", "ours/resnet50.onnx", runtimes=("openvino",)),
    Side("ours, for TensorRT", "ours-tensorrt/resnet50.onnx", timed=False),
)


def _open(folder: Path, side: Side, runtime: str) -> Runner:
    """The file on a runtime, computing in its own types, and resting while others have their turn."""
    tuning = Tuning(None, "f32" if runtime == "openvino" else None, takes_turns=True)
    path = folder / side.file
    if path.suffix != ".xml":
        return open_file(runtime, path, tuning=tuning)
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    compiled = core.compile_model(model, "CPU", own_openvino._make_properties(tuning))
    return own_openvino.CompiledModel(
        where=side.file,
        runtime={"library": "openvino"},
        input=compiled.inputs[0].get_any_name(),
        shape=(None, *load(quantized_files.SPEC).spec.input.shape),
        dtype=np.dtype(np.float32),
        outputs=tuple(output.get_any_name() for output in model.outputs),
        metadata={},
        request=compiled.create_infer_request(),
    )


def _choose_sides(runtime: str) -> list[Side]:
    return [side for side in SIDES if side.timed and runtime in side.runtimes]


def measure_speeds(folder: Path, runtime: str, batch: int, seconds: float, rounds: int) -> dict[str, Any]:
    """Images a second of each file, medians of the rounds, and all ratios of ours over the others; with the effort."""
    x = crops(batch, 1, load(quantized_files.SPEC).spec.input)
    sides = _choose_sides(runtime)
    speeds: dict[str, list[float]] = {side.name: [] for side in sides}
    ratios: dict[str, list[float]] = {side.name: [] for side in sides[1:]}
    for number in range(rounds):
        order = sides[number % len(sides) :] + sides[: number % len(sides)]
        timings = measure([_open(folder, side, runtime) for side in order], x, Effort(seconds=seconds)).timings
        of = {side.name: timing for side, timing in zip(order, timings, strict=True)}
        for name, timing in of.items():
            speeds[name].append(timing.images_per_second)
        for name, found in ratios.items():
            found.append(compare_speed(of["ours"], of[name]).median)
    per_second = {name: median(found) for name, found in speeds.items()}
    return {"rounds": rounds, "seconds": seconds, "images_per_second": per_second, "ours_over": ratios}


def measure_accuracies(folder: Path) -> dict[str, Any]:
    """Signal to noise in dB, and the part of the crops with FP32's class, of what each runtime computes."""
    x = crops(TEST, 2, load(quantized_files.SPEC).spec.input)
    exact = _compute_logits(_open(folder, Side("fp32", "fp32/resnet50.onnx"), "onnxruntime"), x)
    found: dict[str, Any] = {}
    for runtime in RUNTIMES:
        for side in SIDES:
            if runtime in side.runtimes:
                logits = _compute_logits(_open(folder, side, runtime), x)
                agreement = float((logits.argmax(1) == exact.argmax(1)).mean())
                power = SignalPower()
                power.add(exact, logits)
                found[f"{side.name}, {runtime}"] = [power.decibels, agreement]
    return found


def _compute_logits(runner: Runner, x: Array) -> Array:
    return np.concatenate([next(iter(runner.run(x[i : i + 8]).values())) for i in range(0, len(x), 8)])


def _show_speeds(runtime: str, batch: int, found: dict[str, Any]) -> None:
    print(f"{runtime}, batch {batch}  medians of {found['rounds']} rounds of {found['seconds']:g} s a file")
    for name, speed in found["images_per_second"].items():
        print(f"{runtime}, batch {batch}  {name:20}{speed:8.1f} images/s")
    for name, ratios in found["ours_over"].items():
        spread = f"of {len(ratios)} rounds {min(ratios):.3f} to {max(ratios):.3f}"
        verdict = "reached" if median(ratios) >= AIM else "NOT REACHED"
        print(
            f"{runtime}, batch {batch}  ours over {name:18}{median(ratios):6.3f} {spread:32} to reach: {AIM} {verdict}"
        )


def _show_accuracies(found: dict[str, Any]) -> None:
    for name, (decibels, agreement) in found.items():
        print(f"{name:34} signal to noise {decibels:5.1f} dB, same top class for {agreement:.1%} of {TEST}")
    rivals = {"ours": ("quantize_static", "NNCF", "Model Optimizer"), "ours, for TensorRT": ("Model Optimizer",)}
    for ours, others in rivals.items():
        for runtime in RUNTIMES:
            best = max(found[key][0] for other in others if (key := f"{other}, {runtime}") in found)
            ahead = found[f"{ours}, {runtime}"][0] - best
            verdict = "reached" if ahead >= AHEAD else "NOT REACHED"
            print(
                f"{runtime}: {ours} {ahead:+.1f} dB over the best of {', '.join(others)}, to reach: {AHEAD} {verdict}"
            )


def _hash_files(folder: Path) -> str:
    """Of all the files that are compared."""
    found = hashlib.sha256()
    for side in SIDES:
        for path in filter(Path.exists, (folder / side.file, (folder / side.file).with_suffix(".bin"))):
            found.update(path.read_bytes())
    return found.hexdigest()


def _find_figures(path: Path, again: bool, found: Callable[[], dict[str, Any]]) -> Any:
    """The figures of `path`, else or with `again` those that `found` measures, which are then kept there."""
    if again or not path.exists():
        path.write_text(json.dumps(found(), indent=1) + "\n", encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def _read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks int8", description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(".bench-cache"), help="the folder of the files")
    parser.add_argument("--runtime", choices=RUNTIMES, help="measure on this one alone")
    parser.add_argument("--batch", type=int, choices=BATCHES, help="measure at this batch alone")
    parser.add_argument("--accuracy", action="store_true", help="measure what the files compute, and no speed")
    parser.add_argument("--files", action="store_true", help="write the files, and measure nothing")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each file in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--again", action="store_true", help="measure what has been measured before, too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is asked for, and print it beside what is to be reached."""
    how = _read_arguments(arguments)
    quantized_files.make(how.cache)
    if how.files:
        return
    vnni = "with" if quantized_files.HAS_VNNI else "without"
    print(f"ResNet-50 in INT8 on this CPU, {vnni} VNNI\n")
    digest = _hash_files(how.cache)[:16]
    for runtime in RUNTIMES if not how.accuracy else ():
        for batch in BATCHES:
            if how.runtime in (None, runtime) and how.batch in (None, batch):
                path = how.cache / f"speeds-{runtime}-{batch}-{digest}.json"
                measure_it = partial(measure_speeds, how.cache, runtime, batch, how.seconds, how.rounds)
                _show_speeds(runtime, batch, _find_figures(path, how.again, measure_it))
    if how.accuracy or not (how.runtime or how.batch):
        path = how.cache / f"accuracy-{digest}.json"
        _show_accuracies(_find_figures(path, how.again, partial(measure_accuracies, how.cache)))


if __name__ == "__main__":
    main()
