"""Whose files of parts are run, in words; nobody looks at git for the usual answer."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from resnet_gen.problems import refuse, shorten

ALL = "all"
"""What is meant where nothing is said."""


def permit_parts(words: str) -> AbstractContextManager[None]:
    """Inside, files of parts are run as `none`, `all` and `base:REVISION` say; raises `Refused` for other words."""
    if words == ALL:
        return nullcontext()
    from resnet_gen.compare.difference.part_permits import permit_none, permit_of_revision
    from resnet_gen.language.custom_parts import files

    revision = words.removeprefix("base:")
    if not revision or words not in ("none", f"base:{revision}"):
        raise refuse(f"parts: '{shorten(words)}' is no choice", hint=f"write none, {ALL} or base:REVISION")
    return files.hold_value(files.permit, permit_none if words == "none" else permit_of_revision(revision))
