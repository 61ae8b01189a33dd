"""Spec to Graph: where the map shrinks, how shortcuts join, what is called how, and what is refused."""

import pytest

from resnet_gen.language import plan as module
from resnet_gen.language.load import Loaded, load
from resnet_gen.language.lower import is_built_alike, lower
from resnet_gen.language.plan import plan
from resnet_gen.language.source import overlay, parse_setting, read_text
from resnet_gen.language.spec import check_spec
from resnet_gen.ops import Add, BatchNorm, Conv, MaxPool, Mul, OneMinus, PadChannels, Subsample
from resnet_gen.problems import Document, Refused

TEXT = """\
name: net
input: {size: 32}
stem: {kind: conv3x3, width: 8}
stages:
  depths: [2, 2, 1]
  widths: [8, 16, 32]
  block: basic
  shortcut: projection
head: {kind: linear, classes: 10}
"""


def loaded(*settings):
    source = read_text(Document("net.yaml", TEXT))
    for text in settings:
        source = overlay(source, parse_setting(text))
    return Loaded(check_spec(source), source, "")


def graph(*settings):
    return lower(loaded(*settings))


def refusal(*settings):
    with pytest.raises(Refused) as caught:
        graph(*settings)
    (problem,) = caught.value.problems
    return problem


def paths(net, of=None):
    return [n.path for n in net.nodes if of is None or isinstance(n.op, of)]


def node(net, path):
    return next(n for n in net.nodes if n.path == path)


def inputs(net, path):
    """Paths of the nodes that a node reads."""
    made = {n.output.name: n.path for n in net.nodes}
    return [made.get(value.name, "input") for value in node(net, path).inputs]


def outputs_of_stages(net):
    """The shape that each stage hands on."""
    return [[n.shape for n in net.nodes if n.stage == f"stages.{i}"][-1] for i in range(3)]


@pytest.mark.parametrize(
    ("settings", "shapes"),
    [
        ([], [(8, 32, 32), (16, 16, 16), (32, 8, 8)]),
        (["input.size=[33, 20]"], [(8, 33, 20), (16, 17, 10), (32, 9, 5)]),
        (["stages.strides=[2, 1, 4]"], [(8, 16, 16), (16, 16, 16), (32, 4, 4)]),
        (["stages.downsample=max_pool"], [(8, 16, 16), (16, 8, 8), (32, 4, 4)]),
        (["stages.downsample=max_pool", "stages.strides=[2, 2, 1]"], [(8, 16, 16), (16, 8, 8), (32, 8, 8)]),
        (["stages.block=bottleneck"], [(32, 32, 32), (64, 16, 16), (128, 8, 8)]),
        (["stages.widths={kind: double, first: 4}"], [(4, 32, 32), (8, 16, 16), (16, 8, 8)]),
        (
            ["stages.widths={kind: double, first: 4}", "stages.strides=[1, 1, 4]"],
            [(4, 32, 32), (8, 32, 32), (16, 8, 8)],
        ),
        (
            ["stages.widths={kind: double, first: 4}", "stages.downsample=max_pool"],
            [(4, 16, 16), (8, 8, 8), (16, 4, 4)],
        ),
        (
            ["stages.widths={kind: double, first: 4}", "stages.downsample=max_pool", "stages.strides=[2, 1, 2]"],
            [(4, 16, 16), (8, 16, 16), (16, 8, 8)],
        ),
        (["stages.last_stride=1"], [(8, 32, 32), (16, 16, 16), (32, 16, 16)]),
        (["stages.last_stride=4"], [(8, 32, 32), (16, 16, 16), (32, 4, 4)]),
        (["stages.last_stride=1", "stages.downsample=max_pool"], [(8, 16, 16), (16, 8, 8), (32, 8, 8)]),
        (["stages.widths={kind: constant, width: 5}"], [(5, 32, 32), (5, 16, 16), (5, 8, 8)]),
        (["stem=conv7x7"], [(8, 8, 8), (16, 4, 4), (32, 2, 2)]),
        (["stem=none"], [(8, 32, 32), (16, 16, 16), (32, 8, 8)]),
        (["stages.block=plain"], [(8, 32, 32), (16, 16, 16), (32, 8, 8)]),
        (["stages.block=highway"], [(8, 32, 32), (16, 16, 16), (32, 8, 8)]),
        (["stages.block={kind: conv, kernel: 1}"], [(8, 32, 32), (16, 16, 16), (32, 8, 8)]),
    ],
)
def test_each_stage_hands_on_its_filters_and_its_map(settings, shapes):
    assert outputs_of_stages(graph(*settings)) == shapes


