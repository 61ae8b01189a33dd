"""The GitHub Action on a checkout of a stranger's: nothing of it is run, obeyed or written through."""

import json
import subprocess
import sys

import pytest

from tests.helpers.action_runner import runner_in

GOOD = "name: mine\nextends: resnet18\n"
OTHERS = ("resnet_gen", "pip", "setuptools", "hatchling", "click", "yaml", "pydantic", "pydantic_core", "numpy", "onnx")
"""Modules that the action's Python imports and the standard library does not have."""


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    """A runner whose checkout has a module of its own for every one that Python could want."""
    runner = runner_in(tmp_path_factory.mktemp("runner"))
    ran = f"open({str(runner.folder / 'ran')!r}, 'a').write(__file__ + '\\n')\n"
    customized = ("sitecustomize", "usercustomize", "conftest", "setup", "__main__")
    for name in (*sys.stdlib_module_names, *customized, *OTHERS):
        (runner.project / f"{name}.py").write_text(ran)
        (runner.project / name).mkdir()
        (runner.project / name / "__init__.py").write_text(ran)
        (runner.project / name / "__main__.py").write_text(ran)
    (runner.project / "evil.pth").write_text(f"import os; {ran}")
    (runner.project / "setup.cfg").write_text("[install]\nprefix=/nowhere\n")
    (runner.project / "pip.conf").write_text("[global]\nindex-url=https://example.org/nowhere\n")
    return runner


@pytest.fixture(autouse=True)
def nothing_ran(runner):
    """Each test begins with one network, whatever others have left."""
    for file in (runner.project / "nets").iterdir():
        file.unlink()
    (runner.project / "nets/mine.yaml").write_text(GOOD)
    yield
    assert not (runner.folder / "ran").exists(), (runner.folder / "ran").read_text()


def test_no_module_of_the_checkout_is_imported(runner):
    base = runner.commit("nets/mine.yaml", GOOD)
    runner.commit("nets/mine.yaml", GOOD + "activation: silu\n")
    code, printed, steps = runner.run(base, PYTHONPATH=str(runner.project), PYTHONSTARTUP="pip.py")
    assert code == 0, printed
    assert steps["review"]["outputs"] == {"changed": "true"}


@pytest.mark.parametrize("specs", ["nets/*.yaml", "./nets/*.yaml\nnets/c d.yaml"])
@pytest.mark.parametrize("way", ["deleted", "moved"])
def test_what_a_glob_found_in_the_base_alone_is_compared(runner, specs, way):
    """A network is not left out of the verdict by being where its glob looks no more."""
    runner.commit("nets/c d.yaml", GOOD)
    base = runner.commit("nets/it's.yaml", GOOD)
    if way == "moved":
        (runner.project / "old").mkdir(exist_ok=True)
        runner.commit("old/it's.yaml", GOOD + FALSE)
    (runner.project / "nets/it's.yaml").unlink()
    runner.commit("nets/e.yaml", GOOD)
    code, printed, steps = runner.run(base, {"specs": specs})
    assert code == 0, printed
    assert steps["review"]["outputs"] == {"changed": "true"}
    assert "| <code>nets/it's.yaml</code> | removed |" in (runner.folder / "summary.md").read_text()


@pytest.mark.parametrize("sarif", ["resnet-gen.sarif", "reports/x.sarif", "./reports/../reports/x.sarif"])
@pytest.mark.parametrize("absolute", [False, True])
def test_no_link_is_written_through(runner, sarif, absolute):
    base = runner.commit("nets/mine.yaml", GOOD)
    outside = runner.folder / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "x.sarif").write_text("precious")
    reports, report = runner.project / "reports", runner.project / "resnet-gen.sarif"
    reports.unlink(missing_ok=True)
    report.unlink(missing_ok=True)
    reports.symlink_to(outside)
    report.symlink_to(outside / "x.sarif")
    given = str(runner.project / sarif) if absolute else sarif
    code, printed, _ = runner.run(base, {"sarif": given})
    assert (outside / "x.sarif").read_text() == "precious"
    if "reports" in sarif:
        assert code == 2
        assert "a folder on its path is a link" in printed
    else:
        assert code == 0, printed
        assert not report.is_symlink()
        assert json.loads(report.read_text())["version"] == "2.1.0"
    assert [path.name for path in outside.iterdir()] == ["x.sarif"]


