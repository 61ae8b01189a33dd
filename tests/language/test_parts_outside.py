"""Parts of one's own: the example of docs/parts.md as it stands there, in each place that a part can live."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "parts.md").read_text(encoding="utf-8")
FENCES = re.findall(r"```(\w+)\n(.*?)```", DOCS, re.DOTALL)
PART, SPEC = (next(text for lang, text in FENCES if lang == wanted) for wanted in ("python", "yaml"))
PRINTED = [text for lang, text in FENCES if lang == "text"]


def without_first_line(text):
    """The file that a fence shows, whose first line is its name."""
    return text.partition("\n")[2]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "inverted.py").write_text(without_first_line(PART))
    (tmp_path / "small.yaml").write_text(without_first_line(SPEC))
    return tmp_path


def tool(folder, *arguments, package=ROOT, path=()):
    """The tool in a process of its own, as imported parts stay for good: exit code, stdout, stderr."""
    search = ":".join(map(str, (package, *path)))
    environment = {"PYTHONPATH": search, "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "resnet_gen", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def changed(folder, name, old, new):
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))


def test_the_example_prints_what_the_page_shows(folder):
    code, out, err = tool(folder, "verify", "small.yaml")
    warning, ended = err.rsplit("\n", 2)[0], err.splitlines()[-1]
    assert (code, f"{warning}\n{out}{ended}\n") == (0, PRINTED[0])


def test_a_misspelt_setting_of_it_is_refused_as_the_page_shows(folder):
    changed(folder, "small.yaml", "expand: 4", "expnd: 4")
    code, _, err = tool(folder, "verify", "small.yaml")
    assert code == 2
    assert err.endswith(PRINTED[1])


def test_a_fault_in_its_code_is_reported_as_the_page_shows(folder):
    (folder / "inverted.py").write_text("Blok\n")
    code, _, err = tool(folder, "verify", "small.yaml")
    assert code == 2
    assert err.endswith(PRINTED[2])


def test_it_is_built_and_run_as_any_other(folder):
    assert tool(folder, "build", "small.yaml", "-o", "out")[0] == 0
    code, out, err = tool(folder, "run", "out/small.onnx", "--top", "1")
    assert (code, err) == (0, "weights are drawn from seed 0: the classes mean nothing\n")
    assert "images/s" in out


def test_the_hash_of_a_spec_covers_the_code_of_its_parts(folder):
    tool(folder, "build", "small.yaml", "-o", "out")
    before = (folder / "out" / "small.manifest.json").read_text()
    changed(folder, "inverted.py", "kernel=3", "kernel=5")
    code, _, err = tool(folder, "build", "small.yaml", "-o", "out")
    assert code == 2
    assert "holds another network called 'small'" in err
    assert (folder / "out" / "small.manifest.json").read_text() == before


def test_a_change_of_the_same_second_and_size_is_seen_and_nothing_is_left_beside_the_file(folder):
    def counted():
        command = [sys.executable, "-m", "resnet_gen", "count", "small.yaml"]
        environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}  # where Python keeps what it compiles
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout

    part = folder / "inverted.py"
    before, stat = counted(), part.stat()
    changed(folder, "inverted.py", "kernel=3", "kernel=5")
    os.utime(part, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert part.stat().st_size == stat.st_size
    assert counted() != before
    assert sorted(path.name for path in folder.iterdir()) == ["inverted.py", "small.yaml"]


def test_who_extends_a_spec_has_its_parts(folder):
    (folder / "below").mkdir()
    (folder / "below" / "child.yaml").write_text("name: child\nextends: ../small.yaml\nstages: {depths: [1, 1, 1]}\n")
    code, out, _ = tool(folder, "count", "below/child.yaml")
    assert code == 0
    assert "child" in out


def copied(folder):
    """The package and its data in a folder of their own."""
    for name in ("resnet_gen", "specs", "templates"):
        shutil.copytree(ROOT / name, folder / "project" / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder / "project"


def test_adding_a_part_touches_one_file_of_the_package(folder):
    project = copied(folder)
    shutil.move(folder / "inverted.py", project / "resnet_gen" / "parts" / "blocks" / "inverted.py")
    changed(folder, "small.yaml", "parts: [inverted.py]\n", "")
    assert tool(folder, "verify", "small.yaml", package=project) == (
        0,
        "ok     small: 1 claim\n",
        "1 spec, 0 findings\n",
    )
    code, schema, _ = tool(folder, "schema", package=project)
    assert code == 0
    assert '"inverted"' in schema
    changed(folder, "small.yaml", "expand: 4", "expand: 40")
    assert "stages.block.expand: 40 is too large" in tool(folder, "count", "small.yaml", package=project)[2]


def test_an_installed_package_offers_parts(folder):
    site = folder / "site"
    entry = site / "offer-1.0.dist-info"
    entry.mkdir(parents=True)
    (entry / "METADATA").write_text("Metadata-Version: 2.1\nName: offer\nVersion: 1.0\n")
    (entry / "entry_points.txt").write_text("[resnet_gen.parts]\ninverted = offered\n")
    shutil.move(folder / "inverted.py", site / "offered.py")
    changed(folder, "small.yaml", "parts: [inverted.py]\n", "")
    code, out, err = tool(folder, "verify", "small.yaml", path=[site])
    assert (code, out) == (0, "ok     small: 1 claim\n")
    assert err.startswith("warning: the parts of the installed package 'offer' are run\n")
    assert tool(folder, "verify", "resnet50", path=[site])[2] == "1 spec, 0 findings\n", "not asked for, not run"


WITHOUT_BUILD = """
from typing import Literal
from resnet_gen.parts.base import Block
class B(Block):
    kind: Literal["b"] = "b"