def test_the_plan_fills_in_strides_and_widths():
    stages = plan(loaded("stages.widths={kind: double, first: 4}", "stages.strides=[2, 1, 2]"))
    assert [(s.depth, s.width, s.stride) for s in stages] == [(2, 4, 2), (2, 8, 1), (1, 16, 2)]


@pytest.mark.parametrize("settings", [[], ["input.channels=5", "input.size=[16, 48]"]])
def test_input_and_output_carry_their_names_and_shapes(settings):
    net = graph(*settings)
    assert (net.name, net.input.name, net.input.shape) == ("net", "input", loaded(*settings).spec.input.shape)
    assert [(v.name, v.shape) for v in net.outputs] == [("logits", (10,))]


@pytest.mark.parametrize("head", ["{kind: linear, softmax: true}", "{kind: mlp, pool: 8, softmax: true}"])
def test_an_output_after_softmax_is_called_probabilities(head):
    net = graph(f"head={head}")
    assert net.outputs[0].name == net.nodes[-1].output.name == "probabilities"


def test_only_the_first_block_of_a_stage_has_the_stride():
    strides = {n.path: n.op.stride for n in graph().nodes if isinstance(n.op, Conv) and n.op.stride > 1}
    assert strides == {
        "stages.1.0.conv1": 2, "stages.1.0.shortcut.conv": 2, "stages.2.0.conv1": 2, "stages.2.0.shortcut.conv": 2,
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["bottleneck", "preact_bottleneck"])
@pytest.mark.parametrize(("stride_on", "strides"), [("conv1", [2, 1, 1]), ("conv2", [1, 2, 1])])
def test_a_bottleneck_takes_the_stride_where_it_is_told(kind, stride_on, strides):
    net = graph(f"stages.block={{kind: {kind}, expansion: 2, stride_on: {stride_on}}}")
    assert [node(net, f"stages.1.0.conv{i}").op.stride for i in (1, 2, 3)] == strides
    assert [node(net, f"stages.1.1.conv{i}").op.stride for i in (1, 2, 3)] == [1, 1, 1]
    assert [node(net, f"stages.1.0.conv{i}").op.out for i in (1, 2, 3)] == [16, 16, 32]


def test_option_a_subsamples_and_pads_without_weights():
    net = graph("stages.shortcut=zero_pad")
    changed = [n for n in net.nodes if n.role == "shortcut"]
    assert [(n.path, type(n.op)) for n in changed] == [
        ("stages.1.0.shortcut.subsample", Subsample), ("stages.1.0.shortcut.pad", PadChannels),
        ("stages.2.0.shortcut.subsample", Subsample), ("stages.2.0.shortcut.pad", PadChannels),
    ]  # fmt: skip
    assert [n.tensors for n in changed] == [()] * 4
    assert inputs(net, "stages.1.0.add") == ["stages.1.0.norm2", "stages.1.0.shortcut.pad"]


def test_option_b_projects_where_the_shape_changes():
    net = graph()
    assert [n.path for n in net.nodes if n.role == "shortcut" and isinstance(n.op, Conv)] == [
        "stages.1.0.shortcut.conv", "stages.2.0.shortcut.conv",
    ]  # fmt: skip
    assert inputs(net, "stages.1.0.add") == ["stages.1.0.norm2", "stages.1.0.shortcut.norm"]
    assert inputs(net, "stages.1.1.add") == ["stages.1.1.norm2", "stages.1.0.act2"]
    assert inputs(net, "stages.1.0.shortcut.conv") == ["stages.0.1.act2"]


