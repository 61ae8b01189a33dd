"""The models of a specification: what they accept, their defaults, and what a refusal says."""

import re

import pytest

from resnet_gen.language.faults import homes_of_keys
from resnet_gen.language.source import Source, read_text
from resnet_gen.language.spec import Spec, check_spec, know_every_part
from resnet_gen.language.yaml_writer import dump
from resnet_gen.parts import base
from resnet_gen.parts.registry import load_parts, members
from resnet_gen.problems import Document, Refused

MINIMAL = """\
name: net
stem: conv3x3
stages: {depths: [1, 1], widths: [8, 16], block: basic}
head: linear
"""


def spec(text="", base_text=MINIMAL):
    return check_spec(read_text(Document("net.yaml", base_text + text)))


def with_stages(**changes):
    keys = {"depths": "[1, 1]", "widths": "[8, 16]", "block": "basic", **changes}
    inner = ", ".join(f"{key}: {value}" for key, value in keys.items() if value)
    return f"name: net\nstem: conv3x3\nhead: linear\nstages: {{{inner}}}\n"


def problems(text):
    with pytest.raises(Refused) as caught:
        check_spec(read_text(Document("net.yaml", text)))
    return caught.value.problems


def only(text):
    (problem,) = problems(text)
    return problem


def pointed_at(problem):
    """The stretch of text under the carets."""
    span = problem.where
    return span.document.line(span.line)[span.column : span.end]


def test_what_is_not_said_has_a_default():
    net = spec()
    assert (net.version, net.extends, net.title, net.paper, net.reference) == (1, None, "", "", None)
    assert (net.input.channels, net.input.size, net.input.crop) == (3, (224, 224), 0.875)
    assert (net.norm.kind, net.norm.eps, net.activation.kind, net.naming.kind) == ("batch", 1e-5, "relu", "paths")
    assert (net.stages.shortcut.kind, net.stages.downsample.kind, net.stages.strides) == ("projection", "stride", None)
    assert (net.head.classes, net.head.softmax, net.stem.width) == (1000, False, 16)
    assert (net.deviations, net.claims) == ({}, ())


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("input: {size: 32}", (32, 32)),
        ("input: {size: [32, 48]}", (32, 48)),
        ("input: {size: 1}", (1, 1)),
        ("input: {size: 16384}", (16384, 16384)),
    ],
)
def test_a_size_is_one_side_or_height_and_width(text, size):
    assert spec(text).input.size == size
    assert spec(text).input.shape == (3, *size)


@pytest.mark.parametrize("size", ["big", "32.5", "true", "[32]", "[1, 2, 3]", "[]", "{h: 1}", "'32'", ""])
def test_anything_else_is_no_size(size):
    problem = only(f"{MINIMAL}input: {{size: {size}}}")
    assert problem.message == "input.size: not the size of an image"
    assert problem.hint == "write one side, or [height, width]"


@pytest.mark.parametrize(
    ("text", "mean", "std"),
    [
        ("", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("input: {channels: 1}", (0.0,), (1.0,)),
        ("input: {channels: 2, mean: [0.5, 1]}", (0.5, 1.0), (1.0, 1.0)),
        ("input: {std: [1, 1, 1]}", (0.485, 0.456, 0.406), (1.0, 1.0, 1.0)),
    ],
)
def test_normalization_is_imagenets_for_three_channels_else_none(text, mean, std):
    assert spec(text).input.normalization == (mean, std)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        (with_stages(block="bottleneck"), with_stages(block="{kind: bottleneck}")),
        (with_stages(widths="[8, 16]"), with_stages(widths="{kind: list, values: [8, 16]}")),
        (with_stages(widths="double"), with_stages(widths="{kind: double, first: 64}")),
        (with_stages(shortcut="zero_pad"), with_stages(shortcut="{kind: zero_pad}")),
        (f"{MINIMAL}norm: none", f"{MINIMAL}norm: {{kind: none}}"),
    ],
)
def test_a_short_form_is_the_long_form_with_its_defaults(short, long):
    assert check_spec(read_text(Document("f", short))) == check_spec(read_text(Document("f", long)))


load_parts()


@pytest.mark.parametrize("family", base.FAMILIES, ids=lambda family: family.__name__)
def test_kinds_of_a_family_are_different_words(family):
    kinds = [part.kind_name() for part in members(family)]
    assert kinds == sorted(set(kinds))
    assert kinds


def test_whole_numbers_are_taken_for_numbers():
    assert spec("input: {crop: 1}").input.crop == 1.0


