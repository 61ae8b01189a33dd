"""The one door through which files are read: regular ones of bounded size; `links` says which may be read.

A pipe would wait for its writer and a device never ends; a link to one is one.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
SMALL = 1 << 20
"""Bytes of a text that somebody writes."""


_opened: set[str] = set()
"""What the running command has read, which no report is written over."""


class NotRegularError(OSError):
    """What has this name is a folder, a pipe, a device or a socket."""

    def __init__(self) -> None:
        super().__init__(errno.EINVAL, "not a file")


def open_regular_file(path: Path) -> BufferedReader:
    """Open a file to read its bytes; raises `OSError`, at once, for anything but a regular file."""
    try:
        _check_mode(os.stat(path).st_mode)  # noqa: PTH116 - a device is not even opened: that may do something
        note_opened(path)
        stream = os.fdopen(os.open(path, _FLAGS), "rb")
    except ValueError as error:  # a name with a zero byte
        raise OSError(errno.EINVAL, str(error)) from None
    try:
        _check_mode(os.fstat(stream.fileno()).st_mode)
    except NotRegularError:  # it was changed for another meanwhile
        stream.close()
        raise
    return stream


def named_file(reference: str) -> Path | None:
    """The YAML file that a word of the command line means, by its look or since it is there; None for another name."""
    path = Path(reference)
    if path.suffix in (".yaml", ".yml") or "/" in reference or "\\" in reference:
        return path
    return path if os.path.isfile(reference) else None  # noqa: PTH113 - False, not an error, for what is no file's name


def note_opened(path: Path) -> None:
    """Count a file among those that the command has read."""
    _opened.add(os.path.abspath(path))  # noqa: PTH100 - links are followed where it is asked for


def forget_opened() -> None:
    """Let a command begin with no file read."""
    _opened.clear()


@contextmanager
def uncounted_files() -> Iterator[None]:
    """What is read inside is no input of the command: what it writes over, it may look at."""
    before = set(_opened)
    try:
        yield
    finally:
        _opened.intersection_update(before)


def opened_files() -> tuple[str, ...]:
    """The absolute paths of the files that the command has read."""
    return tuple(_opened)


def _check_mode(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise NotRegularError


def read_regular_file(path: Path, most: int | None = SMALL) -> bytes:
    """The bytes of a file; raises `OSError` for anything else, and for one of more than `most` bytes."""
    with open_regular_file(path) as stream:
        data = stream.read() if most is None else stream.read(most + 1)
    if most is not None and len(data) > most:
        raise OSError(errno.EFBIG, f"larger than {most:,} bytes")
    return data


def has_content(path: Path, data: bytes) -> bool:
    """Whether there is a file of just these bytes."""
    try:
        return path.is_file() and read_regular_file(path, len(data)) == data
    except OSError as error:
        if error.errno == errno.EFBIG:
            return False
        raise


def why_unread(error: OSError) -> str:
    """What a message says of a file that cannot be read."""
    return "not a file" if isinstance(error, NotRegularError) else f"cannot be read: {error.strerror or error}"
