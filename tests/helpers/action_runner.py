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

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
GIT = ["git", "-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false"]

GH = r"""#!{python}
# Stands in for GitHub: keeps a pull request's comments in a file, and refuses where it may not write.
import json, os, re, sys
path = os.environ["COMMENTS"]
words = sys.argv[1:]
assert words.pop(0) == "api"
assert os.environ["GH_TOKEN"] == "the token"
comments = json.load(open(path))
me = os.environ.get("WRITER", "github-actions[bot]")
if words[0] == "graphql":
    assert words[1:] == ["-f", "query={{viewer{{login}}}}", "--jq", ".data.viewer.login"]
    raise SystemExit("HTTP 403" if os.environ.get("NO_VIEWER") else print(me))
method = words[words.index("-X") + 1] if "-X" in words else "GET"
target = next(word for word in words if word.startswith("repos/"))
if method == "GET":
    assert target == "repos/some/where/issues/7/comments" and "--paginate" in words
    asked = words[words.index("--jq") + 1]
    filter = r'\.\[\] \| select\(\.body \| startswith\("(.*?)"\)\) \| select\(\.user\.login == "(.*?)"\) \| \.id'
    mark, login = re.fullmatch(filter, asked).groups()
    print("\n".join(str(c["id"]) for c in comments if c["body"].startswith(mark) and c["user"]["login"] == login))
    raise SystemExit
if os.environ.get("READ_ONLY"):
    raise SystemExit("HTTP 403: Resource not accessible by integration")
field = words[words.index("-F") + 1]
assert field.startswith("body=@")
body = open(field.removeprefix("body=@")).read()
assert len(body) <= 65536
if method == "POST":
    assert target == "repos/some/where/issues/7/comments"
    comments.append({{"id": 100 + len(comments), "user": {{"login": me}}, "body": body}})
else:
    (found,) = [c for c in comments if target == f"repos/some/where/issues/comments/{{c['id']}}"]
    assert found["user"]["login"] == me
    found["body"] = body
json.dump(comments, open(path, "w"))
"""


HERE = """#!/bin/sh
# Stands in for a registry: an environment that has what this one has, so that nothing is downloaded.
"{python}" "$@" || exit
[ "$2 $3" != "-m venv" ] || echo "{packages}" > "$(echo "$4"/lib/python*/site-packages)/here.pth"
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
        (folder / "bin").mkdir()
        gh = folder / "bin/gh"
        gh.write_text(GH.format(python=sys.executable))
        gh.chmod(0o755)
        self.comments = folder / "comments.json"
        self.python = folder / "bin/python-here"
        self.python.write_text(HERE.format(python=sys.executable, packages=site.getsitepackages()[0]))
        self.python.chmod(0o755)
        self.installed = False
        self.begin()

    def begin(self):
        """A new pull request with somebody's comment, in a new repository; what is installed stays."""
        shutil.rmtree(self.project, ignore_errors=True)
        (self.project / "nets").mkdir(parents=True)
        (self.project / "resnet-gen.toml").write_text('specs = ["nets/*.yaml"]\n')
        self.comment("octocat", "Looks good to me.")

    def comment(self, login, body):
        """The only comment that there is."""
        self.comments.write_text(json.dumps([{"id": 1, "user": {"login": login}, "body": body}]))

    def commit(self, name, text):
        (self.project / name).write_text(text)
        if not (self.project / ".git").exists():
            subprocess.run([*GIT, "init", "-q"], cwd=self.project, check=True)
        for words in (["add", "-A"], ["commit", "-q", "--allow-empty", "-m", name]):
            subprocess.run([*GIT, *words], cwd=self.project, check=True)
        return self.head()

    def head(self):
        words = ["git", "rev-parse", "HEAD"]
        return subprocess.run(words, cwd=self.project, check=True, capture_output=True, text=True).stdout.strip()

    def run(self, base, inputs=(), **environment):
        """Every step in turn; returns the exit code, what was printed, and the outputs of the steps."""
        inputs = {"python": str(self.python), "token": "the token", **dict(inputs)}
        given = {name: inputs.get(name, spec.get("default", "")) for name, spec in ACTION["inputs"].items()}
        environment = {
            "GITHUB_EVENT_NAME": "pull_request" if base else "push",
            "GITHUB_SHA": self.head(),
            **environment,
        }
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
            "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0",
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


def runner_in(folder):
    """A runner; the test is skipped where its programs are missing."""
    if shutil.which("git") is None or shutil.which("bash") is None:
        pytest.skip("no git or no bash here, which the action's steps need")
    return Runner(folder)