def test_a_spec_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        spec().name = "other"


@pytest.mark.parametrize(
    ("text", "message", "at", "hint"),
    [
        # missing
        (MINIMAL.replace("name: net\n", ""), "name: missing", "s", "add 'name:' here"),
        (with_stages(depths=""), "stages.depths: missing", "stages", "add 'depths:' here"),
        (
            with_stages(widths="constant"),
            "stages.widths.width: missing", "widths", "write {kind: constant, width: ...}",
        ),
        (with_stages(widths="{kind: constant}"), "stages.widths.width: missing", "widths", "add 'width:' here"),
        # extra_forbidden
        (MINIMAL + "colour: red", "colour: unknown key", "colour", None),
        (MINIMAL + "'': 1", ": unknown key", "''", None),
        (MINIMAL + "input: {depths: [1]}", "input.depths: unknown key", "depths", "did you mean 'stages.depths'?"),
        (MINIMAL + "input: {norm: none}", "input.norm: unknown key", "norm", "it belongs at the top"),
        (with_stages(size="32"), "stages.size: unknown key", "size", "did you mean 'input.size'?"),
        (
            with_stages(block="{kind: basic, basic: 1}"), "stages.block.basic: unknown key", "basic",
            "known: active_branch, kind",
        ),
        # union_tag_invalid, model_attributes_type, union_tag_not_found
        (with_stages(shortcut="zeropad"), "stages.shortcut: there is no 'zeropad' here", "zeropad", None),
        (with_stages(shortcut="{kind: ~}"), "stages.shortcut: empty, not a kind", "~", None),
        (with_stages(shortcut="{kind: [a]}"), "stages.shortcut: a list is not a kind", "[a]", None),
        (with_stages(shortcut="[a]"), "stages.shortcut: a list is not a kind", "[a]", None),
        (with_stages(shortcut="true"), "stages.shortcut: true is not a kind", "true", None),
        (with_stages(shortcut="{}"), "stages.shortcut: says no 'kind'", "{}", None),
        # literal_error
        (MINIMAL + "version: 3", "version: 3 is not one of the choices", "3", "known: 1"),
        (MINIMAL + "version: '1'", "version: '1' is not one of the choices", "'1'", "without quotes: 1"),
        (
            with_stages(block="{kind: bottleneck, stride_on: conv}"),
            "stages.block.stride_on: 'conv' is not one of the choices", "conv",
            "did you mean 'conv2'? known: conv1, conv2",
        ),
        # types
        (MINIMAL + "title: 1.10", "title: 1.1 is not text", "1.10", "put it in quotes to make it text"),
        (MINIMAL + "title: ~", "title: empty, not text", "~", None),
        (MINIMAL + "title: {}", "title: a mapping is not text", "{}", None),
        (MINIMAL + "deviations: 3", "deviations: 3 is not a mapping", "3", None),
        (MINIMAL + "input: 3", "input: 3 is not a mapping", "3", None),
        (MINIMAL + "claims: 3", "claims: 3 is not a list", "3", None),
        (MINIMAL + "claims: [3]", "claims.0: 3 is not a mapping", "3", None),
        (with_stages(depths="[2, two]"), "stages.depths.1: 'two' is not a whole number", "two", None),
        (with_stages(depths="[2, '2']"), "stages.depths.1: '2' is not a whole number", "'2'", "without quotes: 2"),
        (with_stages(depths="[2, 2.0]"), "stages.depths.1: 2.0 is not a whole number", "2.0", "write 2"),
        (with_stages(depths="[2, 2.5]"), "stages.depths.1: 2.5 is not a whole number", "2.5", None),
        (with_stages(depths="[2, true]"), "stages.depths.1: true is not a whole number", "true", None),
        (MINIMAL + "input: {crop: big}", "input.crop: 'big' is not a number", "big", None),
        (MINIMAL + "input: {mean: [0, 0, 1e999]}", "input.mean.2: inf is not a finite number", "1e999", None),
        (
            MINIMAL.replace("linear", "{kind: linear, softmax: no}"),
            "head.softmax: 'no' is not true or false", "no", None,
        ),
        # bounds and lengths
        (with_stages(depths="[0]"), "stages.depths.0: 0 is too small: it must be at least 1", "0", None),
        (with_stages(depths="[4097]"), "stages.depths.0: 4097 is too large: it must be at most 4096", "4097", None),
        (MINIMAL + "input: {crop: 0}", "input.crop: 0 is too small: it must be above 0", "0", None),
        (MINIMAL + "input: {crop: 1.1}", "input.crop: 1.1 is too large: it must be at most 1", "1.1", None),
        (
            MINIMAL.replace("linear", "{kind: linear, classes: 10000001}"),
            "head.classes: 10000001 is too large: it must be at most 10000000", "10000001", None,
        ),
        (MINIMAL + "norm: {kind: batch, eps: 1}", "norm.eps: 1 is too large: it must be below 1", "1", None),
        (with_stages(depths="[]"), "stages.depths: 0 values, too few: at least 1", "[]", None),
        (with_stages(strides=str([1] * 65)), "stages.strides: 65 values, too many: at most 64", str([1] * 65), None),
        (MINIMAL + "reference: " + "r" * 101, "reference: 101 characters, too many: at most 100", "r" * 101, None),
        (MINIMAL + "deviations: {half-map-double-filters: ''}", None, "''", None),
        # patterns and our own checks
        (MINIMAL.replace("name: net", "name: ../net"), "name: '../net' is not a name", "../net", None),
        (MINIMAL + "input: {mean: [1]}", "input.mean: 1 value for 3 channels", "[1]", "write one for each channel"),
        (MINIMAL + "input: {channels: 1, std: [1, 1]}", "input.std: 2 values for 1 channel", "[1, 1]", None),
        (
            with_stages(block="{kind: conv, kernel: 4}"),
            "stages.block.kernel: 4 is even: only an odd window can keep the map's size", "4", None,
        ),
    ],
)  # fmt: skip
def test_a_fault_is_named_where_it_stands(text, message, at, hint):
    problem = only(text)
    assert problem.message == (message or "deviations.half-map-double-filters: 0 characters, too few: at least 1")
    assert pointed_at(problem) == at
    if hint:
        assert problem.hint == hint