"""
SOUND = WITHOUT_BUILD + "    def build(self, net, x, place, using): return x\n"

FAULTS = {
    "a syntax error": ("def (\n", "inverted.py:1: SyntaxError: "),
    "an exception": ("import math\nmath.sqrt(-1)\n", "inverted.py:2: ValueError: "),
    "no part": ("x = 1\n", "no part is defined there"),
    "a kind that is there": (SOUND.replace('"b"', '"basic"'), "there is a 'basic' already"),
    "no method": (WITHOUT_BUILD, "'b' lacks 1 method: build"),
    "a setting of no type": (SOUND + "    x: object.__class__.__call__ = 1\n", "'b' has settings that cannot be read"),
    "two parts, one faulty": (SOUND + WITHOUT_BUILD.replace('"b"', '"c"'), "'c' lacks 1 method: build"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), FAULTS.values(), ids=FAULTS)
def test_a_faulty_file_is_refused_at_the_line_that_names_it(folder, text, message):
    (folder / "inverted.py").write_text(text)
    code, out, err = tool(folder, "count", "small.yaml")
    assert (code, out) == (2, "")
    assert f"small.yaml:3:9: error: parts: {message}" in err
    assert "Traceback" not in err


BUILDS = {
    "an attribute that is not there": ("x.shap[0]", "inverted.py:19: AttributeError: "),
    "nothing is returned": ("None", ": TypeError: "),
}


@pytest.mark.parametrize(("new", "message"), BUILDS.values(), ids=BUILDS)
def test_an_exception_while_it_builds_is_refused_with_its_line(folder, new, message):
    changed(folder, "inverted.py", "x.shape[0]", new)
    code, _, err = tool(folder, "count", "small.yaml")
    assert code == 2
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ("[other.py]", "error: parts: cannot be read: No such file or directory"),
        ("[inverted.txt]", "error: parts: not a Python file"),
        ("inverted.py", "error: parts: 'inverted.py' is not a list"),
        ("[3]", "error: parts.0: 3 is not text"),
        ("[.]", "error: parts: not a Python file"),
    ],
)
def test_what_is_no_file_of_parts_is_refused(folder, parts, message):
    changed(folder, "small.yaml", "[inverted.py]", parts)
    code, _, err = tool(folder, "count", "small.yaml")
    assert code == 2
    assert message in err


def test_parts_cannot_be_set(folder):
    code, _, err = tool(folder, "count", "small.yaml", "--set", "parts=[inverted.py]")
    assert code == 2
    assert "parts: cannot be set, only written in a spec" in err


def test_what_a_faulty_file_defined_is_forgotten(folder):
    (folder / "faulty.py").write_text((folder / "inverted.py").read_text() + "\nundefined\n")
    (folder / "bad.yaml").write_text((folder / "small.yaml").read_text().replace("inverted.py", "faulty.py"))
    code, out, err = tool(folder, "verify", "bad.yaml", "small.yaml")
    assert (code, out) == (2, "ok     small: 1 claim\n")
    assert "faulty.py:26: NameError" in err


OF_ITS_OWN = """\
from resnet_gen.ops import Op


class Double(Op):
    def shape(self, *inputs):
        return inputs[0]


"""


@pytest.mark.parametrize("command", ["count", "verify", "build", "generate --to pytorch", "predict --for t4", "lock"])
def test_an_operation_of_its_own_is_refused_at_the_line_of_the_spec(folder, command):
    changed(folder, "inverted.py", "class Inverted(", f"{OF_ITS_OWN}class Inverted(")
    changed(folder, "inverted.py", "y = using.attend(net, y, x)", 'y = net.add("double", Double(), y)')
    code, out, err = tool(folder, *command.split(), "small.yaml")
    assert code == 2
    assert "small.yaml:9:" in err
    assert "'Double' is no operation that parts are made of\n" in err
    assert "Traceback" not in err + out
