"""A spec as it stands in a git revision: read with `git cat-file`, which runs no filter and changes nothing."""

from __future__ import annotations

import os
import posixpath
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from resnet_gen.problems import Refused, Span, closest, refuse, shortened
from resnet_gen.resources import shipped_specs
from resnet_gen.source import MAX_BYTES, Source, read_file

TIMEOUT = 60
LINK = b"120000 "
"""The mode of a symbolic link."""
MOST_LINKS = 16
_QUIET = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
"""Messages in English, which are told apart below, and no question that nobody answers."""


@dataclass(frozen=True)
class Revision:
    """`REVISION:PATH` as git reads it: the path is the repository's, or with `./` the current folder's.

    An empty revision is what is staged.
    """

    name: str
    path: str

    def __str__(self) -> str:
        return self.name if self.path == "." else f"{self.name}:{self.path}"

    def export(self, folder: Path) -> Path:
        """Write the spec and the files beside it that it names below `folder`; returns the spec's path.

        Raises `Refused` where git has no such revision or file.
        """
        path = self._inside(self.path, None)
        self._check_there(path)
        self._fetch(path, folder, set())
        return folder / path

    def exists(self) -> bool:
        """Whether the revision has the file; raises `Refused` where git knows no such revision."""
        here = f"{self._tree}:{self._inside(self.path, None)}"
        return (self._ask("cat-file", "-t", here) or b"").strip() == b"blob"

    def called(self, path: Path, folder: Path) -> str:
        """How messages call an exported file."""
        inside = os.path.relpath(os.path.normpath(path), folder)
        return f"{self.name}:{PurePosixPath(Path(inside))}"

    def _fetch(self, path: str, folder: Path, known: set[str]) -> None:
        """Write a file of the revision and, of a spec, those that it names; what is not there, loading refuses."""
        known.add(path)
        data = self._read(self._followed(path))
        if data is None:
            return
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        if target.suffix == ".py":
            return
        source = read_file(target, self.called(target, folder))
        for name, where in _beside(source):
            other = self._inside(posixpath.join(posixpath.dirname(path), name), where)
            if other not in known:
                self._fetch(other, folder, known)

    def _inside(self, path: str, where: Span | None) -> str:
        """The path from the repository's root; raises `Refused` if it leads out."""
        if path.startswith(("./", "../")):
            path = posixpath.join(self._prefix, path)
        found = posixpath.normpath(path)
        absolute = PurePosixPath(path).is_absolute() or PureWindowsPath(path).drive
        if not path or absolute or found.startswith("..") or "\0" in path or "\n" in path:
            message = f"'{shortened(path)}' is no path of the repository"
            raise refuse(message, where or str(self), "write it from the repository's root, or with './' from here")
        return found

    @cached_property
    def _prefix(self) -> str:
        """The current folder, from the repository's root."""
        return os.fsdecode(self._git("rev-parse", "--show-prefix")).strip("\n")

    @cached_property
    def _tree(self) -> str:
        """The revision's tree, or nothing for what is staged."""
        if not self.name:
            return ""
        found = self._ask("rev-parse", "--verify", "--quiet", f"{self.name}^{{tree}}")
        if found is None:
            raise self._unknown()
        return found.decode().strip()

    def _unknown(self) -> Refused:
        refs = self._git("for-each-ref", "--format=%(refname:short)").decode(errors="replace").split()
        close = closest(self.name, refs)
        hint = f"did you mean '{close}'?" if close else None
        if self._git("rev-parse", "--is-shallow-repository").strip() == b"true":
            hint = "this clone is shallow: `git fetch --unshallow origin '+refs/heads/*:refs/remotes/origin/*'`"
        elif "..." in self.name:
            hint = "name one revision: `git merge-base` tells where two parted"
        return refuse(f"git knows no revision '{shortened(self.name)}'", str(self), hint)

    def _check_there(self, path: str) -> None:
        """Refuse a path that the revision does not have."""
        here = f"{self._tree}:{path}"
        kind = self._ask("cat-file", "-t", here)
        if kind and kind.strip() == b"blob":
            return
        if kind:
            raise refuse(f"'{path}' is no file there", str(self))
        inner = posixpath.join(self._prefix, path)
        hint = f"paths are from the repository's root: did you mean '{self.name}:./{path}'?"
        found = self._prefix and self._ask("cat-file", "-t", f"{self._tree}:{inner}")
        raise refuse(f"there is no '{shortened(path)}' there", str(self), hint if found else None)

    def _read(self, path: str) -> bytes | None:
        """The bytes of a file, None if there is none; as many as make it too large if it is."""
        size = self._ask("cat-file", "-s", f"{self._tree}:{path}")
        if size is None:
            return None
        if int(size) > MAX_BYTES:
            return b" " * (MAX_BYTES + 1)
        return self._ask("cat-file", "blob", f"{self._tree}:{path}")

    def _followed(self, path: str) -> str:
        """Where a symbolic link of the revision leads to; any other path itself. Raises `Refused` if it leads out."""
        where = ("ls-tree", "-z", "--full-tree", self._tree, "--") if self._tree else ("ls-files", "-s", "-z", "--")
        for _ in range(MOST_LINKS):
            told = self._ask(*where, path if self._tree else f":(top,literal){path}") or b""
            if not told.startswith(LINK):
                return path
            path = self._inside(posixpath.join(posixpath.dirname(path), os.fsdecode(self._read(path) or b"")), None)
        raise refuse("a circle of links", str(self))

    def _git(self, *arguments: str) -> bytes:
        """What git answers; raises `Refused` if it does not."""
        result = self._run(arguments)
        if result.returncode:
            raise self._refused(result.stderr.decode(errors="replace"))
        return result.stdout

    def _ask(self, *arguments: str) -> bytes | None:
        """What git answers, None if there is no such thing."""
        _ = self._prefix  # a folder without a repository is refused before anything is missed in it
        result = self._run(arguments)
        return None if result.returncode else result.stdout

    def _run(self, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(  # noqa: S603 - a list of words, no shell
                ["git", *arguments],  # noqa: S607 - whichever git the user has
                env={**os.environ, **_QUIET},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIMEOUT,
            )
        except FileNotFoundError:
            hint = "for a file whose name has a colon, write its path as './a:b.yaml'" if self.path != "." else None
            raise refuse("git is not installed, which reads revisions", str(self), hint) from None
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise refuse(f"git cannot be run: {error}", str(self)) from None

    def _refused(self, told: str) -> Refused:
        """Why git works with no repository here."""
        if "dubious ownership" in told:
            hint = "if you trust it: git config --global --add safe.directory, with the repository's path"
            return refuse("git does not read this repository, which belongs to another user", str(self), hint)
        if "not a git repository" in told:
            return refuse("this folder is in no git repository", str(self), "call it from inside the repository")
        return refuse(
            f"git: {shortened(told.strip().splitlines()[0] if told.strip() else 'it failed', 200)}", str(self)
        )


class Moves(NamedTuple):
    """Where a revision has what the working tree has elsewhere, or no more; paths are from `root`."""

    root: Path
    renamed: dict[str, str]
    """Paths of the revision by those of now."""
    deleted: tuple[str, ...]
    here: Revision

    def tracks(self, path: str) -> bool:
        """Whether git knows a file of the working tree."""
        return bool(self.here._ask("ls-files", "--full-name", "--", str(self.root / path)))


def moves(name: str) -> Moves:
    """What was renamed and deleted since a revision; raises `Refused` where git knows none of this name."""
    if not name:
        raise refuse("a revision has no empty name")
    here = Revision(name, ".")
    root = Path(os.fsdecode(here._git("rev-parse", "--show-toplevel")).strip("\n"))
    told = here._git("diff", "--name-status", "--no-color", "-z", "-M", "--diff-filter=RD", here._tree, "--")
    words = iter(os.fsdecode(told).split("\0")[:-1])
    renamed, deleted = {}, []
    for status in words:
        old = next(words)
        if status.startswith("R"):
            renamed[next(words)] = old
        else:
            deleted.append(old)
    return Moves(root, renamed, tuple(deleted), here)


def parse(text: str) -> Revision | None:
    """`REVISION:PATH`, split where git splits it; None for what is none, as `C:/x.yaml` is."""
    depth = 0
    for index, character in enumerate(text):
        depth += (character == "{") - (character == "}" and depth > 0)
        if character == ":" and not depth:
            name, path = text[:index], text[index + 1 :]
            drive = len(name) == 1 and name.isalpha() and path.startswith(("/", "\\"))
            return None if drive or name.startswith("-") else Revision(name, path)
    return None


def _beside(source: Source) -> list[tuple[str, Span | None]]:
    """The files that a spec names: its parent if that is not a shipped one, and its parts."""
    parent, parts = (source.data.get(key) for key in ("extends", "parts"))
    found = [(parent, source.span(("extends",)))] if isinstance(parent, str) and parent not in shipped_specs() else []
    listed = parts if isinstance(parts, list) else []
    found += [(name, source.span(("parts", i))) for i, name in enumerate(listed) if isinstance(name, str)]
    return [(name, where) for name, where in found if name.endswith((".yaml", ".yml", ".py"))]
