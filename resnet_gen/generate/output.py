"""Generated files: written together, never over what somebody may have edited."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from resnet_gen.problems import Problem, Refused
from resnet_gen.system.files import has_content
from resnet_gen.system.journal import recover
from resnet_gen.system.write import write_together


def find_differing(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    """The files that are not there as they would be written: name to `missing` or `differs`."""
    found = {}
    for name, text in files.items():
        path = folder / name
        if not path.is_file():
            found[name] = "missing"
        elif not has_content(path, text.encode()):
            found[name] = "differs"
    return found


def write_generated(folder: Path, files: Mapping[str, str], *, replace: bool) -> list[Path]:
    """Write the files; raises `Refused`, writing none, if one is there and differs, unless `replace`."""
    for parent in {(folder / name).parent for name in files}:
        recover(parent)
    other = [name for name, what in find_differing(folder, files).items() if what == "differs"]
    if other and not replace:
        hint = "--force replaces it, --check lists all that differ"
        raise Refused([Problem("exists and differs from what would be written", str(folder / other[0]), hint)])
    paths = {folder / name: [text.encode()] for name, text in files.items()}
    write_together(paths)
    return list(paths)
