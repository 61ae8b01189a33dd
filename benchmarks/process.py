"""Whole processes, measured: wall time and peak memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median


@dataclass
class Case:
    """A command that is run several times, alternating with the others."""

    name: str
    command: Sequence[str]
    output: str = ""
    seconds: list[float] = field(default_factory=list)
    mebibytes: float = 0.0
    error: str = ""

    @property
    def time(self) -> float:
        """Median of the wall times, in seconds."""
        return median(self.seconds)

    def run(self) -> None:
        """Run once, and keep what it took; what the last run wrote is removed before."""
        if self.output and Path(self.output).is_dir():
            shutil.rmtree(self.output, ignore_errors=True)
        elif self.output:
            Path(self.output).unlink(missing_ok=True)
        start = time.perf_counter()
        process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=_environment())
        assert process.stderr is not None
        text = process.stderr.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.seconds.append(time.perf_counter() - start)
        self.mebibytes = max(self.mebibytes, usage.ru_maxrss / 1024)
        if process.returncode:
            self.error = text.strip().splitlines()[-1] if text.strip() else f"exit {process.returncode}"


def _environment() -> dict[str, str]:
    """The environment, with Python's byte code kept as an installed package has it."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")}


def measure(cases: Sequence[Case], rounds: int) -> None:
    """Run every case once to warm the disk's cache, then `rounds` times, in turn."""
    for case in cases:
        case.run()
        case.seconds.clear()
    for _ in range(rounds):
        for case in cases:
            if not case.error:
                case.run()
