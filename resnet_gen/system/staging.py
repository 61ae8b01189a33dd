"""Hidden folders in which files wait until they are complete.

Each run has one in each destination, and a lock on it that ends when the run does.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resnet_gen.system.file_locks import lock, lock_folders
from resnet_gen.system.files import read_regular_file

PREFIX = ".resnet-gen."
_LOCK = ".lock~"
_JOURNAL = ".journal~"
_OWNER = ".owner~"
_LARGEST = 1 << 22


class Staging:
    """A hidden folder inside a destination; `path` is where it lies, `folder` the destination.

    New files lie in it under their own names, and what they replace under numbers.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    @property
    def folder(self) -> Path:
        """The destination."""
        return self.path.parent

    @property
    def journal(self) -> Path:
        """Where the account of what is about to change lies, while there is one."""
        return self.path / _JOURNAL

    def staged_path(self, name: str) -> Path:
        """Where a file lies until it appears."""
        return self.path / name

    def backup_path(self, number: int) -> Path:
        """Where what a file replaces is kept until all have appeared."""
        return self.path / f".before{number}~"

    def hold(self) -> None:
        """Lock it for as long as this process lives."""
        self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        lock(self._lock, wait=False)

    def read_start_time(self) -> int:
        """When somebody moved in, by the clock of the disk: what git, an archive or a copy brings is of another moment.

        Raises `OSError` where nobody ever did.
        """
        return (self.path / _LOCK).lstat().st_ctime_ns

    def follow(self, owner: Staging) -> None:
        """Leave the account to another one, of the same run and another destination."""
        (self.path / _OWNER).write_text(relative(owner.path, self.folder), encoding="utf-8")
        flush(self.path / _OWNER)

    def find_owner(self) -> Staging:
        """The one that has the account: another that knows of this one, or this one."""
        try:
            return self.find_other(read_small(self.path / _OWNER).decode()) or self
        except (OSError, ValueError):
            return self

    def find_other(self, words: str) -> Staging | None:
        """Another hidden folder, by its path from the destination of this one; None where there is none."""
        path = Path(os.path.realpath(self.folder / words))
        return Staging(path) if path.name.startswith(PREFIX) and is_folder(path) else None

    @contextmanager
    def claim(self, alone: bool) -> Iterator[bool]:
        """Whether nobody lives in it; `alone` says that nobody can be about to move in."""
        try:
            descriptor = os.open(self.path / _LOCK, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        except FileNotFoundError:
            yield alone
            return
        except OSError:  # somebody else's
            yield False
            return
        try:
            yield lock(descriptor, wait=False)
        finally:
            os.close(descriptor)

    def remove(self) -> None:
        """Remove it, unless its account says that there is something to take back; ends its lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        if not os.path.lexists(self.journal):
            shutil.rmtree(self.path, ignore_errors=True)


def stage(folder: Path) -> Staging:
    """Make a hidden folder in a destination, and live in it."""
    with lock_folders([folder]):
        staging = Staging(Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder)))
        try:
            staging.hold()
        except BaseException:
            staging.remove()
            raise
    return staging


def staged_in(folder: Path) -> list[Staging]:
    """The hidden folders of a destination, of runs that live and of runs that died."""
    try:
        with os.scandir(folder) as entries:
            found = [e.name for e in entries if e.name.startswith(PREFIX) and e.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return [Staging(folder / name) for name in sorted(found)]


def relative(path: Path, folder: Path) -> str:
    """A path as it is written from a folder, so that it holds where both have been moved."""
    try:
        return os.path.relpath(os.path.realpath(path), os.path.realpath(folder))
    except ValueError:  # on another drive
        return os.path.realpath(path)


def is_folder(path: Path) -> bool:
    """Whether a path is a folder, and no link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def is_file(path: Path) -> bool:
    """Whether a path is a regular file, and no link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def read_small(path: Path) -> bytes:
    """The bytes of a regular file that a run has written for the next; raises `OSError` or `ValueError` for others."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise ValueError("none of ours")
    return read_regular_file(path, _LARGEST)


def flush(path: Path) -> None:
    """Wait until the data of a file, or the names in a folder, are on the disk."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # a folder that may be written to and not read, and any on Windows
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # where folders cannot be flushed
            raise
    finally:
        os.close(descriptor)
