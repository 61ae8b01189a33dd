"""What git has: asked with commands that run no filter and no hook, and change nothing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from resnet_gen.problems import Refused, refuse, shorten

TIMEOUT = 60
FOLDER, LINK, MODULE = "40000", "120000", "160000"
"""Modes of folders, symbolic links and other repositories."""
_QUIET = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_REPLACE_OBJECTS": "1", "GIT_NO_LAZY_FETCH": "1"}
"""Messages in English, which are told apart below, no question that nobody answers, nothing in another's place, and
nothing out of another place."""
_NO_HOOKS = ("-c", "core.fsmonitor=", "-c", f"core.hooksPath={os.devnull}")
"""What a repository's own settings run where its index is read. Its files, by which filters are run, are not."""


@dataclass(frozen=True)
class Git:
    """The repository of the working folder, as it is asked on behalf of `asked`, which messages name."""

    asked: str
    hint: str | None = None
    """What may help where there is no git."""

    @property
    def file_hint(self) -> str | None:
        """What may help where a file has the name of what is asked for."""
        return self.hint if os.path.isfile(self.asked) else None  # noqa: PTH113 - False for what no file can be called

    @cached_property
    def prefix(self) -> str:
        """The working folder, from the repository's root."""
        return os.fsdecode(self.read_answer("rev-parse", "--show-prefix").removesuffix(b"\n"))

    @cached_property
    def root(self) -> str:
        """The repository's folder."""
        return os.fsdecode(self.read_answer("rev-parse", "--show-toplevel").removesuffix(b"\n"))

    def read_answer(self, *arguments: str, given: bytes = b"") -> bytes:
        """What git answers; raises `Refused` if it does not."""
        result = self._run(arguments, given)
        if result.returncode:
            raise self._explain_refusal(result.stderr.decode(errors="replace"))
        return result.stdout

    def ask(self, *arguments: str) -> bytes | None:
        """What git answers, None if there is no such thing."""
        _ = self.prefix  # a folder without a repository is refused before anything is missed in it
        result = self._run(arguments)
        return None if result.returncode else result.stdout

    def _run(self, arguments: tuple[str, ...], given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(  # noqa: S603 - a list of words, no shell
                ["git", *_NO_HOOKS, *arguments],  # noqa: S607 - whichever git the user has
                env={**os.environ, **_QUIET},
                input=given,
                capture_output=True,
                timeout=TIMEOUT,
            )
        except FileNotFoundError:
            raise refuse("git is not installed, which reads revisions", self.asked, self.hint) from None
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise refuse(f"git cannot be run: {error}", self.asked) from None

    def _explain_refusal(self, text: str) -> Refused:
        """Why git works with no repository here."""
        if "dubious ownership" in text:
            hint = "if you trust it: git config --global --add safe.directory, with the repository's path"
            return refuse("git does not read this repository, which belongs to another user", self.asked, hint)
        if "not a git repository" in text:
            hint = self.file_hint or "call it from inside the repository"
            return refuse("this folder is in no git repository", self.asked, hint)
        return refuse(f"git: {shorten(text.strip().splitlines()[0] if text.strip() else 'it failed', 200)}", self.asked)


class TreeEntry(NamedTuple):
    """What a path of a tree means: its mode, and git's name for what it holds."""

    mode: str
    oid: str

    @property
    def is_file(self) -> bool:
        """Whether it is a file, and neither a folder nor a link nor another repository."""
        return self.mode not in (FOLDER, LINK, MODULE)


@dataclass(frozen=True, eq=False)
class GitTree:
    """The files of a revision by the object that git has of its root; `oid` is empty for what is staged.

    Names are read out of the objects, so that any that a file can have is found.
    """

    git: Git
    oid: str
    _folders: dict[str, dict[str, TreeEntry]] = field(default_factory=dict)

    def entry(self, path: str) -> TreeEntry | None:
        """What stands at a path from the root, through no link; None if nothing does."""
        if not self.oid:
            return self._staged_entries.get(path)
        found = TreeEntry(FOLDER, self.oid)
        for step in path.split("/"):
            inner = self._read_folder(found.oid).get(step) if found.mode == FOLDER else None
            if inner is None:
                return None
            found = inner
        return found

    def blobs(self, oids: Sequence[str], most: int) -> list[bytes]:
        """The bytes of files; of one that has more than `most`, as many spaces as make it too large."""
        sizes = [line.split()[-1] for line in self._read_objects("--batch-check", oids).splitlines()]
        if b"missing" in sizes:
            raise refuse("git lacks what a file holds", self.git.asked, "the clone is partial: fetch the rest")
        small = [oid for oid, size in zip(oids, sizes, strict=True) if int(size) <= most]
        found = dict(zip(small, _split_answers(self._read_objects("--batch", small), len(small)), strict=True))
        return [found.get(oid, b" " * (most + 1)) for oid in oids]

    def files(self) -> dict[str, TreeEntry]:
        """All files and links by their paths from the root."""
        if not self.oid:
            return {path: entry for path, entry in self._staged_entries.items() if entry.mode != FOLDER}
        lines = os.fsdecode(self.git.read_answer("ls-tree", "-r", "-z", "--full-tree", self.oid)).split("\0")[:-1]
        found = (line.split("\t", 1) for line in lines)
        return {path: TreeEntry(mode, oid) for words, path in found for mode, _, oid in [words.split(" ")]}

    def _read_objects(self, what: str, oids: Sequence[str]) -> bytes:
        given = "".join(f"{oid}\n" for oid in oids).encode()
        return self.git.read_answer("cat-file", what, given=given) if oids else b""

    def _read_folder(self, oid: str) -> dict[str, TreeEntry]:
        if oid not in self._folders:
            self._folders[oid] = dict(_parse_entries(self.git.read_answer("cat-file", "tree", oid), len(oid) // 2))
        return self._folders[oid]

    @cached_property
    def _staged_entries(self) -> dict[str, TreeEntry]:
        """What is staged, and the folders that its files are in."""
        lines = os.fsdecode(self.git.read_answer("ls-files", "-s", "-z", "--full-name", "--", ":/")).split("\0")[:-1]
        found = {}
        for line in lines:
            words, path = line.split("\t", 1)
            mode, oid, stage = words.split(" ")
            if stage != "0":  # of a merge that is not settled
                continue
            found[path] = TreeEntry(mode, oid)
            while "/" in path and (path := path.rpartition("/")[0]) not in found:
                found[path] = TreeEntry(FOLDER, "")
        return found


def _split_answers(answer: bytes, number: int) -> Iterator[bytes]:
    """The objects that `cat-file --batch` prints, each behind a line that ends in its size."""
    at = 0
    for _ in range(number):
        start = answer.index(b"\n", at) + 1
        end = start + int(answer[at:start].split()[-1])
        yield answer[start:end]
        at = end + 1


def _parse_entries(tree: bytes, width: int) -> Iterator[tuple[str, TreeEntry]]:
    """The names in a folder, as git's object of it has them: `MODE NAME\\0` and the bytes of an object's name."""
    at = 0
    while at < len(tree):
        end = tree.index(b"\0", at)
        mode, name = tree[at:end].split(b" ", 1)
        at = end + 1 + width
        yield os.fsdecode(name), TreeEntry(mode.decode(), tree[end + 1 : at].hex())
