"""Each format of findings: valid against its schema, and saying what was found whatever it is called."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote_to_bytes, urlsplit
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_gen import __version__
from resnet_gen.problems import Document, Problem, Span, visible
from resnet_gen.verify import outcome
from resnet_gen.verify.formats import FORMATS, github, json_array, junit, sarif, text
from resnet_gen.verify.outcome import FindingPlace, Outcome, applicable_rules, examine
from resnet_gen.verify.rules import RULES

MANY = settings(max_examples=200, derandomize=True, deadline=None, database=None)
SCHEMAS = Path(__file__).parents[1] / "fixtures" / "schemas"
SARIF = jsonschema.Draft4Validator(json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text("utf-8")))
JUNIT = xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd")

SPEC = """\
name: net
extends: resnet50
stages: {block: {stride_on: conv1}}
reference: torchvision/resnet50  # resnet-gen: ignore[reference-count] strides of the paper
claims:
  - {what: layers, value: 50, source: us}
  - {source: "é 😀", what: layers, value: 51}
"""


@pytest.fixture
def outcomes(tmp_path, monkeypatch):
    """A spec with a finding and a suppressed one, one that cannot be read, one that is fine, one that is not there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text(SPEC, encoding="utf-8")
    (tmp_path / "bad.yaml").write_text("name: bad\nextends: resnet50\nhaed: 1\ntitel: 2\n")
    return [examine(reference) for reference in ("./net.yaml", "bad.yaml", "resnet18", "missing.yaml")]


def told(written):
    """A SARIF log that is valid: its run."""
    log = json.loads(written)
    SARIF.validate(log)
    (run,) = log["runs"]
    return run


def suites(written):
    """JUnit results that are valid: the root element."""
    JUNIT.validate(written)
    return ET.fromstring(written)


def test_every_format_has_a_module_and_every_module_a_format():
    folder = Path(text.__file__).parent
    assert {name.rpartition(".")[2] for name in FORMATS.values()} == {p.stem for p in folder.glob("[!_]*.py")}


def test_the_schemas_can_say_no():
    with pytest.raises(jsonschema.ValidationError):
        SARIF.validate({"version": "2.1.0", "runs": [{"tool": {}}]})
    with pytest.raises(xmlschema.XMLSchemaException):
        JUNIT.validate('<testsuites><testsuite name="a"/></testsuites>')


# --- text -------------------------------------------------------------------


def test_text_is_a_line_a_spec_and_its_findings(outcomes):
    assert text.render(outcomes) == (
        "failed net: 2 claims, names and shapes of torchvision/resnet50\n"
        "./net.yaml:7:42: error: layers: 51 is claimed, the graph has 50 (é 😀) [claim]\n"
        '   7 |   - {source: "é 😀", what: layers, value: 51}\n'
        "                                                ^^\n"
        "ok     resnet18: 5 claims, names and shapes of torchvision/resnet18\n"
    )


def test_text_says_only_what_was_looked_at():
    assert text.render([examine("resnet18", chosen=["claim"])]) == "ok     resnet18: 5 claims\n"
    assert text.render([examine("resnet18", chosen=["deviation-unneeded"])]) == "ok     resnet18\n"


# --- json -------------------------------------------------------------------


def test_json_has_what_is_found_and_what_cannot_be_read_and_not_what_is_suppressed(outcomes):
    found = json.loads(json_array.render(outcomes))
    assert [(entry["spec"], entry["rule"], entry.get("file"), entry.get("line")) for entry in found] == [
        ("net", "claim", "./net.yaml", 7),
        ("bad.yaml", "invalid-spec", "bad.yaml", 3),
        ("bad.yaml", "invalid-spec", "bad.yaml", 4),
        ("missing.yaml", "invalid-spec", "missing.yaml", None),
    ]
    assert found[0] == {
        "spec": "net",
        "rule": "claim",
        "message": "layers: 51 is claimed, the graph has 50 (é 😀)",
        "hint": None,
        "file": "./net.yaml",
        "line": 7,
        "column": 42,
    }


# --- SARIF ------------------------------------------------------------------


def test_sarif_has_every_finding_at_its_place(outcomes):
    run = told(sarif.render(outcomes))
    assert [(r["ruleId"], location(r)) for r in run["results"]] == [
        ("claim", ("net.yaml", {"startLine": 7, "startColumn": 43, "endColumn": 45})),
        ("reference-count", ("net.yaml", {"startLine": 4, "startColumn": 12, "endColumn": 32})),
        ("invalid-spec", ("bad.yaml", {"startLine": 3, "startColumn": 1, "endColumn": 5})),
        ("invalid-spec", ("bad.yaml", {"startLine": 4, "startColumn": 1, "endColumn": 6})),
        ("invalid-spec", ("missing.yaml", None)),
    ]
    assert run["columnKind"] == "utf16CodeUnits", "the smiling face before column 43 takes two of them"
    assert run["results"][0]["message"] == {"text": "layers: 51 is claimed, the graph has 50 (é 😀)"}
    assert run["results"][2]["message"]["text"].startswith("haed: unknown key\nhint: did you mean 'head'?")
    assert {r["level"] for r in run["results"]} == {"error"}


