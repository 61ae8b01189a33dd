"""Each rule explains itself, and what it says is so."""

import inspect
import json
import re
import textwrap
from pathlib import Path

import pytest

from resnet_gen.system.resources import shipped_specs
from resnet_gen.verify.outcome import examine
from resnet_gen.verify.rules import RULES, STANDARD, base
from resnet_gen.verify.rules.base import Rule
from resnet_gen.verify.rules.lock import AsLocked
from tests.helpers.against_files import breaking
from tests.refresh.rule_pages import rule_pages

RULES_FOLDER = Path(inspect.getfile(base)).parent
BREAKS = re.compile(r"breaks it[^\n]*:\n\n((?: {4}[^\n]*\n|\n)+)")


def everything(kind=base.Explained):
    return {kind, *(inner for child in kind.__subclasses__() for inner in everything(child))}


def test_every_rule_that_is_written_is_listed():
    written = {kind for kind in everything() if "id" in kind.__dict__ and kind.__module__.startswith("resnet_gen.")}
    assert written == set(RULES.values())
    assert {Path(inspect.getfile(kind)).parent for kind in written} == {RULES_FOLDER}
    assert all(isinstance(rule, Rule) and rule.id in RULES for rule in STANDARD)


@pytest.mark.parametrize("kind", RULES.values(), ids=list(RULES))
def test_every_rule_says_what_it_checks_and_why_and_how_to_mend_it(kind):
    assert RULES[kind.id] is kind
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.id)
    assert "__doc__" in kind.__dict__
    assert kind.summary().endswith(".")
    assert "\n" not in kind.summary()
    assert re.search(r"^Source: ", kind.explanation(), re.MULTILINE)
    assert re.search(r"^To mend it, ", kind.explanation(), re.MULTILINE)


@pytest.mark.parametrize("kind", [kind for kind in RULES.values() if kind is not AsLocked], ids=lambda kind: kind.id)
def test_the_spec_that_is_said_to_break_a_rule_does(kind, tmp_path):
    (example,) = BREAKS.findall(kind.explanation())
    path = tmp_path / "mine.yaml"
    path.write_text(textwrap.dedent(example))
    more = breaking(kind.id, tmp_path / "built")
    assert kind.id in {finding.rule for finding in examine(str(path), more=more).all}


def test_the_spec_that_is_said_to_break_a_lock_does(cli, tmp_path, monkeypatch):
    (example,) = BREAKS.findall(AsLocked.explanation())
    text = textwrap.dedent(example).strip()
    monkeypatch.chdir(tmp_path)
    Path("resnet-gen.toml").write_text('specs = ["mine.yaml"]\n')
    Path("mine.yaml").write_text(text.rpartition("\n")[0])
    assert [cli(command)[0] for command in ("lock", "verify")] == [0, 0]
    Path("mine.yaml").write_text(text)
    code, out, _ = cli("verify")
    assert code == 1
    assert out.count("[lock]") == 1


@pytest.mark.parametrize("kind", [type(rule) for rule in STANDARD], ids=lambda kind: kind.id)
def test_the_spec_that_is_said_to_break_a_rule_breaks_no_other(kind, tmp_path):
    (example,) = BREAKS.findall(kind.explanation())
    path = tmp_path / "mine.yaml"
    path.write_text(textwrap.dedent(example))
    # other parameters have other counts
    also = {"reference-count"} if kind.id == "reference-state" else set()
    assert {finding.rule for finding in examine(str(path)).all} == {kind.id, *also}


def test_a_rule_can_be_added_with_what_it_needs():
    class Named(Rule):
        """Networks are called as they should be."""

        id = "claim"  # any that is known

        def __init__(self, wanted):
            self.wanted = wanted

        def covers(self, subject):
            return f"the name {self.wanted}"

        def check(self, subject):
            name = subject.loaded.spec.name
            if name != self.wanted:
                yield self.finding(subject, ("name",), f"'{name}' is called '{self.wanted}' by the project")

    found = examine("resnet18", chosen=["claim"], more=[Named("resnet34")])
    assert found.covered == ("5 claims", "the name resnet34")
    assert str(found.findings[0].problem).startswith(
        "specs/resnet/resnet18.yaml:2:7: error: 'resnet18' is called 'resnet34' by the project [claim]\n"
    )
    assert examine("resnet18", chosen=["suppression"], more=[Named("resnet34")]).findings == ()


def test_the_table_of_rules_has_a_line_each(cli):
    code, out, err = cli("rule")
    assert (code, err) == (0, "")
    assert [line.split("  ")[0] for line in out.splitlines()] == list(RULES)
    assert [line.split("  ")[-1].strip() for line in out.splitlines()] == [k.summary() for k in RULES.values()]


@pytest.mark.parametrize("kind", RULES.values(), ids=list(RULES))
def test_a_rule_is_printed_as_its_page_says_it(cli, kind):
    code, out, err = cli("rule", kind.id)
    assert (code, err) == (0, "")
    assert out == f"{kind.id}: {kind.summary()}\n\n{kind.explanation()}\n"
    assert kind.explanation() in rule_pages()[f"{kind.id}.md"]


def test_rules_as_json(cli):
    entry = json.loads(cli("rule", "claim", "--format", "json")[1])
    assert entry == {
        "id": "claim",
        "summary": RULES["claim"].summary(),
        "explanation": RULES["claim"].explanation(),
    }
    entries = json.loads(cli("rule", "--format", "json")[1])
    assert [e["id"] for e in entries] == list(RULES)
    assert entries[list(RULES).index("claim")] == entry


def test_an_unknown_rule_is_refused_with_the_closest(cli):
    known = ", ".join(sorted(RULES))
    message = f"error: there is no rule 'claims'\nhint: did you mean 'claim'? known: {known}\n"
    assert cli("rule", "claims") == (2, "", message)


def test_the_table_of_pages_links_each_rule():
    table = rule_pages()["README.md"]
    assert re.findall(r"\]\(([a-z-]+\.md)\)", table) == [f"{rule}.md" for rule in RULES]


def test_no_shipped_spec_needs_a_comment_that_suppresses():
    assert [name for name, path in shipped_specs().items() if "resnet-gen:" in path.read_text("utf-8")] == []
