"""Methods of parts from outside return what their families state, or are refused by their file, class and name."""

from collections.abc import Mapping

import pytest

from resnet_gen.graph import Value
from resnet_gen.language.custom_parts.return_types import has_type
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.language.spec import Override, Stages, forget_files, know_every_part
from resnet_gen.problems import Refused

VALUE = Value("input", (3, 8, 8))
KINDS = {
    int: [0, 7], str: ["", "x"], bool: [True], Value: [VALUE], tuple[int, ...]: [(), (1, 2), [1, 2]],
    list[str]: [[], ["a"], ("a",)], list[tuple[int, ...]]: [[(1,), (2, 3)]], dict[str, Value]: [{}, {"x": VALUE}],
    tuple[int, ...] | None: [None, (1,)],
}  # fmt: skip
"""Types that families state, and values of them."""
EVERY = [0, 1.5, True, None, "x", "", [], [1], ["a"], [None], [[1]], (1.0,), {}, {1: VALUE}, {"x": 1}, VALUE, int, b"x"]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_values_fit_their_type_and_others_do_not(kind):
    assert all(has_type(value, kind) for value in KINDS[kind])
    plain = {int: lambda v: type(v) is int, str: lambda v: type(v) is str, bool: lambda v: type(v) is bool,
             Value: lambda v: type(v) is Value}  # fmt: skip
    if kind in plain:
        assert [has_type(value, kind) for value in EVERY] == [plain[kind](value) for value in EVERY]
    if kind == dict[str, Value]:
        assert [value for value in EVERY if has_type(value, kind)] == [{}]
        assert not any(has_type(value, kind) for value in EVERY if not isinstance(value, Mapping))


SPEC = """\
name: mine
parts: [part.py]
input: {channels: 3, size: 16}
stem: {kind: conv3x3, width: 8}
stages: {depths: [1, 1], widths: [8, 16], block: basic}
head: {kind: linear, classes: 4}
"""
PART = """\
from typing import Literal
from resnet_gen.parts.base import FAMILY


class Mine(FAMILY):
    kind: Literal["mine"] = "mine"

"""
METHODS = {
    "Head": ("def build(self, net, x, using):", "head: {kind: linear, classes: 4}", "head: mine"),
    "Block": ("def build(self, net, x, place, using):", "block: basic", "block: mine"),
    "WidthRule": ("def widths(self, entering):", "widths: [8, 16]", "widths: mine"),
    "Naming": ("def names(self, paths):", "name: mine", "name: mine\nnaming: mine"),
    "Norm": ("def build(self, net, name, x):", "name: mine", "name: mine\nnorm: mine"),
    "Shortcut": ("def bridge(self, net, x, branch, *, place, using):", "block: basic", "block: basic, shortcut: mine"),
}
"""A method of each of some families, and what of a spec makes it run."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("returned", ["None", "5", "'x'", "[None]", "{1: 2}", "object"])
@pytest.mark.parametrize("family", METHODS)
def test_a_wrong_result_is_refused_and_says_whose_it_is(family, returned, tmp_path):
    head, old, new = METHODS[family]
    (tmp_path / "part.py").write_text(PART.replace("FAMILY", family) + f"    {head}\n        return {returned}\n")
    (tmp_path / "mine.yaml").write_text(SPEC.replace(old, new))
    try:
        with pytest.raises(Refused, match=r"parts: \S*part\.py: Mine\.\w+ returns .*\nhint: what is expected is "):
            lower(load(str(tmp_path / "mine.yaml")))
    finally:
        forget_files()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("returned", ["{}", "{'': x}", "{'a b': x}", "{'a': x, 'b': x}", "{'a\\n::error::': x}"])
def test_a_head_puts_out_each_value_under_one_name_that_is_one(returned, tmp_path):
    head, old, new = METHODS["Head"]
    (tmp_path / "part.py").write_text(PART.replace("FAMILY", "Head") + f"    {head}\n        return {returned}\n")
    (tmp_path / "mine.yaml").write_text(SPEC.replace(old, new))
    try:
        with pytest.raises(Refused, match="a head outputs "):
            lower(load(str(tmp_path / "mine.yaml")))
    finally:
        forget_files()


@pytest.mark.filterwarnings("ignore")
def test_parts_are_known_where_models_inside_were_built_by_themselves(tmp_path):
    know_every_part()
    for model in (Override, Stages):
        model.model_rebuild(force=True)
    test_a_wrong_result_is_refused_and_says_whose_it_is("Block", "None", tmp_path)
