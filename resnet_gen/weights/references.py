"""Published networks that specs are compared with: their parameter names, shapes and counts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from resnet_gen.ops import Shape
from resnet_gen.problems import Span, refuse, suggest
from resnet_gen.system.files import read_regular_file
from resnet_gen.system.resources import references_folder


@dataclass(frozen=True)
class Reference:
    """One published network: `state` is its state dict's names and shapes, in order.

    `params` and `macs` were counted by others at an input of `input` pixels.
    """

    name: str
    origin: str
    input: int
    params: int
    macs: int
    state: dict[str, Shape]


def read(name: str, where: Span | None) -> Reference:
    """The reference `library/network`; raises `Refused` if none of that name is shipped."""
    known = _find_files()
    if name not in known:
        raise refuse(f"reference: there is no '{name}'", where, suggest(name, known))
    data = json.loads(read_regular_file(known[name]))
    state = {key: tuple(shape) for key, shape in data.pop("state").items()}
    return Reference(name=name, state=state, **data)


def list_references() -> Iterator[Reference]:
    """Every reference, in the order of the files."""
    return (read(name, None) for name in _find_files())


def references_of(library: str) -> Iterator[Reference]:
    """Every reference of a library, by name."""
    return (read(name, None) for name in sorted(_find_files()) if name.startswith(f"{library}/"))


@cache
def _find_files() -> dict[str, Path]:
    """The file of each reference, looked for once."""
    return {f"{file.parent.name}/{file.stem}": file for file in sorted(references_folder().glob("*/*.json"))}
