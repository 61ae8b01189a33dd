"""`python -OO` takes docstrings out of code; what is printed and written is the same, byte for byte."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from resnet_gen.cli import COMMANDS
from tests.house.test_shells import HELP

ROOT = Path(__file__).parents[2]
SPEC = "name: mine\nextends: cifar-resnet20\nstages: {depths: [1, 1, 1], widths: [16, 16, 32]}\ndeviations: {}\n"
BROKEN = SPEC + "claims: [{what: layers, value: 20, source: the plan}]\n"
RUNS = {
    "schema": (0, "schema"),
    "rules": (0, "rule"),
    "a rule": (0, "rule claim --format json"),
    "SARIF": (1, "verify broken.yaml --format sarif"),
    "PyTorch": (0, "generate mine.yaml --to pytorch -o out"),
    "Flax": (0, "generate mine.yaml --to flax -o out"),
    "a card": (0, "generate mine.yaml --to card -o out"),
    "a build": (0, "build mine.yaml -o out"),
    "a report": (0, "build mine.yaml --target report -o out"),
    "a table": (0, "show mine.yaml"),
    "a refusal": (2, "show mine.yaml --set classes=10"),
}
"""How each command ends, and its words."""


def outcome(folder, arguments, *flags):
    """Exit code, what is printed, and the files that are there, from a process of its own."""
    folder.mkdir()
    for name, text in {"mine.yaml": SPEC, "broken.yaml": BROKEN}.items():
        (folder / name).write_text(text, encoding="utf-8")
    command = [sys.executable, *flags, "-m", "resnet_gen", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, capture_output=True, env=environment, check=False)
    files = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    return done.returncode, done.stdout, done.stderr, files


@pytest.mark.parametrize(("ends", "words"), RUNS.values(), ids=list(RUNS))
def test_nothing_that_is_written_depends_on_it(ends, words, tmp_path):
    arguments = words.split()
    plain = outcome(tmp_path / "plain", arguments)
    assert plain[0] == ends, plain[2]
    assert b"Traceback" not in plain[2]
    assert any(name.startswith("out") for name in plain[3]) == ("-o" in arguments)
    assert outcome(tmp_path / "optimized", arguments, "-OO") == plain


PAGES = "from tests.house.test_shells import HELP; print(*HELP.items(), sep='\\n')"


def test_every_page_of_help_is_the_same():
    assert HELP.keys() >= COMMANDS.keys()
    plain, optimized = (
        subprocess.run([sys.executable, *flags, "-c", PAGES], cwd=ROOT, capture_output=True, text=True, check=True)
        for flags in ((), ("-OO",))
    )
    assert optimized.stdout == plain.stdout
    assert "Example:" in plain.stdout


def test_a_library_that_is_not_there_is_told_and_no_traceback(tmp_path):
    """Every library is named as one that the package needs, whichever command wants it."""
    (tmp_path / "jinja2.py").write_text("raise ModuleNotFoundError(\"No module named 'jinja2'\", name='jinja2')")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    command = [sys.executable, "-m", "resnet_gen", "generate", "cifar-resnet20", "--to", "pytorch", "-o", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: jinja2 cannot be loaded: No module named 'jinja2'\nhint: pip install resnet-gen brings what it needs\n"
    )
