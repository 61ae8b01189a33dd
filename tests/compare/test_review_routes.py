"""`review`: no route by which a network gets out of what holds it, and no program that a repository's settings name."""

import itertools
import json
import subprocess
from pathlib import Path

import pytest

from resnet_gen.compare.difference.base_revision import list_former_networks
from resnet_gen.compare.difference.revision import find_moves
from resnet_gen.project.project_file import find_project
from tests.compare.test_review import git
from tests.helpers.varied import spread

SPEC = "name: {}\nextends: cifar-resnet20\n"
FILES = ["nets/a.yaml", "nets/b.yaml", "nets/deep/c.yaml", "nets/.hidden.yaml", "real/d.yaml", "real/inner/e.yaml"]
LINKS = {"linked": "real", "chain": "linked", "nets/over": "../real/inner", "nets/f.yaml": "../real/d.yaml"}
LINKS |= {"out": "..", "nowhere": "none", "circle": "circle"}
FOLDERS = ["nets", "./nets/", "nets/../nets", "linked", "chain", "linked/../nets", "*", "nets/over", "li*", "out/nets"]
NAMES = ["*.yaml", "[ab].yaml", "a.yaml", "*/*.yaml", "**/*.yaml", "deep/../*.yaml"]
PATTERNS = [*(f"{folder}/{name}" for folder, name in itertools.product(FOLDERS, NAMES)), "**/*.yaml", "**/inner/*.yaml"]


@pytest.fixture(scope="module")
def linked(tmp_path_factory):
    """A repository whose folders are linked to and fro."""
    folder = tmp_path_factory.mktemp("outer") / "linked"
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(SPEC.format(Path(name).stem.strip(".")))
    for name, target in LINKS.items():
        (folder / name).symlink_to(target)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    return folder


def project_of(folder, pattern):
    (folder / "resnet-gen.toml").write_text(f"specs = [{json.dumps(pattern)}]\n")
    return find_project()


def there(project, pattern):
    """What lies in the folder and a pattern means."""
    return {Path(path).resolve() for path in project._resolve_pattern(pattern)}


@pytest.mark.parametrize("pattern", spread(PATTERNS, len(PATTERNS) // 2))
def test_what_git_has_is_listed_as_what_lies_there_is(linked, monkeypatch, pattern):
    """By whatever paths, folders above and links; else a network could be taken off the list unseen."""
    monkeypatch.chdir(linked)
    since, project = find_moves("HEAD"), project_of(linked, pattern)
    then = {(linked / path).resolve() for path in list_former_networks(since, project)}
    assert {path for path in there(project, pattern) if path.is_relative_to(linked.resolve())} <= then
    assert then <= {(linked / name).resolve() for name in FILES}


def test_the_patterns_above_list_something(linked, monkeypatch):
    monkeypatch.chdir(linked)
    assert sum(bool(there(project_of(linked, pattern), pattern)) for pattern in PATTERNS) > len(PATTERNS) / 2


# --- budgets go by names ------------------------------------------------------

BOUND = "[budgets.{}]\nparams = {{max = 300000}}\n"
NAMES_NOW = {
    "another": ("other", "small", True),
    "exchanged": ("small", "mine", True),
    "the same glob": ("mine2", "small", False),
    "as it was": ("mine", "small", False),
}


@pytest.mark.parametrize("how", NAMES_NOW)
@pytest.mark.parametrize("pattern", ["mine", "mine*"])
@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_a_network_that_its_budget_holds_no_more_is_told_first(tmp_path, monkeypatch, cli, how, pattern, form):
    """A budget goes by the network's name, which its spec may change."""
    monkeypatch.chdir(tmp_path)
    first, second, loose = NAMES_NOW[how]
    (tmp_path / "resnet-gen.toml").write_text('specs = ["*.yaml"]\n' + BOUND.format(json.dumps(pattern)))
    for file, name in (("a.yaml", "mine"), ("b.yaml", "small")):
        (tmp_path / file).write_text(SPEC.format(name))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "one")
    (tmp_path / "a.yaml").write_text(SPEC.format(first))
    (tmp_path / "b.yaml").write_text(SPEC.format(second))
    _, out, _ = cli("review", "--base", "HEAD", "--format", form)
    assert ("loosened" in out.replace('"loosened": []', "").replace('"loosened": false', "")) is (
        loose or (how == "the same glob" and pattern == "mine")
    )


# --- what a repository's settings run -------------------------------------------


def test_no_program_of_the_repository_s_settings_is_run(tmp_path, monkeypatch, cli):
    """Filters, hooks, monitors, pagers, other programs for differences: an archive may bring them all along."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resnet-gen.toml").write_text('specs = ["*.yaml"]\n')
    (tmp_path / "a.yaml").write_text(SPEC.format("a"))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "one")
    (tmp_path / ".gitattributes").write_text("*.yaml filter=x diff=x\n")
    (tmp_path / "a.yaml").write_text(SPEC.format("a") + "activation: silu\n")
    for key in SETTINGS:
        program = tmp_path / key.replace(".", "-")
        program.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran-{key}'\ncat\n")
        program.chmod(0o755)
        subprocess.run(["git", "config", key, str(program)], cwd=tmp_path, check=True)
    for hook in ("post-index-change", "fsmonitor-watchman", "reference-transaction"):
        (tmp_path / ".git/hooks").mkdir(exist_ok=True)
        (tmp_path / ".git/hooks" / hook).write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran-{hook}'\n")
        (tmp_path / ".git/hooks" / hook).chmod(0o755)
    for words in (["review", "--base", "HEAD"], ["diff", "HEAD:a.yaml", "a.yaml"], ["diff", ":a.yaml", "a.yaml"]):
        assert cli(*words)[0] == 1
        assert not list(tmp_path.glob("ran-*"))


SETTINGS = [
    "core.fsmonitor", "filter.x.clean", "filter.x.smudge", "diff.x.textconv", "diff.x.command", "diff.external",
    "core.pager", "pager.diff", "core.editor", "core.sshCommand", "core.askPass", "gpg.program",
]  # fmt: skip
