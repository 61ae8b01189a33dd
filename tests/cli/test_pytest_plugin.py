"""The pytest plugin, as installed: in a pytest of its own, in a project of its own."""

import os
import subprocess
import sys

import pytest

GOOD = "name: good\nextends: resnet18\n"
WRONG = 'name: wrong\nextends: resnet18\nclaims:\n  - {what: layers, value: 19, source: "nobody"}\n'
OFF = [word for name in ("cacheprovider", "hypothesispytest", "pytest_cov", "xdist") for word in ("-p", f"no:{name}")]
"""Plugins that have nothing to do with ours, and take twice its time to load."""
UNREADABLE = "name: broken\nextends: resnet18\nnrom: batch\n"


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "nets"
    folder.mkdir()
    for name, text in (("good", GOOD), ("wrong", WRONG), ("broken", UNREADABLE)):
        (folder / f"{name}.yaml").write_text(text)
    (tmp_path / "other.yaml").write_text("not: a spec\n")
    return tmp_path


def run(folder, *arguments, settings="[pytest]\nresnet_gen_specs = nets/*.yaml\n"):
    (folder / "pytest.ini").write_text(settings)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV"))}
    command = [sys.executable, "-m", "pytest", *OFF, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_each_rule_of_each_spec_is_a_test(project):
    shown = run(project, "--collect-only", "-q").stdout
    assert "nets/good.yaml::claim\n" in shown
    assert "nets/good.yaml::invalid-spec\n" in shown
    assert "nets/wrong.yaml::reference-state\n" in shown
    assert "other.yaml" not in shown


def test_a_broken_rule_fails_and_is_shown_as_verify_shows_it(project):
    result = run(project, "nets/good.yaml", "nets/wrong.yaml", "-q")
    assert result.returncode == 1
    assert (
        "nets/wrong.yaml:4:27: error: layers: 19 is claimed, the graph has 18 (nobody) [claim]\n   4 |" in result.stdout
    )
    assert "Traceback" not in result.stdout
    assert "1 failed" in result.stdout


def test_a_spec_that_cannot_be_read_fails_once_and_its_rules_are_skipped(project):
    result = run(project, "nets/broken.yaml", "-q", "-rs")
    assert result.returncode == 1
    assert "nets/broken.yaml:3:1: error: nrom: unknown key" in result.stdout
    assert "the spec cannot be read" in result.stdout
    assert "1 failed" in result.stdout
    assert "passed" not in result.stdout


def test_a_rule_is_chosen_by_its_name(project):
    result = run(project, "-q", "-k", "claim and not broken")
    assert "1 failed, 1 passed" in result.stdout


def test_the_option_names_specs_too(project):
    result = run(project, "-q", "--resnet-gen-specs", "nets/good.yaml", settings="[pytest]\n")
    assert result.returncode == 0
    assert "passed" in result.stdout


def test_without_settings_nothing_is_collected_and_nothing_is_loaded(project):
    (project / "test_nothing.py").write_text(
        "import sys\n\ndef test_nothing():\n    assert not {'pydantic', 'yaml'} & set(sys.modules)\n"
    )
    result = run(project, "-q", settings="[pytest]\n")
    assert result.returncode == 0, result.stdout
    assert "1 passed" in result.stdout


def test_the_project_s_budgets_and_rules_hold(project):
    (project / "resnet-gen.toml").write_text('ignore = ["claim"]\n[budgets.good]\nparams = {max = 1000}\n')
    result = run(project, "nets/good.yaml", "nets/wrong.yaml", "-q")
    assert "over the budget of 1,000" in result.stdout
    assert "1 failed" in result.stdout
    assert "::claim" not in run(project, "--collect-only", "-q").stdout


def test_a_finding_that_is_suppressed_passes(project):
    text = WRONG.replace('"nobody"}', '"nobody"}  # resnet-gen: ignore[claim] a joke')
    (project / "nets/wrong.yaml").write_text(text)
    assert run(project, "nets/wrong.yaml", "-q").returncode == 0


def test_a_project_file_that_cannot_be_read_is_shown(project):
    (project / "resnet-gen.toml").write_text("spces = []\n")
    result = run(project, "nets/good.yaml", "-q")
    assert result.returncode != 0
    assert "resnet-gen.toml:1:1: error: spces: unknown key" in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
