"""SHA-256 of files and texts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from resnet_gen.system.files import open_regular_file


def digest_files(paths: Iterable[Path]) -> str:
    """SHA-256, in hex, of several files' SHA-256."""
    return digest_text("".join(map(digest_file, paths)))


def digest_text(text: str | bytes) -> str:
    """SHA-256, in hex, of a text, or of the bytes that it was read from."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with open_regular_file(path) as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
