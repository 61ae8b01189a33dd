"""Promises that hold for every specification of the language, and for every text that is none."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_gen.graph import stages_of
from resnet_gen.graph.counts import count, count_nodes
from resnet_gen.language.load import Loaded, load
from resnet_gen.language.lower import lower
from resnet_gen.language.source import overlay, parse_setting, read_text
from resnet_gen.language.spec import check_spec
from resnet_gen.parts import base
from resnet_gen.parts.registry import members
from resnet_gen.problems import Document, Refused, Span
from resnet_gen.system.resources import shipped_specs
from tests.properties.strategies import fitting, of, settings_of, specs, whole_part

USUAL = settings.get_profile("usual").max_examples
PARTS = [part for family in base.FAMILIES for part in members(family)]


def examples(number):
    """The same examples on every run, and as long as each takes: half as many, and four times with `make test-all`."""
    several = 4 * number if settings.default.max_examples > USUAL else max(5, number // 2)
    return settings(max_examples=several, derandomize=True, deadline=None, database=None)


def loaded(data):
    source = read_text(Document("net.yaml", json.dumps(data)))
    return Loaded(check_spec(source), source, "")


def build(data):
    """The graph of a fitting specification."""
    return lower(loaded(data))


def refusal(call, *args):
    """How a step refuses, None if it does not; any other exception is a fault of ours."""
    try:
        call(*args)
    except Refused as refused:
        return refused
    return None


def well_said(refused):
    """Every problem has words, an existing place, and nothing that a terminal would obey."""
    assert refused.problems
    for problem in refused.problems:
        if isinstance(problem.where, Span):
            assert 0 <= problem.where.line < len(problem.where.document.text.splitlines()) + 1
        assert problem.message
        assert all(c.isprintable() or c == "\n" for c in str(problem))


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_setting_of_every_part_can_be_drawn(part):
    assert {"kind", *settings_of(part)} == set(part.model_fields)


@examples(37)
@given(specs())
def test_a_spec_lowers_to_a_sound_graph_or_is_refused(data):
    spec = loaded(data)
    refused_or_lowered(lambda: sound(lower(spec)))


def sound(graph):
    names = [n.name for n in graph.nodes]
    assert len({*names, "input"}) == len(names) + 1
    made = {graph.input.name: graph.input}
    for node in graph.nodes:
        assert all(made[value.name] == value for value in node.inputs)
        assert min(node.shape) >= 1
        made[node.output.name] = node.output
    assert graph.outputs
    assert all(made[value.name] == value for value in graph.outputs)


@examples(20)
@given(fitting())
def test_what_fits_together_lowers_and_its_stages_add_up(data):
    graph = build(data)
    parts = [count_nodes(nodes).as_dict() for nodes in stages_of(graph.nodes).values()]
    whole = count(graph).as_dict()
    assert {name: sum(p[name] for p in parts) for name in whole} == whole


@examples(20)
@given(fitting(simple=False))
def test_any_parts_that_fit_together_lower_to_a_sound_graph(data):
    sound(build(data))


@examples(20)
@given(fitting(), st.data())
def test_one_more_block_adds_exactly_its_own_counts(data, draw):
    depths = data["stages"]["depths"]
    stage = draw.draw(st.integers(0, len(depths) - 1))
    deeper = [d + (i == stage) for i, d in enumerate(depths)]
    before, after = build(data), build({**data, "stages": {**data["stages"], "depths": deeper}})
    block = [n for n in after.nodes if n.block == f"stages.{stage}.{depths[stage]}"]
    old, new, added = count(before).as_dict(), count(after).as_dict(), count_nodes(block).as_dict()
    assert added["layers"] > 0
    assert {name: new[name] - old[name] for name in new} == added
    assert len(after.nodes) == len(before.nodes) + len(block)


@examples(20)
@given(fitting())
def test_an_image_of_twice_the_side_takes_four_times_the_convolutions_and_the_same_weights(data):
    double = {**data, "input": {**data["input"], "size": 2 * data["input"]["size"]}}
    small, large = (count(build(d)) for d in (data, double))
    assert large.conv_macs == 4 * small.conv_macs
    assert large.macs - large.conv_macs == small.macs - small.conv_macs
    assert (large.params, large.buffers, large.layers) == (small.params, small.buffers, small.layers)


@examples(30)
@given(fitting())
def test_twice_the_classes_cost_twice_the_last_layer(data):
    double = {**data, "head": {**data["head"], "classes": 2 * data["head"]["classes"]}}
    one, two = (build(d) for d in (data, double))
    last = count_nodes(one.nodes[-1:])
    assert count(two).params - count(one).params == last.params
    assert count(two).macs - count(one).macs == last.macs


@examples(30)
@given(fitting())
def test_a_resolved_spec_is_the_same_spec(data):
    first = loaded(data)
    assert loaded(first.resolved()).digest() == first.digest()


def refused_or_lowered(call):
    """Run a step that may refuse, and say so well; any other exception fails the test."""
    if refused := refusal(call):
        well_said(refused)


JUNK = (
    st.none() | st.booleans() | st.integers(-3, 70_000) | of(10**30, -(10**30), 1e999, -1.5, 0.0, 1e300)
    | st.text(max_size=12) | of("list", "none", "basic", "double", "stride", "\x00", "\x1b[31m", "x" * 2_000)
    | st.lists(st.integers(-1, 3), max_size=4) | st.dictionaries(st.text(max_size=6), st.integers(), max_size=2)
)  # fmt: skip


def places(data, loc=()):
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, value in inner:
        yield (*loc, step)
        yield from places(value, (*loc, step))


@st.composite
def spoilt(draw):
    """A shipped specification, whole, with one to three of its values or keys replaced."""
    data = json.loads(
        json.dumps(load(draw(of("resnet50", "vgg16", "highway-c", "preact110", "resnet34-c"))).resolved())
    )
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from(list(places(data))))
        target = data
        for step in parents:
            target = target[step]
        if isinstance(last, str) and draw(st.booleans()):
            target[draw(st.text(max_size=8))] = target.pop(last)
        else:
            target[last] = draw(JUNK)
    return data


@examples(125)
@given(spoilt())
def test_spoilt_values_and_keys_are_refused_and_nothing_else_happens(data):
    refused_or_lowered(lambda: lower(loaded(data)))


EDIT = st.tuples(st.integers(0, 2_000), of("insert", "delete", "replace"), st.binary(min_size=1, max_size=3))


def edited(raw, edits):
    for place, how, new in edits:
        at = place % (len(raw) + 1)
        keep = at if how == "insert" else at + len(new)
        raw = raw[:at] + (b"" if how == "delete" else new) + raw[keep:]
    return raw


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("edited")


@examples(125)
@given(name=st.sampled_from(sorted(shipped_specs())), edits=st.lists(EDIT, min_size=1, max_size=4))
def test_a_shipped_text_with_some_bytes_changed_is_refused_or_lowers(folder, name, edits):
    path = folder / "net.yaml"
    path.write_bytes(edited(shipped_specs()[name].read_bytes(), edits))
    refused_or_lowered(lambda: lower(load(str(path))))


YAML = st.text(
    st.sampled_from(list("ab1-.:,{}[]&*!|>'\"%@`#? \n\t\r\\~<=_\x00\x07\x85\u2028\ufeff\ud800\U0001f600")), max_size=40
)


@examples(150)
@given(YAML)
def test_any_text_is_read_or_refused(text):
    refused_or_lowered(lambda: read_text(Document("net.yaml", text)))


@examples(100)
@given(YAML, of("", "stages.", "stages.block=", "head.classes=", "stages.depths.0="))
def test_any_setting_is_laid_over_or_refused(text, start):
    def apply():
        source = overlay(loaded(BASE).source, parse_setting(start + text))
        lower(Loaded(check_spec(source), source, ""))

    refused_or_lowered(apply)


BASE = {
    "name": "net",
    "input": {"size": 32},
    "stem": "conv3x3",
    "stages": {"depths": [1, 1], "widths": [4, 8], "block": "basic"},
    "head": {"kind": "linear", "classes": 3},
}


OVERRIDING = {"block": base.Block, "shortcut": base.Shortcut, "attention": base.Attention}


@pytest.mark.parametrize(
    ("key", "part"),
    [(k, p) for k, family in OVERRIDING.items() for p in members(family)],
    ids=lambda v: getattr(v, "__name__", v),
)
@examples(24)
@given(st.data())
def test_any_part_of_an_override_lowers_or_is_refused(key, part, data):
    place = data.draw(st.sampled_from(["stage1", "stage2.block2", "stage1-2.block1"]))
    stages = {
        "depths": [2, 2],
        "widths": [16, 16],
        "block": "preact_basic" if getattr(part, "preactivated", False) else "basic",
        "overrides": {place: {key: data.draw(whole_part(part))}},
    }
    spec = {"name": "net", "input": {"size": 16}, "stem": {"kind": "conv3x3", "width": 16}, "stages": stages}
    spec["head"] = {"kind": "linear", "classes": 2}
    refusal(lambda: lower(loaded(spec)))
