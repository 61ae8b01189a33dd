"""Hints of faults in specs: what others call a part, and how a list is written of what stands in its place."""

import re
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from resnet_gen import parse_spec
from resnet_gen.faults import _as_list
from resnet_gen.parts.base import Part
from resnet_gen.parts.registry import load_parts, members
from resnet_gen.problems import Refused

load_parts()
PLACES = {
    "activations": "activation: {}", "norms": "norm: {}", "heads": "head: {}",
    "attentions": "stages: {{attention: {}}}", "shortcuts": "stages: {{shortcut: {}}}",
}  # fmt: skip
FAMILIES = [family for family in Part.__subclasses__() if family.__module__ == "resnet_gen.parts.base"]
CALLED = [
    (family, part, word)
    for family in FAMILIES
    for part in members(family)
    for word in vars(part).get("also_called", ())
]


def hint(text):
    with pytest.raises(Refused) as refused:
        parse_spec(f"name: mine\nextends: resnet18\n{text}\n")
    (problem,) = refused.value.problems
    return problem.hint


@pytest.mark.parametrize(("family", "part", "word"), CALLED, ids=lambda x: x if isinstance(x, str) else "")
def test_what_others_call_a_part_is_told_as_what_it_is_here(family, part, word):
    for spelt in (word, word.upper(), word.replace("_", "-")):
        told = hint(PLACES[family.folder].format(spelt))
        assert told.startswith(f"did you mean '{part.kind_name()}'?")


def test_no_two_parts_of_a_family_are_called_the_same():
    for family in FAMILIES:
        own = [part.kind_name() for part in members(family)]
        others = [word for where, _, word in CALLED if where is family]
        assert len({*own, *others}) == len(own) + len(others)


WORDS = st.text(st.characters(categories=("L", "N"), include_characters="_-./*"), min_size=1, max_size=12)
NUMBERS = st.lists(st.integers(0, 99), min_size=1, max_size=6)
VALUES = st.integers(-999, 99999) | NUMBERS | st.lists(WORDS, min_size=1, max_size=6)


@given(VALUES, st.sampled_from([",", ", ", " "]), st.booleans())
def test_a_list_is_written_of_what_stands_in_its_place(values, between, in_brackets):
    if isinstance(values, int):
        value, wanted = values, [values]
    else:
        text = between.join(map(str, values))
        value = f"({text})" if in_brackets else text
        numbers = [re.fullmatch("-?[0-9]+", str(v)) for v in values]
        if between == " " and not all(numbers):
            wanted = [text]
        else:
            wanted = [int(v) if number else v for v, number in zip(values, numbers, strict=True)]
    told = _as_list(value)
    assert told.startswith("write [")
    read = [yaml.safe_load(told.removeprefix("write "))]
    if sys.version_info >= (3, 11):
        import tomllib

        if not re.search(r"[\[ ]-?0[0-9]", told):  # numbers that begin with 0, which TOML has not
            read.append(tomllib.loads(told.replace("write", "x =", 1))["x"])
    assert all(list(map(str, found)) == list(map(str, wanted)) or found == wanted for found in read)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("outputs: stage2", 'write ["stage2"]'),
        ("outputs: stage2, stage3", 'write ["stage2", "stage3"]'),
        ("stages: {depths: 3 4 6 3}", "write [3, 4, 6, 3]"),
        ('input: {mean: "0.5,0.5,0.5"}', "write [0.5, 0.5, 0.5]"),
        ("stages: {block: {kind: bottleneck, inner: [4]}}", None),
        ("outputs: true", None),
        ("outputs: {stage2: 1}", "a list of one stands in brackets: [{...}]"),
        ("outputs: " + ",".join(["stage2"] * 17), None),
        ("outputs: ','", None),
        ("outputs: '\"'", None),
        ("outputs: 'a\\b'", None),
    ],
)
def test_the_hint_at_a_key_that_takes_a_list(text, told):
    assert hint(text) == told
