"""How a fault is shown."""

import difflib
from itertools import product

import pytest

from resnet_gen.problems import Document, Problem, Refused, Span, closest, refuse, several, shorten, suggest
from resnet_gen.speed.targets import load_target, shipped_targets
from resnet_gen.system.resources import shipped_specs

TEXT = Document("net.yaml", "name: net\nstem: conv\u00e93x3\n")


def test_a_problem_shows_place_line_carets_and_hint():
    problem = Problem("there is none", Span(TEXT, 1, 6, 13), "take another")
    assert str(problem).split("\n") == [
        "net.yaml:2:7: error: there is none",
        "   2 | stem: conv\u00e93x3",
        "             ^^^^^^^",
        "hint: take another",
    ]


def test_a_problem_of_a_file_or_of_nothing_has_no_excerpt():
    assert str(Problem("too large", "net.yaml")) == "net.yaml: error: too large"
    assert str(Problem("too large")) == "error: too large"


def test_rule_and_severity_are_shown():
    assert str(Problem("not met", rule="claim", severity="warning")) == "warning: not met [claim]"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028", "\u2029", "\x85"])
def test_lines_end_where_yaml_ends_them(end):
    document = Document("f", f"a: 1{end}b: 2{end}")
    assert [document.line(number) for number in range(3)] == ["a: 1", "b: 2", ""]
    assert document.line(1) == "b: 2"
    assert document.line(7) == ""
    assert document.span_at(document.text.index("b")) == Span(document, 1, 0, 1)


def test_a_long_line_is_cut_around_its_fault():
    document = Document("f", "x" * 500 + "BAD" + "y" * 500)
    shown, carets = Span(document, 0, 500, 503).excerpt().split("\n")
    at = carets.index("^")
    assert shown[at : at + 3] == "BAD"
    assert carets.count("^") == 3
    assert len(shown) == len("   1 | ") + 100


def test_carets_stay_within_the_line_and_are_never_none():
    document = Document("f", "abc")
    assert Span(document, 0, 1, 99).excerpt().endswith("\n        ^^")
    assert Span(document, 0, 3, 4).excerpt().endswith("\n          ^")
    assert Span(document, 5, 0, 1).excerpt().endswith("   6 | \n       ^")


@pytest.mark.parametrize(("raw", "shown"), [("\x1b[31m", r"\x1b[31m"), ("a\nb", r"a\nb"), ("\udcff", r"\udcff")])
def test_a_terminal_gets_no_control_characters(raw, shown):
    text = str(Problem(f"no '{raw}'", f"{raw}.yaml", raw))
    assert text == f"{shown}.yaml: error: no '{shown}'\nhint: {shown}"


def test_tabs_in_an_excerpt_keep_carets_under_their_characters():
    document = Document("f", "\tab")
    assert Span(document, 0, 1, 2).excerpt() == "   1 |  ab\n        ^"


def test_refused_carries_every_problem_in_order():
    problems = [Problem("one"), Problem("two", hint="three")]
    refused = Refused(iter(problems))
    assert refused.problems == tuple(problems)
    assert str(refused) == "error: one\nerror: two\nhint: three"


def test_refuse_makes_a_refusal_of_one_problem():
    assert refuse("bad", "f", "good").problems == (Problem("bad", "f", "good"),)


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("bsic", "did you mean 'basic'? known: basic, conv"),
        ("zzz", "known: basic, conv"),
        ("", "known: basic, conv"),
    ],
)
def test_suggest_names_the_closest_word_and_then_all(word, hint):
    assert suggest(word, ["conv", "basic"]) == hint


def test_suggest_does_not_list_a_crowd():
    crowd = [f"net{i:02}" for i in range(50)]
    assert suggest("net07x", crowd) == "did you mean 'net07'?"
    assert suggest("?", crowd) == f"known: {', '.join(crowd[:40])}, ..."


def test_words_of_anybody_s_file_take_neither_long_nor_much_room(monkeypatch):
    compared = []
    monkeypatch.setattr(difflib, "get_close_matches", lambda word, known, **_: compared.extend(known) or [])
    assert suggest("0" * 69 + "x", (f"{number:070d}" for number in range(100_000))).startswith("known: 0")
    assert compared == []
    assert len(suggest("b", ["a" * 100_000 + str(number) for number in range(50)])) < 10_000
    assert len(suggest("a" * 100_000, ["a" * 100_000 + "b"])) < 1_000


def test_closest_is_none_where_nothing_is_near():
    assert closest("stm", ["stem", "head"]) == "stem"
    assert closest("qqq", ["stem", "head"]) is None


@pytest.mark.parametrize(("text", "short"), [("abcd", "abcd"), ("abcde", "a...")])
def test_shortened_keeps_to_its_limit(text, short):
    assert shorten(text, 4) == short


@pytest.mark.parametrize(("number", "words"), [(0, "0 values"), (1, "1 value"), (2000, "2,000 values")])
def test_several_counts_a_noun(number, words):
    assert several(number, "value") == words


PREFIXES = ("", "nvidia-", "NVIDIA ", "jetson-", "Jetson_", "tesla-", "geforce-", "my-")
SUFFIXES = ("", "-16gb", " super", "_pcie", "-sxm", "-dev-kit")


@pytest.mark.parametrize("device", sorted(shipped_targets()))
def test_every_device_is_suggested_for_its_name_with_a_vendor_s_words(device):
    for prefix, suffix in product(PREFIXES, SUFFIXES):
        word = f"{prefix}{device}{suffix}"
        assert word == device or f"did you mean '{device}'" in suggest(word, shipped_targets(), exact_numbers=True), (
            word
        )


@pytest.mark.parametrize("word", ["a10", "a1000", "v100", "rtx-3080", "h20", "b100", "l400", "p4", "tx1", "agx-thor"])
def test_no_other_device_is_suggested_for_one_that_is_none_of_ours(word):
    assert suggest(word, shipped_targets(), exact_numbers=True).startswith("known: ")


def test_several_are_suggested_where_a_word_stands_in_several():
    hint = suggest("orin", shipped_targets(), exact_numbers=True)
    assert hint == "did you mean 'orin-nx' or 'agx-orin' or 'orin-nano'?"


@pytest.mark.parametrize(("word", "near"), [("jetson-orin-nano", "orin-nano"), ("RTX3090", "rtx-3090"), ("v100", None)])
def test_an_unknown_device_is_refused_with_the_one_that_is_meant(word, near):
    with pytest.raises(Refused) as caught:
        load_target(word)
    (problem,) = caught.value.problems
    assert ("did you mean" in problem.hint, problem.hint.endswith(" others are files (docs/targets.md)")) == (
        near is not None, True,
    )  # fmt: skip
    assert near is None or f"did you mean '{near}'?" in problem.hint


@pytest.mark.parametrize("name", sorted(shipped_specs()))
def test_a_slip_in_the_name_of_a_network_is_seen(name):
    """A letter left out, and other letters and joints, which nobody takes for another name."""
    assert closest(name.upper().replace("_", "-"), shipped_specs()) is not None
    assert closest(name[:1] + name[2:], shipped_specs()) is not None
