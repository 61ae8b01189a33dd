"""Project files, budgets and locks as they are used: on the command line, in a folder of specs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from resnet_gen.cli import lock_networks
from resnet_gen.language.budgets import Budgets, LatencyBudget
from resnet_gen.project.lock import lock_text
from resnet_gen.project.project_file import ProjectSettings
from resnet_gen.system.resources import shipped_specs
from tests.helpers.project_files import begin_project, everything, write

ROOT = Path(__file__).parents[2]

NET = """\
name: net
input: {channels: 3, size: 32}
stem: {kind: conv3x3, width: 8}
stages: {depths: [2, 1], widths: [8, 16], block: basic}
head: {kind: linear, classes: 10}
"""
PROJECT = 'specs = ["networks/*.yaml"]\n'


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a project file and two specs, in which the tests work."""
    other = NET.replace("name: net", "name: other")
    files = {"resnet-gen.toml": PROJECT, "networks/net.yaml": NET, "networks/other.yaml": other}
    return begin_project(tmp_path, monkeypatch, files)


def change(old, new, name="networks/net.yaml"):
    text = Path(name).read_text(encoding="utf-8")
    assert old in text
    write(name, text.replace(old, new))


# --- verify -----------------------------------------------------------------


def test_verify_without_a_spec_takes_the_project_s_from_any_folder_below(project, cli, monkeypatch):
    monkeypatch.chdir(project / "networks")
    assert cli("verify") == (
        0,
        "ok     net: 0 claims\nok     other: 0 claims\nok     ../resnet-gen.toml\n".replace("/", os.sep),
        "2 specs, 0 findings\n",
    )


def test_a_spec_that_is_named_is_verified_alone(project, cli):
    assert cli("verify", "networks/net.yaml")[1:] == ("ok     net: 0 claims\n", "1 spec, 0 findings\n")


def test_no_config_verifies_as_if_there_were_no_project(project, cli):
    write("resnet-gen.toml", PROJECT + '[budgets."*"]\nlayers.max = 1\n')
    assert cli("verify", "networks/net.yaml")[0] == 1
    assert cli("verify", "networks/net.yaml", "--no-config") == (0, "ok     net: 0 claims\n", "1 spec, 0 findings\n")


def test_config_names_another_project_file(project, cli):
    write("deep/strict.toml", 'specs = ["../networks/net.yaml"]\n[budgets.net]\nlayers.max = 1\n')
    code, out, _ = cli("verify", "--config", "deep/strict.toml")
    assert code == 1
    assert "\ndeep/strict.toml:3:14: error: net: layers: 8, over the budget of 1 by 7 (700%) [budget]\n" in out


@pytest.mark.parametrize("command", ["verify", "lock"])
def test_a_project_file_that_is_bad_stops_everything(project, cli, command):
    write("resnet-gen.toml", "spec = 3\n[budgets.net]\nlayer = 3\n")
    code, out, err = cli(command)
    assert (code, out) == (2, "")
    assert [line for line in err.splitlines() if "error" in line] == [
        "resnet-gen.toml:1:1: error: spec: unknown key",
        "resnet-gen.toml:3:1: error: budgets.net.layer: unknown key",
    ]
    assert cli(command, "--config", "gone.toml") == (2, "", "gone.toml: error: there is no such file\n")
    assert cli(command, "--config", "x", "--no-config")[2] == "error: --config and --no-config exclude each other\n"


def test_findings_of_a_project_s_budgets_say_of_which_spec_and_point_at_the_bound(project, cli):
    write("resnet-gen.toml", PROJECT + "\n[budgets.other]\nparams = {max = 6_000}\nlayers.max = 8\n")
    assert cli("verify") == (
        1,
        "ok     net: 0 claims\n"
        "failed other: 0 claims, 2 budgets of the project\n"
        "resnet-gen.toml:4:17: error: other: params: 6,450, over the budget of 6,000 by 450 (7.5%) [budget]\n"
        "   4 | params = {max = 6_000}\n"
        "                       ^^^^^\n"
        "ok     resnet-gen.toml: budgets for 1 name\n",
        "2 specs, 1 finding\n",
    )