@pytest.mark.parametrize("inputs", [{"specs": "--no-such-option=1"}, {"parts": "no such word"}])
@pytest.mark.parametrize("kind", ["file", "folder", "linked folder"])
def test_a_report_that_was_committed_is_none(runner, kind, inputs):
    """The workflow uploads what lies there even after a failure."""
    runner.commit("nets/mine.yaml", GOOD)
    forged, reports, elsewhere = (runner.project / name for name in ("resnet-gen.sarif", "reports", "elsewhere"))
    forged.unlink(missing_ok=True)
    reports.unlink(missing_ok=True)
    if kind == "file":
        forged.write_text("forged")
    else:
        folder = forged if kind == "folder" else elsewhere
        folder.mkdir(exist_ok=True)
        (folder / "forged.sarif").write_text("forged")
    if kind == "linked folder":
        reports.symlink_to(elsewhere)
        forged = reports / "forged.sarif"
    code, printed, _ = runner.run(None, {**inputs, "sarif": str(forged.relative_to(runner.project))})
    assert code == 2, printed
    assert not forged.exists() or json.loads(forged.read_text())["version"] == "2.1.0"  # our own


def test_without_a_report_a_step_fails_whatever_it_ends_with(runner):
    """As where the process ends before its work is done."""
    base = runner.commit("nets/mine.yaml", GOOD)
    runner.run(base)  # which installs it, unless another test has
    python = runner.folder / "resnet-gen/bin/python"
    kept = python.rename(python.with_name("kept"))
    try:
        for ends, expected in ((0, 2), (1, 1), (137, 137)):
            python.write_text(f"#!/bin/sh\nexit {ends}\n")
            python.chmod(0o755)
            code, printed, steps = runner.run(base)
            assert code == expected
            assert f"::error title=resnet-gen::verify ended with {ends} and without a report" in printed
            assert steps["verify"]["outputs"] == {}
            python.write_text(f'#!/bin/sh\n[ "$4" = verify ] || exit {ends}\nexec "{kept}" "$@"\n')
            code, printed, steps = runner.run(base)
            assert code == expected
            assert f"::error title=resnet-gen::review ended with {ends} and without a report" in printed
            assert steps["review"]["outputs"] == {}
    finally:
        kept.replace(python)


NAMES = (
    "--no-config.yaml",
    "-o.yaml",
    "-x y.yaml",
    "with space.yaml",
    "  two.yaml",
    "$(touch ran).yaml",
    "`touch ran`.yaml",
)


@pytest.mark.parametrize("separator", ["one a line", "globs"])
def test_names_of_files_are_neither_options_nor_several_words_nor_commands(runner, separator):
    for name in NAMES:
        runner.commit(name, "name: s\nextends: resnet18\n")
    specs = (
        "\n".join(f"./{name}" for name in NAMES)
        if separator == "one a line"
        else "-*.yaml *space.yaml ??two.yaml \\$*.yaml"
    )
    code, printed, _ = runner.run(runner.commit("more", "more"), {"specs": specs})
    for name in NAMES:
        (runner.project / name).unlink()
    assert code == 0, printed
    expected = 7 if separator == "one a line" else 6
    assert f"{expected} specs, 0 findings" in printed
    assert not (runner.project / "ran").exists()


BASES = (
    "-x --upload-pack=touch${IFS}ran origin/--upload-pack=touch${IFS}ran $(touch${IFS}ran) main:refs/heads/mine +main "
    "::error::x - -- ../../x no-such-branch"
)


@pytest.mark.parametrize("base", [*BASES.split(), "--upload-pack=touch ran", "a b", "x\ncommit=0"])
def test_a_base_is_no_option_and_no_command(runner, tmp_path, base):
    runner.commit("nets/mine.yaml", GOOD)
    shallow = tmp_path / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth", "1", runner.project.as_uri(), str(shallow)], check=True)
    before = subprocess.run(["git", "for-each-ref"], cwd=shallow, capture_output=True, check=True).stdout
    full, runner.project = runner.project, shallow
    code, printed, steps = runner.run(None, {"base": base})
    runner.project = full
    assert code
    assert "verify" not in steps
    assert steps["base"]["outputs"] == {}
    assert subprocess.run(["git", "for-each-ref"], cwd=shallow, capture_output=True, check=True).stdout == before
    assert not any((folder / "ran").exists() for folder in (shallow, full, runner.folder))
    assert not [line for line in printed.splitlines() if "::error::x" in line]


