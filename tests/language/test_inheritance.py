"""What a child has from its parent: settings that stay are told, faults at inherited lines name what changed."""

import itertools
import re

import pytest

from resnet_gen import json_schema
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.language.notes import notes
from resnet_gen.problems import Refused

PARTS = {
    ("activation", "leaky_relu"): {"slope": 0.3},
    ("norm", "group"): {"groups": 8, "eps": 0.001},
    ("norm", "batch"): {"eps": 0.001},
    ("stem", "conv7x7"): {"width": 32, "pool": "none"},
    ("stem", "deep"): {"widths": [8, 8, 8]},
    ("head", "linear"): {"classes": 7, "softmax": True},
    ("stages.block", "bottleneck"): {"groups": 2, "base_width": 32, "expansion": 2},
    ("stages.block", "res2net"): {"scales": 2, "base_width": 8},
    ("stages.attention", "se"): {"rd_ratio": 0.25, "rd_of": "block_input"},
    ("stages.widths", "double"): {"first": 16},
    ("stages.shortcut", "gated"): {"carry": "independent", "bias": -1.0},
    ("stages.overrides.stage2.attention", "cbam"): {"kernel": 3},
}
OTHERS = {
    "activation": "relu", "norm": "layer", "stem": "{kind: conv3x3}", "head": "{kind: mlp, hidden: [3], classes: 4}",
    "stages.block": "basic", "stages.attention": "eca", "stages.widths": "{kind: constant, width: 64}",
    "stages.shortcut": "projection", "stages.overrides.stage2.attention": "eca",
}  # fmt: skip
CASES = [
    (place, kind, stated)
    for (place, kind), settings in PARTS.items()
    for size in range(len(settings) + 1)
    for stated in itertools.combinations(settings, size)
]


def nested(place, value):
    """A line of YAML that has a value at a dotted place."""
    for step in reversed(place.split(".")):
        value = f"{{{step}: {value}}}"
    return value[1:-1]


def mapping(kind, settings):
    return "{" + ", ".join(f"{key}: {str(value).lower()}" for key, value in {"kind": kind, **settings}.items()) + "}"


def at_place(data, place):
    for step in place.split("."):
        data = data[step]
    return data


def child(folder, parent, text):
    (folder / "parent.yaml").write_text(f"name: parent\nextends: resnet50\n{parent}\n")
    (folder / "child.yaml").write_text(f"name: child\nextends: parent.yaml\n{text}\n")
    return load(str(folder / "child.yaml"))


@pytest.mark.parametrize(
    ("place", "kind", "stated", "short"),
    [(*case, False) for case in CASES] + [(*case, True) for case in CASES if not case[2]],  # a bare kind has none
)
def test_settings_that_stay_behind_a_kind_that_is_named_again_are_told(tmp_path, place, kind, stated, short):
    """There is a note exactly where the part is not what the child's text would make of another parent."""
    settings = PARTS[place, kind]
    text = nested(place, kind if short else mapping(kind, {key: settings[key] for key in stated}))
    alone = child(tmp_path, nested(place, OTHERS[place]), text)
    assert notes(alone) == []
    found = child(tmp_path, nested(place, mapping(kind, settings)), text)
    same = at_place(found.resolved(), place) == at_place(alone.resolved(), place)
    said = [str(note) for note in notes(found)]
    assert bool(said) != same
    if not same:
        (note,) = said
        kept = {f"{key}: {settings[key]}" for key in settings if key not in stated}
        told = note.split("\n")[0].split(f"note: {place}: the parent's settings of this kind stay: ")[1]
        assert set(re.split(r", (?=[a-z])", told)) == kept
        assert note.startswith(f"{tmp_path}/child.yaml:3:")


def test_a_parent_s_own_kinds_are_not_told_of(tmp_path):
    assert notes(child(tmp_path, "stages: {block: {kind: bottleneck, groups: 2}}", "title: x")) == []
    changed = child(tmp_path, "stages: {block: {kind: bottleneck, groups: 2}}", "stages: {block: {base_width: 32}}")
    assert notes(changed) == []


@pytest.mark.parametrize(
    ("key", "parent"),
    [
        ("stages.overrides", "stages: {overrides: {stage3: {attention: se}}}"),
        ("quantization", "quantization: {keep: [stem]}"),
        ("input", "input: {crop: 0.5}"),
        ("stages", "title: x"),
    ],
)
def test_an_empty_mapping_that_takes_nothing_away_is_told(tmp_path, key, parent):
    found = child(tmp_path, parent, nested(key, "{}"))
    (note,) = notes(found)
    assert (note.where.document.name, note.severity) == (f"{tmp_path}/child.yaml", "note")
    assert note.message == f"{key}: changes nothing: what is inherited stays"
    assert at_place(found.resolved(), key) == at_place(load(str(tmp_path / "parent.yaml")).resolved(), key)


def test_null_takes_overrides_away(tmp_path):
    shorter = "stages: {depths: [3, 4, 6]"
    with pytest.raises(
        Refused, match=r"there is no 'stage4'\n(.|\n)*this line is inherited; changed: stages\.depths at"
    ):
        lower(child(tmp_path, "stages: {overrides: {stage4: {attention: se}}}", shorter + "}"))
    found = child(tmp_path, "stages: {overrides: {stage4: {attention: se}}}", shorter + ", overrides: null}")
    assert (found.spec.stages.overrides, notes(found)) == ({}, [])
    lower(found)
    schema = json_schema()
    stages = schema["$defs"]["Stages"]["properties"]["overrides"]
    assert {"type": "null"} in stages["anyOf"]


@pytest.mark.parametrize(
    ("parent", "text", "words", "changed"),
    [
        ("input: {mean: [0.5, 0.5, 0.5]}", "input: {channels: 1}", "input.mean: 3 values", "input.channels"),
        ("norm: {kind: group, group_size: 16}", "norm: {groups: 8}", "norm.group_size: ", "norm.groups"),
        ("quantization: {keep: [stage3.block6]}", "stages: {depths: [3, 4, 3, 3]}", "quantization", "stages.depths"),
        ("quantization: {keep: [layer3.5.conv1]}", "stages: {depths: [3, 4, 3, 3]}", "quantization", "stages.depths"),
        ("outputs: [stage4]", "stages: {depths: [3, 4, 6]}", "outputs: there is no", "stages.depths"),
        ("stages: {strides: [1, 2, 2, 2]}", "stages: {depths: [3, 4, 6]}", "stages.strides: ", "stages.depths"),
    ],
)
def test_every_fault_at_an_inherited_line_names_what_changed(tmp_path, parent, text, words, changed):
    with pytest.raises(Refused) as caught:
        lower(child(tmp_path, parent, text))
    lower(load(str(tmp_path / "parent.yaml")))
    for problem in caught.value.problems:
        assert problem.where.document.name == f"{tmp_path}/parent.yaml"
        assert problem.message.startswith(words)
        assert changed.split(".")[-1] in problem.hint
        assert f" at {tmp_path}/child.yaml:3:" in problem.hint


def test_a_parent_that_is_wrong_by_itself_is_no_fault_of_its_child(tmp_path):
    with pytest.raises(Refused) as caught:
        child(tmp_path, "input: {mean: [0.5, 0.5]}", "activation: silu")
    (problem,) = caught.value.problems
    assert problem.hint == "write one for each channel"
