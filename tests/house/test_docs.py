"""Pages that are generated, and specs that docs speak of, are as they say."""

import inspect
import re
import statistics
import sys
from pathlib import Path

import pytest

from resnet_gen.cli import cli
from resnet_gen.language.load import load
from resnet_gen.language.source import read_file
from resnet_gen.system.resources import shipped_specs
from tests.house.rooms import WALK
from tests.refresh import design_page
from tests.refresh.catalogue_page import catalogue_page
from tests.refresh.rule_pages import rule_pages

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_says_how_many_networks_are_shipped_and_referenced():
    assert f"\n{len(shipped_specs())} networks are shipped" in README
    assert sum(load(name).spec.reference is not None for name in shipped_specs()) == 141
    assert "for 141 networks" in README


@pytest.mark.long
def test_the_committed_catalogue_is_what_the_specs_say():
    page = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
    assert page == catalogue_page(), "run `make generated`"
    assert "findings |" not in page


def test_the_committed_pages_of_rules_are_what_their_docstrings_say():
    pages = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "rules").iterdir()}
    assert pages == rule_pages(), "run `make generated`, and delete the pages of rules that are gone"


def test_the_committed_page_on_design_is_what_the_code_says():
    assert design_page.PAGE.read_text(encoding="utf-8") == design_page.page(
        design_page.PAGE.read_text(encoding="utf-8")
    )
    assert design_page.PICTURE.read_text(encoding="utf-8") == design_page.picture(), "run `make generated`"


@pytest.mark.parametrize("page", ["design.md", "parts.md", "glossary.md"])
def test_files_that_a_page_names_are_there(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", text))
    folders = (ROOT / "resnet_gen", ROOT, ROOT / "resnet_gen" / "parts")
    assert {name for name in named if not any((folder / name).exists() for folder in folders)} == set()
    assert len(named) > 100 or page != "design.md"


def test_a_build_enters_the_functions_of_the_walk_in_their_order(tmp_path):
    """A small network in eight bits; an engine is built where a TensorRT library is, after what is looked at here."""
    steps = [name for name in WALK if not name.startswith("engine.")]
    entered = []
    codes = {inspect.unwrap(design_page.function(name)).__code__: name for name in steps}

    def look(frame, event, _):
        if event == "call" and frame.f_code in codes:
            entered.append(codes[frame.f_code])

    sys.setprofile(look)
    try:
        eight = ("--precision", "int8", "--calibration", "random", "--qdq", "cpu")
        cli.main(["build", "resnet8-digits", *eight, "-o", str(tmp_path)], standalone_mode=False)
    finally:
        sys.setprofile(None)
    assert list(dict.fromkeys(entered)) == steps


def test_specs_are_short():
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in shipped_specs().values()]
    assert statistics.median(lines) <= 20


def test_no_spec_repeats_the_layout_of_another():
    """A spec that starts from none states a layout of its own; the others state what differs from their parent."""
    sources = {name: read_file(path).data for name, path in shipped_specs().items()}
    layouts = [load(name).spec.stages for name, data in sources.items() if "extends" not in data]
    assert len(set(map(repr, layouts))) == len(layouts)
    for name, data in sources.items():
        if "extends" in data:
            parent = load(data["extends"]).resolved()
            repeated = [key for key in ("stages", "stem", "head", "norm", "activation", "input") if key in data]
            assert all(data[key] != parent[key] for key in repeated), name
