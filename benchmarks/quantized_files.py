"""ResNet-50 in all the files that are compared: the same weights, and the same crops of real pictures to calibrate on.

They are written once to a folder, and ours again whenever the package has changed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

import resnet_gen
from benchmarks.images import crops
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from tests.reference import weights_rule

SPEC = "resnet50"
CALIBRATION = 16


def flags() -> set[str]:
    """What this x86 CPU can do, in Linux's words; nothing where that cannot be read."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return set()
    return set(text.partition("flags")[2].partition("\n")[0].split())


HAS_VNNI = bool(flags() & {"avx512_vnni", "avx_vnni", "amx_int8"})
HAS_BF16 = bool(flags() & {"avx512_bf16", "amx_bf16"})
_INT8 = ["--precision", "int8", "--calibration", "images.npz"]
OURS = {
    "fp32": ["--fold-bn"],
    "bf16": ["--fold-bn", "--precision", "bf16"],
    "ours": ["--for", "cpu" if HAS_VNNI else "cpu-avx2", *_INT8],
    "ours-openvino": ["--for", "cpu" if HAS_VNNI else "cpu-avx2", "--qdq", "openvino", *_INT8],
    "ours-tensorrt": ["--qdq", "tensorrt", "--rest", "fp32", *_INT8],
}
"""Our files, each in a folder of this name, and how `build` is asked for them."""
THEIRS = {
    "torch.onnx": ["benchmarks.torch_export", "legacy", "torch.onnx", "weights.npz"],
    "static.onnx": [
        "benchmarks.quantize_static", "fp32/resnet50.onnx", "images.npz", "static.onnx", "8" if HAS_VNNI else "7"
    ],
    "nncf.onnx": ["benchmarks.quantize_nncf", "fp32/resnet50.onnx", "images.npz", "nncf.onnx"],
    "nncf.xml": ["benchmarks.quantize_nncf", "fp32/resnet50.onnx", "images.npz", "nncf.xml"],
    "modelopt.onnx": ["benchmarks.quantize_modelopt", "fp32/resnet50.onnx", "images.npz", "modelopt.onnx"],
}  # fmt: skip
"""The others' files, and the module that makes each."""


def make(folder: Path) -> None:
    """Write the files that `folder` lacks, and ours where they are of other source code."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "images.npz").exists():
        state = lower(load(SPEC)).state()
        weights: dict[str, Any] = {name: weights_rule.tensor(name, t.shape) for name, t in state.items()}
        np.savez(folder / "weights.npz", **weights)
        np.savez(folder / "images.npz", images=crops(CALIBRATION, 0, load(SPEC).spec.input))
    stamp, source = folder / "source.txt", _hash_package()
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != source:
        for name, options in OURS.items():
            _run(folder, "resnet_gen", "build", SPEC, "--weights", "weights.npz", "-o", name, "--force", *options)
        stamp.write_text(source, encoding="utf-8")
    for name, arguments in THEIRS.items():
        if not (folder / name).exists():
            _run(folder, *arguments)


def _hash_package() -> str:
    """Of the source code of the package that builds."""
    files = sorted(Path(resnet_gen.__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _run(folder: Path, module: str, *arguments: str) -> None:
    """Run a module in `folder`; what it says is shown if it fails."""
    print(f"making {arguments[-1] if module != 'resnet_gen' else arguments[5]} ...", file=sys.stderr, flush=True)
    here = os.pathsep.join(filter(None, (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-P", "-m", module, *arguments]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": here}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{module} failed:\n{done.stderr[-2000:]}")
