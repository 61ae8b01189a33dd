"""Whose parts are run, and what a gate makes of code that ends its process, hangs, or prints."""

import itertools
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import resnet_gen
from resnet_gen.language.spec import forget_files
from resnet_gen.problems import Refused
from tests.helpers.varied import spread

GIT = ["git", "-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false"]
PART = """from typing import ClassVar, Literal
from resnet_gen.ops import Activation
from resnet_gen.parts.activations.relu import Relu as Ours
from tests.helpers.varied import spread


class Odd(Ours):
    \"\"\"As `relu` is.\"\"\"

    kind: Literal["odd"] = "odd"
"""
SPEC = "name: s\nextends: resnet8-digits\nparts: [p.py]\nactivation: odd\n"
FALSE = SPEC + "claims:\n- {what: params, value: 3, source: s}\n"
MARK = "open('ran', 'a').write('x')\n"


def command(*arguments, **options):
    """A command in a process of its own, as a gate runs it."""
    code = "from resnet_gen.__main__ import run; run()"
    return subprocess.run([sys.executable, "-I", "-c", code, *arguments], capture_output=True, text=True, **options)


def git(*words):
    return subprocess.run([*GIT, *words], check=True, capture_output=True, text=True).stdout.strip()


pytestmark = pytest.mark.filterwarnings("default::resnet_gen.language.custom_parts.files.CodeWarning")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A repository with a spec and its part."""
    monkeypatch.chdir(tmp_path)
    forget_files()  # of other tests
    Path("p.py").write_text(PART)
    Path("s.yaml").write_text(SPEC)
    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-q", "-m", "x")
    return tmp_path


GATES = (
    ("verify", "s.yaml", "--no-config"),
    ("verify", "s.yaml", "--no-config", "--format", "sarif", "-o", "report"),
    ("diff", "resnet18", "s.yaml", "-o", "report"),
    ("diff", "main:s.yaml", "resnet18", "-o", "report"),
    ("review", "s.yaml", "--base", "main", "--no-config", "-o", "report"),
    ("lock", "s.yaml", "--no-config", "--lock", "report"),
)
ENDS = {
    "exits at once": "import os; os._exit(0)",
    "exits with a finding": "import os; os._exit(1)",
    "is killed": "import os; os.kill(os.getpid(), 9)",
    "becomes another program": f"import os; os.execv({sys.executable!r}, ['python', '-c', 'print(0)'])",
    "exits without its streams": "import os; os.closerange(0, 64); os._exit(0)",
    "hangs": "import time; time.sleep(600)",
    "forks and exits": "import os, time\nif os.fork() == 0: time.sleep(30)\nos._exit(0)",
    "raises what nobody catches": "class X(BaseException): pass\nraise X",
    "leaves": "import sys; sys.exit(0)",
    "interrupts": "raise KeyboardInterrupt",
}


@pytest.mark.parametrize(("ends", "gate"), spread(itertools.product(ENDS, [GATES[1], GATES[4]]), 7))
def test_a_gate_is_not_passed_by_ending(here, gate, ends):
    Path("p.py").write_text(ENDS[ends])
    Path("s.yaml").write_text(FALSE)
    done = command(*gate, "--parts-patience", "2")
    assert done.returncode == 2, done
    assert "p.py" in done.stderr
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("gate", spread(zip(GATES), 4), ids=range(len(GATES)))
def test_every_gate_runs_parts_apart(here, gate):
    if "main:s.yaml" in gate:
        Path("p.py").write_text("import os; os._exit(0)")
        git("commit", "-q", "-a", "-m", "x")
    Path("p.py").write_text("import os; os._exit(0)")
    done = command(*gate)
    assert done.returncode == 2
    assert "ended before its work was done (exit code 0)" in done.stderr
    assert not Path("report").exists()


@pytest.mark.parametrize("when", ["build", "settings"])
def test_code_that_ends_later_is_no_success_either(here, when):
    later = "    def __init__(self, **given):\n" if when == "settings" else "    def add(self, *given, **more):\n"
    Path("p.py").write_text(PART + later + "        import os; os._exit(0)\n")
    Path("s.yaml").write_text(FALSE)
    done = command("verify", "s.yaml", "--no-config", "--format", "json")
    assert done.returncode != 0
    assert done.stdout == "" or json.loads(done.stdout)


def test_what_code_prints_is_no_report(here):
    forged = (
        "import os, sys\nprint('[]')\nos.write(1, b'::error::x\\n\\x1b[31m{}\\n')\nsys.stderr.write('##[error]y\\n')\n"
    )
    Path("p.py").write_text(forged + PART)
    Path("s.yaml").write_text(FALSE)
    done = command("verify", "s.yaml", "--no-config", "--format", "json", "-o", "-", "--format", "github", "-o", "f")
    assert done.returncode == 1, done.stderr
    (finding,) = json.loads(done.stdout)
    assert finding["rule"] == "claim"
    assert "parts print: ::error::x" in done.stderr
    assert not [line for line in done.stderr.split("\n") if line.lstrip().startswith("::") or "##[" in line]
    assert done.stderr.isprintable() or "\x1b" not in done.stderr
    assert Path("f").read_text().startswith("::error file=s.yaml")


def test_a_flood_is_cut(here):
    Path("p.py").write_text("import os\nfor _ in range(3000): os.write(1, b'x' * 9999)\n" + PART)
    done = command("verify", "s.yaml", "--no-config")
    assert done.returncode == 0, done.stderr[-500:]
    assert len(done.stderr) < 100_000


def test_what_the_job_may_do_is_held_back(here):
    """A part finds no way to write outputs and no token."""
    names = ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GH_TOKEN", "ACTIONS_RUNTIME_TOKEN", "MY_SECRET", "KEPT")
    Path("p.py").write_text(f"import os\nprint('has', *[n for n in {names} if n in os.environ])\n" + PART)
    done = command("verify", "s.yaml", "--no-config", env={**dict.fromkeys(names, "x")})
    assert "parts print: has KEPT\n" in done.stderr


def test_a_gate_says_the_same_as_without_another_process(here):
    Path("s.yaml").write_text(FALSE)
    Path("t.yaml").write_text(FALSE.replace("parts: [p.py]\nactivation: odd\n", ""))
    forms = ("text", "json", "junit", "sarif", "github")
    for spec in ("s", "t"):
        asked = [word for form in forms for word in ("--format", form, "-o", f"{spec}.{form}")]
        assert command("verify", f"{spec}.yaml", "--no-config", *asked).returncode == 1
    for form in forms:
        with_parts, without = (Path(f"{spec}.{form}").read_text() for spec in ("s", "t"))
        assert with_parts.count("claimed") == without.count("claimed") > 0


TAKE = (
    ("verify", "s.yaml"), ("show", "s.yaml"), ("count", "s.yaml"), ("lock", "s.yaml"), ("diff", "s.yaml", "resnet18"),
    ("review", "s.yaml", "--base", "main"), ("build", "s.yaml", "-o", "b"), ("predict", "s.yaml", "--for", "t4"),
    ("generate", "s.yaml", "--to", "pytorch", "-o", "g"), ("run", "s.yaml"), ("weights", "show", "s.yaml"),
    ("diff", "main:s.yaml", "resnet18"), ("bench", "s.yaml", "--repeat", "1"),
)  # fmt: skip


@pytest.mark.parametrize("arguments", TAKE, ids=" ".join)
def test_no_command_runs_what_may_not_run(here, cli, arguments):
    Path("p.py").write_text(MARK + PART)
    if arguments[1] == "main:s.yaml":
        git("commit", "-q", "-a", "-m", "x")
    for parts in ("none", "base:HEAD~0" if arguments[1] != "main:s.yaml" else "base:none"):
        if parts == "base:none":
            git("branch", "-f", "none", git("commit-tree", "-m", "x", git("mktree")))
        code, out, err = cli(*arguments, "--parts", parts)
        assert code == 2 or arguments[0] == "review"
        assert "is not run: " in out + err
        assert not Path("ran").exists()


def test_those_of_the_base_run_wherever_they_lie_and_find_nothing_beside_them(here, cli):
    Path("deep").mkdir()
    Path("deep/q.py").write_text(PART)
    Path("deep/t.yaml").write_text(SPEC.replace("p.py", "q.py"))
    assert cli("count", "deep/t.yaml", "--parts", "base:main")[0] == 0
    imports = "import os, sys\nsys.path.insert(0, os.path.dirname(__file__))\nimport beside\n"
    Path("p.py").write_text(imports + PART)
    git("commit", "-q", "-a", "-m", "x")
    Path("beside.py").write_text(MARK)
    code, _, err = cli("count", "s.yaml", "--parts", "base:main")
    assert code == 2
    assert "No module named 'beside'" in err
    assert not Path("ran").exists()


def test_a_file_of_the_base_that_no_spec_of_it_names_is_not_run(here, cli):
    Path("deploy.py").write_text(MARK + PART)
    git("add", "-A")
    git("commit", "-q", "-m", "x")
    Path("s.yaml").write_text(SPEC.replace("p.py", "deploy.py"))
    code, _, err = cli("verify", "s.yaml", "--no-config", "--parts", "base:main")
    assert code == 2
    assert "no spec of main names this text of it" in err
    assert not Path("ran").exists()


@pytest.mark.parametrize("words", ["base", "some", "base:", "none:x", "", "all:main"])
def test_what_is_none_of_the_words_is_refused(here, cli, words):
    assert cli("verify", "s.yaml", "--parts", words)[0] == 2
    assert cli("verify", "s.yaml", "--parts", "base:no-such", "--no-config")[0] == 2


@pytest.mark.parametrize("gate", ["verify", "lock", "show"])
@pytest.mark.parametrize("way", ["up", "absolute", "link", "linked folder"])
def test_parts_lie_in_the_repository(here, cli, tmp_path_factory, gate, way):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "p.py").write_text(f"open({str(here / 'ran')!r}, 'a')\n" + PART)
    up = os.path.relpath(outside / "p.py")
    named = {"up": up, "absolute": str(outside / "p.py"), "link": "l.py", "linked folder": "f/p.py"}
    Path("l.py").symlink_to(outside / "p.py")
    Path("f").symlink_to(outside)
    Path("s.yaml").write_text(SPEC.replace("[p.py]", json.dumps([named[way]])))
    code, _, err = cli(gate, "s.yaml")
    assert code == 2
    assert "the repository" in err
    assert not Path("ran").exists()


def test_the_api_has_the_same_words(here):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for parts in ("all", "base:main"):
            assert resnet_gen.load_spec("s.yaml", parts=parts).spec.name == "s"
        Path("p.py").write_text(MARK + PART)
        for parts in ("none", "base:main"):
            with pytest.raises(Refused, match="is not run"):
                resnet_gen.load_spec("s.yaml", parts=parts)
        assert not Path("ran").exists()
        Path("p.py").write_text(MARK + PART.replace("odd", "even"))
        Path("s.yaml").write_text(SPEC.replace("odd", "even"))
        resnet_gen.load_spec("s.yaml")
        assert Path("ran").exists()
    with pytest.raises(Refused, match="none, all or base:REVISION"):
        resnet_gen.load_spec("s.yaml", parts="some")


def test_pytest_s_plugin_has_them(here):
    Path("p.py").write_text(MARK + PART)
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--resnet-gen-specs", "*.yaml", "--resnet-gen-parts"]
    for parts in ("none", "base:main"):
        done = subprocess.run([sys.executable, *words, parts, "s.yaml"], capture_output=True, text=True)
        assert done.returncode == 1
        assert "is not run" in done.stdout
        assert not Path("ran").exists()
