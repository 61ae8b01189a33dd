"""Shapes as trtexec and Polygraphy write them on their command lines."""

from __future__ import annotations

import re

from resnet_gen.problems import refuse, shorten

HINT = "write input:1x3x224x224, or input:[1,3,224,224]; several with a comma between them"
_SHAPE = re.compile(
    r"(?:(?P<name>[^\s,;\x22'\[\]]+):)?"
    r"(?P<sides>[1-9]\d{0,8}(?:x[1-9]\d{0,8})*|\[\s*[1-9]\d{0,8}(?:\s*,\s*[1-9]\d{0,8})*\s*\])"
    r"\s*(?:,\s*|$)",
    re.ASCII,
)


def parse_shapes(text: str, option: str = "--shapes") -> dict[str, tuple[int, ...]]:
    """The shapes by the names of their tensors, batch first; a shape without a name has "".

    `input:1x3x224x224,mask:1x224` and `input:[1,3,224,224]` are read, as is
    `1x3x224x224`. Raises `Refused` for anything else, and for a name that comes twice.
    """
    found: dict[str, tuple[int, ...]] = {}
    place = 0
    while place < len(text):
        part = _SHAPE.match(text, place)
        if part is None:
            raise _refuse_text(text, option, "is not a shape")
        name = part["name"] or ""
        if name in found:
            raise _refuse_text(
                text, option, f"has {f'two shapes for {name!r}' if name else 'two shapes without a name'}"
            )
        found[name] = tuple(int(side) for side in re.findall(r"\d+", part["sides"]))
        place = part.end()
    if not found or text.rstrip().endswith(","):
        raise _refuse_text(text, option, "is not a shape")
    return found


def _refuse_text(text: str, option: str, what: str) -> Exception:
    return refuse(f"{option}: '{shorten(text)}' {what}", hint=HINT)
