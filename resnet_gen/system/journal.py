"""What a run leaves for the next one before it changes anything: the files that are to appear, and the old ones kept.

A run that dies between two renames leaves this account, and whoever writes there
next takes back what it had changed. Taking back can itself be cut short and begun anew.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal, NamedTuple, TypeAlias, get_args

from resnet_gen.problems import refuse
from resnet_gen.system.digest import digest_file
from resnet_gen.system.file_locks import lock_folders
from resnet_gen.system.files import uncounted_files
from resnet_gen.system.staging import PREFIX, Staging, flush, is_file, is_folder, read_small, relative, staged_in

Before: TypeAlias = Literal["nothing", "linked", "moved"]
"""What is kept of what had a file's name: there was nothing, it has a second name, or it was taken away."""
Old: TypeAlias = BinaryIO | str
"""What a file replaces, for where even the second name is lost: the open file, or where a link leads."""

_MOST_PLACES = 1_000
"""Destinations of one run."""


class JournalEntry(NamedTuple):
    """One file that is to appear."""

    place: int
    """Which of the destinations it is for."""
    name: str
    """Its path there."""
    sha256: str
    before: Before


class Journal(NamedTuple):
    """The files that are to appear together, in order."""

    places: tuple[Staging | None, ...]
    """Where they wait; the first has the account; None for one that is no longer there."""
    entries: tuple[JournalEntry, ...]
    folders: tuple[tuple[int, str], ...]
    """The sub-folders that are to be made: in which destination, and their path there."""

    def write(self) -> None:
        """Put the account on the disk, and with it all that it names."""
        owner, *others = filter(None, self.places)
        for other in others:
            other.follow(owner)
            flush(other.path)
        places = [relative(other.path, owner.folder) for other in others]
        draft = owner.path / ".draft~"
        data = {"begun": owner.read_start_time(), "places": places, "entries": self.entries, "folders": self.folders}
        text = json.dumps(data)
        draft.write_text(text, encoding="utf-8")
        flush(draft)
        draft.replace(owner.journal)
        flush(owner.path)

    def list_pending(self) -> list[int]:
        """The numbers of the entries whose files have not appeared."""
        there = ((self.places[entry.place], entry.name) for entry in self.entries)
        return [n for n, (place, name) in enumerate(there) if place and os.path.lexists(place.staged_path(name))]

    def includes(self, folder: str, name: str) -> bool:
        """Whether a file of a folder is among those that are to appear."""
        finals = (place.folder / entry.name for entry in self.entries if (place := self.places[entry.place]))
        return any(final.name == name and os.path.realpath(final.parent) == folder for final in finals)

    def take_back(self, appeared: Collection[int], held: Mapping[int, Old] | None = None) -> None:
        """Put back what was there, where nobody has changed it since; `held` is for where no second name is left."""
        for number in reversed(range(len(self.entries))):
            self._put_back(number, number in appeared, (held or {}).get(number))
        for index, name in reversed(self.folders):
            if place := self.places[index]:
                with suppress(OSError):
                    (place.folder / name).rmdir()
        with suppress(OSError):  # everything is back, whatever the disk says
            self.flush()

    def _put_back(self, number: int, appeared: bool, old: Old | None) -> None:
        entry = self.entries[number]
        place = self.places[entry.place]
        if place is None or not stays_in_folder(place.folder, entry.name):
            return
        final, aside = place.folder / entry.name, place.backup_path(number)
        ours = appeared and is_file(final) and digest_file(final) == entry.sha256
        if ours and entry.before == "nothing":
            final.unlink()
        elif ours or (entry.before == "moved" and not os.path.lexists(final)):
            if os.path.lexists(aside):
                aside.replace(final)
            elif old is not None:
                _rewrite_file(final, old)

    def flush(self) -> None:
        """Wait until the names of the files are on the disk."""
        parents = {place.folder / PurePosixPath(e.name).parent for e in self.entries if (place := self.places[e.place])}
        for folder in sorted(parents | {place.folder for place in self.places if place}):
            if folder.is_dir():
                flush(folder)

    def end(self) -> None:
        """Take back what appeared of a set whose run died, unless all of it did, and end the account."""
        pending = self.list_pending()
        if pending:
            self.take_back([number for number in range(len(self.entries)) if number not in pending])
        self.remove()

    def remove(self) -> None:
        """End the account: what it names is over, or taken back."""
        owner = self.places[0]
        assert owner
        owner.journal.unlink(missing_ok=True)