def test_option_b_projects_the_first_block_too_where_the_stem_has_other_filters():
    assert "stages.0.0.shortcut.conv" in paths(graph("stem.width=9"))


def test_option_c_projects_every_shortcut():
    net = graph("stages.shortcut=projection_all")
    projections = [n for n in net.nodes if n.role == "shortcut" and isinstance(n.op, Conv)]
    assert [n.block for n in projections] == ["stages.0.0", "stages.0.1", "stages.1.0", "stages.1.1", "stages.2.0"]
    assert [n.op.stride for n in projections] == [1, 1, 2, 1, 2]


def test_every_residual_block_is_a_sum_of_branch_and_shortcut_and_then_an_activation():
    net = graph()
    assert len(paths(net, Add)) == 5
    assert inputs(net, "stages.0.0.act2") == ["stages.0.0.add"]
    assert inputs(net, "stages.0.1.conv1") == ["stages.0.0.act2"]


BLOCKS = {
    "basic": "conv1 norm1 act1 conv2 norm2 add act2",
    "plain": "conv1 norm1 act1 conv2 norm2 act2",
    "conv": "conv norm act",
    "bottleneck": "conv1 norm1 act1 conv2 norm2 act2 conv3 norm3 add act3",
    "preact_basic": "norm1 act1 conv1 norm2 act2 conv2 add",
    "preact_bottleneck": "norm1 act1 conv1 norm2 act2 conv2 norm3 act3 conv3 add",
    "highway": "conv norm act transform.conv transform.act carry transformed carried add",
}


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_block_is_its_papers_sequence_of_layers(kind):
    block = [n.path.removeprefix("stages.0.1.") for n in graph(f"stages.block={kind}").nodes if n.block == "stages.0.1"]
    assert block == BLOCKS[kind].split()


@pytest.mark.parametrize("kind", ["plain", "conv"])
def test_blocks_without_shortcuts_have_no_sum(kind):
    net = graph(f"stages.block={kind}")
    assert paths(net, Add) == []
    assert {n.role for n in net.nodes} == {"main"}


def test_an_identity_shortcut_keeps_shapes_or_is_refused():
    same = ["stages.strides=[1, 1, 1]", "stages.widths=[8, 8, 8]", "stages.shortcut=identity"]
    assert [n for n in graph(*same).nodes if n.role == "shortcut"] == []
    problem = refusal("stages.shortcut=identity")
    assert problem.message == "stages.1.0.shortcut: an identity shortcut cannot turn 8x32x32 into 16x16x16"
    assert problem.hint == "use 'projection', 'projection_all' or 'zero_pad'"


def test_a_highway_layer_weighs_branch_and_input_by_one_gate():
    net = graph("stages.block={kind: highway, gate_bias: -3, kernels: [3, 1]}")
    assert inputs(net, "stages.0.0.add") == ["stages.0.0.transformed", "stages.0.0.carried"]
    assert inputs(net, "stages.0.0.transformed") == ["stages.0.0.act", "stages.0.0.transform.act"]
    assert inputs(net, "stages.0.0.carried") == ["stem.act", "stages.0.0.carry"]
    assert inputs(net, "stages.0.0.carry") == ["stages.0.0.transform.act"]
    gate = node(net, "stages.0.0.transform.conv")
    assert (gate.op.bias, gate.op.bias_fill, gate.op.kernel, gate.role) == (True, -3.0, 3, "gate")
    assert node(net, "stages.0.1.conv").op.kernel == node(net, "stages.0.1.transform.conv").op.kernel == 1
    assert node(net, "stages.1.0.conv").op.kernel == 3


def test_a_highway_layer_that_changes_the_shape_has_no_gate():
    net = graph("stages.block=highway")
    assert [n.block for n in net.nodes if isinstance(n.op, OneMinus)] == ["stages.0.0", "stages.0.1", "stages.1.1"]