CLAIM = "claims:\n  - {what: params, source: us, "


@pytest.mark.parametrize(
    ("claim", "message", "at"),
    [
        ("value: 1, printed: '1'}", "claims.0: both a 'value' and a 'printed' figure", None),
        ("}", "claims.0: neither a 'value' nor a 'printed' figure", None),
        ("printed: 25M5}", "claims.0.printed: '25M5' is not a printed figure", "25M5"),
        ("printed: " + "1" * 33 + "M}", "claims.0.printed: 34 characters, too many: at most 32", "1" * 33 + "M"),
        ("printed: 25.5}", "claims.0.printed: 25.5 is not text", "25.5"),
        ("value: -1}", "claims.0.value: -1 is too small: it must be at least 0", "-1"),
        (
            "value: 1, exception: {value: 2, reason: r}}",
            "claims.0.exception: only a 'printed' figure can have one",
            None,
        ),
        ("printed: 1M, exception: {value: 2}}", "claims.0.exception.reason: missing", "exception"),
    ],
)
def test_a_claim_has_one_figure_in_a_form_that_can_be_checked(claim, message, at):
    problem = only(MINIMAL + CLAIM + claim)
    assert problem.message == message
    if at:
        assert pointed_at(problem) == at


def test_a_misspelt_key_is_one_fault_and_not_also_a_missing_one():
    problem = only(MINIMAL.replace("stem:", "stemm:"))
    assert problem.message == "stemm: unknown key"
    assert problem.hint.startswith("did you mean 'stem'?")


def test_a_misspelt_optional_key_does_not_hide_a_missing_one():
    text = MINIMAL.replace("stem: conv3x3\n", "") + "titel: x"
    assert [p.message for p in problems(text)] == ["stem: missing", "titel: unknown key"]


@pytest.mark.parametrize(
    ("text", "known"),
    [
        (MINIMAL + "input: {zzz: 1}", "known: channels, crop, mean, size, std"),
        (
            with_stages(zzz="1"),
            "known: attention, block, depths, downsample, last_stride, output_stride, overrides, shortcut, strides, "
            "widths",
        ),
        (
            with_stages(block="{kind: bottleneck, zzz: 1}"),
            "known: base_width, expansion, groups, inner, kind, reduce_first, stride_on",
        ),
        (with_stages(widths="{kind: double, zzz: 1}"), "known: first, kind"),
        (MINIMAL + CLAIM + "value: 1, zzz: 1}", "known: exception, printed, size, source, value, what"),
        (MINIMAL + CLAIM + "printed: 1M, exception: {value: 1, reason: r, zzz: 1}}", "known: reason, value"),
    ],
)
def test_the_hint_of_an_unknown_key_lists_the_keys_of_that_place(text, known):
    problem = only(text)
    assert problem.message.endswith("zzz: unknown key")
    assert problem.hint == known


