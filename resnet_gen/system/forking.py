"""Whether this process may be forked."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator
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
def forking() -> Iterator[None]:
    """Within, this process is forked: Python 3.12 counts NumPy's idle threads, of which the child calls nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
