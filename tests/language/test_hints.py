"""Hints of faults in specs: how a list is written of what stands in its place."""

import re
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from resnet_gen import parse_spec
from resnet_gen.language.faults import _write_as_list
from resnet_gen.problems import Refused


def hint(text):
    with pytest.raises(Refused) as refused:
        parse_spec(f"name: mine\nextends: resnet18\n{text}\n")
    (problem,) = refused.value.problems
    return problem.hint


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
    told = _write_as_list(value)
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
