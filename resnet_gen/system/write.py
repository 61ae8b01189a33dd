"""The only code that writes files: whole or not at all.

Everything goes to a hidden folder inside the destination; only when all files
are complete are they renamed. A run that is killed leaves no partial file under
a final name, and what it leaves half renamed the next one takes back (`journal`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import TypeAlias

from resnet_gen.problems import refuse
from resnet_gen.system.commit import commit
from resnet_gen.system.file_locks import lock_folders
from resnet_gen.system.files import opened_files
from resnet_gen.system.journal import JournalEntry, recover
from resnet_gen.system.links import check_output, check_output_folder
from resnet_gen.system.staging import Staging, stage

_Batch: TypeAlias = list[bytes | memoryview]
_BATCH = 1 << 20
_LAG = 8
"""Batches that may be written and not yet hashed."""
_FLUSHED = 8
"""After so many batches the disk is asked to begin."""


class Transaction:
    """Files of one folder, or of several, that appear together or not at all.

    Use as a context manager; leaving it normally renames what was written in the order in which it was written, leaving
    it by an exception removes it. Until then the files lie in a hidden folder inside, under their own names, which may
    begin with sub-folders: `1/model.onnx`. What a run that died has left in the folders is taken back first.
    """

    def __init__(self, folder: Path, *others: Path) -> None:
        self.folder = folder
        self._folders = tuple(dict.fromkeys((folder, *others)))
        self._places: list[Staging] = []
        self._entries: list[JournalEntry] = []
        self._made: list[Path] = []

    def __enter__(self) -> Transaction:
        """Make the folders, and the hidden ones inside them."""
        for folder in self._folders:
            check_output_folder(folder)
        for folder in self._folders:
            try:
                self._made += [p for p in (folder, *folder.parents) if not p.exists()]
                folder.mkdir(parents=True, exist_ok=True)
                recover(folder)
                self._places.append(stage(folder))
            except BaseException as error:
                self._remove(made=True)
                raise _explain_error(error, folder) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Rename everything into place, or remove everything."""
        done = False
        try:
            if kind is None:
                self._commit()
                done = True
        finally:
            self._remove(made=not done)

    def write(self, name: str, chunks: Iterable[bytes | memoryview], folder: Path | None = None) -> str:
        """Write `name`, in the first folder or another; returns the SHA-256 of its bytes.

        Raises `Refused` on a full disk.
        """
        place = self._folders.index(folder or self.folder)
        path, digest = self._places[place].staged_path(name), hashlib.sha256()
        try:
            if "/" in name:
                path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb", buffering=0) as stream:
                _write_through(stream.fileno(), chunks, digest)
        except OSError as error:
            raise refuse(f"cannot be written: {error.strerror}", str(self._folders[place] / name)) from None
        self._entries.append(JournalEntry(place, name, digest.hexdigest(), "nothing"))
        return digest.hexdigest()

    def write_text(self, name: str, text: str) -> str:
        """Write `name` as UTF-8; returns the SHA-256 of its bytes."""
        return self.write(name, [text.encode()])

    def find_staged(self, name: str) -> Path:
        """Where the bytes of `name`, a file of the first folder, lie until the end of the transaction."""
        return self._places[0].path / name

    def require_space(self, nbytes: int) -> None:
        """Refuse before anything is written if the disk has less than `nbytes` free."""
        free = shutil.disk_usage(self.folder).free
        if free < nbytes:
            raise refuse(f"{nbytes:,} bytes are needed and {free:,} are free", str(self.folder))

    def _commit(self) -> None:
        for folder in self._folders:
            recover(folder)  # whoever lived beside this run may have died since
        with lock_folders(self._folders):
            commit(self._places, self._entries)

    def _remove(self, *, made: bool) -> None:
        """Remove what is hidden, and the folders that were made for what has not appeared."""
        for place in reversed(self._places):
            place.remove()
        for folder in self._made if made else ():
            with suppress(OSError):
                folder.rmdir()


def _explain_error(error: BaseException, folder: Path) -> BaseException:
    if isinstance(error, FileExistsError):
        return refuse("cannot be written: a file is in the way", str(folder))
    return refuse(f"cannot be written: {error.strerror}", str(folder)) if isinstance(error, OSError) else error


def _group_chunks(chunks: Iterable[bytes | memoryview]) -> Iterator[_Batch]:
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


def _write_through(descriptor: int, chunks: Iterable[bytes | memoryview], digest: hashlib._Hash) -> None:
    """Write and hash chunks, and wait until they are on the disk; the disk begins while there is more to write."""

    def hash_all(batch: _Batch) -> None:
        for chunk in batch:
            digest.update(chunk)

    with _start_worker(hash_all) as hash_too, _start_worker(lambda _: os.fsync(descriptor)) as flush_aside:
        for number, batch in enumerate(_group_chunks(chunks), 1):
            hash_too(batch)
            for chunk in batch:
                _write_all(descriptor, chunk)
            if number % _FLUSHED == 0:
                flush_aside([])
    os.fsync(descriptor)


@contextmanager
def _start_worker(work: Callable[[_Batch], object]) -> Iterator[Callable[[_Batch], None]]:
    """A thread that works on what it is given, and does not need Python's lock for most of it; raises what failed.

    A signal may end what is written anywhere. An interruption within `Queue` would lose a notification, or leave its
    lock taken, and whoever waits would wait forever; one step of `SimpleQueue` is whole or not at all.
    """
    waiting: SimpleQueue[_Batch | None] = SimpleQueue()
    places: SimpleQueue[None] = SimpleQueue()
    failed: list[OSError] = []

    def run() -> None:
        while (batch := waiting.get()) is not None:
            places.put(None)
            try:
                work(batch)
            except OSError as error:
                failed.append(error)

    def give(batch: _Batch) -> None:
        places.get()
        waiting.put(batch)

    for _ in range(_LAG):
        places.put(None)
    thread = Thread(target=run, daemon=True)
    thread.start()
    try:
        yield give
    finally:
        waiting.put(None)
        thread.join()
    for error in failed:
        raise error


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


def check_new(path: Path, *, replace: bool, hint: str = "--force replaces it") -> None:
    """Refuse a path of something that is there, unless that may be replaced."""
    if replace or not os.path.lexists(path):
        return
    recover(path.parent)  # it may be of a run that died
    if os.path.lexists(path):
        raise refuse("exists already", str(path), hint)


def check_apart(path: Path, read: Iterable[str | Path]) -> None:
    """Refuse a path that is one of those that are `read`, by whatever name."""
    if os.path.realpath(path) in map(os.path.realpath, read):
        raise refuse("cannot be written: the command reads it", str(path))


def check_not_read(path: Path) -> None:
    """Refuse a path of a file that the command has read: a device, a parent, the data of a model, or what it named."""
    check_apart(path, opened_files())


def write_outputs(outputs: Mapping[Path, bytes]) -> None:
    """Write what a command outputs, together or not at all; raises `Refused` for a link."""
    for path in outputs:
        check_output(path)
    write_together({Path(os.path.realpath(path.parent), path.name): [data] for path, data in outputs.items()})


def write_together(files: Mapping[Path, Iterable[bytes | memoryview]]) -> None:
    """Write files, each into a folder of its own, together or not at all."""
    if not files:
        return
    with Transaction(*(path.parent for path in files)) as out:
        for path, chunks in files.items():
            out.write(path.name, chunks, path.parent)
