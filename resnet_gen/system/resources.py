"""Where the files that belong to the package lie: `specs/` and `templates/`.

In a checkout they stand beside the package, in an installed wheel inside it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def _find_folder(name: str) -> Path:
    inside = PACKAGE / "_data" / name
    return inside if inside.is_dir() else PACKAGE.parent / name


def templates() -> Path:
    """The folder of jinja templates."""
    return _find_folder("templates")


def references_folder() -> Path:
    """The folder of reference networks: names and shapes of published state dicts."""
    return _find_folder("specs") / "references"


def targets_folder() -> Path:
    """The folder of devices that networks are built for."""
    return _find_folder("specs") / "targets"


@cache
def shipped_specs() -> dict[str, Path]:
    """The shipped specifications: name to file, sorted by family and then by size."""
    networks = (path for path in _find_folder("specs").glob("*/*.yaml") if path.parent != targets_folder())
    found = sorted(networks, key=lambda p: (p.parent.name, _natural_key(p.stem)))
    return {path.stem: path for path in found}


def is_shipped(path: Path) -> bool:
    """Whether this is the file of a shipped specification."""
    return shipped_specs().get(path.stem) == path


def _natural_key(name: str) -> tuple[tuple[int, str], ...]:
    words = "".join(c if c.isdigit() else f" {c} " for c in name).split()
    digits = "".join(c if c.isdigit() else " " for c in name).split()
    return (*((int(d), "") for d in digits[:1]), *((0, w) for w in words))


def family(path: Path) -> str:
    """The family of a specification: the folder it lies in."""
    return path.parent.name
