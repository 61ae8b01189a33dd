"""What this machine has to run engines with: GPUs, TensorRT libraries, and what these say of an engine."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from resnet_gen.engine.tensorrt import BACKENDS, DAMAGED, load_backend, make_logger
from resnet_gen.problems import Refused
from resnet_gen.system.files import read_regular_file

_PATIENCE = 20
"""Seconds that a driver gets to answer; one that hangs says nothing."""


class Gpu(NamedTuple):
    """A GPU of this machine, and its compute capability as text: 8.6."""

    name: str
    capability: str


class Validity(NamedTuple):
    """What TensorRT-RTX says of an engine's header: `state` is valid, suboptimal, invalid or unsaid."""

    state: str
    reasons: tuple[str, ...] = ()
    malformed: bool = False


def list_gpus() -> list[Gpu] | None:
    """The GPUs that the NVIDIA driver knows; None where it cannot be asked."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return None
    asked = [command, "--query-gpu=name,compute_cap", "--format=csv,noheader"]
    try:
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=_PATIENCE, check=True)  # noqa: S603
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    rows = (line.rpartition(",") for line in answer.stdout.splitlines())
    found = [Gpu(name.strip(), cap.strip()) for name, _, cap in rows if re.fullmatch(r"\d+\.\d+", cap.strip())]
    return found or None


def installed_version(library: str) -> str | None:
    """The version of a TensorRT library that can be loaded here; None where none can."""
    try:
        return str(load_backend(BACKENDS[library]).__version__)
    except (KeyError, Refused):
        return None


def ask_validity(path: Path) -> Validity | None:
    """What TensorRT-RTX says of a file; None where TensorRT-RTX, or this question, is not there.

    It reads the header alone. Without a driver it knows a header that is none from one that may be right, and no more.
    """
    try:
        trt = load_backend(BACKENDS["tensorrt-rtx"])
    except Refused:
        return None
    runtime = trt.Runtime(make_logger(trt))  # which prints nothing: a missing driver is no error here
    if not hasattr(runtime, "get_engine_validity"):
        return None  # came with TensorRT-RTX 1.1
    state, diagnostics = runtime.get_engine_validity(read_regular_file(path, most=None))
    return _describe_validity(trt, state, int(diagnostics))


def _describe_validity(trt: Any, state: Any, diagnostics: int) -> Validity:
    """The answer in words. An engine is invalid for no reason where only the driver is missing."""
    members = trt.EngineInvalidityDiagnostics.__members__.items()
    reasons = tuple(name.lower().replace("_", " ") for name, bit in members if diagnostics & int(bit))
    name = state.name.lower()
    if name == "invalid" and reasons in ((), ("cuda error",)):
        return Validity("unsaid", reasons)
    return Validity(name, reasons, bool(diagnostics & DAMAGED))
