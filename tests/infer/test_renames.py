"""Rules that give tensors other names: what stars stand for, what is refused and where, and how long it may take."""

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnet_gen.infer.conversion.renames import MOST_STARS, parse_renames, rename_tensors
from resnet_gen.problems import Refused


def renamed(names, *rules):
    return rename_tensors(dict.fromkeys(names), parse_renames(rules), "a.pth")


@pytest.mark.parametrize(
    ("name", "rule", "new"),
    [
        ("backbone.conv1.weight", "backbone.*=*", "conv1.weight"),
        ("conv1.weight", "c*=model.c*", "model.conv1.weight"),
        ("fc.1.weight", "fc.1.*=fc.*", "fc.weight"),
        ("fc.1.weight", "fc.1.weight=fc.weight", "fc.weight"),
        ("a.layers.3.conv.w", "a.layers.*.conv.*=s*.c.*", "s3.c.w"),
        ("a.b.c.b.d", "*.b.*=*/*", "a/c.b.d"),
        ("aXbXc", "*X*X*=*-*-*", "a-b-c"),
        ("a+b(c)[d]", "a+b(*)[d]=*", "c"),
    ],
)
def test_what_a_rule_makes(name, rule, new):
    assert renamed([name, "other"], rule) == {new: name, "other": "other"}


@pytest.mark.parametrize(
    "rule", ["x*=*", "*x=*", "*c*=*c*", "conv=c", "conv1.weight.*=*", "*conv1.weight=*", "conv1.*weight=*"]
)
def test_a_rule_is_for_whole_names_and_a_star_for_some_text(rule):
    with pytest.raises(Refused, match="no tensor has such a name"):
        renamed(["conv1.weight"], rule)


def test_rules_follow_one_another():
    assert renamed(["module.fc.1.weight"], "module.*=*", "fc.1.*=fc.*") == {"fc.weight": "module.fc.1.weight"}
    assert renamed(["a", "b"], "a=c", "b=a", "c=b") == {"b": "a", "a": "b"}


def test_what_has_no_name_is_left_out():
    assert renamed(["q.a", "k.a"], "k.*=", "q.*=*") == {"a": "q.a"}


@pytest.mark.parametrize(
    ("rule", "message", "column"),
    [
        ("", "a pattern, '=' and a name are wanted", 1),
        ("=x", "a pattern, '=' and a name are wanted", 1),
        ("conv", "a pattern, '=' and a name are wanted", 5),
        ("a=b=c", "one '=' stands between", 4),
        ("a**=*", "two stars beside each other", 3),
        ("a*=b", "another number of stars: 1 in the pattern, 0 in the name", 4),
        ("a=b*", "another number of stars: 0 in the pattern, 1 in the name", 4),
        (".*" * (MOST_STARS + 1) + "=x", f"more than {MOST_STARS} stars", 2 * MOST_STARS + 2),
    ],
)
def test_what_is_no_rule(rule, message, column):
    with pytest.raises(Refused) as caught:
        parse_renames([rule])
    assert message in caught.value.problems[0].message
    assert str(caught.value.problems[0].where).endswith(f":1:{column}")


@pytest.mark.parametrize("rules", [["x" * 1000 + "=y"], ["a=b"] * 1000])
def test_too_much(rules):
    with pytest.raises(Refused, match="at most"):
        parse_renames(rules)


def test_two_tensors_of_one_name():
    with pytest.raises(Refused, match=r"'x\.w' and 'y\.w' would both be 'w'"):
        renamed(["x.w", "y.w"], "x.*=*", "y.*=*")
    with pytest.raises(Refused, match=r"'x\.w' and 'w' would both be 'w'"):
        renamed(["x.w", "w"], "x.*=*")


@given(st.text("ab.", max_size=8), st.text("ab.*", min_size=1, max_size=8))
def test_a_pattern_is_of_the_names_that_a_glob_of_some_text_is_of(name, pattern):
    if "**" in pattern or pattern.count("*") > MOST_STARS:
        return
    (rule,) = parse_renames([f"{pattern}={pattern}"])
    assert rule.apply(name) == (name if fnmatch.fnmatchcase(name, pattern.replace("*", "?*")) else None)


def test_no_pattern_takes_more_time_than_the_name_is_long():
    (rule,) = parse_renames(["*" + "a*" * (MOST_STARS - 1) + "b=*" + "a*" * (MOST_STARS - 1)])
    assert rule.apply("a" * 1_000_000 + "c") is None
    assert rule.apply("a" * 1_000_000 + "b") == "a" * 1_000_000