@pytest.mark.parametrize("writer", [{}, {"NO_VIEWER": "1"}, {"WRITER": "some-maintainer"}, {"WRITER": "an-app[bot]"}])
def test_only_its_own_comment_is_edited(runner, writer):
    forged = {"id": 5, "user": {"login": "mallory"}, "body": "<!-- resnet-gen -->\nAll is well."}
    other = {"id": 6, "user": {"login": "other[bot]"}, "body": "<!-- resnet-gen -->\nNot ours."}
    runner.comments.write_text(json.dumps([forged, other]))
    base = runner.commit("nets/mine.yaml", GOOD)
    for activation in ("silu", "gelu"):
        runner.commit("nets/mine.yaml", f"{GOOD}activation: {activation}\n")
        code, printed, _ = runner.run(base, **writer)
        assert code == 0, printed
        assert "no comment could be written" not in printed
    first, second, *own = json.loads(runner.comments.read_text())
    assert [first, second] == [forged, other]
    (comment,) = own
    assert comment["user"]["login"] == writer.get("WRITER", "github-actions[bot]")
    assert "gelu" in comment["body"]


def test_predicted_times_are_in_the_comment(runner):
    base = runner.commit("nets/mine.yaml", GOOD)
    runner.commit("nets/mine.yaml", GOOD + "stages: {depths: [2, 3, 2, 2]}\n")
    code, printed, _ = runner.run(base, {"for": "t4"})
    assert code == 0, printed
    assert "| predicted ms |" in (runner.folder / "summary.md").read_text()


def test_a_device_is_no_option(runner):
    base = runner.commit("nets/mine.yaml", GOOD)
    code, printed, _ = runner.run(base, {"for": "--output=ran"})
    assert code == 2
    assert "there is no device" in printed or "no target" in printed, printed
    assert not (runner.project / "ran").exists()


PART = """from typing import Literal
from resnet_gen.parts.activations.relu import Relu
class Odd(Relu):
    kind: Literal["odd"] = "odd"
"""
WITH_PART = GOOD + "parts: [p.py]\nactivation: odd\n"
FALSE = 'claims:\n  - {what: layers, value: 19, source: "nobody"}\n'


@pytest.fixture
def stranger(runner):
    """A runner whose checkout has a part that leaves a trace when it is run, and the base that has it without."""
    runner.commit("nets/p.py", PART)
    base = runner.commit("nets/mine.yaml", WITH_PART)
    runner.commit("nets/p.py", f"open({str(runner.folder / 'ran')!r}, 'a').write('p.py')\n{PART}")
    yield runner, base
    (runner.folder / "ran").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("of_stranger", "inputs", "event", "said"),
    [
        (True, {}, "pull_request", "is not run: "),
        (True, {"parts": "none"}, "pull_request", "is not run: "),
        (False, {}, "issue_comment", "is not run: no parts are"),
        (True, {"parts": "$(touch ran)"}, "pull_request", ""),
    ],
)
def test_parts_of_a_stranger_s_are_not_run(stranger, of_stranger, inputs, event, said):
    runner, base = stranger
    code, printed, steps = runner.run(base if of_stranger else None, inputs, GITHUB_EVENT_NAME=event)
    assert code == 2
    assert said in printed
    assert not (runner.folder / "ran").exists()
    if of_stranger and said:
        assert steps["verify"]["outputs"] == {"code": "2"}
        assert said in (runner.folder / "summary.md").read_text()


TIMES = 3
"""How often a part is read: by verify, the other side of review, and its findings."""


def test_parts_are_run_with_leave(stranger):
    runner, base = stranger
    code, printed, _ = runner.run(base, {"parts": "all"})
    assert code == 0, printed
    assert (runner.folder / "ran").read_text() == "p.py" * TIMES


def test_parts_of_a_push_are_nobody_else_s(stranger):
    runner, _ = stranger
    code, printed, _ = runner.run(None)
    assert code == 0, printed
    assert (runner.folder / "ran").exists()


def test_parts_are_run_as_the_base_has_them(stranger):
    runner, base = stranger
    runner.commit("nets/p.py", PART)
    code, printed, _ = runner.run(base)
    assert code == 0, printed


ENDS = ("os._exit(0)", "os.kill(os.getpid(), 9)", "sys.exit(0)", "os.execv('/bin/true', ['true'])")


@pytest.mark.parametrize("ends", ENDS)
def test_a_part_that_ends_its_process_is_no_success(runner, ends):
    base = runner.commit("nets/mine.yaml", GOOD)
    runner.commit("nets/p.py", f"import os, sys\nprint('::error::forged')\nsys.stdout.flush()\n{ends}\n")
    runner.commit("nets/mine.yaml", WITH_PART + FALSE)
    code, printed, steps = runner.run(base, {"parts": "all"})
    (runner.project / "nets/p.py").unlink()
    assert code == 2
    assert steps.get("verify", {"outputs": {"code": "2"}})["outputs"] in ({}, {"code": "2"})
    assert not [line for line in printed.splitlines() if line.lstrip().startswith("::error::forged")]
