"""ResNet-50 on the CPU: our INT8 and BF16 files against FP32 ones, torch's among them.

All have the same weights (the reference's rule). They are run in turns in one process, block by block. `int8` compares
our INT8 with that of other quantizers.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from benchmarks import int8
from benchmarks.images import crops
from benchmarks.quantized_files import HAS_BF16, HAS_VNNI, SPEC, make
from resnet_gen.engine.base import Tuning
from resnet_gen.engine.runtimes import open_file
from resnet_gen.language.load import load
from resnet_gen.speed.benchmark import Effort, Timing, compare_speed, measure

SECONDS = 8.0
CACHE = Path(".bench-cache")
"""Where the files are kept from one run to the next."""
ORT, OV = "onnxruntime", "openvino"


class Side(NamedTuple):
    """A file on a runtime."""

    name: str
    file: str
    runtime: str
    hint: str | None = None


SIDES = (
    Side("ours int8, ONNX Runtime", "ours/resnet50.onnx", ORT),
    Side("ours int8, OpenVINO", "ours-openvino/resnet50.onnx", OV, "f32"),
    Side("torch fp32, ONNX Runtime", "torch.onnx", ORT),
    Side("ours fp32, OpenVINO", "fp32/resnet50.onnx", OV, "f32"),
    Side("ours bf16, OpenVINO", "bf16/resnet50.onnx", OV, "bf16"),
)


def main() -> None:
    """Measure, and print speeds, accuracies and ratios beside what they are to reach."""
    print(
        f"\nResNet-50 on this CPU ({'with' if HAS_VNNI else 'without'} VNNI, {'with' if HAS_BF16 else 'without'} BF16)"
    )
    make(CACHE)
    for batch in (1, 8):
        _speeds(CACHE, batch)
    int8.main(["--cache", str(CACHE)])


def _speeds(folder: Path, batch: int) -> None:
    runners = [open_file(s.runtime, folder / s.file, tuning=Tuning(None, s.hint, takes_turns=True)) for s in SIDES]
    x = crops(batch, 1, load(SPEC).spec.input)
    timings = measure(runners, x, Effort(seconds=SECONDS)).timings
    of = {side.name: timing for side, timing in zip(SIDES, timings, strict=True)}
    for side_name, timing in of.items():
        print(f"batch {batch}  {side_name:32}{timing.images_per_second:8.1f} images/s")
    ours = _fastest(of, "ours int8")
    vnni = "" if HAS_VNNI else "this CPU has no VNNI"
    _line(batch, "ours over torch's fp32 file", ours, of["torch fp32, ONNX Runtime"], 3.5, vnni)
    ours, bf16 = of["ours fp32, OpenVINO"], of["ours bf16, OpenVINO"]
    _line(batch, "bf16 over fp32, OpenVINO", bf16, ours, 1.9, "" if HAS_BF16 else "this CPU has no BF16")


def _fastest(of: dict[str, Timing], start: str) -> Timing:
    return max((t for name, t in of.items() if name.startswith(start)), key=lambda t: t.images_per_second)


def _line(batch: int, what: str, ours: Timing, theirs: Timing, least: float, missing: str = "") -> None:
    found = compare_speed(ours, theirs)
    verdict = "reached" if found.median >= least else "level" if found.high >= least else "NOT REACHED"
    spread = f"(quartiles {found.low:.2f} to {found.high:.2f})"
    why = f", {missing}" if missing and verdict != "reached" else ""
    print(f"batch {batch}  {what:44}{found.median:6.2f} {spread:26} to reach: {least:<4} {verdict}{why}")


if __name__ == "__main__":
    main()
