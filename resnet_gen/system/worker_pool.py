"""Work done by several processes at once, each begun for one order and ended with it.

A process that crashes, or is killed for its memory, takes none of the others with it. Each watches its standard input:
when whoever began it is gone, or closes it, it is interrupted and tidies up.
"""

from __future__ import annotations

import _thread
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from typing import Any, NoReturn

from resnet_gen.system.processes import make_command, make_first_line

MOST_ANSWER = 1 << 24
"""Bytes of an answer."""
_PATIENCE = 20.0
"""Seconds that a process has to tidy up in."""


def run_orders(
    module: str, orders: Sequence[Mapping[str, Any]], jobs: int
) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Each order's number and its answer, as they come; a text says how a process ended that gave none.

    `serve` of the module takes an order and ends with `answer`. An interrupt here interrupts them all; they are in
    sessions of their own, so that they hear of it once.
    """
    begun = _Begun()
    with ThreadPoolExecutor(jobs) as threads:
        futures = {threads.submit(_run_one, module, order, begun): number for number, order in enumerate(orders)}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            for future in futures:
                future.cancel()
            begun.end()


class _Begun:
    """The processes that have their orders, until all are ended and none has any more."""

    def __init__(self) -> None:
        self._live: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._over = False

    def add(self, process: subprocess.Popen[bytes], order: Mapping[str, Any]) -> None:
        """Send a process its order, or kill it where it is too late for that."""
        assert process.stdin
        with self._lock:
            if self._over:
                process.kill()
                return
            self._live.add(process)
            with suppress(OSError):  # it has ended: its answer is missing then
                process.stdin.write(make_first_line(order))
                process.stdin.flush()

    def remove(self, process: subprocess.Popen[bytes]) -> None:
        """End a process that has answered."""
        _end_process(process)
        with self._lock:
            self._live.discard(process)

    def end(self) -> None:
        """Interrupt all of them, and wait for them."""
        with self._lock:
            self._over = True
            live = list(self._live)
        for process in live:
            _close_input(process)
        for process in live:
            _end_process(process)


def _run_one(module: str, order: Mapping[str, Any], begun: _Begun) -> dict[str, Any] | str:
    with subprocess.Popen(  # noqa: S603 - this very Python
        make_command(module), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        begun.add(process, order)
        assert process.stdout
        try:
            answer = process.stdout.read(MOST_ANSWER)
        finally:
            begun.remove(process)
    return _parse_answer(answer, process.returncode)


def _close_input(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError, ValueError):
        if process.stdin:
            process.stdin.close()


def _end_process(process: subprocess.Popen[bytes]) -> None:
    """Close its input, at which it ends; kill it where it does not."""
    _close_input(process)
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _parse_answer(answer: bytes, code: int) -> dict[str, Any] | str:
    if code:
        return f"its process was ended by signal {-code}" if code < 0 else f"its process ended with exit code {code}"
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else "its process ended before its work was done"


def answer_order(work: Callable[[], Mapping[str, Any]]) -> NoReturn:
    """Be a process that does an order: its answer goes to the one that began it, all that is printed to stderr."""
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    done = threading.Event()
    try:
        threading.Thread(target=_watch_input, args=(done,), daemon=True).start()  # which may interrupt it at once
        answer = work()
        done.set()
        channel.write(json.dumps(answer).encode())
        channel.flush()
    except KeyboardInterrupt:
        sys.stderr.flush()
        os._exit(130)
    os._exit(0)


def _watch_input(done: threading.Event) -> None:
    """Interrupt this process when its input ends before its work is done."""
    with suppress(OSError, ValueError):
        while os.read(0, 1 << 10):
            pass
    if done.is_set():
        return
    if hasattr(signal, "pthread_kill"):  # which ends waiting, too
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()
