"""The only code that writes files: whole or not at all.

Everything goes to a hidden folder inside the destination; only when all files
are complete are they renamed. A build that is killed leaves no partial
file under a final name.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Thread
from types import TracebackType
from typing import TypeAlias

from resnet_gen.files import open_regular_file
from resnet_gen.links import check_output
from resnet_gen.problems import refuse

_Batch: TypeAlias = list[bytes | memoryview]
_BATCH = 1 << 20
_LAG = 8
"""Batches that may be written and not yet hashed."""
_ASIDE = ".before"


class Transaction:
    """Files of one folder that appear together, or not at all.

    Use as a context manager; leaving it normally renames what was written in
    the order in which it was written, leaving it by an exception removes it.
    Until then the files lie in a hidden folder inside, under their own names,
    which may begin with sub-folders: `1/model.onnx`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._inside = folder
        self._written: list[str] = []
        self._made: list[Path] = []

    def __enter__(self) -> Transaction:
        """Make the folder, and the hidden one inside it."""
        try:
            self._made = [p for p in (self.folder, *self.folder.parents) if not p.exists()]
            self.folder.mkdir(parents=True, exist_ok=True)
            self._inside = Path(tempfile.mkdtemp(prefix=".resnet-gen.", dir=self.folder))
        except FileExistsError:
            raise refuse("cannot be written: a file is in the way", str(self.folder)) from None
        except OSError as error:
            raise refuse(f"cannot be written: {error.strerror}", str(self.folder)) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Rename everything into place, or remove everything."""
        try:
            if kind is None:
                self._commit()
        finally:
            shutil.rmtree(self._inside, ignore_errors=True)
            if kind is not None:
                self._remove_made()

    def write(self, name: str, chunks: Iterable[bytes | memoryview]) -> str:
        """Write `name` from chunks; returns the SHA-256 of its bytes. Raises `Refused` on a full disk."""
        digest = hashlib.sha256()
        try:
            if "/" in name:
                self.readable(name).parent.mkdir(parents=True, exist_ok=True)
            with self.readable(name).open("xb", buffering=0) as stream, _hashing(digest) as hash_too:
                for batch in _batches(chunks):
                    hash_too(batch)
                    for chunk in batch:
                        _write_all(stream.fileno(), chunk)
        except OSError as error:
            raise refuse(f"cannot be written: {error.strerror}", str(self.folder / name)) from None
        self._written.append(name)
        return digest.hexdigest()

    def text(self, name: str, text: str) -> str:
        """Write `name` as UTF-8; returns the SHA-256 of its bytes."""
        return self.write(name, [text.encode()])

    def readable(self, name: str) -> Path:
        """Where the bytes of `name` lie until the end of the transaction."""
        return self._inside / name

    def require_space(self, nbytes: int) -> None:
        """Refuse before anything is written if the disk has less than `nbytes` free."""
        free = shutil.disk_usage(self.folder).free
        if free < nbytes:
            raise refuse(f"{nbytes:,} bytes are needed and {free:,} are free", str(self.folder))

    def _commit(self) -> None:
        for name in self._written:
            final = self.folder / name
            if final.is_dir():
                raise refuse("cannot be written: a folder has this name", str(final))
        moved: list[str] = []
        try:
            for name in self._written:
                moved.append(name)
                self._make_parents(name)
                self._put(name)
        except OSError as error:
            for name in moved:
                self._take_back(name)
            self._remove_made()
            raise refuse(f"cannot be written: {error.strerror}", str(self.folder / moved[-1])) from None

    def _make_parents(self, name: str) -> None:
        """Make the sub-folders of a name, and remember those that were not there."""
        for parent in reversed((self.folder / name).relative_to(self.folder).parents[:-1]):
            if not (self.folder / parent).is_dir():
                (self.folder / parent).mkdir()
                self._made.insert(0, self.folder / parent)

    def _put(self, name: str) -> None:
        """Rename one file into place; what was there is kept aside until all are."""
        final, aside = self.folder / name, self._inside / f"{name}{_ASIDE}"
        if final.is_symlink():
            final.replace(aside)
        elif final.exists():
            try:
                aside.hardlink_to(final)  # so that the name is never without a file
            except OSError:
                final.replace(aside)
        self.readable(name).replace(final)

    def _take_back(self, name: str) -> None:
        """Undo `_put`, as far as it came."""
        final, aside = self.folder / name, self._inside / f"{name}{_ASIDE}"
        if not self.readable(name).exists():
            final.unlink(missing_ok=True)
        if aside.exists() or aside.is_symlink():
            aside.replace(final)

    def _remove_made(self) -> None:
        for folder in self._made:
            try:
                folder.rmdir()
            except OSError:
                return


def _batches(chunks: Iterable[bytes | memoryview]) -> Iterator[_Batch]:
    """The chunks in batches of about a megabyte, so that handing them to a thread costs nothing."""
    batch: _Batch = []
    size = 0
    for chunk in chunks:
        batch.append(chunk)
        size += len(chunk)
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


@contextmanager
def _hashing(digest: hashlib._Hash) -> Iterator[Callable[[_Batch | None], None]]:
    """A thread that hashes what it is given: that takes as long as writing, and does not need Python's lock."""
    waiting: Queue[_Batch | None] = Queue(_LAG)

    def work() -> None:
        while batch := waiting.get():
            for chunk in batch:
                digest.update(chunk)

    thread = Thread(target=work)
    thread.start()
    try:
        yield waiting.put
    finally:
        waiting.put(None)
        thread.join()


def _write_all(descriptor: int, chunk: bytes | memoryview) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]


_STREAMS = (Path("/dev"), Path("/dev/fd"), Path("/proc/self/fd"))


def check_writable(path: Path, read: Iterable[Path] = ()) -> None:
    """Refuse a path that a file cannot be written to, or that is `read`, before any work is done for it."""
    if not path.parent.is_dir():
        raise refuse("cannot be written: there is no such folder", str(path.parent))
    if path.absolute().parent in _STREAMS:
        raise refuse("cannot be written: not a file", str(path), "without it, or as '-', the output goes to stdout")
    check_apart(path, read)
    check_output(path)
    if path.is_dir():
        raise refuse("cannot be written: a folder has this name", str(path))
    if path.exists() and not path.is_file():
        raise refuse("cannot be written: not a file", str(path))


def check_free(path: Path, read: Iterable[Path] = (), *, replace: bool) -> None:
    """Refuse a path as `check_writable` does, and one of a file that is there, unless that may be replaced."""
    check_writable(path, read)
    check_new(path, replace=replace)


def check_new(path: Path, *, replace: bool) -> None:
    """Refuse a path of something that is there, unless that may be replaced."""
    if os.path.lexists(path) and not replace:
        raise refuse("exists already", str(path), "--force replaces it")


def check_apart(path: Path, read: Iterable[Path]) -> None:
    """Refuse a path that is one of those that are `read`, by whatever name."""
    if os.path.realpath(path) in map(os.path.realpath, read):
        raise refuse("cannot be written: the command reads it", str(path))


def write_file(path: Path, data: bytes) -> None:
    """Write one file, or replace it, whole; raises `Refused` for a link, which is never written through."""
    check_output(path)
    final = Path(os.path.realpath(path.parent), path.name)
    with Transaction(final.parent) as out:
        out.write(final.name, [data])


def digest_files(paths: Iterable[Path]) -> str:
    """SHA-256, in hex, of several files' SHA-256."""
    return hashlib.sha256("".join(map(digest_file, paths)).encode()).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with open_regular_file(path) as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
