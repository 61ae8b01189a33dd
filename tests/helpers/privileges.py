"""Root without its leave to pass over permissions, so that it tests what any user meets."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_VERSION = 0x20080522  # of Linux' structures for capabilities: two of three words each
_PASS_OVER = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH


def bound() -> bool:
    """Whether permissions bind this user, or root can be made to be bound."""
    return os.geteuid() != 0 or sys.platform == "linux"


@contextmanager
def permissions_hold() -> Iterator[None]:
    """Permissions bind this thread inside, whoever runs it."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, mine = (ctypes.c_uint32 * 2)(_VERSION, 0), (ctypes.c_uint32 * 6)()
    _checked(libc.capget(header, mine))
    before, mine[0] = mine[0], mine[0] & ~_PASS_OVER
    _checked(libc.capset(header, mine))
    try:
        yield
    finally:
        mine[0] = before
        _checked(libc.capset(header, mine))


def _checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), "capabilities of this thread")
