"""`# resnet-gen: ignore[ID] reason` suppresses what stands on its line, and is held to a reason and a use."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_gen.problems import Document
from resnet_gen.verify import suppression
from resnet_gen.verify.outcome import examine
from resnet_gen.verify.rules import RULES

MANY = settings(max_examples=200, derandomize=True, deadline=None, database=None)
HEAD = "name: net\nextends: resnet18\n"


@pytest.fixture
def look(tmp_path, monkeypatch):
    """Verifies a spec of this text, after `HEAD`."""
    monkeypatch.chdir(tmp_path)

    def run(text, *settings, chosen=frozenset(RULES), head=HEAD):
        (tmp_path / "net.yaml").write_text(head + text, encoding="utf-8")
        return examine("net.yaml", settings, chosen)

    return run


def rules(findings):
    return [finding.rule for finding in findings]


def reasons(outcome):
    return [(finding.rule, finding.place.line, finding.reason) for finding in outcome.suppressed]


def claims(*lines):
    return "claims:\n" + "".join(f"  {line}\n" for line in lines)


WRONG = "- {what: layers, value: 19, source: us}"
RIGHT = "- {what: layers, value: 18, source: us}"


def test_without_a_comment_a_finding_is_found(look):
    outcome = look(claims(WRONG))
    assert (rules(outcome.findings), outcome.suppressed) == (["claim"], ())


@pytest.mark.parametrize(
    "comment",
    [
        "# resnet-gen: ignore[claim] a typo",
        "#resnet-gen:ignore[claim]a typo",
        "#  resnet-gen:  ignore [ claim ]  a typo  ",
        "# see Table 1 # resnet-gen: ignore[claim] a typo",
    ],
)
def test_a_comment_suppresses_what_is_found_on_its_line(look, comment):
    outcome = look(claims(f"{WRONG} {comment}", RIGHT))
    assert outcome.findings == ()
    assert reasons(outcome) == [("claim", 4, "a typo")]


def test_a_comment_alone_on_its_line_is_about_the_line_below(look):
    outcome = look(claims("# resnet-gen: ignore[claim] a typo", WRONG, WRONG))
    assert [finding.place.line for finding in outcome.findings] == [6]
    assert reasons(outcome) == [("claim", 5, "a typo")]


def test_comments_alone_may_stand_above_one_another(look):
    text = (
        "# resnet-gen: ignore[reference-state] other names\n"
        "# and what else is to be said\n"
        "# resnet-gen: ignore[reference-count] other counts\n"
        "reference: torchvision/resnet34  # a long story\n"
    )
    outcome = look(text)
    assert outcome.findings == ()
    assert reasons(outcome) == [
        ("reference-state", 6, "other names"),
        ("reference-count", 6, "other counts"),
        ("reference-count", 6, "other counts"),
    ]


def test_two_comments_above_a_line_are_both_about_it(look):
    outcome = look(
        "# resnet-gen: ignore[reference-state] other names\n# resnet-gen: ignore[reference-count] other counts\n"
        "reference: torchvision/resnet34\n"
    )
    assert outcome.findings == ()
    assert {place for _, place, _ in reasons(outcome)} == {5}


def test_a_comment_behind_a_value_is_not_about_the_line_below(look):
    outcome = look(claims(f"{RIGHT} # resnet-gen: ignore[claim] a typo", WRONG))
    assert [(f.rule, f.place.line) for f in outcome.findings] == [("suppression", 4), ("claim", 5)]


def test_an_empty_line_parts_a_comment_from_what_it_would_be_about(look):
    outcome = look(claims("# resnet-gen: ignore[claim] a typo", "", WRONG))
    assert rules(outcome.findings) == ["suppression", "claim"]


def test_one_comment_may_name_several_rules(look):
    outcome = look("reference: torchvision/resnet34 # resnet-gen: ignore[reference-state, reference-count] both\n")
    assert (outcome.findings, set(rules(outcome.suppressed))) == ((), {"reference-state", "reference-count"})


def test_another_rule_is_not_suppressed(look):
    outcome = look("reference: torchvision/resnet34 # resnet-gen: ignore[reference-count] a change of heart\n")
    assert (rules(outcome.findings), set(rules(outcome.suppressed))) == (["reference-state"], {"reference-count"})


@pytest.mark.parametrize(
    "text",
    [
        'title: "# resnet-gen: ignore[claim] no comment"\n',
        "title: '# resnet-gen: ignore[claim] no comment'\n",
        "title: a#resnet-gen:ignore[claim] no comment\n",
        "title: >-\n  # resnet-gen: ignore[claim] no comment\n",
        "title: '\n  # resnet-gen: ignore[claim] no comment'\n",
    ],
)
def test_what_looks_like_a_comment_in_a_text_is_none(look, text):
    outcome = look(text + claims(WRONG))
    assert (rules(outcome.findings), outcome.suppressed) == (["claim"], ())


def test_a_finding_on_the_line_of_a_text_that_holds_a_comment_is_found(look):
    entry = '- {what: layers, value: 19, source: "# resnet-gen: ignore[claim] no comment"}'
    assert rules(look(claims(entry)).findings) == ["claim"]


FORM = "hint: write '# resnet-gen: ignore[ID] reason'"
KNOWN = f"known: {', '.join(sorted(RULES))}"


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        (
            "# resnet-gen: ignore[claim]",
            f"net.yaml:4:43: error: no reason is given [suppression]\n@\n{'^' * 27}\n{FORM}",
        ),
        (
            "# resnet-gen: ignore claim",
            f"net.yaml:4:43: error: names no rule [suppression]\n@\n{'^' * 26}\n{FORM}",
        ),
        (
            "# resnet-gen: ignore[] why",
            f"net.yaml:4:43: error: names no rule [suppression]\n@\n{'^' * 26}\n{FORM}",
        ),
        (
            "# resnet-gen: ignore[claim,] why",
            f"net.yaml:4:43: error: names no rule [suppression]\n@\n{'^' * 32}\n{FORM}",
        ),
        (
            "# resnet-gen: ignore[claim why",
            f"net.yaml:4:43: error: names no rule [suppression]\n@\n{'^' * 30}\n{FORM}",
        ),
        (
            "# resnet-gen: ignore[ claims ] why",
            "net.yaml:4:65: error: there is no rule 'claims' [suppression]\n@\n^^^^^^\n"
            f"hint: did you mean 'claim'? {KNOWN}",
        ),
        (
            "# resnet-gen: ignore[suppression] why",
            "net.yaml:4:64: error: 'suppression' cannot be suppressed [suppression]\n@\n^^^^^^^^^^^",
        ),
        (
            "# resnet-gen: ignore[claim,invalid-spec] why",
            "net.yaml:4:70: error: 'invalid-spec' cannot be suppressed [suppression]\n@\n^^^^^^^^^^^^",
        ),
    ],
)
def test_a_comment_that_says_it_wrongly_is_found_and_suppresses_nothing(look, comment, message):
    outcome = look(claims(f"{WRONG} {comment}"))
    assert rules(outcome.findings) == ["claim", "suppression"]
    assert outcome.suppressed == ()
    line = f"   4 |   {WRONG} {comment}"
    shown = [text.lstrip() if set(text.strip()) == {"^"} else text for text in lines(outcome.findings[1])]
    assert shown == [line if text == "@" else text for text in message.split("\n")]


def lines(finding):
    return str(finding.problem).split("\n")


def test_a_comment_with_nothing_to_suppress_is_found_at_its_id(look):
    outcome = look("# resnet-gen: ignore[claim, reference-count] once there was\ntitle: net\n")
    assert outcome.suppressed == ()
    assert [str(finding.problem) for finding in outcome.findings] == [
        "net.yaml:3:22: error: 'claim' finds nothing here to suppress [suppression]\n"
        "   3 | # resnet-gen: ignore[claim, reference-count] once there was\n"
        "                            ^^^^^\n"
        "hint: delete it",
        "net.yaml:3:29: error: 'reference-count' finds nothing here to suppress [suppression]\n"
        "   3 | # resnet-gen: ignore[claim, reference-count] once there was\n"
        "                                   ^^^^^^^^^^^^^^^\n"
        "hint: delete it",
    ]


def test_what_is_wrong_with_comments_is_told_between_other_findings_in_the_order_of_lines(look):
    outcome = look(
        claims(f"{RIGHT} # resnet-gen: ignore[claim] a typo", WRONG, WRONG) + "# resnet-gen: ignore[no] why\n"
    )
    told = [(finding.place.line, finding.rule) for finding in outcome.findings]
    assert told == [(4, "suppression"), (5, "claim"), (6, "claim"), (7, "suppression")]


def test_the_second_of_two_comments_of_one_rule_on_one_line_has_nothing_to_suppress(look):
    text = claims("# resnet-gen: ignore[claim] one", f"{WRONG} # resnet-gen: ignore[claim] two")
    outcome = look(text)
    assert reasons(outcome) == [("claim", 5, "one")]
    assert [(f.rule, f.place.line) for f in outcome.findings] == [("suppression", 5)]


def test_other_comments_are_nobody_s_business(look):
    text = "# resnet-gen: the tool\n# resnet-gen ignore[claim]\n# resnet-gen: ignores[claim]\n# noqa\n"
    assert look(text).findings == ()


def test_a_rule_that_is_not_checked_leaves_its_comments_alone(look):
    text = claims(f"{WRONG} # resnet-gen: ignore[claim] a typo")
    outcome = look(text, chosen=frozenset(RULES) - {"claim"})
    assert (outcome.findings, outcome.suppressed) == ((), ())


def test_comments_are_not_judged_where_that_is_not_asked_for(look):
    outcome = look("title: net # resnet-gen: ignore[claim]\n", chosen=frozenset({"claim"}))
    assert (outcome.findings, outcome.rules) == ((), ("invalid-spec", "claim"))


def test_a_setting_may_take_away_what_a_comment_is_for_and_is_not_suppressed_itself(look):
    text = claims(f"{WRONG} # resnet-gen: ignore[claim] a typo")
    assert look(text, "claims=[]").findings == ()
    outcome = look(text, "claims=[{what: layers, value: 20, source: us}]")
    assert (rules(outcome.findings), outcome.suppressed) == (["claim"], ())


PARENT = "name: parent\nextends: resnet18\nstages:\n  widths: [64, 128, 256, 256]"


@pytest.fixture
def parent(tmp_path):
    def write(comment):
        (tmp_path / "parent.yaml").write_text(f"{PARENT}{comment}\n")

    return write


CHILD = "name: net\nextends: parent.yaml"


def test_what_is_found_in_a_parent_is_suppressed_there(look, parent):
    parent("  # resnet-gen: ignore[half-map-double-filters] kept narrow")
    outcome = look("\n", head=CHILD)
    assert (outcome.findings, outcome.suppressed[0].place) == ((), ("parent.yaml", 4, 11, 30))
    assert outcome.suppressed[0].reason == "kept narrow"


def test_what_is_found_in_a_parent_is_suppressed_where_the_child_extends_it(look, parent):
    parent("")
    assert rules(look("\n", head=CHILD).findings) == ["half-map-double-filters"]
    outcome = look("  # resnet-gen: ignore[half-map-double-filters] theirs\n", head=CHILD)
    assert (outcome.findings, outcome.suppressed[0].place.file) == ((), "parent.yaml")
    assert outcome.suppressed[0].reason == "theirs"


def test_where_a_child_extends_another_its_own_findings_are_not_suppressed(look, parent):
    parent("")
    text = "  # resnet-gen: ignore[claim] theirs\n" + claims(WRONG)
    assert sorted(rules(look(text, head=CHILD).findings)) == ["claim", "half-map-double-filters", "suppression"]


def test_comments_of_a_parent_are_judged_with_the_parent_alone(look, parent):
    parent("  # resnet-gen: ignore[claim] nothing\n# resnet-gen: ignore[nothing]")
    assert rules(look("\n", head=CHILD).findings) == ["half-map-double-filters"]
    assert rules(examine("parent.yaml").findings) == [
        "half-map-double-filters",
        "suppression",
        "suppression",
        "suppression",
    ]


def test_a_spec_that_cannot_be_read_is_not_suppressed(look):
    outcome = look("haed: linear # resnet-gen: ignore[invalid-spec] soon\n")
    assert (rules(outcome.invalid), outcome.findings, outcome.suppressed) == (["invalid-spec"], (), ())


@MANY
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\n\r\x85\u2028\u2029")))
def test_whatever_a_comment_says_it_is_read(text):
    document = Document("net.yaml", f"a: 1 # resnet-gen: ignore{text}")
    ignores, faults = suppression._read_comments(document)
    assert all(ignore.rule in RULES and ignore.reason and ignore.line == 0 for ignore in ignores)
    assert not (ignores and faults)
    for fault in faults:
        assert fault.rule == "suppression"
        assert str(fault)


@MANY
@given(
    st.lists(st.sampled_from(["claim", "reference-state", "reference-count"]), min_size=1, unique=True),
    st.sampled_from(["", " ", "\t", "  "]),
    st.text(alphabet=st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1),
)
def test_a_comment_of_the_form_is_understood_whatever_the_reason(rules, space, reason):
    text = f"a: 1 # resnet-gen: ignore[{(',' + space).join(rules)}]{space}{reason}"
    ignores, faults = suppression._read_comments(Document("net.yaml", text))
    assert faults == []
    assert [(i.rule, i.reason) for i in ignores] == [(rule, reason) for rule in rules]
    assert [text[i.where.column : i.where.end] for i in ignores] == rules


def test_a_long_comment_is_read_in_one_pass():
    for text in (" " * 500_000 + "x", "[" * 500_000, "[claim]" + " " * 500_000 + "x", "# " * 250_000):
        suppression._read_comments(Document("net.yaml", f"a: 1 # resnet-gen: ignore{text}"))
