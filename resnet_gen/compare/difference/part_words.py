"""Whose files of parts are run, in words; nobody looks at git for the usual answer."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

ALL = "all"
"""What is meant where nothing is said."""


def permitting(words: str) -> AbstractContextManager[None]:
    """Inside, files of parts are run as `all`, `none` and `base:REVISION` say; raises `Refused` for other words."""
    if words == ALL:
        return nullcontext()
    from resnet_gen.compare.difference import part_permits

    return part_permits.permitting(words)
