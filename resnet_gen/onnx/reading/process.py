"""A Python of its own that answers questions about messages: what they do to it happens to nobody else.

It is begun with the first question, since beginning takes half a second, and anew after one that ended it. It runs
nothing of the caller's own script, as multiprocessing would.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

from resnet_gen.system.files import read_regular_file
from resnet_gen.system.processes import make_command, make_first_line

_SECONDS, _BYTES_PER_SECOND, _MEMORY = 1.0, 20 << 20, 96 << 20
"""Seconds of its own that an answer may take, and one more for so many bytes; and bytes beside the message's."""
_START = 30.0
"""Seconds to wait beside those that an answer may take: the process may have to begin first."""


class NoAnswerError(Exception):
    """The other process ended without an answer, or gave none in time."""


class Process:
    """The other process, for one question at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._of = 0

    def ask(self, module: str, function: str, message: bytes, patience: float) -> Any:
        """What a function of ours makes of a message; raises `NoAnswerError`."""
        with self._lock:
            process = self._ensure_running()
            ender = threading.Timer(patience + _START, process.kill)
            ender.start()
            try:
                return _request_answer(process, [module, function, len(message)], message)
            except (OSError, ValueError):
                self.end()
                raise NoAnswerError from None
            finally:
                ender.cancel()

    def end(self) -> None:
        """End it, if it is there and ours."""
        process, self._process = self._process, None
        if process and self._of == os.getpid():
            process.kill()
            process.communicate()

    def _ensure_running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None or self._of != os.getpid():
            self.end()
            self._process, self._of = _start_process(), os.getpid()
        return self._process


def _start_process() -> subprocess.Popen[bytes]:
    process = subprocess.Popen(  # noqa: S603 - this very Python
        make_command(__name__),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _write_bytes(process.stdin, make_first_line({}))
    return process


def _write_bytes(stream: IO[bytes] | None, data: bytes) -> None:
    assert stream
    stream.write(data)
    stream.flush()


def _request_answer(process: subprocess.Popen[bytes], order: list[Any], message: bytes) -> Any:
    _write_bytes(process.stdin, json.dumps(order).encode() + b"\n" + message)
    assert process.stdout
    return json.loads(process.stdout.readline())


def serve(order: dict[str, Any]) -> None:
    """Be the process that answers, until nobody can ask any more."""
    import importlib

    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints is no answer
    while line := sys.stdin.buffer.readline():
        module, function, size = json.loads(line)
        message = sys.stdin.buffer.read(size)
        answer = getattr(importlib.import_module(module), function)
        limit_memory(size)
        answers.write(json.dumps(answer(message)).encode() + b"\n")
        unlimit_memory()


def limit_memory(size: int) -> None:
    """From now on, end this process where it takes more than a message of so many bytes can need."""
    if sys.platform == "linux":
        import resource

        pages = int(read_regular_file(Path("/proc/self/statm")).split()[0])
        most = pages * resource.getpagesize() + _MEMORY + 4 * size
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
        signal.signal(signal.SIGPROF, signal.SIG_DFL)  # which ends it
        signal.setitimer(signal.ITIMER_PROF, _SECONDS + size / _BYTES_PER_SECOND)


def unlimit_memory() -> None:
    """Take as much time as is wanted again, as to read the next message; memory is limited with each anew."""
    if sys.platform == "linux":
        signal.setitimer(signal.ITIMER_PROF, 0)


OTHER = Process()
atexit.register(OTHER.end)