@pytest.mark.parametrize(("carry", "gates"), [("coupled", 5), ("independent", 10)])
def test_a_gated_shortcut_gates_every_sum(carry, gates):
    net = graph(f"stages.shortcut={{kind: gated, carry: {carry}, bias: -6}}")
    biases = [n.op.bias_fill for n in net.nodes if n.role == "gate" and isinstance(n.op, Conv)]
    assert len(biases) == gates
    assert set(biases) == ({-6.0} if carry == "coupled" else {-6.0, 6.0})
    assert len(paths(net, Mul)) == 10
    assert len(paths(net, OneMinus)) == (5 if carry == "coupled" else 0)
    assert inputs(net, "stages.1.0.carried")[0] == "stages.1.0.shortcut.norm"


@pytest.mark.parametrize("kind", ["preact_basic", "preact_bottleneck"])
def test_a_preactivated_network_has_a_bare_stem_and_a_final_norm(kind):
    net = graph(f"stages.block={kind}")
    assert [p for p in paths(net) if p.startswith("stem.")] == ["stem.conv"]
    assert [p for p in paths(net) if p.startswith("head.")][:3] == ["head.norm", "head.act", "head.pool"]
    assert inputs(net, "head.norm") == ["stages.2.0.add"]
    assert inputs(net, "stages.0.1.norm1") == ["stages.0.0.add"]


@pytest.mark.parametrize(("kind", "last"), [("preact_basic", "conv2"), ("preact_bottleneck", "conv3")])
def test_a_preactivated_projection_is_bare_and_starts_from_the_activated_input(kind, last):
    net = graph(f"stages.block={kind}")
    assert inputs(net, "stages.1.0.shortcut.conv") == ["stages.1.0.act1"]
    assert inputs(net, "stages.1.0.add") == [f"stages.1.0.{last}", "stages.1.0.shortcut.conv"]
    assert inputs(net, "stages.1.1.add") == [f"stages.1.1.{last}", "stages.1.0.add"]


def test_an_activated_stem_has_norm_and_activation_and_the_large_one_pools():
    assert [p for p in paths(graph()) if p.startswith("stem.")] == ["stem.conv", "stem.norm", "stem.act"]
    net = graph("stem=conv7x7")
    assert node(net, "stem.pool").op == MaxPool(kernel=3, stride=2, padding=1)
    assert inputs(net, "stem.pool") == ["stem.act"]


def test_a_bare_stem_pools_all_the_same():
    net = graph("stem=conv7x7", "stages.block=preact_basic")
    assert [p for p in paths(net) if p.startswith("stem.")] == ["stem.conv", "stem.pool"]


def test_without_norms_convolutions_have_biases_and_with_norms_none():
    with_norm, without = graph(), graph("norm=none")
    assert {n.op.bias for n in with_norm.nodes if isinstance(n.op, Conv)} == {False}
    assert {n.op.bias for n in without.nodes if isinstance(n.op, Conv)} == {True}
    assert paths(without, BatchNorm) == []


@pytest.mark.parametrize(
    ("text", "functions"),
    [("silu", {"silu"}), ("{kind: leaky_relu, slope: 0.2}", {"leaky_relu"}), ("tanh", {"tanh"})],
)
def test_the_activation_is_that_of_the_spec_everywhere(text, functions):
    net = graph(f"activation={text}")
    assert {n.op.function for n in net.nodes if hasattr(n.op, "function")} == functions


def test_norms_have_the_epsilon_of_the_spec():
    net = graph("norm={kind: batch, eps: 0.25}")
    assert {n.op.eps for n in net.nodes if isinstance(n.op, BatchNorm)} == {0.25}


@pytest.mark.parametrize(
    ("head", "steps"),
    [
        ("linear", ["pool", "flatten", "fc"]),
        ("{kind: mlp, pool: 8, hidden: []}", ["flatten", "fc1"]),
        ("{kind: mlp, pool: 8, hidden: [6, 7]}", ["flatten", "fc1", "act1", "fc2", "act2", "fc3"]),
        ("{kind: mlp, pool: 4, hidden: [6]}", ["pool", "flatten", "fc1", "act1", "fc2"]),
    ],
)
def test_heads(head, steps):
    net = graph(f"head={head}", "head.classes=3")
    assert [p.removeprefix("head.") for p in paths(net) if p.startswith("head.")] == steps
    assert net.outputs[0].shape == (3,)