def test_a_budget_for_a_name_that_no_network_has_is_found(project, cli):
    write("resnet-gen.toml", PROJECT + '[budgets]\n"othr".layers.max = 9\n"n*".layers.max = 9\n')
    code, out, _ = cli("verify")
    assert code == 1
    assert out.endswith(
        "failed resnet-gen.toml: budgets for 2 names\n"
        "resnet-gen.toml:3:1: error: no network is called 'othr' [budget]\n"
        '   3 | "othr".layers.max = 9\n'
        "       ^^^^^^^^^^^^^^^^^\n"
        "hint: did you mean 'other'? known: net, other\n"
    )
    assert cli("verify", "networks/net.yaml")[0] == 0, "the others were not looked at"


def test_the_project_s_rules_hold_unless_the_command_line_names_some(project, cli):
    text = PROJECT + 'ignore = ["budget"]\n[budgets.gone]\nlayers.max = 1\n[budgets.net]\nlayers.max = 1\n'
    write("resnet-gen.toml", text)
    assert cli("verify")[0] == 0
    assert cli("verify", "--ignore", "claim")[0] == 1
    write("resnet-gen.toml", text.replace("ignore", "select"))
    assert cli("verify")[2] == "2 specs, 2 findings\n"
    assert cli("verify", "--select", "claim")[2] == "2 specs, 0 findings\n"


def test_rules_of_the_project_that_there_are_not_are_refused_all_at_once(project, cli):
    write("resnet-gen.toml", 'select = ["claims", "budget"]\nignore = ["budget", "invalid-spec"]\n')
    assert cli("verify") == (
        2,
        "",
        "resnet-gen.toml:1:11: error: select.0: there is no rule 'claims'\n"
        '   1 | select = ["claims", "budget"]\n'
        "                 ^^^^^^^^\n"
        "hint: did you mean 'claim'? known: against-engine, against-layer, against-shape, against-surroundings, "
        "against-weight, budget, claim, deviation-unneeded, half-map-double-filters, invalid-spec, "
        "lock, reference-count, reference-state, same-map-same-filters, suppression\n"
        "resnet-gen.toml:2:11: error: ignore.0: 'budget' is selected too\n"
        '   2 | ignore = ["budget", "invalid-spec"]\n'
        "                 ^^^^^^^^\n"
        "hint: leave it away from one of them\n"
        "resnet-gen.toml:2:21: error: ignore.1: 'invalid-spec' cannot be ignored\n"
        '   2 | ignore = ["budget", "invalid-spec"]\n'
        "                           ^^^^^^^^^^^^^^\n"
        "hint: leave the spec away\n",
    )


def test_a_device_that_a_project_asks_for_and_is_not_there_is_said_once(project, cli):
    write("resnet-gen.toml", PROJECT + '[budgets."*"]\nlatency = {target = "l5", max = 1}\n')
    code, _, err = cli("verify")
    assert code == 2
    assert err.count("error") == 1
    assert err.startswith("resnet-gen.toml:3:21: error: there is no target 'l5'\n")


def test_reports_tell_of_the_project_too_and_never_overwrite_it(project, cli):
    write("resnet-gen.toml", PROJECT + "[budgets.gone]\nlayers.max = 9\n[budgets.net]\nlayers.max = 7\n")
    cli("lock")
    before = everything(project)
    found = json.loads(cli("verify", "--format", "json")[1])
    assert [(f["spec"], f["rule"], f["file"], f["line"]) for f in found] == [
        ("net", "budget", "resnet-gen.toml", 5),
        ("resnet-gen.toml", "budget", "resnet-gen.toml", 2),
    ]
    for file in ("resnet-gen.toml", "resnet-gen.lock"):
        code, out, err = cli("verify", "--format", "json", "-o", file)
        assert (code, out, err) == (2, "", f"{file}: error: cannot be written: the command reads it\n")
    assert everything(project) == before


