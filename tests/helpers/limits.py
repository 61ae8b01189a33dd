"""A limit on how long a call may take, of this process's own time, so that a busy machine changes nothing."""

import signal
from contextlib import contextmanager


@contextmanager
def within(seconds):
    """Raises `TimeoutError` from inside what takes more than so many seconds."""

    def timed_out(number, frame):
        raise TimeoutError(f"more than {seconds} seconds")

    before = signal.signal(signal.SIGPROF, timed_out)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
