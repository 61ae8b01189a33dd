"""Where a project file may lie: looked for with little work, as most folders have none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from resnet_gen.system.files import read_regular_file

FILE = "resnet-gen.toml"
PYPROJECT = "pyproject.toml"


def list_candidates(folder: Path | None = None) -> Iterator[Path]:
    """Files that may hold a folder's project, the nearest first, up to the folder that holds `.git`.

    The folder is the working one by default. A `pyproject.toml` is one if it so much as names resnet-gen.
    """
    try:
        start = (folder or Path.cwd()).resolve()
    except OSError:  # the working folder is gone
        return
    for here in (start, *start.parents):
        if (here / FILE).is_file():
            yield here / FILE
        elif _contains_words(here / PYPROJECT, _NAME):
            yield here / PYPROJECT
        if (here / ".git").exists():
            return


def project_folder(folder: Path | None = None) -> Path | None:
    """The folder of the project that a folder, the working one by default, is in, as nearly as files' texts show."""
    return next(
        (path.parent for path in list_candidates(folder) if path.name == FILE or _contains_words(path, _TABLE)), None
    )


_TABLE = re.compile(rb"""tool[\s.\]"']*resnet-gen""")
"""What begins a project in a `pyproject.toml`, and no dependency."""
_NAME = re.compile(rb"resnet-gen")


def _contains_words(path: Path, words: re.Pattern[bytes]) -> bool:
    try:
        return bool(words.search(read_regular_file(path)))
    except OSError:
        return False