def recover(folder: Path) -> None:
    """Take back what runs that died had half changed in a folder, and remove what they left; live ones stay.

    Raises `Refused` for what cannot be taken back.
    """
    for staging in staged_in(folder):
        try:
            with uncounted_files():
                _recover_staging(staging)
        except OSError as error:
            words = f"half written by a run that died, which cannot be taken back: {error.strerror}"
            raise refuse(words, error.filename or str(folder)) from None


def is_unfinished(path: Path) -> bool:
    """Whether a file is one of a set that is half renamed, by a run that died or that is at it now."""
    where = os.path.realpath(path.parent)
    for staging in (*staged_in(path.parent), *staged_in(path.parent.parent)):
        with suppress(OSError, ValueError):
            journal = read(staging.find_owner())
            if (
                journal
                and 0 < len(journal.list_pending()) < len(journal.entries)
                and journal.includes(where, path.name)
            ):
                return True
    return False


def check_whole(path: Path) -> None:
    """Refuse a model whose weights lie beside it while one of the two is new and the other old."""
    if is_unfinished(path):
        hint = "whatever writes to its folder next takes that back"
        raise refuse("half written by a run that died: its weights may be another's", str(path), hint)


def _recover_staging(found: Staging) -> None:
    owner = found.find_owner()
    with (
        suppress(ValueError),  # an account that no run wrote is left alone
        lock_folders(place.folder for place in (found, *_list_places(read(owner)))) as alone,
        owner.claim(alone) as dead,
    ):
        if not dead or not is_folder(found.path):
            return
        journal = read(owner)
        if journal:
            journal.end()
        for place in reversed(_list_places(journal) or [found]):
            place.remove()


def _list_places(journal: Journal | None) -> list[Staging]:
    """The hidden folders of an account, the one that has it first; none without one."""
    return list(filter(None, journal.places)) if journal else []


def read(owner: Staging) -> Journal | None:
    """The account of a hidden folder; None without one. Raises `ValueError` for one that no run wrote."""
    try:
        data = json.loads(read_small(owner.journal))
    except FileNotFoundError:
        return None
    except RecursionError:
        raise ValueError("none of ours") from None
    try:
        _check_own(data["begun"], owner)
        if len(data["places"]) > _MOST_PLACES:  # each is looked for on the disk
            raise ValueError("none of ours")
        places = (owner, *(_find_place(owner, words) for words in data["places"]))
        entries = tuple(_parse_entry(one, len(places)) for one in data["entries"])
        folders = tuple((_parse_number(index, len(places)), _parse_name(name)) for index, name in data["folders"])
    except (KeyError, TypeError):
        raise ValueError("none of ours") from None
    return Journal(places, entries, folders)


def _check_own(begun: Any, owner: Staging) -> None:
    """Refuse an account that was not written in this very folder: one that was committed says what others wish."""
    try:
        if type(begun) is int and begun == owner.read_start_time():
            return
    except OSError:
        pass
    raise ValueError("none of ours")


def _find_place(owner: Staging, words: str) -> Staging | None:
    """Another hidden folder of the same run, which says so too; None where it is not there."""
    place = owner.find_other(words)
    return place if place and os.path.realpath(place.find_owner().path) == os.path.realpath(owner.path) else None


def _parse_entry(data: Any, places: int) -> JournalEntry:
    place, name, sha256, before = data
    if not isinstance(sha256, str) or before not in get_args(Before):
        raise ValueError("none of ours")
    return JournalEntry(_parse_number(place, places), _parse_name(name), sha256, before)


def _parse_number(number: Any, limit: int) -> int:
    if not isinstance(number, int) or not 0 <= number < limit:
        raise ValueError("none of ours")
    return number


def _parse_name(name: Any) -> str:
    """A path that leads nowhere but into the destination."""
    path = PurePosixPath(name)
    if not isinstance(name, str) or not path.parts or path.is_absolute() or ".." in path.parts:
        raise ValueError("none of ours")
    return name


def stays_in_folder(folder: Path, name: str) -> bool:
    """Whether no link leads out of the destination on the way to a file."""
    where = PurePosixPath(name).parent
    return os.path.realpath(folder / where) == str(Path(os.path.realpath(folder)) / where)


def _rewrite_file(final: Path, old: Old) -> None:
    """Write what a file held once more: its last name was taken away while it was open."""
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=final.parent) as folder:
        copy = Path(folder) / "copy"
        if isinstance(old, str):
            copy.symlink_to(old)
        else:
            with copy.open("xb") as stream:
                while chunk := old.read(1 << 20):
                    stream.write(chunk)
            copy.chmod(stat.S_IMODE(os.fstat(old.fileno()).st_mode))
        copy.replace(final)
