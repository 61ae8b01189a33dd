"""Puts files to their readers, within the limits of `tests.readers.measure`.

`python -m tests.fuzz.replay [--mutated N] [--one] [TARGET ...] [FILE ...]`: the corpus of each target and `N` files
made of it by changes, to each of its readers, or with `--one` each to one; files that are named take the corpus' place.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
from functools import cached_property
from pathlib import Path

from tests.fuzz.structures import anyhow
from tests.fuzz.targets import CORPUS, TARGETS, corpus, seeds
from tests.readers.commands import READERS, load_all
from tests.readers.measure import faults, taken
from tests.readers.server import Bench, exit_code

TOGETHER = 25
"""Files that one process reads; only where those are too much for one, each is read alone."""
LONGEST = 1 << 16


def mutated(name, count):
    """So many files made of a target's seeds, the same each time: by name, their bytes."""
    found = [path.read_bytes() for path in seeds(name)]
    for number in range(count):
        rng = random.Random(f"{name} {number}")
        data = rng.choice(found)
        for _ in range(rng.choice((1, 1, 2, 5))):
            change = anyhow(rng) if rng.randrange(3) == 0 else _within(name, rng)
            data = change(data)[:LONGEST]
        yield f"{name} changed, number {number}", data


def _within(name, rng):
    return lambda data: TARGETS[name].change(data, rng, anyhow(rng))


class Replay:
    """A folder for files, and what readers take of them."""

    def __init__(self, root):
        self._bench, self._files, self._said = Bench(root), Path(root) / "files", Path(root) / "said"

    def faults(self, name, reader, files):
        """(Name, faults, what was said) of each file, given by name and bytes, that a reader does not end well with."""
        for start in range(0, len(files), TOGETHER):
            some = files[start : start + TOGETHER]
            paths = self._put(name, some)
            if faults(self._taken(lambda paths=paths: _read(reader, paths)), 0, self._nothing):
                yield from self._alone(name, reader, some)

    def _taken(self, command):
        return taken(command, self._said.parent, self._said)

    @cached_property
    def _nothing(self):
        """What a process takes that reads nothing: less than with a trivial file, which is not always looked at."""
        return self._taken(lambda: None)

    def _alone(self, name, reader, files):
        least = self._bench.trivial(TARGETS[name].kind, reader)
        for (called, data), path in zip(files, self._put(name, files), strict=True):
            got = self._bench.taken(reader, path)
            if wrong := faults(got, len(data), least):
                yield called, wrong, got.said[-2000:]

    def _put(self, name, files):
        shutil.rmtree(self._files, ignore_errors=True)
        folders = [self._files / str(number) for number in range(len(files))]
        for folder in folders:
            (folder / ".git").mkdir(parents=True)  # projects are looked for no higher
        return [TARGETS[name].put(folder, data) for folder, (_, data) in zip(folders, files, strict=True)]


def _read(reader, paths):
    for path in paths:
        os.chdir(path.parent)
        assert exit_code(READERS[reader], path) in (0, 1, 2)


def found(root, names, files, count, one):
    """(Target, reader, files, faults) of each."""
    replay = Replay(root)
    for name in names:
        given = files or [(str(path.relative_to(CORPUS)), path.read_bytes()) for path in corpus(name)]
        given = [*given, *mutated(name, count)]
        readers = TARGETS[name].readers
        for at, reader in enumerate(readers):
            some = given[at :: len(readers)] if one else given
            yield name, reader, len(some), list(replay.faults(name, reader, some))


def main():
    """Print what files did that they may not; returns 1 where there is any."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.replay")
    parser.add_argument("words", nargs="*", metavar="TARGET|FILE")
    parser.add_argument("--mutated", type=int, default=0, metavar="N")
    parser.add_argument("--one", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quiet", action="store_true", help="only what is at fault")
    options = parser.parse_args()
    names = [word for word in options.words if word in TARGETS] or list(TARGETS)
    files = [(word, Path(word).read_bytes()) for word in options.words if word not in TARGETS]
    load_all()
    with tempfile.TemporaryDirectory() as root:
        rows = list(found(root, names, files, options.mutated, options.one))
    if options.json:
        print(json.dumps(rows))
        return 0
    for name, reader, count, wrong in rows:
        if wrong or not options.quiet:
            print(f"{name} [{reader}]: {count} files, {len(wrong)} at fault")
        for called, faults_, said in wrong:
            print(f"  {called}: {'; '.join(faults_)}\n{said}")
    return int(any(wrong for *_, wrong in rows))


if __name__ == "__main__":
    sys.exit(main())
