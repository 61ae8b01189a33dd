"""Every part says what it is and where it was published, and is used somewhere."""

import inspect
import re
from functools import cache
from pathlib import Path

import pytest

from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.parts.base import FAMILIES, Part
from resnet_gen.parts.registry import load_parts, members
from resnet_gen.system.resources import shipped_specs
from tests.helpers.varied import VARIED

load_parts()
PARTS = [part for family in FAMILIES for part in members(family)]
CITATION = re.compile(r"\([^()]*\b(19|20)\d\d\b[^()]*\)|\((torchvision|timm)/[^()]+\)|\(see docs/language\.md\)")
"""A paper with its year, a file of torchvision, or our own page for what is our own."""

TESTS = Path(__file__).parents[1]


def concrete(part=Part):
    """Every class below `Part` that has a kind."""
    found = [part] if part is not Part and "kind" in inspect.get_annotations(part) else []
    return found + [inner for child in part.__subclasses__() for inner in concrete(child)]


def test_every_part_belongs_to_a_family():
    """Those of other tests, which live outside of the package, may not have been forgotten yet."""
    assert {part for part in concrete() if part.__module__.startswith("resnet_gen.parts.")} == set(PARTS)


@pytest.mark.parametrize("part", PARTS, ids=lambda p: p.__name__)
def test_every_part_is_described_with_a_citation(part):
    text = part.__dict__.get("__doc__")
    assert text, "no docstring of its own"
    assert CITATION.search(text), text


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
def test_kinds_of_a_family_are_its_own_words(family):
    kinds = [part.kind_name() for part in members(family)]
    assert kinds
    assert len(set(kinds)) == len(kinds)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", kind) for kind in kinds)
    assert all(part().kind == part.kind_name() for part in members(family) if not required(part))


def required(part):
    return [name for name, field in part.model_fields.items() if field.is_required()]


@pytest.mark.parametrize("part", PARTS, ids=lambda p: p.__name__)
def test_every_setting_is_described_and_bounded(part):
    for name, field in part.model_fields.items():
        if name != "kind":
            assert field.description, name
            assert field.description.endswith("."), name


@pytest.mark.parametrize("part", PARTS, ids=lambda p: p.__name__)
def test_a_part_lives_in_a_file_of_its_own_in_the_folder_of_its_family(part):
    folder, module = part.__module__.split(".")[-2:]
    assert module == part.kind_name(), "a part is found by the name of its file"
    (family,) = (f for f in FAMILIES if issubclass(part, f))
    assert folder == family.folder


@cache
def used(names):
    """The parts that shipped specs are made of."""
    found = set()
    for name in names:
        spec = load(name).spec
        parts = (spec.stem, spec.norm, spec.activation, spec.antialias, spec.head, spec.naming)
        stages = spec.stages
        inner = (stages.widths, stages.block, stages.shortcut, stages.attention, stages.downsample)
        found |= {type(part) for part in (*parts, *inner)}
    return found


@pytest.mark.parametrize("part", PARTS, ids=lambda p: p.__name__)
def test_every_part_is_used_by_a_shipped_spec_or_a_test(part):
    if part in used(VARIED):
        return
    word = re.compile(rf"\b{part.kind_name()}\b")
    here = Path(__file__)
    assert any(word.search(p.read_text(encoding="utf-8")) for p in TESTS.rglob("test_*.py") if p != here)


@pytest.mark.long
def test_the_varied_networks_use_every_part_and_operation_that_shipped_ones_do():
    every = tuple(shipped_specs())
    assert used(VARIED) == used(every)
    assert operations(VARIED) == operations(every)


def operations(names):
    return {type(node.op) for name in names for node in lower(load(name)).nodes}
