"""Signals while a library has the main thread: remembered, asked for at each step of a build, raised at its end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType

_INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM)


class DeferredSignals:
    """Keeps SIGINT and SIGTERM for later, where a library would swallow what their handlers raise.

    TensorRT prints exceptions that come out of its callbacks, and goes on. Ask
    `pending` in a callback; leaving the context calls the handlers.
    """

    def __init__(self) -> None:
        self.pending: list[int] = []
        self._handlers: dict[signal.Signals, Callable[[int, FrameType | None], object]] = {}

    def __enter__(self) -> DeferredSignals:
        """Take the handlers' place."""
        if threading.current_thread() is threading.main_thread():
            for number in _INTERRUPTIONS:
                handler = signal.getsignal(number)
                if callable(handler):
                    self._handlers[number] = handler
                    signal.signal(number, lambda which, _: self.pending.append(which))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the handlers back, and let them have what came."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        for which in dict.fromkeys(self.pending):
            signal.raise_signal(which)