def location(result):
    (found,) = result["locations"]
    physical = found["physicalLocation"]
    assert physical["artifactLocation"]["uriBaseId"] == "%SRCROOT%"
    return physical["artifactLocation"]["uri"], physical.get("region")


def test_sarif_says_of_each_result_whether_it_is_suppressed_and_why(outcomes):
    suppressions = [result["suppressions"] for result in told(sarif.render(outcomes))["results"]]
    assert suppressions == [[], [{"kind": "inSource", "justification": "strides of the paper"}], [], [], []]


def test_sarif_explains_the_rules_that_were_checked(outcomes):
    run = told(sarif.render(outcomes))
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("resnet-gen", __version__)
    assert [rule["id"] for rule in driver["rules"]] == list(HELD_TO)
    for rule, kind in zip(driver["rules"], map(RULES.get, HELD_TO), strict=True):
        assert rule["shortDescription"]["text"] == kind.summary()
        assert rule["help"]["markdown"] == kind.explanation()
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    (chosen,) = told(sarif.render([examine("resnet18", chosen=["claim"])]))["tool"]["driver"]["rules"][1:]
    assert chosen["id"] == "claim"


def test_sarif_names_the_files_that_were_verified_and_whether_all_could_be_read(outcomes):
    run = told(sarif.render(outcomes))
    locations = [artifact["location"] for artifact in run["artifacts"]]
    assert [found["uri"] for found in locations] == [
        "net.yaml",
        "bad.yaml",
        "specs/resnet/resnet18.yaml",
        "missing.yaml",
    ]
    assert [found["index"] for found in locations] == [0, 1, 2, 3]
    assert run["invocations"] == [{"executionSuccessful": False}]
    assert told(sarif.render(outcomes[:1]))["invocations"] == [{"executionSuccessful": True}]


def test_sarif_of_nothing_is_valid():
    assert told(sarif.render([]))["results"] == []


def test_a_name_that_is_no_file_s_is_a_result_without_a_place():
    (result,) = told(sarif.render([examine("resnet19")]))["results"]
    assert result["locations"] == []
    assert result["message"]["text"].startswith("there is no spec 'resnet19'\nhint: did you mean")


# --- JUnit ------------------------------------------------------------------


def test_junit_is_a_suite_a_spec_and_a_case_a_rule(outcomes):
    root = suites(junit.render(outcomes))
    assert root.attrib == {"name": "resnet-gen verify", "tests": "20", "failures": "1", "errors": "2"}
    assert [tuple(suite.attrib.items()) for suite in root] == [
        (("name", "net"), *counted(9, 1, 0, 1), ("file", "net.yaml")),
        (("name", "bad.yaml"), *counted(1, 0, 1, 0), ("file", "bad.yaml")),
        (("name", "resnet18"), *counted(9, 0, 0, 0), ("file", "specs/resnet/resnet18.yaml")),
        (("name", "missing.yaml"), *counted(1, 0, 1, 0), ("file", "missing.yaml")),
    ]
    for suite in (root[0], root[2]):
        assert [case.get("name") for case in suite] == list(HELD_TO)
    assert {case.get("classname") for case in root[2]} == {"resnet-gen.resnet18"}


def counted(tests, failures, errors, skipped):
    numbers = {"tests": tests, "failures": failures, "errors": errors, "skipped": skipped}
    return tuple((key, str(number)) for key, number in numbers.items())


def test_junit_shows_a_finding_as_it_is_printed(outcomes):
    case = suites(junit.render(outcomes))[0][1]
    assert (case.get("name"), [element.tag for element in case]) == ("claim", ["failure"])
    assert case[0].attrib == {"message": "layers: 51 is claimed, the graph has 50 (é 😀)", "type": "claim"}
    assert case[0].text == (
        "net.yaml:7:42: error: layers: 51 is claimed, the graph has 50 (é 😀) [claim]\n"
        '   7 |   - {source: "é 😀", what: layers, value: 51}\n'
        "                                                ^^"
    )


def test_junit_skips_what_is_suppressed_and_says_why(outcomes):
    (case,) = (case for case in suites(junit.render(outcomes))[0] if case.get("name") == "reference-count")
    assert case[0].tag == "skipped"
    assert case[0].text.endswith("\nsuppressed: strides of the paper")


