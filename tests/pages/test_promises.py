"""What pages promise of a table or a block of theirs: tables have every row, and specs that are shown are specs."""

from __future__ import annotations

import inspect
import re
from contextlib import suppress

import pytest
import yaml

import resnet_gen
from resnet_gen.build import trtexec
from resnet_gen.cli import COMMANDS
from resnet_gen.generate.base import CodeSubject, generate_files
from resnet_gen.graph.conventions import CONVENTIONS, CountingRule
from resnet_gen.graph.matching import match
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.parts import base
from resnet_gen.problems import Refused
from resnet_gen.speed.targets import load_target, shipped_targets
from tests.pages.shown import PAGES, ROOT, blocks, text
from tests.refresh import api_page as api
from tests.refresh import engines_page


def rows(page, heading):
    """The rows of the first table below a heading, cells without their marks."""
    section = text(page).split(f"\n## {heading}\n")[1]
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in table]


def specs():
    for page in PAGES:
        for block in blocks(page):
            data = yaml.safe_load(block.text) if block.kind == "yaml" else None
            if isinstance(data, dict) and "name" in data and {"extends", "stages"} & data.keys():
                yield pytest.param(page, block, id=f"{page}:{block.line}")


@pytest.mark.parametrize(("page", "block"), [case for case in specs() if "parts" not in case.values[1].text])
def test_a_spec_that_is_shown_makes_a_network(page, block, tmp_path):
    file = tmp_path / "shown.yaml"
    file.write_text(block.text, encoding="utf-8")
    assert lower(load(str(file))).nodes


def test_the_readme_begins_with_resnet_50(tmp_path):
    file = tmp_path / "resnet50.yaml"
    file.write_text(blocks("README.md")[0].text, encoding="utf-8")
    shown, shipped = load(str(file)), load("resnet50")
    found = match(lower(shown), lower(shipped))
    assert found.same
    assert lower(shown).state().keys() == lower(shipped).state().keys()
    assert {claim.what for claim in shown.spec.claims} == {"layers", "params"}


def test_the_block_that_the_readme_shows_is_generated():
    (shown,) = [block.text for block in blocks("README.md") if block.kind == "python"]
    assert shown in (ROOT / "generated/resnet50/pytorch/resnet50.py").read_text(encoding="utf-8")


def test_the_commands_that_are_no_functions_are_those_that_pages_name():
    named = [set(re.findall(r"`([a-z-]+)`", re.search(words, text(page), re.DOTALL)[1])) for page, words in (
        ("README.md", r"Every command but (.*?), which are of a project's folder, is a function"),
        ("docs/commands.md", r"all but (.*?) are Python functions"),
    )]  # fmt: skip
    assert named == [set(api.WITHOUT)] * 2
    assert {*api.COMMANDS, *api.WITHOUT} == set(COMMANDS)


@pytest.mark.parametrize("row", rows("docs/parts.md", "What a part is built from"), ids=lambda row: row[0])
def test_the_table_of_families_has_their_classes_and_methods(row):
    family, name, methods, _ = ([*re.findall(r"`([^`]+)`", cell)] for cell in row)
    part = getattr(base, name[0])
    for words in methods:
        method, _, arguments = words.rstrip(")").partition("(")
        member = getattr(part, method)
        if arguments:
            wanted = inspect.signature(member).parameters.values()
            told = re.sub(r"\*, ?", "", arguments).split(", ")
            assert [one.name for one in wanted if one.name != "self"] == told, family
    needed = (
        {name for name in part.__abstractmethods__ if name != "kind"} if hasattr(part, "__abstractmethods__") else {}
    )
    assert set(needed) <= {words.partition("(")[0] for words in methods}


def test_the_table_of_families_has_every_family():
    named = {re.findall(r"`([^`]+)`", row[1])[0] for row in rows("docs/parts.md", "What a part is built from")}
    assert named == {family.__name__ for family in base.Part.__subclasses__() if family.__module__ == base.__name__}


def test_the_inputs_of_the_action_are_those_of_the_page():
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    table = {row[0].strip("`"): row[1] for row in rows("docs/ci.md", "GitHub")}
    assert list(table) == list(action["inputs"])
    outputs = re.findall(r"`(\w+)`, the exit code|`(\w+)`, `true` or `false`", text("docs/ci.md"))
    assert [first or second for first, second in outputs] == list(action["outputs"])


