"""Locks that end with the process that has them, however it ends: nothing is left of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

if sys.platform == "win32":

    def lock(descriptor: int, *, wait: bool) -> bool:
        """Windows locks no folders: whoever asks gets no lock."""
        return False

else:
    import fcntl

    def lock(descriptor: int, *, wait: bool) -> bool:
        """Lock an open file or folder for this process alone; False where another has it, or where none can."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:  # another has it, or the file system knows no such locks
            return False
        return True


@contextmanager
def lock_folders(folders: Iterable[Path]) -> Iterator[bool]:
    """Wait until folders are this process's alone; False where the system cannot promise that."""
    with ExitStack() as opened:
        # In one order, whoever asks: so that no two can wait for each other.
        yield all(_lock_folder(folder, opened) for folder in sorted(set(map(os.path.realpath, folders))))


def _lock_folder(folder: str, opened: ExitStack) -> bool:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    opened.callback(os.close, descriptor)
    return lock(descriptor, wait=True)