def test_an_unknown_rule_is_pointed_at_by_its_key():
    problem = only(MINIMAL + "deviations: {same-map-same-filter: x}")
    assert pointed_at(problem) == "same-map-same-filter"
    assert problem.hint == "did you mean 'same-map-same-filters'? known: half-map-double-filters, same-map-same-filters"


def test_all_faults_are_shown_once_each_in_the_order_of_the_text():
    text = "name: ../x\ninput: {size: 0, channels: 0}\nstem: conv4x4\nstages: {depths: [0, x], widths: []}\n"
    assert [str(p).split(": error: ")[0] for p in problems(text)] == [
        "net.yaml:1:1", "net.yaml:1:7", "net.yaml:2:15", "net.yaml:2:28", "net.yaml:3:7",
        "net.yaml:4:1", "net.yaml:4:19", "net.yaml:4:22", "net.yaml:4:34",
    ]  # fmt: skip


def test_a_list_of_bad_values_is_not_also_called_too_short():
    assert [p.message for p in problems(with_stages(depths="[x]", widths="[0]"))] == [
        "stages.depths.0: 'x' is not a whole number",
        "stages.widths.0: 0 is too small: it must be at least 1",
    ]


def test_a_flood_of_faults_is_cut_off_and_counted():
    found = problems(MINIMAL + "".join(f"k{i}: 1\n" for i in range(1000)))
    assert len(found) == 51
    assert found[-1].message == "and more: 1000 faults in all, too many to show"


def test_long_words_are_shortened():
    problem = only(f"{MINIMAL}{'k' * 999}: 1\n")
    assert problem.message == f"{'k' * 57}...: unknown key"
    assert only(with_stages(block="b" * 999)).message == f"stages.block: there is no '{'b' * 57}...' here"


def test_data_without_positions_is_refused_all_the_same():
    with pytest.raises(Refused, match=r"^error: name: missing"):
        check_spec(Source({"stem": "none"}))


@pytest.mark.parametrize("name", ["a", "A-1_b", "9", "n" * 64])
def test_names_that_files_can_have_are_taken(name):
    assert spec(base_text=MINIMAL.replace("net", f"'{name}'", 1)).name == name


@pytest.mark.parametrize("name", ["", "-a", "_a", "a.b", "a/b", "..", "a\\b", "a b", "\u00e9", "n" * 65, "a\\n"])
def test_names_that_would_leave_the_folder_are_refused(name):
    assert only(MINIMAL.replace("net", f'"{name}"' if name == "a\\n" else f"'{name}'", 1)).message.endswith(
        "is not a name"
    )


def test_the_schema_of_the_language_has_every_key_described():
    know_every_part()
    schema = Spec.model_json_schema()
    assert [name for name, field in schema["properties"].items() if "description" not in field] == []


def homes():
    """Every nested key that a `--set` can name, and where it is said."""
    know_every_part()
    return list(homes_of_keys(Spec))


@pytest.mark.parametrize("home", homes(), ids=str)
def test_a_nested_key_at_the_top_is_told_where_it_belongs(home):
    """By its whole path, and its kind where another is chosen; those at the top are no misplaced ones."""
    if home.key in Spec.model_fields:
        return
    data = {"stages": {"widths": "double", "block": "basic", "depths": [1]}, "stem": "conv3x3", "head": "linear"}
    source = read_text(Document("s", dump({"name": "n", **data, home.key: 1})))
    with pytest.raises(Refused) as caught:
        check_spec(source)
    (problem,) = (p for p in caught.value.problems if p.message.endswith("unknown key"))
    paths = [other for other in homes() if other.key == home.key]
    said = {path for path, _ in re.findall(r"'([\w.]+)'(?: of the kind '(\w+)')?", problem.hint)}
    if said != {"activation"}:  # for a budget's `activations`, which is one letter away
        assert said.intersection(map(str, paths)), problem.hint
        assert str(home) in said or len(paths) > 1


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("classes", "head.classes"), ("num_classes", "head.classes"), ("class", "head.classes"),
        ("image_size", "input.size"), ("std", "input.std"), ("kept", None),
    ],
)  # fmt: skip
def test_a_key_of_another_place_is_suggested_with_its_path(written, meant):
    hint = only(MINIMAL + f"{written}: 1").hint
    assert hint == f"did you mean '{meant}'?" if meant else hint.startswith("known: ")
