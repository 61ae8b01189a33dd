"""Promises that hold for every specification of the language, and for every text that is none."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_gen.count import count, count_nodes
from resnet_gen.graph import stages_of
from resnet_gen.load import Loaded, load
from resnet_gen.lower import lower
from resnet_gen.parts import base
from resnet_gen.problems import Document, Refused, Span
from resnet_gen.resources import shipped_specs
from resnet_gen.source import overlay, read_text, setting
from resnet_gen.spec import check


def examples(number):
    """The same examples on every run, and as long as each takes."""
    return settings(max_examples=number, derandomize=True, deadline=None, database=None)


def of(*values):
    return st.sampled_from(values)


def part(kind, **optional):
    """A part with any of its settings stated."""
    return st.fixed_dictionaries({"kind": st.just(kind)}, optional=optional)


CHANNELS = st.integers(1, 12)
ODD = of(1, 3, 5)
STRIDE_ON = of("conv1", "conv2")
CLASSES = {"classes": st.integers(1, 9), "softmax": st.booleans()}

PARTS = {
    base.Stem: {
        "none": part("none"),
        "conv3x3": part("conv3x3", width=CHANNELS),
        "conv7x7": part("conv7x7", width=CHANNELS),
    },
    base.Block: {
        "basic": part("basic"),
        "bottleneck": part("bottleneck", expansion=st.integers(1, 4), stride_on=STRIDE_ON),
        "conv": part("conv", kernel=ODD),
        "highway": part("highway", kernels=st.lists(ODD, min_size=1, max_size=3), gate_bias=st.floats(-100, 100)),
        "plain": part("plain"),
        "preact_basic": part("preact_basic"),
        "preact_bottleneck": part("preact_bottleneck", expansion=st.integers(1, 4), stride_on=STRIDE_ON),
    },
    base.Shortcut: {
        "projection": part("projection"),
        "projection_all": part("projection_all"),
        "gated": part("gated", carry=of("coupled", "independent"), kernel=ODD, bias=st.floats(-100, 100)),
        "identity": part("identity"),
        "zero_pad": part("zero_pad"),
    },
    base.Downsample: {"stride": part("stride"), "max_pool": part("max_pool", kernel=st.integers(1, 4))},
    base.Norm: {"batch": part("batch", eps=st.floats(1e-9, 0.9)), "none": part("none")},
    base.ActivationPart: {
        "relu": part("relu"),
        "silu": part("silu"),
        "tanh": part("tanh"),
        "leaky_relu": part("leaky_relu", slope=st.floats(0, 0.9)),
    },
    base.Head: {
        "linear": part("linear", **CLASSES),
        "mlp": part("mlp", pool=st.integers(1, 8), hidden=st.lists(CHANNELS, max_size=2), **CLASSES),
    },
    base.Naming: {kind: part(kind) for kind in ("paths", "torchvision", "torchvision_vgg")},
}


def any_part(family, *kinds):
    known = PARTS[family]
    return st.one_of([known[kind] for kind in kinds or known])


@st.composite
def widths(draw, stages):
    kind = draw(of("list", "double", "constant"))
    if kind == "list":
        return draw(st.lists(CHANNELS, min_size=stages, max_size=stages))
    return {"kind": kind, "first" if kind == "double" else "width": draw(CHANNELS)}


@st.composite
def specs(draw):
    """Anything that the language can say, in small: some of it fits together and some does not."""
    stages = draw(st.integers(1, 4))
    side = st.integers(1, 40)
    return {
        "name": "net",
        "input": {"channels": draw(st.integers(1, 4)), "size": draw(side | st.tuples(side, side).map(list))},
        "stem": draw(any_part(base.Stem)),
        "stages": {
            "depths": draw(st.lists(st.integers(1, 3), min_size=stages, max_size=stages)),
            "strides": draw(st.none() | st.lists(st.integers(1, 3), min_size=stages, max_size=stages)),
            "widths": draw(widths(stages)),
            "block": draw(any_part(base.Block)),
            "shortcut": draw(any_part(base.Shortcut)),
            "downsample": draw(any_part(base.Downsample)),
        },
        "norm": draw(any_part(base.Norm)),
        "activation": draw(any_part(base.ActivationPart)),
        "head": draw(any_part(base.Head)),
        "naming": draw(any_part(base.Naming)),
    }


@st.composite
def fitting(draw):
    """A specification whose pieces fit: every one of them must lower."""
    stages = draw(st.integers(1, 3))
    return {
        "name": "net",
        "input": {"channels": draw(st.integers(1, 4)), "size": 32 * draw(st.integers(1, 3))},
        "stem": draw(any_part(base.Stem)),
        "stages": {
            "depths": draw(st.lists(st.integers(1, 3), min_size=stages, max_size=stages)),
            "strides": draw(st.none() | st.lists(st.integers(1, 2), min_size=stages, max_size=stages)),
            "widths": draw(widths(stages)),
            "block": draw(any_part(base.Block)),
            "shortcut": draw(any_part(base.Shortcut, "projection", "projection_all", "gated")),
            "downsample": draw(of("stride", "max_pool")),
        },
        "norm": draw(any_part(base.Norm)),
        "activation": draw(any_part(base.ActivationPart)),
        "head": {"kind": draw(of("linear", "mlp")), "classes": draw(st.integers(1, 9))},
        "naming": draw(any_part(base.Naming)),
    }


def loaded(data):
    source = read_text(Document("net.yaml", json.dumps(data)))
    return Loaded(check(source), source, "")


def build(data):
    """The graph of a fitting specification; its MLP sees one pixel, so that every map fits."""
    if data["head"]["kind"] == "mlp":
        data = {**data, "head": {**data["head"], "pool": 1, "hidden": [4]}}
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
            assert 0 <= problem.where.line < len(problem.where.document.lines)
        assert problem.message
        assert all(c.isprintable() or c == "\n" for c in str(problem))


@pytest.mark.parametrize("family", [f for f in base.FAMILIES if f is not base.WidthRule], ids=lambda f: f.__name__)
def test_every_kind_of_every_family_is_drawn_here(family):
    assert sorted(PARTS[family]) == [member.kind_name() for member in base.members(family)]


@examples(250)
@given(specs())
def test_a_spec_lowers_to_a_sound_graph_or_is_refused(data):
    spec = loaded(data)
    if refused := refusal(lower, spec):
        well_said(refused)
    else:
        sound(lower(spec), spec.spec.head.classes)


def sound(graph, classes):
    names = [n.name for n in graph.nodes]
    assert len({*names, "input"}) == len(names) + 1
    assert graph.outputs[0].shape == (classes,)
    made = {graph.input.name: graph.input}
    for node in graph.nodes:
        assert all(made[value.name] == value for value in node.inputs)
        assert min(node.shape) >= 1
        made[node.output.name] = node.output


@examples(80)
@given(fitting())
def test_what_fits_together_lowers_and_its_stages_add_up(data):
    graph = build(data)
    parts = [count_nodes(nodes).as_dict() for nodes in stages_of(graph.nodes).values()]
    whole = count(graph).as_dict()
    assert {name: sum(p[name] for p in parts) for name in whole} == whole


@examples(80)
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


@examples(80)
@given(fitting())
def test_an_image_of_twice_the_side_takes_four_times_the_convolutions_and_the_same_weights(data):
    double = {**data, "input": {**data["input"], "size": 2 * data["input"]["size"]}}
    small, large = (count(build(d)) for d in (data, double))
    assert large.conv_macs == 4 * small.conv_macs
    assert large.macs - large.conv_macs == small.macs - small.conv_macs
    assert replace(large, macs=0, conv_macs=0, activations=0) == replace(small, macs=0, conv_macs=0, activations=0)


@examples(60)
@given(fitting())
def test_twice_the_classes_cost_twice_the_last_layer(data):
    double = {**data, "head": {**data["head"], "classes": 2 * data["head"]["classes"]}}
    one, two = (build(d) for d in (data, double))
    last = count_nodes(one.nodes[-1:])
    assert count(two).params - count(one).params == last.params
    assert count(two).macs - count(one).macs == last.macs


@examples(60)
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


@examples(250)
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


@examples(250)
@given(name=st.sampled_from(sorted(shipped_specs())), edits=st.lists(EDIT, min_size=1, max_size=4))
def test_a_shipped_text_with_some_bytes_changed_is_refused_or_lowers(folder, name, edits):
    path = folder / "net.yaml"
    path.write_bytes(edited(shipped_specs()[name].read_bytes(), edits))
    refused_or_lowered(lambda: lower(load(str(path))))


YAML = st.text(
    st.sampled_from(list("ab1-.:,{}[]&*!|>'\"%@`#? \n\t\r\\~<=_\x00\x07\x85\u2028\ufeff\ud800\U0001f600")), max_size=40
)


@examples(300)
@given(YAML)
def test_any_text_is_read_or_refused(text):
    refused_or_lowered(lambda: read_text(Document("net.yaml", text)))


@examples(200)
@given(YAML, of("", "stages.", "stages.block=", "head.classes=", "stages.depths.0="))
def test_any_setting_is_laid_over_or_refused(text, start):
    def apply():
        source = overlay(loaded(BASE).source, setting(start + text))
        lower(Loaded(check(source), source, ""))

    refused_or_lowered(apply)


BASE = {
    "name": "net",
    "input": {"size": 32},
    "stem": "conv3x3",
    "stages": {"depths": [1, 1], "widths": [4, 8], "block": "basic"},
    "head": {"kind": "linear", "classes": 3},
}
