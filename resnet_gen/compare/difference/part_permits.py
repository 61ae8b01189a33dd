"""Which files of parts are run: none, those that a revision's specs name, or all."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from functools import cache

from resnet_gen.compare.difference.revision import Revision
from resnet_gen.language.custom_parts.files import Permit
from resnet_gen.language.source import read_text
from resnet_gen.problems import Document, Refused
from resnet_gen.system.digest import digest_text

MOST_SPECS = 10_000
"""YAML files of a revision that are looked through for parts."""


def permit_none(text: bytes) -> str | None:
    """Lets no file run."""
    return "no parts are"


def permit_of_revision(revision: str) -> Permit:
    """Lets those files run whose very text the specs of a revision name under `parts`."""

    def permit(text: bytes) -> str | None:
        known = digest_text(text) in _hash_named_parts(Revision(revision, ".").tree.oid)
        return None if known else f"no spec of {revision} names this text of it"

    return permit


@cache
def _hash_named_parts(tree: str) -> frozenset[str]:
    """SHA-256 of each file of parts that a spec of a git tree names."""
    base = Revision(tree, ".")
    paths = [path for path in base.tree.files() if path.endswith((".yaml", ".yml"))][:MOST_SPECS]
    parts = {part for path, text in base.texts(paths) for part in _list_parts(path, text)}
    return frozenset(digest_text(text) for _, text in base.texts(sorted(parts)))


def _list_parts(path: str, text: bytes) -> Iterator[str]:
    """The files of parts that a spec names, by their paths from the repository's root; none of what is no spec."""
    if b"parts" not in text:
        return
    try:
        named = read_text(Document(path, text.decode())).data.get("parts")
    except (Refused, UnicodeDecodeError):
        return
    for name in named if isinstance(named, list) else ():
        if isinstance(name, str) and name.endswith(".py"):
            yield posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
