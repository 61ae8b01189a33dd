"""The GitHub Action, its steps run as a runner runs them."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.accuracy.digits import write_test_part
from tests.accuracy.measured import WEIGHTS
from tests.helpers.action_runner import ACTION, ROOT, runner_in


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return runner_in(tmp_path_factory.mktemp("runner"))


@pytest.fixture
def runner(installed):
    installed.begin()
    return installed


GOOD = "name: mine\nextends: resnet18\n"


@pytest.mark.long
def test_a_pull_request_from_first_push_to_last(runner):
    base = runner.commit("nets/mine.yaml", GOOD)

    runner.commit("readme.txt", "nothing about networks")
    code, printed, steps = runner.run(base)
    assert code == 0, printed
    assert steps["verify"]["outputs"] == {"code": "0"}
    assert steps["review"]["outputs"] == {"changed": "false"}
    assert runner.said() == ["Looks good to me."]

    runner.commit("nets/mine.yaml", GOOD + "stages: {depths: [2, 3, 2, 2]}\n")
    code, printed, steps = runner.run(base)
    assert code == 0, printed
    assert steps["review"]["outputs"] == {"changed": "true"}
    (_, comment) = runner.said()
    assert comment.startswith("<!-- resnet-gen -->\n**1 of 1 network changed** since")
    assert "1 block added to stage 2" in comment
    assert comment.endswith((runner.folder / "summary.md").read_text())

    claim = 'claims:\n  - {what: layers, value: 19, source: "nobody"}\n'
    runner.commit("nets/mine.yaml", f"{GOOD}activation: silu\n{claim}")
    code, printed, steps = runner.run(base)
    assert code == 1, printed
    assert steps["verify"]["outputs"] == {"code": "1"}
    assert "::error file=nets/mine.yaml,line=5,col=27," in printed
    (_, comment) = runner.said()  # the same one, brought up to date
    assert "relu -> silu" in comment or "silu" in comment
    assert "19 is claimed, the graph has 18" in comment
    found = json.loads((runner.project / "resnet-gen.sarif").read_text())
    assert [r["ruleId"] for r in found["runs"][0]["results"]] == ["claim"]

    runner.commit("nets/mine.yaml", GOOD)
    code, printed, _ = runner.run(base)
    assert code == 0, printed
    assert "no network changed" in runner.said()[1]


def test_a_fork_s_token_may_not_write_and_the_summary_says_it_all(runner):
    base = runner.commit("nets/mine.yaml", GOOD)
    runner.commit("nets/mine.yaml", GOOD + "activation: silu\n")
    before = runner.said()
    code, printed, _ = runner.run(base, READ_ONLY="1")
    assert code == 0
    assert "::warning title=resnet-gen::no comment could be written" in printed
    assert "**1 of 1 network changed**" in (runner.folder / "summary.md").read_text()
    assert runner.said() == before


def test_a_push_without_a_pull_request_is_verified_alone(runner):
    runner.commit("nets/mine.yaml", GOOD + "# pushed\n")
    code, printed, steps = runner.run(None)
    assert code == 0, printed
    assert "review" not in steps
    assert (runner.folder / "summary.md").read_text() == ""


def test_a_spec_that_cannot_be_read_ends_with_2_and_is_in_the_comment(runner):
    base = runner.commit("nets/mine.yaml", GOOD)
    runner.commit("nets/mine.yaml", GOOD + "nrom: batch\n")
    code, printed, _ = runner.run(base)
    assert code == 2
    assert "::error file=nets/mine.yaml,line=3,col=1," in printed
    assert "cannot be read" in runner.said()[1]


def test_a_base_that_the_clone_does_not_have_is_fetched(runner, tmp_path):
    base = runner.commit("nets/mine.yaml", GOOD)
    runner.commit("nets/mine.yaml", GOOD + "activation: silu\n")
    shallow = tmp_path / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth", "1", runner.project.as_uri(), str(shallow)], check=True)
    full, runner.project = runner.project, shallow
    subprocess.run(["git", "config", "uploadpack.allowAnySHA1InWant", "true"], cwd=full, check=True)
    code, printed, steps = runner.run(base)
    runner.project = full
    assert code == 0, printed
    assert steps["review"]["outputs"] == {"changed": "true"}


@pytest.mark.parametrize("base", ["main", "origin/main", "refs/heads/main"])
def test_a_branch_can_be_the_base_in_a_checkout_of_one_commit(runner, tmp_path, base):
    runner.commit("nets/mine.yaml", GOOD)
    subprocess.run(["git", "branch", "-f", "main"], cwd=runner.project, check=True)
    runner.commit("nets/mine.yaml", GOOD + "activation: silu\n")
    shallow = tmp_path / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth", "1", runner.project.as_uri(), str(shallow)], check=True)
    subprocess.run(["git", "checkout", "-q", "--detach"], cwd=shallow, check=True)
    full, runner.project = runner.project, shallow
    code, printed, steps = runner.run(None, {"base": base})
    runner.project = full
    assert code == 0, printed
    assert steps["review"]["outputs"] == {"changed": "true"}


TINY = """\
name: mine
input: {channels: 3, size: 8}
stem: {kind: conv3x3, width: 4}
stages: {depths: [1], widths: [4], block: basic}
head: {kind: linear, classes: 3}
"""
BUILDS = 'specs = ["nets/*.yaml"]\n[builds.edge]\nfolder = "out/{spec}"\n[builds.other]\nset = {name = "other"}\n'


def test_it_builds_what_the_project_says_and_the_summary_has_the_table(runner):
    runner.commit("resnet-gen.toml", BUILDS)
    runner.commit("nets/mine.yaml", TINY)
    summary = runner.folder / "summary.md"
    code, printed, steps = runner.run(None, {"build": "true", "builds": " edge \n"})
    assert code == 0, printed
    assert steps["build"]["outputs"] == {"code": "0"}
    assert summary.read_text().startswith("**1 build: 1 built**\n\n| build | spec |")
    assert (runner.project / "out/mine/mine.onnx").is_file()
    assert not (runner.project / "build").exists()


def test_what_only_says_that_it_is_built_is_built_anew(runner):
    """A model of a stranger's with the manifest that a build of the same spec would have."""
    runner.commit("nets/mine.yaml", TINY)
    runner.commit("resnet-gen.toml", BUILDS)
    assert runner.run(None, {"build": "true", "builds": "edge"})[0] == 0
    model, manifest = runner.project / "out/mine/mine.onnx", runner.project / "out/mine/mine.manifest.json"
    own, text = model.read_bytes(), manifest.read_text()
    model.write_bytes(b"a stranger's")
    manifest.write_text(text.replace(*(hashlib.sha256(each).hexdigest() for each in (own, model.read_bytes()))))
    assert manifest.read_text() != text
    code, printed, _ = runner.run(None, {"build": "true", "builds": "edge"})
    assert (code, model.read_bytes()) == (0, own), printed


