"""A file of measured tactics: read before a build, and renewed with what it has made, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from resnet_gen.engine.builder_options import MOST_CACHE
from resnet_gen.problems import refuse
from resnet_gen.system.files import read_regular_file, uncounted_files, why_unread

if TYPE_CHECKING:
    from resnet_gen.build.request import Request
    from resnet_gen.system.write import Transaction


class TimingCache(NamedTuple):
    """Where a timing cache lies and what it holds; nothing where none is asked for, or a script on a device has it."""

    path: Path | None = None
    data: bytes | None = None
    renewed: bool = False

    @classmethod
    def of(cls, folder: Path, request: Request) -> TimingCache:
        """The cache of a build into `folder`, empty where there is no such file; raises `Refused` for what is none."""
        settings = request.tuning.settings
        if request.backend is None or settings is None or settings.timing_cache is None:
            return cls()
        path = Path(settings.timing_cache)
        if dict(request.tuning.sources)["timing_cache"] != "option":  # a name, beside what is built
            path = folder / path
        elif path.parent.resolve() == folder.resolve():
            path = folder / path.name
        return cls(path, _read(path), not request.engine.frozen_cache)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folder to write to."""
        return (self.path.parent,) if self.path and self.renewed else ()

    def write(self, out: Transaction, data: bytes | None) -> None:
        """Write what the builder knows now, to appear with the engine."""
        if self.path and self.renewed and data is not None:
            out.write(self.path.name, [data], self.path.parent)


def _read(path: Path) -> bytes:
    try:
        with uncounted_files():  # it is written again
            return read_regular_file(path, MOST_CACHE)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise refuse(why_unread(error), str(path), "a timing cache is a file that TensorRT has written") from None
