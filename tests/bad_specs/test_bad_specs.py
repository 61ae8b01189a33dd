"""Each NAME.yaml here is refused with exactly the message in NAME.txt."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.problems import Refused
from tests.helpers.varied import spread
from tests.helpers.wording import without_wording

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
NAMES = sorted(path.stem for path in HERE.glob("*.yaml"))


def message(name: str) -> str:
    """What a user in the root of the project is told about one of these specs."""
    try:
        lower(load(f"tests/bad_specs/{name}.yaml"))
    except Refused as refused:
        return "\n".join(map(str, refused.problems)) + "\n"
    return "accepted\n"


def expected(name: str) -> str:
    return without_wording((HERE / f"{name}.txt").read_text(encoding="utf-8"))


def refresh() -> None:
    """Rewrite every NAME.txt with today's message; the diff is for reading."""
    os.chdir(ROOT)
    for name in NAMES:
        (HERE / f"{name}.txt").write_text(message(name), encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_spec_is_refused_with_its_whole_message(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert without_wording(message(name)) == expected(name)


LISTING = [name for name in NAMES if "known: " in expected(name)]
"""Those whose message lists what there is, which a process knows by what it has imported."""


OTHERS = [pytest.param(name, marks=pytest.mark.long) for name in NAMES if name not in LISTING]


@pytest.mark.parametrize("name", [*spread(LISTING, 6), *OTHERS])
def test_a_process_of_its_own_that_has_imported_no_part_says_the_same(name):
    command = [sys.executable, "-m", "resnet_gen", "count", f"tests/bad_specs/{name}.yaml"]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert done.stdout == b""
    assert without_wording(done.stderr.decode()) == expected(name)


def test_no_spec_here_is_accepted_and_every_message_has_its_spec():
    messages = {path.stem: path.read_text(encoding="utf-8") for path in HERE.glob("*.txt")}
    assert sorted(messages) == NAMES
    assert [name for name, text in messages.items() if ": error: " not in text] == []