@pytest.mark.long
def test_it_compares_what_is_there_with_what_would_be_built(runner):
    runner.commit("resnet-gen.toml", BUILDS)
    runner.commit("nets/mine.yaml", TINY)
    runner.run(None, {"build": "true", "builds": "edge"})
    (runner.project / "out/mine/mine.onnx").write_text("a stranger's")
    code, printed, steps = runner.run(None, {"build": "check", "builds": "edge", "jobs": "2"})
    assert (code, steps["build"]["outputs"]) == (1, {"code": "1"}), printed
    assert "differs: mine.onnx" in (runner.folder / "summary.md").read_text()


@pytest.mark.long
def test_what_it_cannot_build_fails_the_job(runner):
    runner.commit("resnet-gen.toml", BUILDS)
    runner.commit("nets/mine.yaml", TINY)
    for inputs, said in (
        ({"build": "yes"}, "::error title=resnet-gen::build: write true, check or false"),
        ({"build": "true", "builds": "--help"}, "there is no build '--help'"),
        ({"build": "true", "jobs": "all"}, "Invalid value for '-j' / '--jobs'"),
    ):
        code, printed, _ = runner.run(None, inputs)
        assert code == 2
        assert said in printed
    runner.commit("nets/mine.yaml", TINY.replace("name: mine", "name: mine\nparts: [../mine.py]"))
    runner.commit("mine.py", "raise SystemExit(0)")
    code, printed, _ = runner.run(None, {"build": "true", "parts": "none"})
    assert code == 2
    assert not (runner.project / "build").exists()


