"""What `lock` does with its options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from resnet_gen.cli.output import say, say_lines, write_files
from resnet_gen.graph.counts import count
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.problems import Problem, Refused, refuse, several, visible
from resnet_gen.project.lock import Lock, LockedNetwork, lock_entry, lock_text, read_lock
from resnet_gen.project.lock_changes import differences
from resnet_gen.project.project_file import LOCK, Project
from resnet_gen.system.files import has_content
from resnet_gen.system.journal import recover
from resnet_gen.system.links import check_inside, shown_path
from resnet_gen.system.resources import shipped_specs
from resnet_gen.system.write import check_writable


class _Change(NamedTuple):
    """How a network is not as locked, in one word, and what differs."""

    network: str
    kind: str
    words: list[str]

    def __str__(self) -> str:
        return "\n".join(map(visible, (f"{self.network}: {_KINDS[self.kind]}", *(f"  {line}" for line in self.words))))


_KINDS = {"changed": "not as locked", "new": "not in the lock", "gone": "locked, and no longer there"}


def lock_all(specs: tuple[str, ...], project: Project | None, file: Path | None, *, check: bool) -> int:
    """Lock networks, or compare them with what is locked; returns the exit code."""
    path = file or (Path(shown_path(project.lock_path)) if project else Path(LOCK))
    name = str(path)
    check_inside(path)
    if project and not file:
        project.check_lock()
    before = read_lock(path, name, old=not (check or specs))
    if before is None and check:
        raise refuse("there is no such lock", name, "`resnet-gen lock` writes it")
    if not check:
        check_writable(path)
    now = _count_networks(_choose_references(specs, project, before), path.parent)
    there = _find_locked(before, now) if before else {}
    compared = {key: there[key] for key in there if key in now} if specs else there
    changes = _find_changes(compared, now)
    summary = ", ".join(f"{sum(c.kind == kind for c in changes)} {kind}" for kind in _KINDS)
    if check:
        for change in changes:
            say_lines(f"{change}\n")
        say(f"{several(len(now), 'network')} compared with {name}: {summary}", err=True)
        return 1 if changes else 0
    _write_lock(path, lock_text({**there, **now} if specs else now))
    for change in changes:
        if before:
            say_lines(f"{change}\n", err=True)
    say(name)
    say(f"{several(len(now), 'network')} locked: {summary}", err=True)
    return 0


def _find_locked(lock: Lock, now: Mapping[str, LockedNetwork]) -> Mapping[str, LockedNetwork]:
    """What is locked; an old lock says nothing of settings, which are taken as they are."""
    if not lock.old:
        return lock.networks
    settings = {key: network.settings for key, network in now.items()}
    return {key: n.model_copy(update={"settings": settings.get(key, {})}) for key, n in lock.networks.items()}


def _choose_references(specs: tuple[str, ...], project: Project | None, lock: Lock | None) -> tuple[str, ...]:
    """The specs to lock: those named, else the project's, else those that are locked and still there."""
    if specs:
        return tuple(reference for spec in specs for reference in _resolve_word(spec, project, lock))
    if project and project.settings.specs:
        return project.references
    if lock is None:
        hint = "name specs, or list them under 'specs' in resnet-gen.toml (docs/contracts.md)"
        raise refuse("there is nothing to lock", hint=hint)
    recorded = (_locate_spec(network, lock) for network in lock.networks.values())
    return tuple(r for r in recorded if r in shipped_specs() or Path(r).exists())


def _resolve_word(word: str, project: Project | None, lock: Lock | None) -> tuple[str, ...]:
    """A spec as it is named on the command line: networks of the lock and the project by their name alone, too."""
    if lock and word in lock.networks:
        return (_locate_spec(lock.networks[word], lock),)
    of_project = project.references if project else ()
    called = [reference for reference in of_project if Path(reference).stem == word][:1]
    if not called and not Path(word).exists():
        called = [reference for reference in of_project if _read_name(reference) == word]
    return tuple(called) or (word,)


def _read_name(reference: str) -> str | None:
    """What the network of a spec is called; None if the spec cannot be read."""
    try:
        return load(reference).spec.name
    except Refused:
        return None


def _locate_spec(network: LockedNetwork, lock: Lock) -> str:
    return network.spec if network.spec in shipped_specs() else shown_path(lock.path.parent / network.spec)


def _count_networks(references: tuple[str, ...], folder: Path) -> dict[str, LockedNetwork]:
    """What there is to lock of each spec, by its name; raises `Refused` with every fault of any."""
    found: dict[str, LockedNetwork] = {}
    faults: list[Problem] = []
    for reference in dict.fromkeys(references):
        try:
            loaded = load(reference)
            graph = lower(loaded)
            network = lock_entry(loaded, graph, count(graph), folder)
        except Refused as error:
            faults += error.problems
            continue
        name = loaded.spec.name
        if name in found and found[name].spec != network.spec:
            words = f"two specs are called '{name}': '{found[name].spec}' and '{network.spec}'"
            faults.append(Problem(words, loaded.source.span(("name",)), "give one of them another name"))
        found[name] = network
    if faults:
        raise Refused(faults)
    return found


def _find_changes(before: Mapping[str, LockedNetwork], now: Mapping[str, LockedNetwork]) -> list[_Change]:
    """What is not as it was, in the order of names."""
    found = []
    for name in sorted({**before, **now}):
        if name not in before:
            found.append(_Change(name, "new", []))
        elif name not in now:
            found.append(_Change(name, "gone", [f"spec: '{before[name].spec}'"]))
        elif words := differences(before[name], now[name]):
            found.append(_Change(name, "changed", words))
    return found


def _write_lock(path: Path, text: str) -> None:
    """Write the lock, unless it says just that already."""
    recover(path.parent)  # what a run that died has left goes, even where there is nothing to write
    if has_content(path, text.encode()):
        return
    write_files({path: text.encode()}, rewrite=True)