@pytest.mark.parametrize("text", ["spcs = 1\n", 'specs = ["none/*.yaml"]\n', 'specs = ["networks"]\n', "specs = [\n"])
def test_a_project_file_that_cannot_be_read_is_in_the_reports(project, cli, text):
    write("resnet-gen.toml", text)
    told = ("--format", "github", "-o", "-", "--format", "sarif", "-o", "r.sarif", "--format", "junit", "-o", "r.xml")
    code, out, err = cli("verify", *told)
    assert code == 2
    assert out.startswith("::error file=resnet-gen.toml,line=1,col=")
    assert err.startswith("resnet-gen.toml:1:")
    (result,) = json.loads(Path("r.sarif").read_text())["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "resnet-gen.toml"
    assert 'errors="1"' in Path("r.xml").read_text()


def test_a_network_that_is_called_otherwise_than_its_file_is_locked_as_the_hint_says(project, cli):
    cli("lock")
    write("networks/fresh.yaml", NET.replace("name: net", "name: zed"))
    _, _, err = cli("verify", "--format", "text")
    _, out, _ = cli("verify")
    (hint,) = [line for line in (out + err).splitlines() if "adds it" in line]
    assert cli(*hint.split("`")[1].split()[1:])[0] == 0
    assert cli("verify")[0] == 0


@pytest.mark.parametrize("folder", ["networks", "./networks"])
def test_a_folder_is_no_spec(project, cli, folder):
    assert cli("verify", folder)[2] == (
        f"error: '{folder}' is a folder\nhint: name the specs in it, as in 'nets/*.yaml'\n1 spec, 0 findings\n"
    ).replace("1 spec, 0 findings\n", "")


def test_a_spec_that_cannot_be_read_leaves_the_project_unjudged(project, cli):
    write("resnet-gen.toml", PROJECT + "[budgets.net]\nlayers.max = 9\n")
    change("head:", "haed:")
    code, out, err = cli("verify")
    assert (code, out) == (2, "ok     other: 0 claims\n")
    assert "no network is called" not in err


# --- lock -------------------------------------------------------------------


def test_a_lock_is_written_and_holds(project, cli):
    assert cli("lock") == (0, "resnet-gen.lock\n", "2 networks locked: 0 changed, 2 new, 0 gone\n")
    assert cli("lock", "--check") == (0, "", "2 networks compared with resnet-gen.lock: 0 changed, 0 new, 0 gone\n")
    assert cli("verify") == (
        0,
        "ok     net: 0 claims, the lock\nok     other: 0 claims, the lock\n"
        "ok     resnet-gen.toml: lock of 2 networks\n",
        "2 specs, 0 findings\n",
    )


def test_locking_twice_writes_the_same_and_only_once(project, cli):
    cli("lock")
    before = Path("resnet-gen.lock").stat().st_mtime_ns, Path("resnet-gen.lock").read_bytes()
    assert cli("lock")[2] == "2 networks locked: 0 changed, 0 new, 0 gone\n"
    assert (Path("resnet-gen.lock").stat().st_mtime_ns, Path("resnet-gen.lock").read_bytes()) == before
    Path("resnet-gen.lock").unlink()
    cli("lock")
    assert Path("resnet-gen.lock").read_bytes() == before[1]


SAID = [
    "macs 3,498,144 -> 2,318,496 (-1,179,648)",
    "params 6,450 -> 5,266 (-1,184)",
    "buffers 176 -> 144 (-32)",
    "layers 8 -> 6 (-2)",
    "activations 53,258 -> 36,874 (-16,384)",
    "stage1: 2 blocks -> 1: params 2,368 -> 1,184 (-1,184), macs 2,359,296 -> 1,179,648 (-1,179,648), "
    "activations 32,768 -> 16,384 (-16,384)",
]


def test_a_change_is_told_in_the_same_words_by_check_verify_and_lock(project, cli):
    cli("lock")
    change("depths: [2, 1]", "depths: [1, 1]")
    before = everything(project)
    code, out, err = cli("lock", "--check")
    assert (code, err) == (1, "2 networks compared with resnet-gen.lock: 1 changed, 0 new, 0 gone\n")
    title, *lines = out.splitlines()
    assert title == "net: not as locked"
    assert {line.strip() for line in lines} >= set(SAID)
    code, verified, _ = cli("verify", "networks/net.yaml")
    assert code == 1
    assert verified.splitlines()[1].startswith(
        "networks/net.yaml:1:7: error: net: not as locked: params 6,450 -> 5,266"
    )
    assert verified.splitlines()[1].endswith("; and 3 more [lock]")
    assert verified.endswith(
        "   1 | name: net\n             ^^^\nhint: `resnet-gen lock --check net` shows all, "
        "`resnet-gen lock net` takes it as meant\n"
    )
    assert everything(project) == before
    code, path, told = cli("lock")
    assert (code, path) == (0, "resnet-gen.lock\n")
    assert told == f"{out}2 networks locked: 1 changed, 0 new, 0 gone\n"
    assert cli("verify")[0] == 0


def test_a_setting_makes_another_network_on_purpose(project, cli):
    cli("lock")
    assert cli("verify", "networks/net.yaml", "--set", "stages.depths=[1, 1]")[0] == 0


def test_a_part_of_one_s_own_is_locked_by_its_code_and_what_it_builds(project, cli):
    page = (ROOT / "docs" / "parts.md").read_text(encoding="utf-8")
    part, spec = (re.search(rf"```{kind}\n# \S+\n(.*?)```", page, re.DOTALL)[1] for kind in ("python", "yaml"))
    write("networks/inverted.py", part)
    write("networks/net.yaml", spec.replace("{kind: inverted, expand: 4}", "inverted"))
    lock = [sys.executable, "-m", "resnet_gen", "lock"]  # a process has run the parts of one file
    assert subprocess.run(lock, capture_output=True, check=False).returncode == 0
    change("1x1, depthwise", "Pointwise, depthwise", "networks/inverted.py")
    code = r'  code \["[0-9a-f]{16}"\] -> \["[0-9a-f]{16}"\]\n'
    checked = subprocess.run([*lock, "--check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 1
    assert re.fullmatch(f"small: not as locked\n{code}", checked.stdout)
    change('conv_norm(net, "3"', 'conv_norm(net, "4"', "networks/inverted.py")
    checked = subprocess.run([*lock, "--check"], capture_output=True, text=True, check=False)
    assert (checked.returncode, re.sub(code, "", checked.stdout)) == (
        1,
        "small: not as locked\n"
        "  stage1: every block: other operations or inputs, the same counts\n"
        "  stage2: every block: other operations or inputs, the same counts\n"
        "  stage3: every block: other operations or inputs, the same counts\n",
    )


def test_networks_come_and_go(project, cli):
    cli("lock")
    Path("networks/other.yaml").unlink()
    write("networks/third.yaml", NET.replace("name: net", "name: third"))
    code, out, err = cli("lock", "--check")
    assert (code, err) == (1, "2 networks compared with resnet-gen.lock: 0 changed, 1 new, 1 gone\n")
    assert out == "other: locked, and no longer there\n  spec: 'networks/other.yaml'\nthird: not in the lock\n"
    code, out, _ = cli("verify")
    assert code == 1
    assert (
        "networks/third.yaml:1:7: error: third: not in the lock [lock]\n"
        "   1 | name: third\n"
        "             ^^^^^\n"
        "hint: `resnet-gen lock third` adds it\n"
    ) in out
    number = Path("resnet-gen.lock").read_text().splitlines().index("[networks.other]") + 1
    assert out.endswith(
        f"resnet-gen.lock:{number}:2: error: other: locked, and no longer there [lock]\n"
        f"{number:>4} | [networks.other]\n"
        "        ^^^^^^^^^^^^^^\n"
        "hint: `resnet-gen lock` takes it out\n"
    )
    assert cli("lock", "third")[2] == "third: not in the lock\n1 network locked: 0 changed, 1 new, 0 gone\n"
    assert cli("lock")[2].endswith("2 networks locked: 0 changed, 0 new, 1 gone\n")
    assert "other" not in Path("resnet-gen.lock").read_text()


def test_one_network_is_locked_by_its_name_and_the_others_stay(project, cli):
    cli("lock")
    text = Path("resnet-gen.lock").read_text().partition("[networks.other]")
    change("classes: 10", "classes: 11")
    change("classes: 10", "classes: 12", "networks/other.yaml")
    assert cli("lock", "--check", "other")[2] == "1 network compared with resnet-gen.lock: 1 changed, 0 new, 0 gone\n"
    assert cli("lock", "net")[0] == 0
    after = Path("resnet-gen.lock").read_text().partition("[networks.other]")
    assert after[0] != text[0]
    assert after[2] == text[2]
    assert cli("lock", "--check")[1].splitlines()[0] == "other: not as locked"
    assert cli("lock", "nte")[2].startswith("error: there is no spec 'nte'\n")


def test_a_network_whose_file_is_called_otherwise_is_locked_by_its_name(project, cli):
    write("networks/fresh.yaml", NET.replace("name: net", "name: zed"))
    write("networks/broken.yaml", "name: [")
    assert cli("lock", "zed") == (0, "resnet-gen.lock\n", "1 network locked: 0 changed, 1 new, 0 gone\n")
    assert 'spec = "networks/fresh.yaml"' in Path("resnet-gen.lock").read_text()
    write("networks/last.yaml", NET.replace("name: net", "name: resnet18"))
    assert cli("lock", "resnet18")[0] == 0, "`verify` says `resnet-gen lock resnet18` of it"
    assert 'spec = "networks/last.yaml"' in Path("resnet-gen.lock").read_text()


def test_two_networks_of_one_name_are_refused_where_it_is_asked_for(project, cli):
    for file in ("one", "two"):
        write(f"networks/{file}.yaml", NET.replace("name: net", "name: zed"))
    code, out, err = cli("lock", "zed")
    assert (code, out) == (2, "")
    assert "two specs are called 'zed': 'networks/one.yaml' and 'networks/two.yaml'" in err
    assert not Path("resnet-gen.lock").exists()


def test_a_network_of_the_project_goes_before_the_shipped_one_of_its_name(project, cli):
    change("name: net", "name: resnet18")
    Path("networks/net.yaml").rename("networks/resnet18.yaml")
    assert cli("lock", "resnet18")[0] == 0
    assert 'spec = "networks/resnet18.yaml"' in Path("resnet-gen.lock").read_text()
    assert cli("verify", "networks/resnet18.yaml")[1] == "ok     resnet18: 0 claims, the lock\n"
    code, out, _ = cli("verify", "resnet18")
    assert (code, "the lock" in out) == (0, False), "the shipped one is another network, and is not locked"


def test_without_a_project_specs_are_named_once_and_the_lock_remembers_them(project, cli):
    Path("resnet-gen.toml").unlink()
    assert cli("lock")[2] == (
        "error: there is nothing to lock\n"
        "hint: name specs, or list them under 'specs' in resnet-gen.toml (docs/contracts.md)\n"
    )
    assert cli("lock", "networks/net.yaml", "resnet18", "--lock", "networks/x.lock")[:2] == (0, "networks/x.lock\n")
    assert 'spec = "net.yaml"' in Path("networks/x.lock").read_text()
    change("classes: 10", "classes: 11")
    assert cli("lock", "--check", "--lock", "networks/x.lock")[0] == 1
    assert cli("lock", "--lock", "networks/x.lock")[2].endswith("2 networks locked: 1 changed, 0 new, 0 gone\n")
    Path("networks/net.yaml").unlink()
    assert cli("lock", "--check", "--lock", "networks/x.lock")[1] == (
        "net: locked, and no longer there\n  spec: 'net.yaml'\n"
    )


def test_two_networks_of_one_name_are_refused_and_nothing_is_written(project, cli):
    change("name: other", "name: net", "networks/other.yaml")
    code, out, err = cli("lock")
    assert (code, out) == (2, "")
    assert err == (
        "networks/other.yaml:1:7: error: two specs are called 'net': 'networks/net.yaml' and 'networks/other.yaml'\n"
        "   1 | name: net\n"
        "             ^^^\n"
        "hint: give one of them another name\n"
    )
    assert not Path("resnet-gen.lock").exists()


def test_a_spec_that_cannot_be_read_leaves_the_lock_as_it_is(project, cli):
    cli("lock")
    change("head:", "haed:")
    change("stem:", "stme:", "networks/other.yaml")
    before = everything(project)
    for more in ([], ["--check"]):
        code, out, err = cli("lock", *more)
        assert (code, out) == (2, "")
        assert "networks/net.yaml:5:1" in err
        assert "networks/other.yaml:3:1" in err
    assert everything(project) == before


BAD_LOCKS = [
    "", "version = 1\n", "version = 2\n", "version = 3\n", "version = true\n", "<<<<<<< a\n", "not toml",
    "[networks.net]\n", "\xff\xfe", "version = 1\nnetworks = 3\n", "version = 1\nnetworks.net = 3\n",
]  # fmt: skip


def test_an_old_lock_is_refused_in_words_until_all_is_locked_anew(project, cli):
    """A lock of the first form, which held layers alone."""
    cli("lock")
    new = Path("resnet-gen.lock").read_text()
    old = re.sub("settings = .*\n", "", new).replace("version = 2", "version = 1")
    Path("resnet-gen.lock").write_text(old)
    message = (
        "resnet-gen.lock:2:11: error: a lock of an older resnet-gen, which holds layers alone: no preprocessing, "
        "no code of parts\n   2 | version = 1\n                 ^\nhint: `resnet-gen lock` writes it anew; commit it\n"
    )
    for command in (["lock", "--check"], ["lock", "net"], ["verify"]):
        assert cli(*command) == (2, "", message)
    assert Path("resnet-gen.lock").read_text() == old
    change("depths: [2, 1]", "depths: [1, 1]")
    code, _, told = cli("lock")
    assert (code, told.splitlines()[0]) == (0, "net: not as locked")
    assert "input.crop" not in told
    assert cli("lock", "--check")[0] == 0
    change("depths: [1, 1]", "depths: [2, 1]")
    cli("lock")
    assert Path("resnet-gen.lock").read_text() == new


@pytest.mark.parametrize("text", BAD_LOCKS)
def test_a_lock_that_is_none_is_refused_by_every_command_and_never_replaced(project, cli, text):
    Path("resnet-gen.lock").write_bytes(text.encode("latin-1"))
    before = everything(project)
    for command in (["lock"], ["lock", "--check"], ["lock", "net"], ["verify"]):
        code, out, err = cli(*command)
        assert (code, out) == (2, "")
        assert err.startswith("resnet-gen.lock")
    assert everything(project) == before


def test_there_has_to_be_a_lock_to_check_and_one_that_the_project_names(project, cli):
    assert cli("lock", "--check") == (
        2,
        "",
        "resnet-gen.lock: error: there is no such lock\nhint: `resnet-gen lock` writes it\n",
    )
    assert cli("verify")[0] == 0
    write("resnet-gen.toml", PROJECT + 'lock = "ci/x.lock"\n')
    assert cli("verify") == (
        2,
        "",
        "resnet-gen.toml:2:8: error: lock: there is no file 'ci/x.lock'\n"
        '   2 | lock = "ci/x.lock"\n'
        "              ^^^^^^^^^^^\n"
        "hint: `resnet-gen lock` writes it\n",
    )
    assert cli("lock")[2] == "ci: error: cannot be written: there is no such folder\n"
    Path("ci").mkdir()
    assert cli("lock")[1] == "ci/x.lock\n"
    assert cli("verify")[0] == 0


def test_what_is_in_the_way_of_a_lock_is_refused(project, cli):
    Path("resnet-gen.lock").mkdir()
    assert cli("lock") == (2, "", "resnet-gen.lock: error: not a file\n")


# --- the page and our own lock ----------------------------------------------


def test_the_page_of_contracts_names_every_key():
    page = (ROOT / "docs" / "contracts.md").read_text(encoding="utf-8")
    keys = {*ProjectSettings.model_fields, *Budgets.model_fields, *LatencyBudget.model_fields}
    assert {key for key in keys if f"`{key}`" not in page} == set()


@pytest.mark.long  # `make check` says it, too
def test_the_committed_lock_is_of_every_shipped_network(monkeypatch):
    """Beyond what generated/ shows it holds epsilons, operands and what weights start from."""
    monkeypatch.chdir(ROOT)
    networks = lock_networks._count_networks(tuple(shipped_specs()), Path("specs"))
    assert lock_text(networks) == (ROOT / "specs" / "resnet-gen.lock").read_text(encoding="utf-8"), "`make generated`"


# --- build ------------------------------------------------------------------


def test_build_without_a_spec_builds_the_project_s(project, cli):
    code, out, _ = cli("build", "--target", "report", "-o", "out")
    assert (code, {Path(line).parent.name for line in out.splitlines()}) == (0, {"net", "other"})
    code, _, err = cli("build", "--target", "report", "-o", "out", "--check")
    assert (code, err) == (0, "6 files checked, 0 to change\n")


@pytest.mark.parametrize("settings", ["", 'ignore = ["claim"]\n', "nothing"])
def test_build_without_a_spec_builds_nothing_where_no_project_lists_any(settings, project, cli):
    options = ["--no-config"] if settings == "nothing" else []
    write("resnet-gen.toml", settings.replace("nothing", PROJECT))
    before = everything(project)
    code, out, err = cli("build", *options)
    assert (code, out) == (2, "")
    assert err == (
        "error: nothing to build: no SPEC is named, and no project file lists any\n"
        f"hint: name a SPEC, or a network of `resnet-gen list`; --all-shipped builds all {len(shipped_specs())}\n"
    )
    assert everything(project) == before


@pytest.mark.parametrize("option", ["--all-shipped", "--config=resnet-gen.toml"])
def test_build_refuses_what_it_would_ignore(option, project, cli):
    code, _, err = cli("build", "net", option)
    assert (code, err.splitlines()[0]) == (2, f"error: {option.split('=')[0]} means nothing where a SPEC is named")
