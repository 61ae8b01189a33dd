"""ResNet-50 on the CPU: our INT8 and BF16 files against torch's FP32 and ONNX Runtime's `quantize_static`.

All have the same weights (the reference's rule) and are calibrated with the same
crops of real pictures. They are run in turns in one process, block by block.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.images import crops
from resnet_gen.engine.base import Tuning
from resnet_gen.engine.runtimes import open_file
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.speed.benchmark import Effort, Timing, compare_speed, measure
from resnet_gen.weights.base import Array
from tests.reference import weights_rule

SPEC = "resnet50"
SECONDS = 8.0
CALIBRATION, TEST = 16, 64
ORT, OV = "onnxruntime", "openvino"


class Side(NamedTuple):
    """A file on a runtime."""

    name: str
    file: str
    runtime: str
    hint: str | None = None


SIDES = (
    Side("ours int8, ONNX Runtime", "ours/resnet50.onnx", ORT),
    Side("ours int8, OpenVINO", "ours/resnet50.onnx", OV, "f32"),
    Side("quantize_static, ONNX Runtime", "static.onnx", ORT),
    Side("quantize_static, OpenVINO", "static.onnx", OV, "f32"),
    Side("torch fp32, ONNX Runtime", "torch.onnx", ORT),
    Side("ours fp32, OpenVINO", "fp32/resnet50.onnx", OV, "f32"),
    Side("ours bf16, OpenVINO", "bf16/resnet50.onnx", OV, "bf16"),
)


def flags() -> set[str]:
    """What this x86 CPU can do, in Linux's words; nothing where that cannot be read."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return set()
    return set(text.partition("flags")[2].partition("\n")[0].split())


HAS_VNNI = bool(flags() & {"avx512_vnni", "avx_vnni", "amx_int8"})
HAS_BF16 = bool(flags() & {"avx512_bf16", "amx_bf16"})


def make(folder: Path) -> None:
    """Write all files that are compared."""
    state = lower(load(SPEC)).state()
    weights: dict[str, Any] = {name: weights_rule.tensor(name, t.shape) for name, t in state.items()}
    np.savez(folder / "weights.npz", **weights)
    np.savez(folder / "images.npz", images=crops(CALIBRATION, 0, load(SPEC).spec.input))
    build = ["-m", "resnet_gen", "build", SPEC, "--weights", f"{folder}/weights.npz", "-o"]
    device = "cpu" if HAS_VNNI else "cpu-avx2"
    int8 = ["--for", device, "--precision", "int8", "--calibration", f"{folder}/images.npz"]
    _run(*build, f"{folder}/ours", *int8)
    _run(*build, f"{folder}/fp32", "--fold-bn")
    _run(*build, f"{folder}/bf16", "--fold-bn", "--precision", "bf16")
    _run("-m", "benchmarks.torch_export", "legacy", f"{folder}/torch.onnx", f"{folder}/weights.npz")
    bits = "8" if HAS_VNNI else "7"
    files = [f"{folder}/{name}" for name in ("fp32/resnet50.onnx", "images.npz", "static.onnx")]
    _run("-m", "benchmarks.quantize_static", *files, bits)


def _run(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> None:
    """Measure, and print speeds, accuracies and ratios beside what they are to reach."""
    print(
        f"\nResNet-50 on this CPU ({'with' if HAS_VNNI else 'without'} VNNI, {'with' if HAS_BF16 else 'without'} BF16)"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder)
        for batch in (1, 8):
            _speeds(folder, batch)
        _accuracies(folder)


def _speeds(folder: Path, batch: int) -> None:
    runners = [open_file(s.runtime, folder / s.file, tuning=Tuning(None, s.hint, takes_turns=True)) for s in SIDES]
    x = crops(batch, 1, load(SPEC).spec.input)
    timings = measure(runners, x, Effort(seconds=SECONDS)).timings
    of = {side.name: timing for side, timing in zip(SIDES, timings, strict=True)}
    for side_name, timing in of.items():
        print(f"batch {batch}  {side_name:32}{timing.images_per_second:8.1f} images/s")
    ours, static = (_fastest(of, start) for start in ("ours int8", "quantize_static"))
    missing = "" if HAS_VNNI else "this CPU has no VNNI"
    _line(batch, "ours over quantize_static, each at its best", ours, static, 1.0)
    _line(batch, "the same on ONNX Runtime", of[SIDES[0].name], of[SIDES[2].name], 1.0)
    _line(batch, "ours over torch's fp32 file", ours, of[SIDES[4].name], 3.5, missing)
    _line(
        batch,
        "bf16 over fp32, OpenVINO",
        of[SIDES[6].name],
        of[SIDES[5].name],
        1.9,
        "" if HAS_BF16 else "this CPU has no BF16",
    )


def _fastest(of: dict[str, Timing], start: str) -> Timing:
    return max((t for name, t in of.items() if name.startswith(start)), key=lambda t: t.images_per_second)


def _line(batch: int, what: str, ours: Timing, theirs: Timing, least: float, missing: str = "") -> None:
    found = compare_speed(ours, theirs)
    verdict = "reached" if found.median >= least else "level" if found.high >= least else "NOT REACHED"
    spread = f"(quartiles {found.low:.2f} to {found.high:.2f})"
    why = f", {missing}" if missing and verdict != "reached" else ""
    print(f"batch {batch}  {what:44}{found.median:6.2f} {spread:26} to reach: {least:<4} {verdict}{why}")


def _accuracies(folder: Path) -> None:
    """Of what each runtime really computes on this CPU, against the float network."""
    x = crops(TEST, 2, load(SPEC).spec.input)
    exact = _logits(folder / "fp32/resnet50.onnx", ORT, x)
    found = {}
    for side in SIDES[:4]:
        logits = _logits(folder / side.file, side.runtime, x)
        found[side.name] = _decibels(logits, exact), float((logits.argmax(1) == exact.argmax(1)).mean())
    for side_name, (ratio_db, agreement) in found.items():
        print(f"{side_name:32} signal to noise {ratio_db:5.1f} dB, same top class for {agreement:.1%} of {TEST}")
    for runtime in ("ONNX Runtime", "OpenVINO"):
        (ours, same), (theirs, their_same) = (found[f"{who}, {runtime}"] for who in ("ours int8", "quantize_static"))
        reached = ours >= theirs and same >= their_same
        print(f"{runtime}: ours {ours - theirs:+.1f} dB, to reach: 0 {'reached' if reached else 'NOT REACHED'}")


def _logits(path: Path, runtime: str, x: Array) -> Array:
    runner = open_file(runtime, path, tuning=Tuning(None, "f32" if runtime == OV else None))
    return np.concatenate([next(iter(runner.run(x[i : i + 8]).values())) for i in range(0, len(x), 8)])


def _decibels(found: Array, wanted: Array) -> float:
    noise = (found.astype(np.float64) - wanted) ** 2
    return float(10 * np.log10((wanted.astype(np.float64) ** 2).sum() / noise.sum()))


if __name__ == "__main__":
    main()