def test_junit_counts_several_findings_of_a_rule_as_one_failure(outcomes):
    case = suites(junit.render(outcomes))[1][0]
    assert [element.tag for element in case] == ["error"]
    assert case[0].get("message") == "haed: unknown key (and 1 more finding)"
    assert case[0].text.count("unknown key\n") == 2


def test_a_rule_of_which_only_some_findings_are_suppressed_fails_in_junit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = "  - {what: layers, value: 51, source: us}"
    (tmp_path / "net.yaml").write_text(
        f"name: net\nextends: resnet50\nclaims:\n{wrong}\n{wrong} # resnet-gen: ignore[claim] why\n"
    )
    case = suites(junit.render([examine("net.yaml")]))[0][1]
    assert [element.tag for element in case] == ["failure"]


# --- GitHub -----------------------------------------------------------------


HELD_TO = applicable_rules(frozenset(RULES))
"""What every spec is held to."""


def test_github_gets_one_command_a_finding(outcomes):
    assert github.render(outcomes[:2]) == (
        "::error file=net.yaml,line=7,col=43,endColumn=45,title=resnet-gen claim"
        "::layers: 51 is claimed, the graph has 50 (é 😀)\n"
        "::error file=bad.yaml,line=3,col=1,endColumn=5,title=resnet-gen invalid-spec"
        "::haed: unknown key%0Ahint: did you mean 'head'?\n"
        "::error file=bad.yaml,line=4,col=1,endColumn=6,title=resnet-gen invalid-spec"
        "::titel: unknown key%0Ahint: did you mean 'title'?\n"
    )
    assert github.render(outcomes[2:3]) == ""
    assert github.render(outcomes[3:]) == (
        "::error file=missing.yaml,title=resnet-gen invalid-spec::there is no such file\n"
    )


def test_github_escapes_what_its_runner_unescapes():
    found = finding(Problem("50% off: a, b", Span(Document("a,b:c%.yaml", "key"), 0, 0, 3), "a\nb", "claim", "warning"))
    assert github.render([result(found)]) == (
        "::warning file=a%2Cb%3Ac%25.yaml,line=1,col=1,endColumn=4,title=resnet-gen claim"
        "::50%25 off: a, b%0Ahint: a\\nb\n"
    )


def parsed(line):
    """A workflow command as actions/runner's `ActionCommand.TryParseV2` reads it."""
    match = re.fullmatch(r"::(\w+) (.*?)::(.*)", line, re.DOTALL)
    name, properties, data = match.groups()
    pairs = (pair.split("=", 1) for pair in properties.split(","))
    return name, {key: unescaped(value, ":,") for key, value in pairs}, unescaped(data, "")


def unescaped(value, more):
    for character in "\r\n" + more:
        value = value.replace(f"%{ord(character):02X}", character)
    return value.replace("%25", "%")


# --- whatever a problem says ------------------------------------------------


def finding(problem, reason=None):
    return outcome._describe_finding(problem, "net.yaml", reason)


def result(*findings, suppressed=()):
    return Outcome("net", "net.yaml", tuple(RULES), (), findings, suppressed)


ANY = st.text(alphabet=st.characters(), max_size=40)
NAMES = st.text(alphabet=st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=20)


@st.composite
def problems(draw):
    document = Document(draw(NAMES), draw(ANY))
    column = draw(st.integers(0, 50))
    span = Span(document, draw(st.integers(0, 3)), column, column + draw(st.integers(1, 9)))
    where = draw(st.sampled_from([span, document.name, None]))
    hint = draw(st.none() | ANY)
    return Problem(draw(ANY), where, hint, "claim", draw(st.sampled_from(["error", "warning", "info"])))


@MANY
@given(st.lists(problems(), max_size=3), st.lists(st.tuples(problems(), ANY), max_size=2))
def test_sarif_holds_any_text(found, suppressed):
    outcomes = [result(*map(finding, found), suppressed=tuple(finding(*pair) for pair in suppressed))]
    written = sarif.render(outcomes)
    run = told(written.encode().decode("ascii"))
    results = run["results"]
    everything = [*found, *(problem for problem, _ in suppressed)]
    assert [r["message"]["text"].split("\n")[0] for r in results] == [visible(p.message) for p in everything]
    for entry, problem in zip(results, everything, strict=True):
        uri, region = location(entry)
        assert unquote_to_bytes(uri).decode() == finding(problem).place.file
        assert re.fullmatch(r"[A-Za-z0-9_.~/%-]+", uri)
        assert not urlsplit(uri).scheme
        assert (region is None) == (not isinstance(problem.where, Span))
        assert region is None or region["endColumn"] > region["startColumn"] > 0


