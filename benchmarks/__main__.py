"""`make bench`: spec to ONNX against torch.onnx.export, how quick the command line is, and INT8 and BF16 on the CPU."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.process import Case, measure

ROUNDS = 5
COMPARED = "ResNet-50 to ONNX"
"""What takes turns with the other exporters."""


def _ours(folder: str) -> list[Case]:
    tool = shutil.which("resnet-gen", path=Path(sys.executable).parent) or "resnet-gen"
    build = [tool, "build", "-o"]
    return [
        Case("bare python", [sys.executable, "-c", "pass"]),
        Case("resnet-gen --help", [tool, "--help"]),
        Case("verify all specs", [tool, "verify"]),
        Case("the same as JUnit and SARIF", [tool, "verify", *_told(f"{folder}/found")], f"{folder}/found.xml"),
        Case("diff of 1000 layers", [tool, "diff", "preact1001", "cifar-resnet1202"], exits=1),
        Case(COMPARED, [*build, f"{folder}/50", "resnet50"], f"{folder}/50"),
        Case("ResNet-152 to ONNX", [*build, f"{folder}/152", "resnet152"], f"{folder}/152"),
    ]


def _told(path: str) -> list[str]:
    return ["--format", "junit", "--output", f"{path}.xml", "--format", "sarif", "--output", f"{path}.sarif"]


def _theirs(folder: str) -> list[Case]:
    if importlib.util.find_spec("torch") is None:
        print("torch is not installed here: its side is left out", file=sys.stderr)
        return []
    export = [sys.executable, "-m", "benchmarks.torch_export"]
    files = {kind: f"{folder}/{kind}.onnx" for kind in ("legacy", "dynamo")}
    return [Case(f"torch.onnx.export, {kind}", [*export, kind, file], file) for kind, file in files.items()]


def main() -> int:
    """Measure, and print times, memory and ratios beside what they are to reach."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{machine}; whole processes, median wall\n")
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = _ours(folder), _theirs(folder)
        measure([*(case for case in ours if case.name == COMPARED), *theirs], ROUNDS)
        measure([case for case in ours if case.name != COMPARED], ROUNDS)
    for case in (*ours, *theirs):
        result = f"{case.time:8.3f} s {case.mebibytes:8.0f} MiB" if not case.error else f"failed: {case.error}"
        print(f"{case.name:28}{result}")
    print()
    _ratios({case.name: case for case in (*ours, *theirs) if not case.error})
    if theirs:
        from benchmarks import inference

        inference.main()
    return 0


def _ratios(cases: dict[str, Case]) -> None:
    fifty = cases[COMPARED]
    for exporter, least in (("legacy", 10), ("dynamo", 22)):
        other = cases.get(f"torch.onnx.export, {exporter}")
        if other:
            ratio = other.time / fifty.time
            _line(f"times faster than {exporter}", ratio, f"at least {least}", ratio >= least)
    peak = max(fifty.mebibytes, cases["ResNet-152 to ONNX"].mebibytes)
    _line("peak memory, MiB", peak, "under 200", peak < 200)
    growth = cases["ResNet-152 to ONNX"].mebibytes / fifty.mebibytes
    _line("ResNet-152's peak over ResNet-50's", growth, "1.0, within 5 %", growth <= 1.05)
    for name in ("verify all specs", "the same as JUnit and SARIF"):
        _line(f"{name}, s", cases[name].time, "under 5", cases[name].time < 5)
    _line("diff of 1000 layers, s", cases["diff of 1000 layers"].time, "under 1", cases["diff of 1000 layers"].time < 1)
    extra = cases["resnet-gen --help"].time - cases["bare python"].time
    _line("--help over a bare Python start, s", extra, "under 0.1", extra < 0.1)


def _line(what: str, value: float, wanted: str, reached: bool) -> None:
    print(f"{what:36}{value:8.2f}   to reach: {wanted:16} {'reached' if reached else 'NOT REACHED'}")


def _run_part(arguments: list[str]) -> int:
    """All of it, or with the word `int8` the comparison of quantizers alone, which takes options."""
    if not arguments:
        return main()
    if arguments[0] != "int8":
        sys.exit("usage: python -m benchmarks [int8 [options]]")
    from benchmarks import int8

    int8.main(arguments[1:])
    return 0


if __name__ == "__main__":
    sys.exit(_run_part(sys.argv[1:]))
