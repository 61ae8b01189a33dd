"""What was locked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from resnet_gen.problems import Problem
from resnet_gen.verify.rules.base import Rule
from resnet_gen.verify.subject import Subject

if TYPE_CHECKING:
    from resnet_gen.project.lock import Lock, LockedNetwork
    from resnet_gen.project.project_file import Project

_MOST = 4
"""Differences that one message reports."""


class AsLocked(Rule):
    """A network is what the project's lock says that it was.

    `resnet-gen lock` writes down the counts of every network of a project, of each of its stages, and a hash of its
    graph: every operation with all its settings, names, shapes and order. It writes down too what shows in no layer and
    changes what is computed or built: how pictures are cropped and normalized, what stays out of eight bits, a hash of
    the code of parts. Any later change shows, whether it comes from the spec, from one that it extends, from a part of
    your own or from another version of resnet-gen, and whether or not it changes a count. A finding says what differs
    and in which stages and blocks. It is checked where a project file is found and its lock is there, and not under
    `--set`, which makes another network on purpose.

    Source: the lock (docs/contracts.md). If it was locked without its last line, this spec breaks it:

        name: mine
        extends: resnet50
        norm: {kind: batch, eps: 0.001}

    To mend it, undo the change. If it is meant, `resnet-gen lock NETWORK` writes it down, and what changes in the lock
    stands in the same commit.
    """

    id = "lock"

    def __init__(self, project: Project, lock: Lock) -> None:
        self._project, self._lock = project, lock

    def covers(self, subject: Subject) -> str:
        return "the lock" if self._find_locked(subject) else ""

    def check(self, subject: Subject) -> Iterator[Problem]:
        from resnet_gen.project.lock import lock_entry  # which few commands need
        from resnet_gen.project.lock_changes import differences

        name = subject.loaded.spec.name
        before = self._find_locked(subject)
        if before:
            after = lock_entry(subject.loaded, subject.graph, subject.counts, self._lock.path.parent)
            if found := differences(before, after):
                more = [f"and {len(found) - _MOST} more"] if len(found) > _MOST else []
                words = "; ".join([*found[:_MOST], *more])
                hint = f"`resnet-gen lock --check {name}` shows all, `resnet-gen lock {name}` takes it as meant"
                yield self.finding(subject, ("name",), f"{name}: not as locked: {words}", hint)
        elif self._is_own(subject) and name not in self._lock.networks:
            hint = f"`resnet-gen lock {_name_spec(subject)}` adds it"
            yield self.finding(subject, ("name",), f"{name}: not in the lock", hint)

    def _find_locked(self, subject: Subject) -> LockedNetwork | None:
        """The subject as it is locked; None if it is not, be it as another network of its name is."""
        from resnet_gen.project.lock import spec_path

        loaded = subject.loaded
        entry = self._lock.networks.get(loaded.spec.name)
        if entry is None or loaded.path is None or len(loaded.own) > 1:
            return None
        folder = self._lock.path.parent
        return entry if self._is_own(subject) or entry.spec == spec_path(loaded, folder) else None

    def _is_own(self, subject: Subject) -> bool:
        return len(subject.loaded.own) == 1 and self._project.has_spec(subject.loaded.path)


def _name_spec(subject: Subject) -> str:
    """The spec as commands take it; a file of another name than its network's by its path."""
    loaded = subject.loaded
    return loaded.own[0].name if loaded.path and loaded.path.stem != loaded.spec.name else loaded.spec.name
