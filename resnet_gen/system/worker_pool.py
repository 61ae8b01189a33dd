"""Work done by several processes at once, each begun for one order and ended with it.

A process that crashes, or is killed for its memory, takes none of the others with it. Each watches its standard input:
when whoever began it is gone, or closes it, it is interrupted and tidies up.
"""

from __future__ import annotations

import _thread
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from typing import Any, NoReturn

from resnet_gen.problems import Bounds
from resnet_gen.system.processes import make_command, make_first_line

JOBS = Bounds(1, 64)
"""Processes at once."""
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
    live: set[subprocess.Popen[bytes]] = set()
    stopping = threading.Event()
    with ThreadPoolExecutor(jobs) as threads:
        futures = {threads.submit(_run_one, module, order, live, stopping): n for n, order in enumerate(orders)}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            stopping.set()
            for future in futures:
                future.cancel()
            for process in list(live):
                _end_process(process)


def _run_one(
    module: str, order: Mapping[str, Any], live: set[subprocess.Popen[bytes]], stopping: threading.Event
) -> dict[str, Any] | str:
    with subprocess.Popen(  # noqa: S603 - this very Python
        make_command(module), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        live.add(process)
        assert process.stdin
        assert process.stdout
        try:
            if stopping.is_set():  # between the look at those that are live and this one
                return "interrupted"
            with suppress(OSError, ValueError):  # it has ended, or is being ended: its answer is missing then
                process.stdin.write(make_first_line(order))
                process.stdin.flush()
            answer = process.stdout.read(MOST_ANSWER)
        finally:
            _end_process(process)
            live.discard(process)
    return _parse_answer(answer, process.returncode)


def _end_process(process: subprocess.Popen[bytes]) -> None:
    """Close its input, at which it ends; kill it where it does not."""
    with suppress(OSError, ValueError):
        if process.stdin:
            process.stdin.close()
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
    threading.Thread(target=_watch_input, args=(done,), daemon=True).start()
    try:
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
    if not done.is_set():
        _thread.interrupt_main()
