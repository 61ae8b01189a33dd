"""Every reader on the corpus, on what the fuzzer has found before, and on files made of them by changes.

Each is to end as a command does, within the limits of `tests.readers.measure`. A few changed files are read each time,
each by one reader; `make test-all` has every reader read thousands.
"""

import io
import json
import pickletools
import random
import subprocess
import sys
import time
import zipfile

import onnx
import pytest
import safetensors.numpy
from PIL import Image

from tests.fuzz.replay import LONGEST, Replay, mutated
from tests.fuzz.structures import anyhow
from tests.fuzz.targets import CORPUS, ROOT, TARGETS, corpus, seeds
from tests.helpers.varied import spread
from tests.readers.commands import KINDS, READERS

FEW, MANY = 4, 150
"""Changed files of each target."""
SMALL, ALL = 4 << 10, 200 << 10
"""Bytes of a file of the corpus, and of all."""


def replay(*words):
    """(Target, reader, files, faults) of each."""
    command = [sys.executable, "-m", "tests.fuzz.replay", "--json", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def faults(rows):
    return [f"{name} [{reader}] {file}: {'; '.join(w)}\n{said}" for name, reader, _, at in rows for file, w, said in at]


def test_each_kind_of_file_is_fuzzed():
    assert {target.kind for target in TARGETS.values()} == set(KINDS)
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)


def test_the_corpus_is_small():
    sizes = {path: path.stat().st_size for name in TARGETS for path in corpus(name)}
    assert {path: size for path, size in sizes.items() if size > SMALL} == {}
    assert sum(sizes.values()) <= ALL


def test_readers_end_well_with_the_corpus_and_with_changed_files():
    rows = replay("--one", "--mutated", str(FEW))
    assert faults(rows) == []
    read = dict.fromkeys(TARGETS, 0)
    for name, _, files, _ in rows:
        read[name] += files
    assert read == {name: len(corpus(name)) + FEW for name in TARGETS}


def _raise():
    raise ValueError("not caught")


def _spend(seconds):
    """Keep the processor busy for so long, of this process's own time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


FAULTS = {
    "a traceback": (_raise, "exit code 70"),
    "another exit code": (lambda: sys.exit(3), "exit code 3"),
    "memory": (lambda: len(bytearray(200 << 20)), "MiB, at most 64"),
    "time": (lambda: _spend(1.5), " s, at most 2.0"),
}


@pytest.mark.parametrize("fault", spread(FAULTS, 1))
def test_what_a_reader_may_not_do_is_told_of_the_file_that_it_does_it_with(fault, tmp_path, monkeypatch):
    do, told = FAULTS[fault]
    monkeypatch.setitem(READERS, "show", lambda path: do() if path.read_bytes() == b"odd" else sys.exit(2))
    monkeypatch.setattr("tests.readers.measure.SLACK", 0.1)
    files = [(str(number), b"odd" if number == 30 else b"") for number in range(60)]
    ((file, wrong, _),) = Replay(tmp_path).faults("spec", "show", files)
    assert file == "30"
    assert told in wrong[0]


@pytest.mark.long
@pytest.mark.parametrize("name", TARGETS)
def test_readers_end_well_with_many_changed_files(name):
    assert faults(replay("--mutated", str(MANY), name)) == []


@pytest.mark.parametrize("name", TARGETS)
def test_files_are_changed_the_same_way_each_time(name):
    first, second = (list(mutated(name, 30)) for _ in range(2))
    assert first == second
    assert len({data for _, data in first}) > 15


@pytest.mark.parametrize("name", ["pth", "legacy", "safetensors", "npz", "onnx", "picture"])
def test_changes_reach_what_lies_behind_lengths_and_sums(name):
    """Of what is changed within its structure, more is still of its format than of what is changed anyhow."""
    rng = random.Random(1)
    data = max((path.read_bytes() for path in seeds(name) if _is_whole(name, path.read_bytes())), key=len)
    within = sum(_is_whole(name, TARGETS[name].change(data, rng, anyhow(rng))) for _ in range(60))
    without = sum(_is_whole(name, anyhow(rng)(data)) for _ in range(60))
    assert within > without


def _is_whole(name, data):
    """Whether the outer structure of a file holds, by readers that are not ours."""
    try:
        _OUTER[name](data)
    except Exception:
        return False
    return len(data) <= LONGEST


def _read_zip(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist()
        assert archive.testzip() is None


def _read_pickles(data):
    stream = io.BytesIO(data)
    for _ in range(5):
        assert list(pickletools.genops(stream))


def _read_png(data):
    with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
        picture.verify()


_OUTER = {
    "pth": _read_zip,
    "npz": _read_zip,
    "legacy": _read_pickles,
    "safetensors": safetensors.numpy.load,
    "onnx": onnx.load_from_string,
    "picture": _read_png,
}
