"""The project as a git revision has it: its file, and the networks that it listed."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from resnet_gen.compare.difference.devices import describe_device_files, describe_devices
from resnet_gen.compare.difference.key_changes import KeyChange, find_differing
from resnet_gen.compare.difference.revision import RevisionMoves
from resnet_gen.compare.surroundings import compare_labels
from resnet_gen.language.labels import parse_labels
from resnet_gen.language.source import Source, decode_document, read_text
from resnet_gen.problems import Refused
from resnet_gen.project.lock import parse_lock
from resnet_gen.project.project_file import LOCK, Project, parse_project
from resnet_gen.speed.targets import is_file_of_device
from resnet_gen.system.files import read_regular_file
from resnet_gen.system.links import check_named, shown_path
from resnet_gen.system.project_folder import FILE, PYPROJECT

_LARGEST = 1 << 22
"""Bytes of a lock, and so of anything that a project file names."""
_BUDGETS = "budgets of the project"


def read_former_project(since: RevisionMoves, config: Path | None) -> Project | None:
    """The project file that the working folder had, or `config` as it was; None where there was none.

    Raises `Refused` for one that cannot be read.
    """
    for path in _list_candidates(since, config):
        text = since.base.text(path)
        if text is not None:
            document = decode_document(text, str(since.base.at(path)), "TOML", "project file")
            if project := parse_project(since.root / path, document):
                return project
    return None


def _list_candidates(since: RevisionMoves, config: Path | None) -> Iterator[str]:
    """Where a project file may have been, from the repository's root, the nearest first."""
    if config:
        path = since.inside(config)
        yield from [path] if path else []
        return
    folder = since.base.git.prefix.rstrip("/")
    while True:
        yield from (posixpath.join(folder, name) for name in (FILE, PYPROJECT))
        if not folder:
            return
        folder = posixpath.dirname(folder)


class ProjectRevisions(NamedTuple):
    """A project file as it was and as it is; None where there is none."""

    before: Project | None = None
    after: Project | None = None

    @property
    def display_name(self) -> str:
        """How messages call the file; empty where there is none."""
        one = self.after or self.before
        return shown_path(one.path) if one else ""

    def terms(self, since: RevisionMoves) -> tuple[KeyChange, ...]:
        """What differs between both; a file that is gone promises nothing."""
        before = _collect_statements(self.before, lambda path: _read_former_text(path, since)) if self.before else {}
        stated = find_differing(before, _collect_statements(self.after, _read_current_text) if self.after else {})
        return (*stated, *self._list_relabelled(since), *self._list_unlocked(since))

    def budgets(self, before: str, after: str) -> Iterator[KeyChange]:
        """What budgets held a network by its name before and do not by the one after, and the other way."""
        was, now = (_list_budgets(*sides) for sides in ((self.before, before), (self.after, after)))
        if before != after:
            gone = {name: budgets for name, budgets in was.items() if budgets not in now.values()}
            new = {name: budgets for name, budgets in now.items() if budgets not in was.values()}
            yield from (
                KeyChange((_BUDGETS, f"[{name}]"), budgets, None, loosened=True) for name, budgets in gone.items()
            )
            yield from (KeyChange((_BUDGETS, f"[{name}]"), None, budgets) for name, budgets in new.items())

    def _list_relabelled(self, since: RevisionMoves) -> Iterator[KeyChange]:
        """The files of labels that builds serve, then and now, in which classes are called otherwise."""
        if self.before and self.after:
            now = _list_labels(self.after, _read_current_text)
            for name, labels in _list_labels(self.before, lambda path: _read_former_text(path, since)).items():
                yield from compare_labels(("build_labels", f"[{name}]"), labels, now.get(name, labels))

    def _list_unlocked(self, since: RevisionMoves) -> Iterator[KeyChange]:
        """The networks that are locked no more; where no lock is there, that holds for all."""
        now = _read_current_text(self.after.lock_path) if self.after else None
        then = _read_former_text(self.before.lock_path, since) if self.before else None
        if self.before and now is not None and then is not None:
            there = _read_lock(now, self.before.lock_path)
            was = _read_lock(then, self.before.lock_path)
            yield from (KeyChange(("lock", f"[{n}]"), was[n], None, loosened=True) for n in was if n not in there)


def _list_budgets(project: Project | None, network: str) -> dict[str, Any]:
    found = project.budgets(network) if project else ()
    return {name: budgets.model_dump(mode="json", exclude_defaults=True) for name, budgets in found}


def _read_lock(text: bytes, path: Path) -> dict[str, str]:
    """The spec of each network of a lock; none of what cannot be read, to which nothing is held."""
    try:
        networks = parse_lock(decode_document(text, shown_path(path), "TOML", "lock"), path, old=True).networks
    except Refused:
        return {}
    return {network: locked.spec for network, locked in networks.items()}


def _collect_statements(project: Project, read: Callable[[Path], bytes | None]) -> dict[str, Any]:
    """Everything that a project file says, whether its lock is there, and what its devices are."""

    def device(name: str) -> Source:
        check_named(project.folder / name, project.path, None, "target")
        return read_text(decode_document(read(project.folder / name) or b"", name, "YAML", "device"))

    settings = project.settings
    lock = (settings.lock or LOCK) if read(project.lock_path) is not None else None
    measures = describe_devices(project.source.data.get("budgets", {}).values(), device)
    named = (name for table in settings.builds.values() for name in table.devices or () if is_file_of_device(name))
    stated = settings.model_dump(mode="json", exclude_none=True)
    return {**stated, "lock": lock, "devices": measures, "build_devices": describe_device_files(named, device)}


def _list_labels(project: Project, read: Callable[[Path], bytes | None]) -> dict[str, list[str]]:
    """The labels of each file that builds serve, by its name; none of what cannot be read."""
    forms = (form for table in project.settings.builds.values() for form in table.serve or ())
    return {form.labels: _read_labels(form.labels, project, read) for form in forms if isinstance(form.labels, str)}


def _read_labels(name: str, project: Project, read: Callable[[Path], bytes | None]) -> list[str]:
    try:
        check_named(project.folder / name, project.path, None, "serve.labels")
        return parse_labels(decode_document(read(project.folder / name) or b"", name, "text", "file of labels"))
    except Refused:
        return []


def _read_former_text(path: Path, since: RevisionMoves) -> bytes | None:
    inside = since.inside(path)
    return since.base.text(inside) if inside else None


def _read_current_text(path: Path) -> bytes | None:
    try:
        return read_regular_file(path, _LARGEST)
    except OSError:
        return None


def list_former_networks(since: RevisionMoves, project: Project | None) -> list[str]:
    """The specs of the revision that a project lists, by their paths from the root; no shipped ones."""
    if project is None:
        return []
    listed = (path for path in since.base.files() if project.matches_path(since.root / path))
    found = {target: path for path in reversed([*listed]) if (target := since.base.target(path))}
    return [*reversed(found.values())]
