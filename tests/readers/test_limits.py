"""Every reader on every file that asks for much: at most 64 MiB and 4 times the file, 2 s and one for each 20 MB.

Memory is what a process takes over the same command on a trivial file of the kind. A part of the files is tried with
each `make test`, each by one reader; `make test-all` tries all.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.readers.bombs import BOMBS, SPECIAL
from tests.readers.commands import KINDS
from tests.readers.large import COMMANDS

ROOT = Path(__file__).parents[2]
NAMES = list(BOMBS)
SPECIALS = [name for name in BOMBS if name.partition(".")[2] in SPECIAL]
EVERY = 120
"""One in so many files is tried each time."""
ALWAYS = (
    *("tuples of one list", "tensors of one shape", "huge sides", "one pair list", "400,000 lists", "keys of one hash"),
    *("a long header", "20,000 sides", "300,000 empty", "65535", "one huge tile", "30,000 passes", "endless"),
    *("2,000,000 lists", "30,000 nodes", "5,000,000 empty attributes", "a pipe", "an endless device", "few blocks"),
)
"""Parts of the names of those that are tried always."""
QUICK = [
    name
    for at, name in enumerate(NAMES)
    if name not in SPECIALS
    and not name.endswith(".legacy")  # the same pickle as in the newer form
    and (at % EVERY == 0 or any(word in name for word in ALWAYS))
]


def server(mode, names):
    """What each reader of each file did that it may not: (name, reader, faults, exit code, what it said)."""
    command = [sys.executable, "-m", "tests.readers.server", "--json", mode, "--exactly", *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(found, names):
    assert {name for name, *_ in found} == set(names)
    wrong = [f"{name} [{reader}]: {'; '.join(faults)}\n{said}" for name, reader, faults, _, said in found if faults]
    assert wrong == []
    assert not [name for name, *_, said in found if "Traceback" in said]


def test_readers_keep_within_their_limits():
    check(server("--one", QUICK), QUICK)


def test_what_is_no_file_is_refused_at_once_by_every_reader():
    """A pipe without a writer would have it wait forever."""
    found = server("--together", SPECIALS)
    check(found, SPECIALS)
    assert {(name.partition(".")[0], reader) for name, reader, *_ in found} == {
        (kind, reader) for kind in {name.partition(".")[0] for name in SPECIALS} for reader in KINDS[kind]
    }
    looked_past = {"pyproject", "manifest", "wrap manifest"}  # which another folder, or none, may hold
    passed = [name for name, _, _, code, _ in found if code != 2 and name.partition(".")[0] not in looked_past]
    assert passed == []


@pytest.mark.long
def test_readers_keep_within_their_limits_on_a_file_of_a_hundred_megabytes():
    command = [sys.executable, "-m", "tests.readers.large"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 3 * len(COMMANDS["weights"]) + 2 * len(COMMANDS["onnx"])
    assert [row for *row, wrong, code, _ in rows if wrong or code] == []
    assert min(size for _, _, size, *_ in rows) > 100_000_000


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_readers_keep_within_their_limits_on_every_file(kind):
    names = [name for name in NAMES if name.startswith(f"{kind}.")]
    check(server("--each", names), names)
