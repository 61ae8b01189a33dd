"""The project as a git revision has it: its file, and the networks that it listed."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path

from resnet_gen.difference.revision import Moves
from resnet_gen.problems import Document
from resnet_gen.project import Project, project_in
from resnet_gen.project_files import FILE, PYPROJECT
from resnet_gen.source import decoded


def project_then(since: Moves, config: Path | None) -> Project | None:
    """The project file that the working folder had, or `config` as it was; None where there was none.

    Raises `Refused` for one that cannot be read.
    """
    for path in _candidates(since, config):
        text = since.base.text(path)
        if text is not None:
            name = str(since.base.at(path))
            document = Document(name, decoded(text, name, "TOML", "project file"))
            if project := project_in(since.root / path, document):
                return project
    return None


def _candidates(since: Moves, config: Path | None) -> Iterator[str]:
    """Where a project file may have been, from the repository's root, the nearest first."""
    if config:
        path = since.inside(config)
        yield from [path] if path else []
        return
    folder = since.base.git.prefix.rstrip("/")
    while True:
        yield from (posixpath.join(folder, name) for name in (FILE, PYPROJECT))
        if not folder:
            return
        folder = posixpath.dirname(folder)


def networks_then(since: Moves, project: Project) -> list[str]:
    """The specs that a project listed in the revision, by their paths from the root; no shipped ones."""
    listed = (path for path in since.base.tree.files() if project.means(since.root / path))
    return [path for path in listed if since.base.at(path).exists()]
