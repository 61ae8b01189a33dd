"""The only code that writes files: whole or not at all.

Everything goes to temporary files beside their destinations; only when all of
them are complete are they renamed. A build that is killed leaves no partial
file under a final name.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from resnet_gen.problems import refuse


class Transaction:
    """Files of one folder that appear together, or not at all.

    Use as a context manager; leaving it normally renames what was written in
    the order in which it was written, leaving it by an exception removes it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pending: dict[Path, Path] = {}
        self._made: list[Path] = []

    def __enter__(self) -> Transaction:
        try:
            self._made = [p for p in (self.folder, *self.folder.parents) if not p.exists()]
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refuse(f"cannot be written: {error.strerror}", str(self.folder)) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._commit()
        finally:
            for temporary in self._pending.values():
                temporary.unlink(missing_ok=True)
            if kind is not None:
                self._remove_made()

    def write(self, name: str, chunks: Iterable[bytes | memoryview]) -> str:
        """Write `name` from chunks; returns the SHA-256 of its bytes. Raises `Refused` on a full disk."""
        final = self.folder / name
        digest = hashlib.sha256()
        try:
            handle, temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=".tmp", dir=self.folder)
            self._pending[final] = Path(temporary)
            with os.fdopen(handle, "wb", buffering=0) as stream:
                os.fchmod(stream.fileno(), 0o666 & ~_umask()) if hasattr(os, "fchmod") else None
                for chunk in chunks:
                    digest.update(chunk)
                    _write_all(stream.fileno(), chunk)
        except OSError as error:
            raise refuse(f"cannot be written: {error.strerror}", str(final)) from None
        return digest.hexdigest()

    def text(self, name: str, text: str) -> str:
        """Write `name` as UTF-8; returns the SHA-256 of its bytes."""
        return self.write(name, [text.encode()])

    def pending(self, name: str) -> Path:
        """Where the bytes of `name` lie until the end of the transaction."""
        return self._pending[self.folder / name]

    def require_space(self, nbytes: int) -> None:
        """Refuse before anything is written if the disk has less than `nbytes` free."""
        free = shutil.disk_usage(self.folder).free
        if free < nbytes:
            raise refuse(f"{nbytes:,} bytes are needed and {free:,} are free", str(self.folder))

    def _commit(self) -> None:
        for final, temporary in list(self._pending.items()):
            try:
                os.replace(temporary, final)
            except OSError as error:
                raise refuse(f"cannot be written: {error.strerror}", str(final)) from None
            del self._pending[final]

    def _remove_made(self) -> None:
        for folder in self._made:
            try:
                folder.rmdir()
            except OSError:
                return


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write_all(descriptor: int, chunk: bytes | memoryview) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]
