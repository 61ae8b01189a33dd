"""Whether a file may be read or written: what lies in a repository or project leads nowhere else, by link or name.

Git and archives carry links, so that whoever proposes a change or hands on a project can propose one to any file of
the machine that looks at it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from resnet_gen.problems import Span, refuse
from resnet_gen.system.project_folder import project_folder


class Fence(NamedTuple):
    """A folder, out of which nothing leads that lies in it."""

    root: Path
    called: str
    """What messages call it."""

    def holds(self, path: Path) -> bool:
        """Whether a path lies in the folder, as it is written."""
        return _is_inside(os.path.abspath(path), self.root)  # noqa: PTH100 - as it is written, links not followed

    def leads_out(self, path: Path) -> bool:
        """Whether what a path means, links followed, lies elsewhere."""
        try:
            return not _is_inside(os.path.realpath(path), self.root)
        except ValueError:  # what no file can be called
            return False


def find_fence(here: Path | None = None) -> Fence | None:
    """The repository that a folder, the working one by default, is in, else that of its project; None without both."""
    try:
        here = here or Path.cwd()
    except OSError:  # it is gone
        return None
    for folder in (here, *here.parents):
        if (folder / ".git").exists():
            return Fence(folder.resolve(), "the repository")
    project = project_folder(here)
    return Fence(project, "the project's folder") if project else None


def _find_fence_around(by: Path) -> Fence | None:
    """The fence of the working folder if a file lies in it, else its own: whoever works elsewhere names it alone."""
    around = find_fence()
    return around if around and around.holds(by) else find_fence(Path(os.path.abspath(by)).parent)  # noqa: PTH100 - as above


def check_inside(path: Path) -> None:
    """Refuse a file inside the fence that is a link to one elsewhere; what lies elsewhere, somebody may name."""
    around = find_fence()
    if around and around.holds(path) and around.leads_out(path):
        raise refuse(f"leads out of {around.called}", shown_path(path), "a link leads to it; name the file itself")


def check_named(path: Path, by: Path, where: Span | None, key: str) -> None:
    """Refuse what a file inside the fence names and that lies elsewhere, by its path or by a link."""
    around = _find_fence_around(by)
    if around and around.holds(by) and around.leads_out(path):
        words = f"{key}: leads out of {around.called}"
        raise refuse(words, where or shown_path(by), "bring it in: what others cannot see, nobody can review")


def check_output(path: Path) -> None:
    """Refuse an output that would be written through a link, or through a folder that is one and leads out."""
    if path.is_symlink():
        raise refuse("cannot be written: a link, which is not followed", str(path), "delete it, or name another")
    _check_folder(path.parent, path, "its folder")


def check_output_folder(folder: Path) -> None:
    """Refuse a folder of outputs, be it there or not, that a link leads elsewhere."""
    _check_folder(folder, folder, "it")


def _check_folder(folder: Path, shown: Path, what: str) -> None:
    try:
        around = find_fence() or Fence(Path.cwd().resolve(), "the working folder")
    except OSError:  # there is none, and nothing in it
        return
    if around.holds(folder) and around.leads_out(folder):
        words = f"cannot be written: {what} leads out of {around.called}"
        raise refuse(words, str(shown), "name the folder itself")


def _is_inside(path: str, root: Path) -> bool:
    return Path(path).is_relative_to(root)


def shown_path(path: Path) -> str:
    """A path as messages show it: from the working folder, where that can be said."""
    try:
        return os.path.relpath(path)
    except (OSError, ValueError):  # another drive, or no working folder
        return str(path)
