"""The JSON Schema: committed as printed, accepts every shipped spec, refuses what is wrong in form."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from resnet_gen.language.figures import FIGURE
from resnet_gen.language.schema import json_schema
from resnet_gen.language.source import read_file
from resnet_gen.system.resources import shipped_specs

ROOT = Path(__file__).parents[2]
VALIDATOR = Draft202012Validator(json_schema())

WRONG_IN_FORM = [
    "*_not_a_*",
    "*_of_wrong_type",
    "absurd_sizes",
    "claim_without_source",
    "deviation_*",
    "empty_depths",
    "missing_keys_*",
    "name_*",
    "negative_sizes",
    "no_kind",
    "part_is_*",
    "setting_out_of_choice",
    "size_of_*",
    "unknown_*",
    "zero_sizes",
]


def faults(data):
    return [f"{'.'.join(map(str, e.path))}: {e.message}" for e in VALIDATOR.iter_errors(data)]


def test_it_is_a_valid_schema_of_the_stated_draft():
    assert json_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(json_schema())


def test_the_committed_schema_is_the_printed_one():
    committed = (ROOT / "specs" / "schema.json").read_text(encoding="utf-8")
    assert committed == json.dumps(json_schema(), indent=2) + "\n", "run `make generated`"


def test_every_shipped_spec_names_the_schema_for_editors():
    for path in shipped_specs().values():
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first == "# yaml-language-server: $schema=../schema.json", path


@pytest.mark.parametrize("name", shipped_specs())
def test_every_shipped_spec_is_valid(name):
    assert faults(read_file(shipped_specs()[name]).data) == []


@pytest.mark.parametrize("names", WRONG_IN_FORM)
def test_a_spec_that_is_wrong_in_form_is_not_valid(names):
    paths = sorted((ROOT / "tests" / "bad_specs").glob(f"{names}.yaml"))
    assert paths
    assert [path.name for path in paths if not faults(read_file(path).data)] == []


def test_every_property_and_every_model_is_described():
    schema = json_schema()
    models = {"Spec": schema, **schema["$defs"]}
    properties = {f"{m}.{p}": text for m, model in models.items() for p, text in model["properties"].items()}
    assert len(properties) > 50
    assert [name for name, text in {**models, **properties}.items() if not text.get("description")] == []


WHOLE = {
    "name": "net",
    "stem": "conv3x3",
    "stages": {"depths": [1], "widths": [8], "block": "basic"},
    "head": {"kind": "linear", "classes": 10},
}


def test_a_whole_spec_needs_its_parts_and_their_kinds():
    assert faults(WHOLE) == []
    for key in ("name", "stem", "stages", "head"):
        assert faults({k: v for k, v in WHOLE.items() if k != key})
    assert faults({**WHOLE, "head": {"classes": 10}})
    assert faults({**WHOLE, "stages": {**WHOLE["stages"], "block": {"stride_on": "conv1"}}})


def test_a_child_may_leave_out_what_it_inherits():
    assert faults({"name": "net", "extends": "resnet50"}) == []
    child = {"name": "net", "extends": "resnet50", "head": {"classes": 10}}
    assert faults({**child, "stages": {"block": {"stride_on": "conv1"}}}) == []
    assert faults({**child, "stages": {"block": {"stride_on": "conv9"}}})
    assert faults({**child, "heads": {}})


@pytest.mark.parametrize("size", [224, [224, 192]])
def test_a_size_is_a_side_or_two(size):
    assert faults({**WHOLE, "input": {"size": size}}) == []


@pytest.mark.parametrize(
    "text", ["9" * 18, "9" * 19, "1e99", "1e100", "0.5M", f"0.{'0' * 11}5G", f"0.{'0' * 12}5G", "1 M"]
)
def test_a_figure_as_text_has_one_form_for_the_schema_and_for_us(text):
    spec = {"name": "a", "extends": "resnet18", "budgets": {"params": {"min": text}}}
    assert VALIDATOR.is_valid(spec) == bool(re.fullmatch(FIGURE, text))
