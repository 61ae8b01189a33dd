"""Files that wait in hidden folders are renamed into place: all of them, or none."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from errno import ENOENT
from pathlib import PurePosixPath

from resnet_gen.problems import Refused, refuse
from resnet_gen.system.files import open_regular_file
from resnet_gen.system.journal import Journal, JournalEntry, Old, stays_in_folder
from resnet_gen.system.staging import Staging, flush

_MOST_HELD = 64
"""Old files that are held open while new ones appear; a process may open a few hundred."""


def commit(places: Sequence[Staging], entries: Sequence[JournalEntry]) -> None:
    """Rename files into their places, in order; raises `Refused`, with everything as it was, if one cannot be.

    The destinations are locked by whoever calls. Only a run that is killed meanwhile leaves some renamed and some not,
    with an account for the next one.
    """
    for entry in entries:
        if (final := places[entry.place].folder / entry.name).is_dir():
            raise refuse("cannot be written: a folder has this name", str(final))
        if not stays_in_folder(places[entry.place].folder, entry.name):
            raise refuse("cannot be written: a folder on its path is a link", str(final), "remove the link")
    if len(entries) > 1 or any("/" in entry.name for entry in entries):
        with ExitStack() as opened:
            _Commit(places, entries, opened).run()
    elif entries:
        _rename_one(places[entries[0].place], entries[0])


def _rename_one(place: Staging, entry: JournalEntry) -> None:
    """One file needs no account: there is a moment before it and one after it, and none between."""
    try:
        place.staged_path(entry.name).replace(place.folder / entry.name)
        flush(place.folder)
    except OSError as error:
        raise refuse(f"cannot be written: {error.strerror}", str(place.folder / entry.name)) from None


class _Commit:
    """What has been done of a commit, so that it can be undone."""

    def __init__(self, places: Sequence[Staging], entries: Sequence[JournalEntry], opened: ExitStack) -> None:
        self.places = places
        self.opened = opened
        self.held: dict[int, Old] = {}
        self.journal = Journal(tuple(places), tuple(entries), ())
        self.appeared: list[int] = []

    def run(self) -> None:
        """Rename everything, or put back what was there and raise `Refused`."""
        try:
            self._prepare()
            self._rename()
            self.journal.flush()
        except OSError as error:
            last = self.journal.entries[self.appeared[-1] if self.appeared else 0]
            where = str(self.places[last.place].folder / last.name)
            raise self._undo(refuse(f"cannot be written: {error.strerror}", where)) from None
        except BaseException as error:  # Ctrl-C, or a request to end
            raise self._undo(error) from None
        with suppress(OSError):  # all are there: the next run can end the account too
            self.journal.remove()

    def _prepare(self) -> None:
        """Keep what is there under second names, and put the account on the disk; nothing has changed then."""
        for entry in self.journal.entries:
            if not os.path.lexists(path := self.places[entry.place].staged_path(entry.name)):
                raise FileNotFoundError(ENOENT, os.strerror(ENOENT), str(path))
        entries = tuple(self._keep_old(number, entry) for number, entry in enumerate(self.journal.entries))
        self.journal = self.journal._replace(entries=entries, folders=self._missing_folders())
        self.journal.write()

    def _keep_old(self, number: int, entry: JournalEntry) -> JournalEntry:
        """Give what is there a second name, so that its own is never without a file."""
        place = self.places[entry.place]
        final = place.folder / entry.name
        if not os.path.lexists(final):
            return entry
        self._hold_open(number, entry)
        if not final.is_symlink():
            with suppress(OSError):  # where there are no second names, as on FAT, it is moved when its turn comes
                place.backup_path(number).hardlink_to(final)
                return entry._replace(before="linked")
        return entry._replace(before="moved")

    def _hold_open(self, number: int, entry: JournalEntry) -> None:
        """Hold what is there open, should somebody delete the hidden folder meanwhile."""
        final = self.places[entry.place].folder / entry.name
        with suppress(OSError):
            if final.is_symlink():
                self.held[number] = str(final.readlink())
            elif final.is_file() and len(self.held) < _MOST_HELD:
                self.held[number] = self.opened.enter_context(open_regular_file(final))

    def _missing_folders(self) -> tuple[tuple[int, str], ...]:
        """The sub-folders that have to be made, outer ones first."""
        wanted = (
            (entry.place, str(parent))
            for entry in self.journal.entries
            for parent in reversed(PurePosixPath(entry.name).parents[:-1])
        )
        return tuple((n, name) for n, name in dict.fromkeys(wanted) if not (self.places[n].folder / name).is_dir())

    def _rename(self) -> None:
        for index, name in self.journal.folders:
            (self.places[index].folder / name).mkdir()
        for number, entry in enumerate(self.journal.entries):
            self.appeared.append(number)  # before it is true: taking back asks what is there
            place = self.places[entry.place]
            final = place.folder / entry.name
            if entry.before == "moved":
                final.replace(place.backup_path(number))
            place.staged_path(entry.name).replace(final)

    def _undo(self, error: BaseException) -> BaseException:
        """Put back what was there; returns what to raise."""
        try:
            self.journal.take_back(self.appeared, self.held)
            self.journal.remove()
        except OSError as worse:
            hint = "what was there is put back by the next run that can write there"
            where = worse.filename or str(self.places[0].folder)
            problems = error.problems if isinstance(error, Refused) else ()
            return Refused([*problems, refuse(f"cannot be put back: {worse.strerror}", where, hint).problems[0]])
        return error
