"""One reader on bytes of one format, as atheris makes them: `python -m tests.fuzz.fuzzer TARGET READER OPTION...`.

Options are libFuzzer's. A reader that raises, ends with another exit code than 0, 1 or 2, or takes longer than its
file may is a find. Memory is libFuzzer's to watch; `tests.fuzz.replay` measures it exactly.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["resnet_gen", "yaml", "zipfile", "pickle", "tomllib"]):
    from tests.fuzz.targets import TARGETS
    from tests.readers.commands import READERS, load_all
    from tests.readers.server import exit_code

    load_all()

from tests.readers.measure import MEBIBYTE, SECONDS, SECONDS_EACH, SLACK

LONGEST = 1 << 14
ROOM = 1024
"""MiB that the process may grow by: what it keeps, coverage and corpus, counts too."""


class ReaderFault(Exception):
    """What a reader may not do."""


def reading(target, reader, folder):
    """A function that puts bytes to a reader, which is to end as a command does."""
    read = READERS[reader]

    def once(data):
        shutil.rmtree(folder, ignore_errors=True)
        (folder / ".git").mkdir(parents=True)  # projects are looked for no higher
        path = target.put(folder, data)
        os.chdir(folder)
        began = time.process_time()
        code = _code(read, path)
        took, most = time.process_time() - began, SLACK * (SECONDS + SECONDS_EACH * len(data))
        if code not in (0, 1, 2):
            raise ReaderFault(f"exit code {code}")
        if took > most:
            raise ReaderFault(f"{took:.1f} s, at most {most:.1f}")

    return once


def _code(read, path):
    warnings.simplefilter("always")  # else each that was shown is remembered
    with contextlib.ExitStack() as stack:
        for redirect in (contextlib.redirect_stdout, contextlib.redirect_stderr):
            stack.enter_context(redirect(io.TextIOWrapper(io.BytesIO(), "utf-8")))
        return exit_code(read, path)


def changing(target):
    """How bytes are changed: by libFuzzer, or within their structure."""

    def change(data, most, seed):
        rng = random.Random(seed)

        def anyhow(part):
            return bytes(atheris.Mutate(part, min(most, len(part) + 64)))

        whole = not rng.randrange(3)
        return (anyhow(data) if whole else target.change(bytes(data), rng, anyhow))[:most]

    return change


def main(words):
    name, reader, *options = words
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // MEBIBYTE + ROOM
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as root:
        once = reading(TARGETS[name], reader, Path(root) / "folder")
        limits = [
            f"-rss_limit_mb={most}",
            f"-max_len={LONGEST}",
            "-timeout=60",
            "-report_slow_units=60",
            "-seed=1",
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], *limits, *options], once, custom_mutator=changing(TARGETS[name]))
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