@MANY
@given(st.lists(problems(), max_size=3), st.lists(st.tuples(problems(), ANY), max_size=2), ANY)
def test_junit_holds_any_text(found, suppressed, name):
    outcomes = [
        result(*map(finding, found), suppressed=tuple(finding(*pair) for pair in suppressed)),
        Outcome(name, None, ("invalid-spec",), invalid=tuple(finding(Problem(p.message, p.where)) for p in found)),
    ]
    root = suites(junit.render(outcomes).encode().decode())
    assert root[1].get("name") == visible(name)
    case = root[0][1]
    if found:
        assert case[0].get("message").startswith(visible(found[0].message))
        assert visible(found[-1].message) in case[0].text
    elif suppressed:
        assert case[0].text.endswith(f"suppressed: {visible(suppressed[-1][1])}")
    else:
        assert len(case) == 0


@MANY
@given(st.lists(problems(), max_size=3))
def test_github_commands_hold_any_text(found):
    lines = github.render([result(*map(finding, found))]).split("\n")
    assert lines.pop() == ""
    assert len(lines) == len(found), "a message can start no command of its own"
    for line, problem in zip(lines, found, strict=True):
        assert "\r" not in line
        name, properties, message = parsed(line)
        assert name == ("warning" if problem.severity == "warning" else "error")
        assert properties["title"] == "resnet-gen claim"
        assert properties["file"] == visible(finding(problem).place.file)
        hint = [] if not problem.hint else [f"hint: {visible(problem.hint)}"]
        assert message.split("\n") == [visible(problem.message), *hint]


@MANY
@given(st.lists(problems(), max_size=3))
def test_json_and_text_hold_any_text(found):
    outcomes = [result(*map(finding, found))]
    assert [entry["message"] for entry in json.loads(json_array.render(outcomes))] == [p.message for p in found]
    assert text.render(outcomes).startswith("failed net\n" if found else "ok     net\n")


# --- where reports point ----------------------------------------------------


def place(where, file="net.yaml"):
    return outcome._describe_finding(Problem("m", where), file).place


@pytest.mark.parametrize(
    ("line", "column", "end", "wanted"),
    [
        ("key: value", 5, 10, (6, 11)),
        ("é: value", 3, 8, (4, 9)),
        ("😀: value", 3, 8, (5, 10)),
        ("key:", 4, 5, (5, 6)),
    ],
)
def test_columns_count_units_of_utf_16(line, column, end, wanted):
    assert place(Span(Document("a.yaml", f"\n{line}\n"), 1, column, end)) == ("a.yaml", 2, *wanted)


def test_a_setting_stands_in_no_file():
    found = outcome._describe_finding(Problem("m", Span(Document("--set", "claims=[]"), 0, 7, 9)), "net.yaml")
    assert found.place == FindingPlace("net.yaml", 1)
    assert found.message == "m (at --set claims=[])"
    assert str(found) == "--set:1:8: error: m\n   1 | claims=[]\n              ^^"


def test_a_long_setting_is_shortened():
    found = outcome._describe_finding(Problem("m", Span(Document("--set", "a" * 100), 0, 0, 1)), "net.yaml")
    assert found.message == f"m (at --set {'a' * 57}...)"


def test_files_are_named_from_here(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    here = Path.cwd()
    assert place(str(here / "a b" / "net.yaml")).file == "a b/net.yaml"
    assert place(str(here.parent / "net.yaml")).file == "../net.yaml"
    assert place("./net.yaml").file == "net.yaml"
    assert place("../net.yaml").file == "../net.yaml"


def test_no_report_names_a_path_of_the_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text("name: bad\nextends: resnet50\nhaed: 1\n")
    (tmp_path / "net.yaml").write_text(SPEC, encoding="utf-8")
    outcomes = [examine(str(tmp_path / name)) for name in ("bad.yaml", "net.yaml", "none.yaml")]
    for module in (junit, sarif, github):
        assert str(tmp_path) not in module.render(outcomes), module.__name__


def test_without_a_folder_to_start_from_the_name_is_left(monkeypatch):
    def gone(path):
        raise FileNotFoundError

    monkeypatch.setattr(outcome, "os", SimpleNamespace(path=SimpleNamespace(relpath=gone)))
    assert outcome._make_relative("/gone/net.yaml") == "net.yaml"


def test_what_an_inherited_line_breaks_is_found_in_the_parent_s_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "parent.yaml").write_text(
        "name: parent\nextends: resnet18\nstages: {widths: [64, 128, 256, 256]}\n"
    )
    (tmp_path / "nets" / "net.yaml").write_text("name: net\nextends: parent.yaml\n")
    (found,) = examine("nets/net.yaml").findings
    assert found.place == ("nets/parent.yaml", 3, 18, 37)


def test_the_same_specs_give_the_same_bytes(outcomes):
    again = [examine(reference) for reference in ("./net.yaml", "bad.yaml", "resnet18", "missing.yaml")]
    for module in (text, json_array, junit, sarif, github):
        assert module.render(again) == module.render(outcomes)
