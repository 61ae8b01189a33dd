"""`verify` on the command line: which rules, in which formats, to which files; what does not go together is refused."""

import errno
import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from resnet_gen.system.resources import shipped_specs
from resnet_gen.verify.formats import FORMATS
from resnet_gen.verify.outcome import examine
from resnet_gen.verify.rules import RULES

GOOD = "name: good\nextends: resnet18\nclaims:\n  - {what: layers, value: 18, source: us}\n"
WRONG = "name: wrong\nextends: resnet18\nclaims:\n  - {what: layers, value: 19, source: us}\n"
QUIET = WRONG.replace("us}", "us}  # resnet-gen: ignore[claim] a typo").replace("wrong", "quiet")
BAD = "name: bad\nextends: resnet18\nhaed: linear\n"
KNOWN = f"known: {', '.join(sorted(RULES))}"


@pytest.fixture
def cli(cli, tmp_path, monkeypatch):
    """Runs `verify` in this process, in a folder with four specs: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    for name, text in {"good": GOOD, "wrong": WRONG, "quiet": QUIET, "bad": BAD}.items():
        Path(f"{name}.yaml").write_text(text)
    return partial(cli, "verify")


def files():
    return sorted(p.name for p in Path().iterdir() if p.suffix != ".yaml")


# --- formats and files ------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("spec", "code"), [("good", 0), ("quiet", 0), ("wrong", 1), ("bad", 2)])
def test_the_exit_code_is_the_same_in_every_format(cli, form, spec, code):
    assert cli(f"{spec}.yaml", "--format", form)[0] == code
    assert cli(f"{spec}.yaml", "--format", form, "--output", "out")[0] == code


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_holds_what_would_be_printed_and_its_path_is(cli, form):
    specs = [f"{name}.yaml" for name in ("good", "wrong", "quiet")]
    code, printed, err = cli(*specs, "--format", form)
    assert cli(*specs, "--format", form, "--output", "out") == (code, "out\n", err)
    assert Path("out").read_text() == printed
    assert files() == ["out"]


def test_several_formats_are_told_in_one_run(cli):
    told = ("--format", "junit", "--output", "a.xml", "--format", "sarif", "--output", "b.sarif")
    assert cli("wrong.yaml", *told) == (1, "a.xml\nb.sarif\n", "1 spec, 1 finding\n")
    assert ET.parse("a.xml").getroot().get("failures") == "1"
    assert len(json.loads(Path("b.sarif").read_text())["runs"][0]["results"]) == 1


def test_one_of_several_formats_may_go_to_stdout(cli):
    told = ("--format", "junit", "-o", "a.xml", "--format", "text", "-o", "-")
    code, out, err = cli("good.yaml", *told)
    assert (code, out, err) == (0, "ok     good: 1 claim\n", "a.xml\n1 spec, 0 findings\n")
    assert cli("good.yaml", "-o", "-") == (0, "ok     good: 1 claim\n", "1 spec, 0 findings\n")
    assert files() == ["a.xml"]


def test_an_output_without_a_format_is_text(cli):
    assert cli("good.yaml", "--output", "out.txt")[1] == "out.txt\n"
    assert Path("out.txt").read_text() == "ok     good: 1 claim\n"


def test_a_spec_that_cannot_be_read_is_told_in_files_too_and_the_others_are_verified(cli):
    told = [word for form in FORMATS for word in ("--format", form, "-o", f"{form}.out")]
    code, out, err = cli("bad.yaml", "wrong.yaml", *told)
    assert (code, out) == (2, "".join(f"{form}.out\n" for form in FORMATS))
    assert err.startswith(
        "bad.yaml:3:1: error: haed: unknown key\n   3 | haed: linear\n       ^^^^\nhint: did you mean"
    )
    assert [(e["spec"], e["rule"]) for e in json.loads(Path("json.out").read_text())] == [
        ("bad.yaml", "invalid-spec"),
        ("wrong", "claim"),
    ]
    assert [s.get("name") for s in ET.parse("junit.out").getroot()] == ["bad.yaml", "wrong"]
    results = json.loads(Path("sarif.out").read_text())["runs"][0]["results"]
    assert [r["ruleId"] for r in results] == ["invalid-spec", "claim"]
    commands = Path("github.out").read_text().splitlines()
    assert [c.split(",")[0] for c in commands] == ["::error file=bad.yaml", "::error file=wrong.yaml"]


def test_what_is_suppressed_is_a_number_in_the_last_line(cli):
    assert cli("quiet.yaml", "good.yaml") == (
        0,
        "ok     quiet: 1 claim\nok     good: 1 claim\n",
        "2 specs, 0 findings, 1 suppressed\n",
    )


def test_a_setting_is_told_at_the_spec_s_first_line(cli):
    setting = "claims=[{what: layers, value: 3, source: us}]"
    out = cli("good.yaml", "--set", setting, "--format", "github")[1]
    assert out == (
        "::error file=good.yaml,line=1,title=resnet-gen claim"
        f"::layers: 3 is claimed, the graph has 18 (us) (at --set {setting})\n"
    )
    code, out, _ = cli("good.yaml", "--set", "claims=[{}]", "--format", "github")
    assert code == 2
    assert out.startswith(
        "::error file=good.yaml,line=1,title=resnet-gen invalid-spec::claims.0.what: missing (at --set"
    )


def test_text_is_printed_spec_by_spec(cli, monkeypatch):
    def interrupted(reference, *more):
        if reference == "wrong.yaml":
            raise KeyboardInterrupt
        return examine(reference, *more)

    monkeypatch.setattr("resnet_gen.cli.verify_specs.examine", interrupted)
    assert cli("good.yaml", "wrong.yaml")[:2] == (130, "ok     good: 1 claim\n")


# --- select and ignore ------------------------------------------------------


def test_only_selected_rules_are_checked(cli):
    assert cli("wrong.yaml", "--select", "reference-state")[:2] == (0, "ok     wrong\n")
    assert cli("wrong.yaml", "--select", "reference-state, claim")[0] == 1
    assert cli("wrong.yaml", "--select", "reference-state", "--select", "claim")[0] == 1


def test_ignored_rules_are_not_checked(cli):
    assert cli("wrong.yaml", "--ignore", "claim")[:2] == (0, "ok     wrong\n")
    assert cli("wrong.yaml", "--ignore", "reference-state,suppression")[0] == 1


def test_a_spec_that_cannot_be_read_is_found_whatever_is_selected(cli):
    assert cli("bad.yaml", "--select", "claim")[0] == 2
    assert cli("good.yaml", "--select", "invalid-spec")[:2] == (0, "ok     good\n")


def test_reports_name_the_rules_that_were_checked_and_no_others(cli):
    out = cli("good.yaml", "--select", "claim,reference-state", "--ignore", "suppression", "--format", "junit")[1]
    assert [case.get("name") for case in ET.fromstring(out)[0]] == ["invalid-spec", "claim", "reference-state"]


# --- refusals ---------------------------------------------------------------

TWICE = "error: --format and --output: {}\nhint: give each --format its --output; '-' is stdout\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--select nope", f"error: --select: there is no rule 'nope'\nhint: {KNOWN}\n"),
        ("--ignore claims", f"error: --ignore: there is no rule 'claims'\nhint: did you mean 'claim'? {KNOWN}\n"),
        ("--select claim,", f"error: --select: there is no rule ''\nhint: {KNOWN}\n"),
        (
            "--select claim,reference-state --ignore reference-state",
            "error: --select and --ignore both name 'reference-state'\nhint: leave it away from one of them\n",
        ),
        ("--ignore invalid-spec", "error: --ignore: 'invalid-spec' cannot be ignored\nhint: leave the spec away\n"),
        ("--format text --format json", TWICE.format("2 formats and 0 outputs")),
        ("--format text --format json -o a", TWICE.format("2 formats and 1 output")),
        ("--format json -o a -o b", TWICE.format("1 format and 2 outputs")),
        ("--format json -o a --format text -o ./a", "a: error: --output: named twice\n"),
        ("--format json -o - --format text -o -", "-: error: --output: named twice\n"),
        ("-o wrong.yaml", "wrong.yaml: error: cannot be written: the command reads it\n"),
        ("-o none/a.xml", "none: error: cannot be written: there is no such folder\n"),
        ("-o good.yaml/a.xml", "good.yaml: error: cannot be written: there is no such folder\n"),
        ("-o folder", "folder: error: cannot be written: a folder has this name\n"),
        ("-o .", ".: error: cannot be written: a folder has this name\n"),
        (
            "-o /dev/null",
            "/dev/null: error: cannot be written: not a file\nhint: without it, or as '-', the output goes to stdout\n",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_verified(cli, arguments, message):
    Path("folder").mkdir()
    assert cli("wrong.yaml", *arguments.split()) == (2, "", message)
    assert (files(), list(Path("folder").iterdir()), Path("wrong.yaml").read_text()) == (["folder"], [], WRONG)


def test_an_unknown_format_is_refused(cli):
    code, out, err = cli("good.yaml", "--format", "html")
    assert (code, out) == (2, "")
    assert "'html' is not one of 'text', 'json', 'junit', 'sarif', 'github'" in err


def test_a_shipped_spec_is_no_output(cli):
    path = shipped_specs()["resnet18"]
    before = path.read_bytes()
    assert cli("resnet18", "-o", path) == (2, "", f"{path}: error: cannot be written: the command reads it\n")
    assert path.read_bytes() == before


def test_a_link_to_a_spec_is_no_output(cli):
    Path("link").symlink_to("wrong.yaml")
    assert cli("wrong.yaml", "-o", "link") == (2, "", "link: error: cannot be written: the command reads it\n")


@pytest.mark.parametrize("target", ["folder/real.xml", "../real.xml", "nowhere.xml", "link.xml", "/dev/null"])
def test_an_output_is_never_written_through_a_link(cli, target):
    Path("folder").mkdir()
    for path in ("folder/real.xml", "../real.xml"):
        Path(path).write_text("before")
    Path("link.xml").symlink_to(target)
    code, out, err = cli("good.yaml", "--format", "junit", "-o", "link.xml")
    assert (code, out) == (2, "")
    assert err.startswith("link.xml: error: cannot be written: a link, which is not followed\n")
    assert Path("link.xml").is_symlink()
    assert {Path(path).read_text() for path in ("folder/real.xml", "../real.xml")} == {"before"}
    assert not Path("nowhere.xml").exists()


def test_an_output_is_never_written_into_a_folder_that_leads_out(cli, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    Path("reports").symlink_to(elsewhere)
    Path("inside").mkdir()
    Path("near").symlink_to("inside")
    code, _, err = cli("good.yaml", "--format", "junit", "-o", "reports/a.xml")
    assert code == 2
    assert err.startswith("reports/a.xml: error: cannot be written: its folder leads out of the working folder\n")
    assert list(elsewhere.iterdir()) == []
    assert cli("good.yaml", "--format", "junit", "-o", "near/a.xml")[0] == 0
    assert cli("good.yaml", "--format", "junit", "-o", elsewhere / "a.xml")[0] == 0  # somebody's own choice


def test_a_write_that_fails_loses_nothing(cli, monkeypatch):
    Path("a.xml").write_text("before")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("resnet_gen.system.write._write_all", full)
    code, out, err = cli("good.yaml", "--format", "junit", "-o", "a.xml")
    assert (code, out) == (2, "")
    assert err == f"{Path('a.xml').resolve()}: error: cannot be written: No space left on device\n"
    assert (Path("a.xml").read_text(), files()) == ("before", ["a.xml"])


def test_what_was_there_is_replaced(cli):
    Path("a.xml").write_text("before" * 10_000)
    assert cli("good.yaml", "--format", "junit", "-o", "a.xml")[0] == 0
    assert ET.parse("a.xml").getroot().get("failures") == "0"


def test_a_name_that_is_no_utf_8_is_told_in_every_format(tmp_path):
    name = b"caf\xe9.yaml"
    try:
        (tmp_path / name.decode("utf-8", "surrogateescape")).write_text(BAD)
    except (OSError, UnicodeError):
        pytest.skip("this file system takes no name that is not UTF-8")
    for form in FORMATS:
        command = [sys.executable, "-m", "resnet_gen", "verify", name, "--format", form]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        assert result.returncode == 2
        assert b"Traceback" not in result.stderr
        if form == "sarif":
            assert b'"caf%E9.yaml"' in result.stdout