def test_a_pooling_stage_pools_after_its_blocks():
    net = graph("stages.downsample={kind: max_pool, kernel: 3}", "stages.strides=[2, 2, 1]")
    assert [(n.path, n.op) for n in net.nodes if isinstance(n.op, MaxPool)] == [
        ("stages.0.pool", MaxPool(3, 2)), ("stages.1.pool", MaxPool(3, 2)),
    ]  # fmt: skip
    assert inputs(net, "stages.1.0.conv1") == ["stages.0.pool"]


@pytest.mark.parametrize(
    ("settings", "message", "place"),
    [
        (["stages.widths=[8, 16]"], "stages.widths: 2 values for 3 stages", "--set:1:15"),
        (["stages.depths=[1]", "stages.strides=[1, 1]"], "stages.strides: 2 values for 1 stage", "--set:1:16"),
        (["stages.depths=[1]", "stages.strides=[1]"], "stages.widths: 3 values for 1 stage", "net.yaml:6:11"),
        (["stages.depths=[4096, 4096, 1]"], "stages.depths: more than 8,192 blocks", "--set:1:15"),
        (
            ["input.size=4", "stages.downsample=max_pool"],
            "stages.2.pool: the map has shrunk to 1x1, too small for a 2x2 window", "net.yaml:5:18",
        ),
        (
            ["head={kind: mlp, pool: 7}"],
            "head: a map of 8x8 cannot be averaged evenly to 7x7", "--set:1:6",
        ),
        (
            ["stages.shortcut=zero_pad", "stages.widths=[8, 16, 4]"],
            "stages.2.0.shortcut.pad: zero padding cannot narrow 16 channels to 4", "--set:1:17",
        ),
        (
            ["input.size=16384", "stem.width=65536"],
            "stem: an activation of 65536x16384x16384 is beyond any machine", "--set:1:1",
        ),
        (
            ["input={size: 16384, channels: 4096}"],
            "an activation of 4096x16384x16384 is beyond any machine", "--set:1:7",
        ),
        (["stages.widths=[65536, 65536, 1]"], "stages.0.0: more than 20,000,000,000 parameters", "net.yaml:7:10"),
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_refused_where_it_was_asked_for(settings, message, place):
    problem = refusal(*settings)
    assert problem.message == message
    assert str(problem.where) == place


def test_a_mismatch_with_another_files_depths_says_where_those_stand():
    assert refusal("stages.widths=[8, 16]").hint == "write one for each stage; 'depths' is at net.yaml:5:11"
    alone = "stages={depths: [1], widths: [8, 16]}"
    assert refusal(alone).hint == "write one for each stage"


def test_as_many_blocks_as_are_allowed_are_built(monkeypatch):
    monkeypatch.setattr(module, "MAX_BLOCKS", 5)
    assert len(paths(graph(), Add)) == 5
    assert refusal("stages.depths=[2, 2, 2]").message == "stages.depths: more than 5 blocks"


NAMED = {
    "torchvision": {
        "stem.conv": "conv1", "stem.norm": "bn1", "stem.act": "relu", "stem.pool": "maxpool",
        "stages.0.1.conv2": "layer1.1.conv2", "stages.0.1.norm2": "layer1.1.bn2", "stages.0.1.act1": "layer1.1.relu1",
        "stages.1.0.shortcut.conv": "layer2.0.downsample.0", "stages.1.0.shortcut.norm": "layer2.0.downsample.1",
        "stages.1.0.add": "layer2.0.add", "head.pool": "avgpool", "head.fc": "fc",
    },
    "torchvision_vgg": {
        "stem.conv": "features.0", "stem.norm": "features.1", "stem.act": "features.2", "stem.pool": "features.3",
        "stages.0.0.conv1": "features.4", "head.pool": "avgpool", "head.flatten": "flatten",
    },
    "paths": {"stem.conv": "stem.conv", "stages.0.1.norm2": "stages.0.1.norm2", "head.fc": "head.fc"},
}  # fmt: skip


@pytest.mark.parametrize("naming", NAMED)
def test_a_naming_scheme_publishes_its_names(naming):
    net = graph("stem=conv7x7", f"naming={naming}")
    names = {n.path: n.name for n in net.nodes}
    assert {path: names[path] for path in NAMED[naming]} == NAMED[naming]


def test_vggs_classifier_leaves_room_for_dropout():
    net = graph("naming=torchvision_vgg", "head={kind: mlp, pool: 4, hidden: [6, 7]}")
    assert [n.name for n in net.nodes if n.stage == "head"] == [
        "avgpool", "flatten", "classifier.0", "classifier.1", "classifier.3", "classifier.4", "classifier.6",
    ]  # fmt: skip


@pytest.mark.parametrize("naming", NAMED)
@pytest.mark.parametrize(
    "settings",
    [
        ["stages.block={kind: bottleneck}"],
        ["stages.block=preact_basic"],
        ["stages.block=highway"],
        ["stages.block=conv", "stages.downsample=max_pool", "stem=none", "head={kind: mlp, pool: 1, softmax: true}"],
        ["stages.shortcut=zero_pad"],
        ["stages.shortcut={kind: gated, carry: independent}"],
        ["stem=conv7x7", "head.softmax=true"],
    ],
)
def test_names_are_unique_in_every_scheme(naming, settings):
    net = graph(f"naming={naming}", *settings)
    names = [n.name for n in net.nodes]
    assert len({*names, net.input.name, net.outputs[0].name}) == len(names) + 2
    assert all(names)


def problem_of_child(tmp_path, text, settings=()):
    """A spec that extends another one, and the one problem for which it cannot be lowered."""
    child = tmp_path / "child.yaml"
    child.write_text(f"name: child\n{text}\n")
    with pytest.raises(Refused) as caught:
        lower(load(str(child), settings))
    (problem,) = caught.value.problems
    return child, problem


@pytest.mark.parametrize(
    ("parent", "changed", "settings", "hint"),
    [
        ("resnetblur18", "input: {size: 16}", (), "changed: input.size at {child}:3:15"),
        ("resnetblur18", "", ("input.size=16",), "changed: input.size at --set:1:12"),
        (
            "resnetblur18",
            "input:\n  size: 16\nnorm: batch",
            (),
            "changed: input.size at {child}:4:9, norm at {child}:5:7",
        ),
    ],
)
def test_a_problem_at_an_inherited_line_names_what_was_changed_around_it(tmp_path, parent, changed, settings, hint):
    child, problem = problem_of_child(tmp_path, f"extends: {parent}\n{changed}", settings)
    assert problem.hint == f"this line is inherited; {hint.format(child=child)}"


def test_a_problem_at_a_line_of_the_spec_itself_names_no_changes(tmp_path):
    child, problem = problem_of_child(tmp_path, "extends: resnetblur18\ninput: {size: 16}\nstages: {block: basic}")
    assert (problem.where.document.name, problem.hint) == (str(child), None)


def test_a_hint_that_is_there_is_kept(tmp_path):
    child, problem = problem_of_child(tmp_path, "extends: vgg11\nstages: {depths: [1, 1, 2]}")
    assert problem.hint == f"write one for each stage; 'depths' is at {child}:3:18"


@pytest.mark.parametrize(
    ("settings", "other", "alike"),
    [
        ((), (), True),
        ((), ("head.classes=1000",), True),
        ((), ("activation=silu",), False),
        (("outputs=[stage2, stage4]",), ("outputs=[stage3, stage4]",), False),  # the same operations
        (("head=none", "outputs=[stage1]"), ("head=none", "outputs=[stage1]", "stages.depths=[2, 2]"), True),
        (("head=none", "outputs=[stage1]"), ("head=none", "outputs=[stage1]", "stages.depths=[1, 2]"), False),
        (("head=none", "outputs=[stage1]", "stages.depths=[1, 2]"), ("head=none", "outputs=[stage1]"), False),
        ((), ("stages.widths=[8, 16]",), False),  # which cannot be built
    ],
)
def test_networks_are_built_alike_whose_operations_and_outputs_are_the_same(settings, other, alike):
    assert is_built_alike(load("resnet18", settings), load("resnet18", other).spec) is alike
