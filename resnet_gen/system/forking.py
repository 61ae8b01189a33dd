"""Whether this process may be forked, and a copy of it at work."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_THREADED = ("jax", "tensorflow")
"""Libraries whose own threads work at any time, unseen by Python."""


def may_fork() -> bool:
    """Whether a copy of this process can do its work.

    A fork copies one thread, with whatever locks the others hold. The idle threads of NumPy and ONNX Runtime hold none.
    """
    alone = sys.platform == "linux" and threading.active_count() == 1
    return alone and not any(name in sys.modules for name in _THREADED)


@contextmanager
def fork_process(work: Callable[[int], None]) -> Iterator[int | None]:
    """A copy of this process at work, and the descriptor of what it writes; None where no process can be had.

    `work` has the descriptor that it writes to. The copy ends at once behind it, whatever it raises: the parent's files
    and folders are not its to tidy. What is still at work in the end is killed.
    """
    answers, ours = os.pipe()
    child = None
    try:
        with warnings.catch_warnings():  # Python 3.12 counts NumPy's idle threads, of which the child calls nothing
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            try:
                work(ours)
            finally:
                os._exit(0)
    except OSError:  # too many processes, or too little memory for one more
        pass
    finally:
        os.close(ours)
    try:
        yield answers if child else None
    finally:
        os.close(answers)
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
