"""A folder in which tests leave generated Python, for ruff to read all at the end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


def checked_folder(factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What a fixture yields: the folder, which ruff has nothing to say of when the fixture ends."""
    folder = factory.mktemp("generated")
    yield folder
    for command in (["check"], ["format", "--check", "--diff"]):
        run = [sys.executable, "-m", "ruff", *command, "--isolated", "--no-cache", str(folder)]
        found = subprocess.run(run, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stdout + found.stderr
