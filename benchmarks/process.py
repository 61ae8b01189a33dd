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

import psutil

_QUICK = 2.0
"""Seconds."""
_GLANCE = 0.002
"""Seconds between two looks at a process' memory."""


@dataclass
class Case:
    """A command that is run several times, alternating with the others."""

    name: str
    command: Sequence[str]
    output: str = ""
    exits: int = 0
    """The exit code of a run that does what it is to."""
    seconds: list[float] = field(default_factory=list)
    mebibytes: float = 0.0
    error: str = ""

    @property
    def time(self) -> float:
        """Median of the wall times, in seconds."""
        return median(self.seconds)

    def run(self) -> None:
        """Run once, and keep what it took."""
        self._tidy()
        start = time.perf_counter()
        process = self._started()
        assert process.stderr is not None
        text = process.stderr.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.seconds.append(time.perf_counter() - start)
        self.mebibytes = max(self.mebibytes, usage.ru_maxrss / 1024)
        if process.returncode != self.exits:
            self.error = text.strip().splitlines()[-1] if text.strip() else f"exit {process.returncode}"

    def weigh(self) -> None:
        """Run once more, and keep the most memory that it and the processes that it starts have together."""
        self._tidy()
        with self._started() as process:
            while process.poll() is None:
                self.mebibytes = max(self.mebibytes, _resident(process.pid) / (1 << 20))
                time.sleep(_GLANCE)

    def _tidy(self) -> None:
        """Remove what the last run wrote, and let the disk settle: no command pays for the one before."""
        if self.output and Path(self.output).is_dir():
            shutil.rmtree(self.output, ignore_errors=True)
        elif self.output:
            Path(self.output).unlink(missing_ok=True)
        os.sync()

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=_environment())


def _resident(pid: int) -> int:
    """Bytes that a process and its children hold, what they share counted once."""
    try:
        process = psutil.Process(pid)
        return sum(p.memory_full_info().pss for p in (process, *process.children(recursive=True)))
    except psutil.Error:  # one of them has just ended
        return 0


def _environment() -> dict[str, str]:
    """The environment, with Python's byte code kept as an installed package has it."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")}


def measure(cases: Sequence[Case], rounds: int) -> None:
    """Run every case `rounds` times, in turn, each time after a run that does not count.

    What a command reads is then in memory, however long the others took.
    """
    for _ in range(rounds):
        for case in cases:
            if not case.error:
                case.run()
                case.seconds.pop()
            if not case.error:
                case.run()
    for case in cases:
        if not case.error:
            # A look each few milliseconds misses the peak of a quick process now and then.
            for _ in range(3 * rounds if case.time < _QUICK else 1):
                case.weigh()
