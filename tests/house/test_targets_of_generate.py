"""A target of `generate` is one file, one folder of templates, a choice of the command and a section of its page."""

from pathlib import Path

import pytest

from resnet_gen.cli.generator import TARGETS
from resnet_gen.generate.base import known_targets, target
from resnet_gen.resources import templates

ROOT = Path(__file__).parents[2]


def test_the_command_offers_each_target_that_there_is():
    assert list(known_targets()) == list(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_says_what_it_is_and_has_templates(name):
    assert known_targets()[name].endswith(".")
    assert callable(target(name).files)
    assert list((templates() / name).iterdir())


def test_the_page_has_a_section_for_each_target_of_this_package():
    page = (ROOT / "docs" / "generate.md").read_text(encoding="utf-8")
    assert [name for name in TARGETS if f"\n## {name}\n" not in page and name != "pytorch"] == []
