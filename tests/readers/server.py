"""Takes every bomb's measure in processes forked from one that has loaded everything.

`python -m tests.readers.server [PART OF A NAME ...]` prints a line for each bomb and reader that is over its limits,
and with `-v` for all.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.readers.bombs import BOMBS, TRIVIAL
from tests.readers.commands import KINDS, READERS, load_all
from tests.readers.measure import MEBIBYTE, Taken, elsewhere, faults, taken


class Bench:
    """A folder for files and what each kind's readers take of a trivial one."""

    def __init__(self, root):
        self._root = Path(root)
        self._trivial = {}

    def measured(self, name, readers):
        """Each reader of a bomb: the file's size, what was taken, what a trivial file takes, and what is too much."""
        kind = name.partition(".")[0]
        trivial = {reader: self.trivial(kind, reader) for reader in readers}
        path = self._made(BOMBS[name])
        size = path.stat().st_size if path.is_file() else 0
        for reader, least in trivial.items():
            got = self.taken(reader, path)
            yield reader, size, got, least, faults(got, size, least)

    def trivial(self, kind, reader):
        """What a reader takes of a file that asks for nothing."""
        if (kind, reader) not in self._trivial:
            self._trivial[kind, reader] = self.taken(reader, self._made(TRIVIAL[kind]))
        return self._trivial[kind, reader]

    def together(self, names):
        """Each reader of each file, in one process that ends with the first that waits: how it ended."""
        answers = self._root / "answers"

        def run():
            for name in names:
                path = self._made(BOMBS[name])
                os.chdir(path.parent)
                for reader in KINDS[name.partition(".")[0]]:
                    with answers.open("a") as stream:
                        stream.write(json.dumps([name, reader, exit_code(READERS[reader], path)]) + "\n")

        said = taken(run, self._root, self._root / "said").said
        for line in answers.read_text().splitlines():
            name, reader, code = json.loads(line)
            yield name, reader, 0, Taken(code, 0, 0.0, said if "Traceback" in said else ""), None, []

    def _made(self, make):
        folder = self._root / "folder"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / ".git").mkdir(parents=True)  # projects are looked for no higher
        return elsewhere(lambda: make(folder))

    def taken(self, reader, path):
        """What a reader takes of a file."""
        return taken(lambda: READERS[reader](path), path.parent, self._root / "said")


def exit_code(command, path):
    try:
        command(path)
    except SystemExit as left:
        return left.code or 0
    return 0


def found(bench, mode, names):
    """(name, reader, size, taken, taken by a trivial file, faults) of each."""
    if mode == "--together":
        yield from bench.together(names)
        return
    for at, name in enumerate(names):
        readers = KINDS[name.partition(".")[0]]
        chosen = (readers[at % len(readers)],) if mode == "--one" else readers
        for row in bench.measured(name, chosen):
            yield name, *row


def main(words):
    """Print what each bomb that is named takes, as JSON where it is another program's to read."""
    load_all()
    wanted = [word for word in words if not word.startswith("-")]
    names = [name for name in BOMBS if not wanted or any(word in name for word in wanted)]
    if "--exactly" in words:
        names = wanted
    mode = next((word for word in words if word in ("--one", "--together")), "--each")
    with tempfile.TemporaryDirectory() as root:
        for name, reader, size, got, least, wrong in found(Bench(root), mode, names):
            if "--json" in words:
                print(json.dumps([name, reader, wrong, got.code, got.said[-2000:]]), flush=True)
            elif "-v" in words or wrong:
                memory, seconds = (got.memory - least.memory) / MEBIBYTE, got.seconds - least.seconds
                last = (got.said.strip().splitlines() or [""])[0 if got.code in (0, 1, 2) else -1]
                shown = f"{got.code} {memory:5.0f} MiB {seconds:5.2f} s"
                print(f"{name} [{reader}] {size:,}: {shown} {'; '.join(wrong)} | {last[-150:]}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
