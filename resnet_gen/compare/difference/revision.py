"""A spec as it stands in a git revision: read out of git's objects, which runs no filter and changes nothing."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple

from resnet_gen.compare.difference.devices import find_named_devices
from resnet_gen.compare.difference.git import LINK, Git, GitTree
from resnet_gen.language.labels import find_labels_file
from resnet_gen.language.load import MAX_PARENTS
from resnet_gen.language.source import MAX_BYTES, Source, read_file
from resnet_gen.language.spec import MAX_PARTS
from resnet_gen.problems import Refused, Span, closest, refuse, shorten
from resnet_gen.system.resources import shipped_specs

MOST_LINKS = 16
AT_ONCE = 64
"""Files that are read together."""


@dataclass(frozen=True)
class Revision:
    """`REVISION:PATH` as git reads it: the path is the repository's, or with `./` the current folder's.

    An empty revision is what is staged.
    """

    name: str
    path: str

    def __str__(self) -> str:
        return self.name if self.path == "." else f"{self.name}:{self.path}"

    def at(self, path: str) -> Revision:
        """Another file of the same revision, read through what is known of it."""
        other = Revision(self.name, path)
        other.__dict__["tree"] = self.tree
        return other

    @cached_property
    def git(self) -> Git:
        """What is asked for it."""
        apart = "for a file whose name has a colon, write its path as './a:b.yaml'"
        return Git(str(self), None if self.path == "." else apart)

    @cached_property
    def tree(self) -> GitTree:
        """The revision's files; raises `Refused` where git knows no such revision."""
        if not self.name:
            return GitTree(self.git, "")
        found = self.git.ask("rev-parse", "--verify", "--quiet", f"{self.name}^{{tree}}")
        if found is None:
            raise self._refuse_unknown()
        return GitTree(self.git, found.decode().strip())

    def export(self, folder: Path) -> Path:
        """Write the spec and the files beside it that it names below `folder`; returns the spec's path.

        Raises `Refused` where git has no such revision or file.
        """
        path = self._resolve_path(self.path, None)
        self._check_there(path)
        written: set[str] = set()
        wanted = {path: True}
        for _ in range(MAX_PARENTS + 2):  # one more than loading takes, so that it says so
            there = self._write_files([other for other in wanted if other not in written], folder)
            specs = [other for other in there if wanted[other] and other not in written]
            written.update(wanted)
            wanted = dict(pair for spec in specs for pair in self._list_exported_names(spec, folder))
        return folder / path

    def exists(self) -> bool:
        """Whether the revision has the file; raises `Refused` where git knows no such revision."""
        return self._find_object(self._resolve_path(self.path, None)) is not None

    def target(self, path: str) -> str | None:
        """The path of the file that a path of the revision leads to, None if there is none."""
        found = self._follow_links(path)
        return found if self._find_object(found) else None

    def text(self, path: str) -> bytes | None:
        """The bytes of a file of the revision by its path from the root, None if there is none."""
        found = self._find_object(path)
        return self.tree.blobs([found], MAX_BYTES)[0] if found else None

    def texts(self, paths: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """The files of the revision that are there, by their paths from the root, and their bytes; few at once."""
        for start in range(0, len(paths), AT_ONCE):
            found = [(path, oid) for path in paths[start : start + AT_ONCE] if (oid := self._find_object(path))]
            texts = self.tree.blobs([oid for _, oid in found], MAX_BYTES)
            yield from ((path, text) for (path, _), text in zip(found, texts, strict=True))

    def files(self) -> Iterator[str]:
        """The paths of all files from the root, and those by which links to folders lead to files."""
        found = self.tree.files()
        yield from found
        for link in (path for path, entry in found.items() if entry.mode == LINK):
            with suppress(Refused):  # it leads out, or nowhere
                inside = f"{self._follow_links(link)}/".removeprefix("./")
                yield from (f"{link}/{path[len(inside) :]}" for path in found if path.startswith(inside))

    def display_name(self, path: Path, folder: Path) -> str:
        """How messages call an exported file."""
        inside = os.path.relpath(os.path.normpath(path), folder)
        return f"{self.name}:{PurePosixPath(Path(inside))}"

    def _write_files(self, paths: list[str], folder: Path) -> list[str]:
        """Write files of the revision; what is not there, loading refuses. Returns those that are."""
        found = []
        for path, data in self.texts(paths):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            found.append(path)
        return found

    def _list_exported_names(self, path: str, folder: Path) -> Iterator[tuple[str, bool]]:
        """The files that an exported spec names, by their paths from the root, and whether each is a spec."""
        source = read_file(folder / path, self.display_name(folder / path, folder))
        for name, where in _list_named_files(source):
            is_spec = where == source.span(("extends",))
            yield self._resolve_path(posixpath.join(posixpath.dirname(path), name), where), is_spec

    def _resolve_path(self, path: str, where: Span | None) -> str:
        """The path from the repository's root; raises `Refused` if it leads out."""
        if path.startswith(("./", "../")):
            path = posixpath.join(self.git.prefix, path)
        found = posixpath.normpath(path)
        absolute = PurePosixPath(path).is_absolute() or PurePath(path).drive
        if not path or absolute or found.startswith("..") or "\0" in path:
            message = f"'{shorten(path)}' is no path of the repository"
            raise refuse(message, where or str(self), "write it from the repository's root, or with './' from here")
        return found

    def _refuse_unknown(self) -> Refused:
        refs = self.git.read_answer("for-each-ref", "--format=%(refname:short)").decode(errors="replace").split()
        close = closest(self.name, refs)
        hint = f"did you mean '{close}'?" if close else None
        if self.git.read_answer("rev-parse", "--is-shallow-repository").strip() == b"true":
            hint = "this clone is shallow: `git fetch --unshallow origin '+refs/heads/*:refs/remotes/origin/*'`"
        elif "..." in self.name:
            hint = "name one revision: `git merge-base` shows where two diverged"
        return refuse(f"git knows no revision '{shorten(self.name)}'", str(self), self.git.file_hint or hint)

    def _check_there(self, path: str) -> None:
        """Refuse a path that the revision does not have."""
        if self._find_object(path):
            return
        if self.tree.entry(path):
            raise refuse(f"'{path}' is no file there", str(self))
        inner = posixpath.join(self.git.prefix, path)
        hint = f"paths are from the repository's root: did you mean '{self.name}:./{path}'?"
        found = self.git.prefix and self.tree.entry(inner)
        raise refuse(f"there is no '{shorten(path)}' there", str(self), hint if found else None)

    def _find_object(self, path: str) -> str | None:
        """The object of the file at a path, links followed, None if there is none; one that leads out is refused."""
        found = self.tree.entry(self._follow_links(path))
        return found.oid if found and found.is_file else None

    def _follow_links(self, path: str) -> str:
        """Where a path leads; raises `Refused` if that is elsewhere."""
        for _ in range(MOST_LINKS):
            steps = ((place, self.tree.entry(place)) for place in accumulate(path.split("/"), "{}/{}".format))
            link, entry = next(((place, e) for place, e in steps if e and e.mode == LINK), (path, None))
            if entry is None:
                return path
            (target,) = self.tree.blobs([entry.oid], MAX_BYTES)
            leads = posixpath.join(posixpath.dirname(link), os.fsdecode(target))
            path = self._resolve_path(leads + path.removeprefix(link), None)
        raise refuse("a circle of links", str(self))


class RevisionMoves(NamedTuple):
    """Where a revision has what the working tree has elsewhere; paths are from `root`."""

    root: Path
    renamed: dict[str, str]
    """Paths of the revision by those of now."""
    base: Revision

    def inside(self, file: Path) -> str | None:
        """A file by its path from `root`, as it is written; None for one elsewhere, as far as links lead."""
        for path in (os.path.abspath(file), os.path.realpath(file)):  # noqa: PTH100 - as it is written
            if Path(path).is_relative_to(self.root):
                return Path(path).relative_to(self.root).as_posix()
        return None

    def find_current_path(self, path: str) -> str:
        """Where a file of the revision is now, or would be."""
        return next((new for new, old in self.renamed.items() if old == path), path)

    def tracks(self, path: str) -> bool:
        """Whether git knows a file of the working tree."""
        return bool(self.base.git.ask("--literal-pathspecs", "ls-files", "--full-name", "--", str(self.root / path)))


def find_moves(name: str) -> RevisionMoves:
    """What was renamed since a revision, as it is staged; raises `Refused` where git knows none of this name."""
    if not name:
        raise refuse("a revision has no empty name")
    base = Revision(name, ".")
    options = "--cached", "--name-status", "--no-color", "--no-ext-diff", "--no-relative", "-z", "-M", "--diff-filter=R"
    answer = base.git.read_answer("diff-index", *options, base.tree.oid, "--")
    _, old, new = (os.fsdecode(answer).split("\0")[place:-1:3] for place in range(3))
    return RevisionMoves(Path(base.git.root), dict(zip(new, old, strict=True)), base)


def parse_revision(text: str) -> Revision | None:
    """`REVISION:PATH`, split where git splits it; None for what is none: `C:/x.yaml`, or a path that begins as one."""
    if text.startswith(("/", "./", "../", ".\\", "..\\")):
        return None
    depth = 0
    for index, character in enumerate(text):
        depth += (character == "{") - (character == "}" and depth > 0)
        if character == ":" and not depth:
            name, path = text[:index], text[index + 1 :]
            drive = len(name) == 1 and name.isalpha() and path.startswith(("/", "\\"))
            return None if drive or name.startswith("-") else Revision(name, path)
    return None


def _list_named_files(source: Source) -> list[tuple[str, Span | None]]:
    """The files that a spec names: its parent if that is not a shipped one, parts, labels, devices of its budgets."""
    parent, parts = (source.data.get(key) for key in ("extends", "parts"))
    found = [(parent, source.span(("extends",)))] if isinstance(parent, str) and parent not in shipped_specs() else []
    listed = parts if isinstance(parts, list) and len(parts) <= MAX_PARTS else []
    found += [(name, source.span(("parts", i))) for i, name in enumerate(listed) if isinstance(name, str)]
    found += [(name, source.span(("budgets", *at))) for at, name in find_named_devices(source.data.get("budgets"))]
    found = [(name, where) for name, where in found if name.endswith((".yaml", ".yml", ".py"))]
    labels = find_labels_file(source.data)
    return found if labels is None else [*found, (labels, source.span(("serve", "labels")))]
