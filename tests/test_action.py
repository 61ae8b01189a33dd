"""The GitHub Action, its steps run as a runner runs them: only GitHub itself is a stand-in.

What the package needs is taken from this environment, so that nothing is downloaded.
"""

import json
import os
import re
import shutil
import site
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
GIT = ["git", "-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false"]

GH = """#!{python}
# Stands in for GitHub: keeps a pull request's comments in a file, and refuses where it may not write.
import json, os, sys
path = os.environ["COMMENTS"]
words = sys.argv[1:]
assert words.pop(0) == "api"
assert os.environ["GH_TOKEN"] == "the token"
comments = json.load(open(path))
method = words[words.index("-X") + 1] if "-X" in words else "GET"
target = next(word for word in words if word.startswith("repos/"))
if method == "GET":
    assert target == "repos/some/where/issues/7/comments" and "--paginate" in words
    mark = words[words.index("--jq") + 1].split('"')[1]
    print("\\n".join(str(c["id"]) for c in comments if c["body"].startswith(mark)))
    raise SystemExit
if os.environ.get("READ_ONLY"):
    raise SystemExit("HTTP 403: Resource not accessible by integration")
field = words[words.index("-F") + 1]
assert field.startswith("body=@")
body = open(field.removeprefix("body=@")).read()
assert len(body) <= 65536
if method == "POST":
    assert target == "repos/some/where/issues/7/comments"
    comments.append({{"id": 100 + len(comments), "body": body}})
else:
    (found,) = [c for c in comments if target == f"repos/some/where/issues/comments/{{c['id']}}"]
    found["body"] = body
json.dump(comments, open(path, "w"))
"""


def evaluated(text, context):
    """A `${{ }}` of the few forms that the action uses: names, `||`, `&&` and `==` with a quoted text."""

    def one(word):
        word = word.strip()
        if "==" in word:
            left, right = word.split("==")
            return one(left) == right.strip().strip("'")
        found = context
        for step in word.split("."):
            found = found.get(step) if isinstance(found, dict) else None
        return found

    def expression(text):
        if "&&" in text:
            return all(one(word) for word in text.split("&&"))
        return next((value for value in map(one, text.split("||")) if value), "")

    whole = re.fullmatch(r"\$\{\{(.*)\}\}", str(text))
    if whole:
        if " != " in text:
            left, right = whole[1].split(" != ")
            return one(left) != right.strip().strip("'")
        return expression(whole[1])
    return text


class Runner:
    """Runs the action in a repository, for one pull request."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.project = folder, folder / "project"
        (self.project / "nets").mkdir(parents=True)
        (self.project / "resnet-gen.toml").write_text('specs = ["nets/*.yaml"]\n')
        (folder / "bin").mkdir()
        gh = folder / "bin/gh"
        gh.write_text(GH.format(python=sys.executable))
        gh.chmod(0o755)
        self.comments = folder / "comments.json"
        self.comments.write_text('[{"id": 1, "body": "Looks good to me."}]')
        self.installed = False

    def commit(self, name, text):
        (self.project / name).write_text(text)
        if not (self.project / ".git").exists():
            subprocess.run([*GIT, "init", "-q"], cwd=self.project, check=True)
        for words in (["add", "-A"], ["commit", "-q", "-m", name]):
            subprocess.run([*GIT, *words], cwd=self.project, check=True)
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=self.project, check=True, capture_output=True, text=True
        )
        return head.stdout.strip()

    def run(self, base, inputs=(), **environment):
        """Every step in turn; returns the exit code, what was printed, and the outputs of the steps."""
        inputs = {"python": sys.executable, "token": "the token", **dict(inputs)}
        given = {name: inputs.get(name, spec.get("default", "")) for name, spec in ACTION["inputs"].items()}
        event = {"pull_request": {"number": 7, "base": {"sha": base}}} if base else {}
        context = {"inputs": given, "github": {"event": event}, "steps": {}}
        (self.folder / "summary.md").write_text("")
        printed = ""
        for step in ACTION["runs"]["steps"]:
            if not evaluated(step.get("if", "true"), context) or (
                step["name"].startswith("Install") and self.installed
            ):
                continue
            code, text, outputs = self.step(step, context, environment)
            context["steps"][step.get("id", step["name"])] = {"outputs": outputs}
            printed += text
            if code:
                return code, printed, context["steps"]
        return 0, printed, context["steps"]

    def step(self, step, context, environment):
        output = self.folder / "output"
        output.write_text("")
        own = {name: str(evaluated(value, context)) for name, value in step.get("env", {}).items()}
        shared = {
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": site.getsitepackages()[0], "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0",
            "RUNNER_TEMP": str(self.folder), "GITHUB_ACTION_PATH": str(ROOT), "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"), "GITHUB_REPOSITORY": "some/where",
            "COMMENTS": str(self.comments), "HOME": str(self.folder),
        }  # fmt: skip
        assert step["shell"] == "bash"
        result = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]], cwd=self.project, text=True,
            env=shared | own | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.installed |= step["name"].startswith("Install") and not result.returncode
        outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
        return result.returncode, result.stdout, outputs

    def said(self):
        return [c["body"] for c in json.loads(self.comments.read_text())]


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    if shutil.which("git") is None or shutil.which("bash") is None:
        pytest.skip("no git or no bash here, which the action's steps need")
    return Runner(tmp_path_factory.mktemp("runner"))


GOOD = "name: mine\nextends: resnet18\n"


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
    assert code == 1
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
