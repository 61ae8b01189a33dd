"""Files of parts read their own text and what is installed: what else they read, no review would tell of."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compare.test_review import git

PART = """\
import os, sys, tempfile
from pathlib import Path
from typing import ClassVar, Literal

from resnet_gen.parts.base import WidthRule

HERE, OUT = Path(__file__).parent if Path(__file__).parent.is_dir() else Path("nets"), Path(tempfile.mkdtemp())
{before}

class {name}(WidthRule):
    \"\"\"Widths that are read.\"\"\"

    kind: Literal["{kind}"] = "{kind}"
    by_stage: ClassVar[bool] = True

    def widths(self, entering):
        {inside}
        return tuple(int(first) << place for place, _ in enumerate(entering))
"""
SPEC = "name: mine\nextends: cifar-resnet20\nparts: [p.py]\nstages: {{widths: {{kind: {}}}}}\n"

BESIDE = {
    "open": "first = open(HERE / 'first.txt').read()",
    "by a path from the working folder": "first = open('nets/first.txt').read()",
    "bytes for a name": "first = open(b'nets/first.txt').read()",
    "pathlib": "first = (HERE / 'first.txt').read_text()",
    "through the folder above": "first = open('nets/../nets/first.txt').read()",
    "through a link": "first = open('link.txt').read()",
    "os.open": "first = os.read(os.open('nets/first.txt', os.O_RDONLY), 9)",
    "to write as well": "first = open('nets/first.txt', 'r+').read()",
    "a name of a folder's file": "first = next(n for n in os.listdir('nets/one')).rpartition('-')[2]",
    "a file that glob finds": "first = next(HERE.glob('one/*')).name.rpartition('-')[2]",
    "a walk": "first = [f for *_, f in os.walk('nets/one')][0][0].rpartition('-')[2]",
    "a module": "sys.path.insert(0, 'nets'); import first_beside; first = first_beside.FIRST",
    "a module by its path": "import importlib.util as u; s = u.spec_from_file_location('any', 'nets/first_beside.py'); "
    "m = u.module_from_spec(s); s.loader.exec_module(m); first = m.FIRST",
    "runpy": "import runpy; first = runpy.run_path('nets/first_beside.py')['FIRST']",
    "a library": "import json; first = json.load(open('nets/first.txt'))",
    "an array": "import numpy as np; first = np.loadtxt('nets/first.txt')",
    "another spec": "import resnet_gen; first = resnet_gen.load_spec('nets/other.yaml').spec.stem.width",
    "a program": f"import subprocess; first = subprocess.check_output([{sys.executable!r}, '-c', 'print(16)'])",
    "a shell": "import os; first = 16 if os.system('true') == 0 else 8",
    "whether it is there": "first = 16 if os.path.exists('nets/first.txt') else 8",
    "whether pathlib finds it": "first = 16 if (HERE / 'first.txt').is_file() else 8",
    "its size": "first = 14 + os.path.getsize('nets/first.txt')",
    "its time": "first = 16 if os.stat('nets/first.txt').st_mtime else 8",
    "what is told of a link": "first = 16 if os.lstat('link.txt').st_size else 8",
    "where a link leads": "first = 16 if os.readlink('link.txt') else 8",
    "its rights": "first = 16 if os.access('nets/first.txt', os.R_OK) else 8",
    "the module behind os": f"import {os.name} as behind; first = 14 + behind.stat('nets/first.txt').st_size",
    "another name": "os.link('nets/first.txt', OUT / 'l'); first = (OUT / 'l').read_text()",
    "a name elsewhere": "os.rename('nets/first.txt', OUT / 'r'); first = (OUT / 'r').read_text()",
    "from an open folder": "d = os.open(OUT, os.O_RDONLY); first = os.read(os.open("
    "os.path.relpath('nets/first.txt', os.path.realpath(OUT)), os.O_RDONLY, dir_fd=d), 9)",
    "its size from an open folder": "d = os.open(OUT, os.O_RDONLY); "
    "first = 14 + os.stat(os.path.relpath('nets/first.txt', os.path.realpath(OUT)), dir_fd=d).st_size",
    "a name of what an open folder leads to": "d = os.open(OUT, os.O_RDONLY); "
    "os.link(os.path.relpath('nets/first.txt', os.path.realpath(OUT)), OUT / 'd', src_dir_fd=d); "
    "first = (OUT / 'd').read_text()",
    "a library in C": "import onnxruntime; first = onnxruntime.InferenceSession('nets/m.onnx').get_inputs()",
    "a library in Rust": "from safetensors import safe_open; first = safe_open('nets/w', 'np').keys()[0]",
    "a library by its name": "import importlib; importlib.import_module('onnx.shape_inference'); first = 16",
    "Python's library in C": "import readline; readline.read_history_file('nets/first.txt'); first = 16",
    "a database": "import sqlite3; first = 16 if sqlite3.connect('nets/first.db') else 8",
    "a library's own code": "import ctypes; first = 16 if ctypes.CDLL(None) else 8",
    "a thread": "from concurrent.futures import ThreadPoolExecutor as Pool; "
    "first = Pool().submit(lambda: open('nets/first.txt').read()).result()",
}
FINDING_NOTHING = ("a file that glob finds", "a walk", "another spec")
"""What takes a folder without the right to it for an empty one; and what says it in words of its own."""
FREE = {
    "its own text": "first = 16 if 'WidthRule' in Path('nets/p.py').read_text() else 8",
    "where it lies": "first = 16 if Path(__file__).resolve().parent.is_dir() else 8",
    "what is elsewhere": "first = 16 if os.path.exists(os.devnull) else 8",
    "what is installed": "import sqlite3, numpy.polynomial, wave, click; first = 16",
    "a library of Python by its name": "import importlib; importlib.import_module('click.types'); first = 16",
    "what it writes elsewhere": "(OUT / 'a').write_text(''); os.rename(OUT / 'a', OUT / 'b'); first = 16",
    "what lies elsewhere": "first = Path(os.devnull).read_text() or 16",
    "what it writes": "first = 16; Path('log.txt').write_text('')",
    "nothing": "first = 16",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A repository with what a part may not read; returns what writes a part with a line, as it is read or used."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "first_beside", raising=False)
    (tmp_path / "nets/one").mkdir(parents=True)
    (tmp_path / "nets/first.txt").write_text("16")
    (tmp_path / "nets/one/n-16").write_text("")
    (tmp_path / "nets/first_beside.py").write_text("FIRST = 16\n")
    (tmp_path / "nets/other.yaml").write_text("name: other\nextends: cifar-resnet20\n")
    (tmp_path / "link.txt").symlink_to("nets/first.txt")
    git(tmp_path, "init", "-q")

    def write(line, when, number):
        before, inside = (line, "first = globals()['first']") if when == "read" else ("", line)
        kind = f"beside_{number}_{when}"
        text = PART.format(before=before, inside=inside, name=kind.title().replace("_", ""), kind=kind)
        (tmp_path / "nets/p.py").write_text(text)
        (tmp_path / "nets/mine.yaml").write_text(SPEC.format(kind))
        return "nets/mine.yaml"

    return write


@pytest.mark.filterwarnings("ignore::resnet_gen.language.custom_parts.files.CodeWarning")
@pytest.mark.parametrize("when", ["read", "used"])
@pytest.mark.parametrize("way", BESIDE)
def test_a_part_reads_nothing_that_lies_beside_it(folder, cli, way, when):
    code, out, err = cli("count", folder(BESIDE[way], when, list(BESIDE).index(way)))
    assert (code, out) == (2, ""), err
    assert "PermissionError" in err or "parts are one file" in err or way in FINDING_NOTHING, err


@pytest.mark.filterwarnings("ignore::resnet_gen.language.custom_parts.files.CodeWarning")
@pytest.mark.parametrize("when", ["read", "used"])
@pytest.mark.parametrize("way", FREE)
def test_a_part_reads_its_own_text_and_what_is_installed(folder, cli, way, when):
    code, _, err = cli("count", folder(FREE[way], when, 100 + list(FREE).index(way)))
    assert code == 0, err


@pytest.mark.filterwarnings("ignore::resnet_gen.language.custom_parts.files.CodeWarning")
def test_others_read_what_they_like(folder, cli, tmp_path):
    """What parts may not is no matter of this process: its own code opens, lists, imports and starts as ever."""
    assert cli("count", folder(FREE["nothing"], "used", 200))[0] == 0
    assert Path("nets/first.txt").read_text() == "16"
    assert [path.name for path in Path("nets/one").iterdir()] == ["n-16"]
    sys.path.insert(0, str(tmp_path / "nets"))
    import first_beside

    assert first_beside.FIRST == 16
    subprocess.run([sys.executable, "-c", ""], check=True)


@pytest.mark.parametrize("way", ["by a path from the working folder", "a module"])
def test_no_review_is_silent_where_what_a_part_would_read_changes(folder, cli, tmp_path, way):
    (tmp_path / "resnet-gen.toml").write_text('specs = ["nets/mine.yaml"]\n')
    folder(BESIDE[way], "used", 300)
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "one")
    (tmp_path / "nets/first.txt").write_text("24")
    (tmp_path / "nets/first_beside.py").write_text("FIRST = 24\n")
    code, _, err = cli("review", "--base", "HEAD")
    assert code == 2, err


ERRORS = ["ZeroDivisionError", "OSError", "KeyError", "RecursionError", "SystemExit"]


@pytest.mark.filterwarnings("ignore::resnet_gen.language.custom_parts.files.CodeWarning")
@pytest.mark.parametrize("error", ERRORS)
def test_whatever_rises_in_a_part_is_told_with_its_line(folder, cli, error):
    """What asks a part first, notes or lowering, is all the same."""
    spec = folder(f"raise {error}('theirs')", "used", 400 + ERRORS.index(error))
    for command in ("show", "count", "predict --for t4"):
        code, _, err = cli(*command.split(), spec)
        assert code == 2
        assert f"nets/p.py:17: {error}: " in err
