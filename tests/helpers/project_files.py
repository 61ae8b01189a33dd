"""A project in a test's own folder, and what lies in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest


def begin_project(folder: Path, monkeypatch: pytest.MonkeyPatch, files: Mapping[str, str]) -> Path:
    """The folder as a repository of these files, in which the test works."""
    monkeypatch.chdir(folder)
    (folder / ".git").mkdir()
    for name, text in files.items():
        write(name, text)
    return folder


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def everything(folder: Path = Path()) -> dict[Path, bytes]:
    """Every file below a folder, and its bytes."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
