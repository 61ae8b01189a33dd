"""Shapes in trtexec's and in Polygraphy's words."""

import pytest

from resnet_gen.build.shapes import HINT, parse_shapes
from resnet_gen.problems import Refused


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("input:1x3x224x224", {"input": (1, 3, 224, 224)}),
        ("input:[1,3,224,224]", {"input": (1, 3, 224, 224)}),
        ("input:[ 1, 3 ,224,224 ]", {"input": (1, 3, 224, 224)}),
        ("1x3x224x224", {"": (1, 3, 224, 224)}),
        ("[8,3,32,32]", {"": (8, 3, 32, 32)}),
        ("a:1x2,b:3x4", {"a": (1, 2), "b": (3, 4)}),
        ("a:[1,2],b:3, c:[4]", {"a": (1, 2), "b": (3,), "c": (4,)}),
        ("input:0:8x3", {"input:0": (8, 3)}),
    ],
)
def test_both_notations_are_read(text, shapes):
    assert parse_shapes(text) == shapes


@pytest.mark.parametrize(
    "text",
    ["", "x", "input:", "input:0x3", "a:-1x2", "input:1x3,", ",1x3", "1x", "[1,2", "1x2]", "[]", 'a:["N",3]', "1.5x2",
     "a:1X2", "a:1x2;b:3", "1" * 10, "\u0661x2", "[1x2]"],
)  # fmt: skip
def test_anything_else_is_refused_with_both_notations(text):
    with pytest.raises(Refused, match="is not a shape") as caught:
        parse_shapes(text)
    assert caught.value.problems[0].hint == HINT
    assert "input:1x3x224x224" in HINT
    assert "input:[1,3,224,224]" in HINT


@pytest.mark.parametrize(("text", "words"), [("a:1,a:2", "two shapes for 'a'"), ("1x3,1x3", "two shapes without")])
def test_a_name_that_comes_twice_is_refused(text, words):
    with pytest.raises(Refused, match=words):
        parse_shapes(text)
