"""Commands run in processes of their own that were loaded before, and what each took of memory and time."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import traceback
from pathlib import Path
from typing import NamedTuple

MEBIBYTE = 1 << 20
MEMORY, MEMORY_EACH = 64 * MEBIBYTE, 4
"""Bytes over what the command takes of a trivial file, and over each byte of the file."""
SECONDS, SECONDS_EACH = 2.0, 1 / 20_000_000
"""Of this process's own time: at most, and more for each byte of the file."""
SLACK = 3.0
"""How much slower a busy machine, of whatever CPU, may be than one by itself; memory has none."""
_ENOUGH = 3 << 30
"""Bytes of addresses at which a process is ended, so that a fault does not take the machine along."""
_RAISED = 70
"""Exit code of a command that ended in a traceback."""


class Taken(NamedTuple):
    """How a command ended and what it took: its exit code (below 0: a signal), peak memory and seconds, and words."""

    code: int
    memory: int
    seconds: float
    said: str


def elsewhere(make):
    """The path that `make` gives in a process of its own, which leaves nothing in the memory of this one."""
    answer, ours = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(ours, os.fsencode(make()))
        finally:
            os._exit(0)
    os.close(ours)
    with os.fdopen(answer, "rb") as stream:
        path = stream.read()
    os.waitpid(child, 0)
    assert path, "the file could not be made"
    return Path(os.fsdecode(path))


def taken(command, folder, said):
    """What `command`, a function, takes in a process that is forked from this one; what it says goes to a file."""
    child = os.fork()
    if child == 0:
        _run(command, folder, said)
    _, status, usage = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    # A forked process counts the pages of its parent from the start, so only differences mean anything.
    memory = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Taken(code, memory, usage.ru_utime + usage.ru_stime, said.read_text(encoding="utf-8", errors="replace"))


def _run(command, folder, said):
    code = _RAISED
    try:
        os.chdir(folder)
        words = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(words, stream)
        _limit()
        command()
        code = 0
    except SystemExit as left:
        code = left.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _limit():
    with contextlib.suppress(OSError, ValueError):
        now = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + _ENOUGH, now + _ENOUGH))
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))


def faults(got, size, trivial):
    """What of `got` is against the rules, for a file of `size` bytes, where a trivial file takes `trivial`."""
    memory, most = got.memory - trivial.memory, MEMORY + MEMORY_EACH * size
    seconds, longest = got.seconds - trivial.seconds, SECONDS + SECONDS_EACH * size
    found = [] if got.code in (0, 1, 2) else [f"exit code {got.code}"]
    found += [f"{memory / MEBIBYTE:.0f} MiB, at most {most / MEBIBYTE:.0f}"] if memory > most else []
    found += [f"{seconds:.1f} s, at most {longest:.1f}"] if seconds > SLACK * longest else []
    return found
