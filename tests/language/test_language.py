"""The reference page of the language is what the models say."""

from functools import cache
from pathlib import Path

import pytest

from resnet_gen.language.spec import Claim, Deviation, Input, Spec, Stages
from resnet_gen.parts.base import FAMILIES
from resnet_gen.parts.registry import load_parts, members
from tests.refresh.language_page import language_page

ROOT = Path(__file__).parents[2]

load_parts()


def test_the_committed_page_is_what_the_models_say():
    assert (ROOT / "docs" / "language.md").read_text(encoding="utf-8") == language_page()


@cache
def written():
    return language_page()


@pytest.mark.parametrize("model", [Spec, Input, Stages, Claim, Deviation])
def test_every_key_stands_in_the_page_with_its_meaning(model):
    page = written()
    for name, field in model.model_fields.items():
        assert field.description
        assert f"| `{name}` |" in page
        assert field.description in page


@pytest.mark.parametrize("part", [part for family in FAMILIES for part in members(family)])
def test_every_part_stands_in_the_page_with_its_keys(part):
    page = written()
    assert f"#### `{part.kind_name()}`\n\n{part.__doc__.splitlines()[0]}" in page
    for name, field in part.model_fields.items():
        assert name == "kind" or f"| `{name}` |" in page
        assert name == "kind" or field.description in page


@pytest.mark.parametrize(
    "row",
    [
        "| `name` | text | required |",
        "| `stride_on` | `conv1`, `conv2` | `conv2` |",
        "| `depths` | list of whole number, 1 to 4096 |  |",
        "| `inner` | list of list of 2: whole number, 1 to 65536 |  |",
        "| `softmax` | true or false | `false` |",
        "| `shortcut` | a part | `projection` |",
    ],
)
def test_types_and_defaults_are_said_in_words(row):
    assert row in language_page()
