"""A target of `generate` is one file, one folder of templates, a choice of the command and a section of its page."""

import importlib
import pkgutil
from pathlib import Path

import pytest

from resnet_gen.build.output_kinds import LANGUAGES
from resnet_gen.generate import base
from resnet_gen.system.resources import templates

ROOT = Path(__file__).parents[2]


def test_the_command_offers_each_target_that_there_is():
    package = importlib.import_module(base.TARGETS)
    assert sorted(module.name for module in pkgutil.iter_modules(package.__path__)) == list(LANGUAGES)


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_target_says_what_it_is_and_has_templates(name):
    module = base.import_target(name)
    assert (module.__doc__ or "").partition("\n")[0].endswith(".")
    assert callable(module.files)
    assert list((templates() / name).iterdir())


def test_the_page_has_a_section_for_each_target_of_this_package():
    page = (ROOT / "docs" / "generate.md").read_text(encoding="utf-8")
    assert [name for name in LANGUAGES if f"\n## {name}\n" not in page and name != "pytorch"] == []