def test_devices_whose_times_nobody_can_predict_are_those_of_the_page():
    unknown = {}
    for name in shipped_targets():
        for precision in load_target(name).precisions:
            with suppress(Refused):
                resnet_gen.predict("cifar-resnet20", name, precision=precision)
                continue
            unknown.setdefault(name, set()).add(precision)
    everything = {name for name, some in unknown.items() if some == set(load_target(name).precisions)}
    assert everything == {"cpu", "cpu-avx2"}
    some = {name: precisions for name, precisions in unknown.items() if name not in everything}
    assert some == {"xavier-nx": {"fp32"}, "orin-nano": {"fp32"}, "orin-nx": {"fp32"}, "gtx-1650": {"int8"}}
    words = " ".join(text("docs/predict.md").split())
    assert "FP32 on Xavier NX, Orin Nano and Orin NX, INT8 on a GTX 1650, everything on `cpu` and `cpu-avx2`" in words


CELLS = {"convolution, linear": ("Conv2d", "Linear"), "batch norm": ("BatchNorm2d",), "group norm": ("GroupNorm",),
         "ReLU": ("ReLU",), "max pool": ("MaxPool2d",), "average pool": ("AvgPool2d",),
         "global average pool": ("AdaptiveAvgPool2d",), "softmax": ("Softmax",)}  # fmt: skip
"""The calls of PyTorch that a column of docs/counting.md is of."""


def counted(rule):
    """What a rule counts, in the words of docs/counting.md."""
    macs = [f"{rule.macs} MACs" if rule.macs > 1 else "MACs"] if rule.macs else []
    times = [f"{getattr(rule, name)} {word}" for name, word in (("entering", "in"), ("leaving", "out"))
             if getattr(rule, name)]  # fmt: skip
    weights = ["its weights"] if rule.params else []
    return ", ".join(macs + times + weights + ([f"less {-rule.constant}"] if rule.constant else []))


def test_the_table_of_counters_is_that_of_their_rules():
    heading, *_ = re.findall(r"^\| convention .*$", text("docs/counting.md"), re.MULTILINE)
    columns = [cell.strip() for cell in heading.split("|")[3:-1]]
    assert {*columns} == {*CELLS, "their bias"}
    table = re.findall(
        r"^\| `(\w+)` \| [^|]*\|(.*)\|$", text("docs/counting.md").split(heading)[1].split("\n\n")[0], re.MULTILINE
    )
    shown = {name: dict(zip(columns, map(str.strip, cells.split("|")), strict=True)) for name, cells in table}
    assert not any(shown.pop("paper").values())
    assert shown.keys() == CONVENTIONS.keys()
    for name, cells in shown.items():
        rules = CONVENTIONS[name].rules
        assert cells.pop("their bias") == ("1 out" if rules["Linear"].biased else ""), name
        for column, cell in cells.items():
            assert {counted(rules.get(call, CountingRule())) for call in CELLS[column]} == {cell}, (name, column)


def test_the_table_of_trtexec_has_its_options():
    table = re.search(r"^\| TensorRT \| types .*\n\|.*\n((?:\|.*\n)+)", text("docs/engines.md"), re.MULTILINE)[1]
    above = ["", "", ""]
    for row in table.splitlines():
        versions, *cells = (cell.strip() for cell in row.split("|")[1:-1])
        above = [old if "the same" in new else new for old, new in zip(above, cells, strict=True)]
        types, memory, timing = above
        for version in versions.split(", "):
            assert f"`{trtexec.format_workspace(version, 'MIB')}`" == memory
            fp16, int8 = (trtexec.list_build_options(version, precision) for precision in ("fp16", "int8"))
            assert f"`{fp16[-1]}`" == f"`{int8[-1]}`" == timing
            assert "--noTF32" in fp16
            told = re.findall(r"`([^`]+)`", types)
            assert [" ".join(fp16[:-2]), " ".join(int8[:-2])] == (told * 2)[:2] if told else ["", ""], version


def test_the_table_of_engine_options_is_that_of_the_code():
    assert engines_page.page(text("docs/engines.md")) == text("docs/engines.md"), "run `make generated`"


def test_programs_in_cpp_differ_in_the_two_files_that_the_page_names():
    told = text("docs/generate.md").split("\n## cpp\n")[1]
    assert "Only `network.hpp` and README.md\ndiffer from network to network." in told
    one, other = (
        {name.partition("/")[2]: content for name, content in generate_files(CodeSubject(load(spec)), "cpp").items()}
        for spec in ("resnet18", "resnet8-digits")
    )
    assert one.keys() == other.keys()
    assert {name for name in one if one[name] != other[name]} == {"network.hpp", "README.md"}
