"""The pre-commit hooks, as pre-commit installs and runs them in somebody's repository.

What the package needs is taken from this environment, so that nothing is downloaded.
"""

import os
import shutil
import site
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GIT = ["git", "-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]

pytestmark = pytest.mark.skipif(
    not (ROOT / ".git").exists() or shutil.which("git") is None, reason="not in a git checkout, of which hooks are made"
)


def call(*command, cwd, **environment):
    return subprocess.run(
        command, cwd=cwd, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.fixture(scope="module")
def hooks(tmp_path_factory):
    """This project as it is now, in a repository with one commit."""
    folder = tmp_path_factory.mktemp("hooks")
    for name in ("resnet_gen", "specs", "templates"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".pre-commit-hooks.yaml", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        assert call(*GIT, *command, cwd=folder).returncode == 0
    return folder


@pytest.fixture
def project(hooks, tmp_path):
    """A repository of specs that uses the hooks."""
    folder = tmp_path / "project"
    (folder / "nets").mkdir(parents=True)
    (folder / "nets/mine.yaml").write_text("name: mine\nextends: resnet18\n")
    (folder / "resnet-gen.toml").write_text('specs = ["nets/*.yaml"]\n')
    revision = call("git", "rev-parse", "HEAD", cwd=hooks).stdout.strip()
    ids = "".join(f"      - id: {name}\n" for name in ("resnet-gen-verify", "resnet-gen-lock"))
    (folder / ".pre-commit-config.yaml").write_text(
        f"repos:\n  - repo: {hooks}\n    rev: {revision}\n    hooks:\n{ids}"
    )
    assert call(*GIT, "init", "-q", cwd=folder).returncode == 0
    locked = call(sys.executable, "-m", "resnet_gen", "lock", cwd=folder, PYTHONPATH=str(ROOT))
    assert locked.returncode == 0, locked.stdout
    return folder


def commit(project, cache):
    """What `git commit` would run, and what it says."""
    assert call("git", "add", "-A", cwd=project).returncode == 0
    return call(
        sys.executable, "-m", "pre_commit", "run", cwd=project,
        PRE_COMMIT_HOME=str(cache), PIP_NO_DEPS="1", PIP_NO_BUILD_ISOLATION="0", PYTHONPATH=site.getsitepackages()[0],
    )  # fmt: skip


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("pre-commit")


def test_the_hooks_pass_what_is_fine(project, cache):
    result = commit(project, cache)
    assert result.returncode == 0, result.stdout
    assert [line.rstrip() for line in result.stdout.splitlines()[-2:]] == [
        "resnet-gen verify........................................................Passed",
        "resnet-gen lock..........................................................Passed",
    ]


def test_a_false_claim_stops_the_commit(project, cache):
    text = (project / "nets/mine.yaml").read_text()
    (project / "nets/mine.yaml").write_text(text + 'claims:\n  - {what: layers, value: 19, source: "nobody"}\n')
    result = commit(project, cache)
    (project / "nets/mine.yaml").write_text(text)
    assert result.returncode == 1
    assert "nets/mine.yaml:4:27: error: layers: 19 is claimed, the graph has 18 (nobody) [claim]" in result.stdout


def test_a_network_that_changed_stops_the_commit_until_it_is_locked(project, cache):
    text = (project / "nets/mine.yaml").read_text()
    (project / "nets/mine.yaml").write_text(text + "activation: silu\n")
    result = commit(project, cache)
    assert result.returncode == 1
    assert "resnet-gen lock..........................................................Failed" in result.stdout
    assert call(sys.executable, "-m", "resnet_gen", "lock", cwd=project, PYTHONPATH=str(ROOT)).returncode == 0
    assert commit(project, cache).returncode == 0


@pytest.mark.long
def test_what_is_deleted_or_edited_in_the_lock_stops_the_commit(project, cache):
    """Changes after which no file of a kind that the hooks could ask for is left to check."""
    lock, spec = project / "resnet-gen.lock", project / "nets/mine.yaml"
    text = lock.read_text()
    assert call("git", "add", "-A", cwd=project).returncode == 0
    assert call(*GIT, "commit", "-q", "-m", "all", cwd=project).returncode == 0
    lock.write_text(text.replace("params = 513000", "params = 513001"))
    assert lock.read_text() != text
    assert commit(project, cache).returncode == 1
    lock.write_text(text)
    (project / "nets/other.yaml").write_text(spec.read_text().replace("mine", "other"))
    assert call(sys.executable, "-m", "resnet_gen", "lock", cwd=project, PYTHONPATH=str(ROOT)).returncode == 0
    assert commit(project, cache).returncode == 0
    assert call(*GIT, "commit", "-q", "-m", "two", cwd=project).returncode == 0
    (project / "nets/other.yaml").unlink()
    assert commit(project, cache).returncode == 1


def test_the_manifest_is_one_of_pre_commit(hooks):
    result = call(sys.executable, "-m", "pre_commit", "validate-manifest", ".pre-commit-hooks.yaml", cwd=hooks)
    assert result.returncode == 0, result.stdout