@pytest.mark.long
def test_budgets_of_accuracy_are_held_where_that_is_asked_for(runner):
    shutil.copy(WEIGHTS, runner.project / "w.safetensors")
    write_test_part(runner.project / "digits.npz")
    budget = "budgets: {accuracy: {data: ../digits.npz, weights: ../w.safetensors, min: MIN}}\n"
    text = f"name: mine\nextends: resnet8-digits\n{budget}"
    base = runner.commit("nets/mine.yaml", text.replace("MIN", "0.9"))
    runner.commit("nets/mine.yaml", text.replace("MIN", "1.0") + "title: Mine\n")
    code, printed, _ = runner.run(base)
    assert code == 0, printed
    assert "accuracy was not evaluated (1 budget)" in printed
    code, printed, _ = runner.run(base, {"evaluate": "true"})
    assert code == 1, printed
    assert "::error file=nets/mine.yaml,line=3," in printed
    assert "under the budget of 1 by" in printed


@pytest.mark.long
def test_what_it_has_built_is_evaluated_where_that_is_asked_for(runner):
    shutil.copy(WEIGHTS, runner.project / "w.safetensors")
    write_test_part(runner.project / "digits.npz")
    runner.commit("nets/mine.yaml", "name: mine\nextends: resnet8-digits\n")
    table = 'specs = ["nets/*.yaml"]\n[builds.edge]\nfolder = "out/{spec}"\nweights = "w.safetensors"\n'
    budget = '[budgets.mine]\naccuracy = {data = "digits.npz", min = MIN}\n'
    runner.commit("resnet-gen.toml", f"{table}{budget}".replace("MIN", "0.99"))
    inputs = {"evaluate": "builds", "builds": "edge"}
    code, printed, steps = runner.run(None, inputs)
    assert (code, steps["evaluate"]["outputs"]) == (1, {"code": "1"}), printed
    summary = runner.folder / "summary.md"
    assert "not built: " in summary.read_text()
    code, printed, steps = runner.run(None, {**inputs, "build": "true"})
    assert (code, steps["evaluate"]["outputs"]) == (0, {"code": "0"}), printed
    assert "**1 build: 1 met**\n\n| build | spec |" in summary.read_text()
    runner.commit("resnet-gen.toml", f"{table}{budget}".replace("MIN", "1.0"))
    code, printed, steps = runner.run(None, {**inputs, "build": "true"})
    assert (code, steps["evaluate"]["outputs"]) == (1, {"code": "1"}), printed
    assert "under the budget of 1 by" in printed


@pytest.mark.parametrize("given", ["yes", "", "true; id", "--help"])
def test_another_word_than_true_or_false_ends_before_anything_is_verified(runner, given):
    runner.commit("nets/mine.yaml", GOOD)
    code, printed, steps = runner.run(None, {"evaluate": given})
    assert (code, steps["verify"]["outputs"]) == (2, {})
    assert printed.endswith("::error title=resnet-gen::evaluate: write true, builds or false\n")


def test_the_metadata_are_an_action_s():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-actions", "action.yml"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("step", ACTION["runs"]["steps"], ids=lambda step: step["name"])
def test_its_scripts_are_sound_shell(step):
    checker = shutil.which("shellcheck") or str(Path(sys.executable).with_name("shellcheck"))
    command = [checker, "--shell=bash", "--severity=style", "-"]
    result = subprocess.run(command, input=step["run"], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
