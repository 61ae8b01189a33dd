"""Specifications are recovered from graphs alone, and proved; other graphs are refused at the node that is strange."""

import random
from dataclasses import replace

import numpy as np
import pytest

from resnet_gen.graph import Net, Value
from resnet_gen.graph.matching import match
from resnet_gen.infer.file_weights import TransferredWeights
from resnet_gen.infer.proof import RecoveredSpec, live
from resnet_gen.infer.report import explain_refusal
from resnet_gen.infer.search import infer_spec
from resnet_gen.infer.spec_text import spec_yaml
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.ops import Activation, Add, BatchNorm, Conv, GlobalMaxPool, GroupNorm, MaxPool
from resnet_gen.system.resources import shipped_specs
from resnet_gen.weights.folding import fold_batch_norm
from resnet_gen.weights.initialization import SeededWeights
from tests.helpers.graphs import damaged, folded, shuffled
from tests.helpers.varied import marked, spread
from tests.helpers.whole_tensors import whole

FAMILIES = [
    "alphago-zero-20", "resnetv2_50x1_bit", "cbam-resnet50", "cifar-plain20", "cifar-resnet20", "resnet8-digits",
    "ecanet50", "ecaresnet50d_pruned", "ecaresnet50t", "ecaresnetlight", "highway-a", "highway-b", "highway-c",
    "preact164", "pyramidnet110_a48", "regnet_y_400mf", "regnetv_040", "regnetx_002", "regnety_008", "regnetz_005",
    "res2net50d", "res2next50", "resnest14d", "resnest50d_1s4x24d", "resnest50d_4s2x40d", "resnet18", "resnet34-a",
    "resnet34-c", "resnet50", "resnet50-v1", "resnet50_gn", "resnet50d", "resnet50t", "resnetaa50d", "resnetblur18",
    "resnetrs50", "resnetv2_50d", "resnetv2_50d_gn", "resnext50_32x4d", "cifar-resnext29_8x64d", "legacy_seresnet50",
    "senet154", "seresnet50", "skresnet18", "skresnet50d", "sknet50", "vgg11", "vgg16-c", "vgg16_bn", "timm-vgg11_bn",
    "wide_resnet50_2", "wrn-16-4",
]  # fmt: skip
"""Shipped networks of every kind."""

VARIANTS = [
    ("resnet50", "outputs=[stage2,stage3,stage4]", "head=none"),
    ("resnet50", "outputs=[stage2,stage3]", "head=none"),
    ("resnet50", "outputs=[stage4,stage2]"),
    ("resnet50", "head=none"),
    ("resnet50", "stages.output_stride=8"),
    ("resnet50d", "stages.output_stride=8", "head=none", "outputs=[stage1,stage4]"),
    ("resnet18", "stages.output_stride=8"),
    ("senet154", "stages.output_stride=8", "stages.depths=[1,2,2,2]"),
    ("res2net50_26w_4s", "stages.output_stride=8"),
    ("resnest50d", "stages.output_stride=16"),
    ("skresnet50", "stages.output_stride=8"),
    ("skresnet18", "stages.output_stride=16"),
    ("resnetv2_50", "stages.output_stride=8", "head=none", "outputs=[stage1,stage4]"),
    ("resnetv2_50", "head=none"),
    ("resnet50", "activation=silu", "input.size=[160,256]", "input.channels=1", "head.classes=7", "head.softmax=true"),
    ("resnet50", "activation={kind: leaky_relu, slope: 0.2}", "norm={kind: group, groups: 8}"),
    ("resnet50", "activation={kind: elu, alpha: 0.7}", "norm=layer"),
    ("resnet50", "activation=gelu", "norm={kind: batch, eps: 0.001}"),
    ("seresnet50", "activation=hard_swish", "stages.attention.activation=network"),
    ("resnet18", "activation=mish"),
    ("resnet18", "norm=none", "activation=tanh"),
    ("resnet50", "stages.overrides={stage3-4: {attention: se}}"),
    ("resnet50", "stages.overrides={stage3.block2-4: {attention: {kind: se, rd_ratio: 0.25}}}"),
    ("resnet50", "stages.overrides={stage2: {shortcut: projection_all}, stage4: {attention: cbam}}"),
    ("resnet34", "stages.overrides={stage1.block2: {block: bottleneck}}"),
    ("resnet34", "stages.overrides={stage2: {block: {kind: basic, active_branch: true}}}"),
    ("resnet18", "stages.shortcut=same_shape", "stages.block={kind: basic, active_branch: true}"),
    ("resnet50", "antialias=average", "stem={kind: deep, pool: conv}"),
    ("resnet18", "antialias=average", "input.size=64"),
    ("resnet18", "stem={kind: conv7x7, pool: none, width: 32}"),
    ("resnet18", "stem={kind: conv7x7, pool: conv, width: 32}", "antialias=blur"),
    ("resnet18", "stages.shortcut={kind: gated, carry: independent, kernel: 3}"),
    ("resnet18", "stages.shortcut=gated"),
    ("resnet18", "stages.shortcut=zero_pad", "stages.downsample=max_pool", "stages.strides=[1,2,2,1]"),
    ("resnet50", "stages.depths=[2,3,4]", "stages.widths=[48,80,200]", "stages.strides=[1,2,4]"),
    ("resnet50d", "stages.depths=[1,1,1,1]", "stages.output_stride=8"),
    ("resnet50", "stages.strides=[1,2,2,1]"),
    ("resnet18", "stages.widths=[64,64,128,256]", "stages.strides=[1,1,2,2]"),
    ("regnety_008", "stages.last_stride=1"),
    ("resnet50", "stages.widths={kind: constant, width: 64}", "stages.output_stride=8"),
    ("resnet50", "stages.block={kind: bottleneck, groups: 2, base_width: 40, expansion: 2, reduce_first: 2}"),
    ("regnety_008", "stages.shortcut=same_shape", "stages.block={linear: true}"),
    ("vgg16", "head=none", "outputs=[stage3,stage5]"),
    ("vgg16", "input.size=448"),
    ("vgg16", "stages.overrides={stage2: {block: {kind: conv, kernel: 5}}}"),
    ("highway-b", "stages.block={kernels: [3,1,5]}", "norm=batch"),
    ("alphago-zero-20", "input.size=9", "head={policy_filters: 4, value_filters: 4, moves: 82}"),
    ("pyramidnet110_a48", "stages.widths={kind: additive, first: 16, alpha: 47.3}"),
    ("ecaresnet50t", "head={features: 512, activation: true, conv: true}"),
]


def recovered(graph, tmp_path, name="found"):
    """What is found, once its text, read from a file, makes the very graph."""
    found = infer_spec(graph, name)
    assert isinstance(found, RecoveredSpec), found
    path = tmp_path / f"{name}.yaml"
    path.write_text(spec_yaml(found.data))
    made = live(lower(load(str(path))))
    assert match(folded(made) if found.folded else made, live(graph)).same
    return found


def forms(graph):
    """The graph as it is and, if there is any norm to fold, folded."""
    yield graph
    other = folded(graph)
    if len(other.nodes) < len(graph.nodes):
        yield other


@pytest.mark.parametrize("name", [marked(name) for name in FAMILIES])
def test_shipped_networks_are_recovered_under_other_names_and_folded(name, tmp_path):
    for graph in forms(lower(load(name))):
        found = recovered(shuffled(graph, 5), tmp_path)
        assert "naming" not in found.data, "no scheme has such names"


@pytest.mark.parametrize("variant", spread([(v,) for v in VARIANTS], 25), ids=" ".join)
def test_variants_are_recovered(variant, tmp_path):
    base, *settings = variant
    for graph in forms(lower(load(base, settings))):
        recovered(shuffled(graph, 5), tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", shipped_specs())
def test_every_shipped_network_is_recovered(name, tmp_path):
    for graph in forms(lower(load(name))):
        recovered(shuffled(graph, 7), tmp_path)


RESNET = """\
name: found
input: {channels: 3, size: 224}
stem: {kind: conv7x7, width: 64}
stages:
  depths: [3, 4, 6, 3]
  widths: {kind: double, first: 64}
  block: bottleneck
head: {kind: linear, classes: 1000}
naming: torchvision
"""


def test_the_text_is_short_and_leaves_defaults_out():
    assert spec_yaml(infer_spec(lower(load("resnet50")), "found").data) == RESNET


def test_comments_stand_before_the_text_and_long_keys_are_broken():
    settings = [
        "stages.overrides={stage1.block1: {attention: eca}, stage3.block2-4: {attention: {kind: se, rd_ratio: 0.25}}}"
    ]
    text = spec_yaml(infer_spec(lower(load("resnet50", settings)), "found").data, ["One.", "Two."])
    assert text.startswith("# One.\n# Two.\nname: found\n")
    assert (
        "  overrides:\n"
        "    stage1.block1: {attention: eca}\n"
        "    stage3.block2-4: {attention: {kind: se, rd_ratio: 0.25}}\n" in text
    )


def test_stages_with_the_same_change_are_named_together():
    settings = ["stages.overrides={stage3-4: {attention: se}}"]
    found = infer_spec(lower(load("resnet34", settings)), "found").data["stages"]
    assert found["attention"] == "se"
    assert found["overrides"] == {"stage1-2": {"attention": "none"}}


@pytest.mark.parametrize(
    ("name", "naming"),
    [
        ("resnet50", "torchvision"), ("resnet50d", "timm_resnet"), ("seresnet50", "timm_resnet"),
        ("legacy_seresnet50", "timm_senet"), ("regnety_008", "timm_regnet"), ("skresnet18", "timm_sknet"),
        ("resnetv2_50", "timm_resnetv2"), ("regnetv_040", "timm_regnetv"), ("vgg11", "torchvision_vgg"),
        ("vgg11_bn", "torchvision_vgg"), ("timm-vgg16", "timm_vgg"), ("regnet_y_400mf", "torchvision_regnet"),
        ("res2net50_14w_8s", "timm_resnet"), ("preact164", "paths"),
    ],
)  # fmt: skip
def test_the_naming_scheme_is_the_one_whose_names_are_there(name, naming):
    for graph in forms(lower(load(name))):
        found = infer_spec(graph, "found")
        assert found.naming.kind == naming
        assert found.naming.renamed == {}
        theirs = {n.name for n in graph.nodes if n.tensors}
        assert theirs <= {n.name for n in found.graph.nodes}


def test_names_that_no_scheme_gives_are_told():
    graph = lower(load("resnet18"))
    nodes = tuple(replace(n, name="classifier") if n.name == "fc" else n for n in graph.nodes)
    found = infer_spec(replace(graph, nodes=nodes), "found")
    assert found.naming.kind == "torchvision"
    assert found.naming.renamed == {"classifier": "fc"}


def test_biases_may_be_kept_from_being_taken_for_norms(tmp_path):
    graph = folded(lower(load("resnet18")))
    assert "norm" not in infer_spec(graph, "found").data
    plain = infer_spec(graph, "found", norms=False)
    assert plain.data["norm"] == "none"
    assert not plain.folded
    assert match(lower(plain.loaded), graph).same


def without_biases(graph, some):
    """A folded network as PyTorch exports one that was never trained: biases of zero are left out."""
    nodes = [
        replace(n, op=replace(n.op, bias=False)) if isinstance(n.op, Conv) and n.path not in some else n
        for n in graph.nodes
    ]
    return replace(graph, nodes=tuple(nodes))


@pytest.mark.parametrize("name", ["resnet18", "resnet50d", "wrn-16-4", "resnetblur18", "resnext50_32x4d"])
@pytest.mark.parametrize("some", [(), ("stages.0.0.conv1", "stages.1.0.conv2")])
def test_biases_of_zero_may_be_left_out(name, some):
    given = lower(load(name))
    graph = without_biases(folded(given), some)
    other = shuffled(graph, 5)
    found = infer_spec(other, "found")
    assert found.folded
    assert match(found.graph, given).same
    weights = TransferredWeights(found, SeededWeights(other, 3))
    norms = [n for n in found.graph.nodes if isinstance(n.op, BatchNorm)]
    shifts = [np.count_nonzero(weights.rows(n.weight_name("bias"), 0, n.shape[0])) for n in norms]
    assert not any(shifts), "a seed's biases are zero, and so are those that are not there"


def test_a_bias_that_folding_does_not_explain_is_not_left_out():
    graph = folded(lower(load("seresnet18")))
    wrong = next(n for n in graph.nodes if n.path == "stages.1.0.attention.fc1")
    nodes = [replace(n, op=replace(n.op, bias=False)) if n is wrong else n for n in graph.nodes]
    assert not isinstance(infer_spec(replace(graph, nodes=tuple(nodes)), "found"), RecoveredSpec)


class TestRefusals:
    def changed(self, name, wanted, op=None, settings=(), **values):
        """A network with one operation changed."""
        graph = lower(load(name, settings))
        nodes = [replace(n, op=op or replace(n.op, **values)) if n.name == wanted else n for n in graph.nodes]
        return replace(graph, nodes=tuple(nodes))

    def told(self, graph):
        return str(explain_refusal(infer_spec(graph, "found"), graph, "model.onnx", None))

    def test_a_layer_that_is_dilated_in_one_block_alone(self):
        graph = self.changed("resnet50", "layer3.2.conv2", dilation=3, padding=3)
        assert self.told(graph) == (
            "model.onnx: error: no one spec makes what is before it and 'layer3.3.conv1', Conv(out=256, kernel=1) to "
            "256x14x14, which reads 'layer3.2.relu3'\n"
            "hint: each alone is explained: 175 of 175 operations are explained, up to stage 6, block 3 "
            "('bottleneck')"
        )

    def test_an_activation_of_another_kind(self):
        graph = self.changed("resnet50", "layer2.1.relu2", op=Activation("gelu"))
        assert self.told(graph) == (
            "model.onnx: error: no part makes 'layer2.1.relu2', Activation(function='gelu') to 128x28x28, "
            "which reads 'layer2.1.bn2'\n"
            "hint: 53 of 175 operations are explained, up to stage 2, block 1 ('bottleneck')"
        )

    def test_an_unknown_head(self):
        graph = lower(load("resnet18"))
        net = Net(Value("input", (3, 224, 224)))
        values = {"input": net.input}
        for node in graph.nodes[:-3]:
            values[node.output.name] = net.add(node.name, node.op, *(values[v.name] for v in node.inputs))
        last = values[graph.nodes[-4].output.name]
        other = net.graph("other", [net.add("strange", Conv(7, 5, padding=2), last)])
        assert self.told(other) == (
            "model.onnx: error: no part makes 'strange', Conv(out=7, kernel=5, padding=2) to 7x7x7, which reads "
            "'layer4.1.relu2'\n"
            "hint: 66 of 67 operations are explained, up to stage 4, block 2 ('basic')"
        )

    @pytest.mark.parametrize("fold", [False, True])
    @pytest.mark.parametrize("more", [Activation("sigmoid"), Activation("relu"), Activation("gelu")])
    @pytest.mark.parametrize(
        "settings",
        [[], ["head.features=9"], ["head={kind: mlp, pool: 1, hidden: [8, 9]}"], ["head.conv=true"], ["norm=layer"],
         ["head={kind: mlp, pool: none, hidden: []}"]],
    )  # fmt: skip
    def test_what_stands_behind_a_head_is_told_and_not_the_head(self, settings, more, fold):
        graph = lower(load("resnet18", settings=["input.size=64", *settings]))
        net = Net(graph.input)
        values = {"input": net.input}
        for node in graph.nodes:
            values[node.output.name] = net.add(node.name, node.op, *(values[v.name] for v in node.inputs))
        longer = net.graph("longer", [net.add("more", more, values[graph.outputs[0].name])])
        found = infer_spec(folded(longer) if fold else longer, "found")
        assert (found.node.name, found.explained) == ("more", len((folded(longer) if fold else longer).nodes) - 1)

    @pytest.mark.parametrize("pool", [GlobalMaxPool(), MaxPool(7, 1), MaxPool(7, 7)])
    @pytest.mark.parametrize("fold", [False, True])
    def test_a_pooling_that_no_head_has_is_not_taken_for_a_stage_s(self, pool, fold):
        graph = self.changed("resnet18", "avgpool", op=pool)
        found = infer_spec(folded(graph) if fold else graph, "found")
        assert (found.node.name, found.together) == ("avgpool", False)
        assert found.place == "stage 4, block 2 ('basic')"

    def test_a_pooling_of_another_window_is_no_stage_s(self):
        graph = self.changed(
            "vgg11",
            "avgpool",
            op=MaxPool(14, 14),
            settings=["stages.strides=[2,2,2,2,1]", "head={kind: mlp, pool: 1, hidden: [8]}"],
        )
        assert infer_spec(graph, "found").node.name == "avgpool"

    def test_an_output_where_no_block_ends(self):
        graph = lower(load("resnet18"))
        inside = next(n.output for n in graph.nodes if n.name == "relu")
        assert self.told(live(replace(graph, outputs=(inside,)))) == (
            "model.onnx: error: no spec outputs 'relu' there\nhint: 3 of 3 operations are explained, up to the input"
        )

    def test_nothing_that_begins_like_a_network(self):
        net = Net(Value("input", (3, 8, 8)))
        graph = net.graph("n", [net.add("sum", Add(), net.input, net.input)])
        assert self.told(graph) == (
            "model.onnx: error: no part makes 'sum', Add() to 3x8x8, which reads 'input', 'input'\n"
            "hint: 0 of 1 operation are explained, up to the stem 'none'"
        )

    def test_norms_that_differ(self):
        graph = self.changed("resnet18", "layer3.0.bn1", op=BatchNorm(0.1))
        assert infer_spec(graph, "found").node.name == "layer3.0.bn1"

    def test_two_kinds_of_norm(self):
        graph = self.changed("resnet18", "layer3.0.bn1", op=GroupNorm(2))
        assert infer_spec(graph, "found").node.name == "layer3.0.bn1"


def mix(base, seed):
    """Weights of a network, all different."""
    shapes = {name: tensor.shape for name, tensor in base.state().items()}
    draw = np.random.default_rng(seed)
    return {name: draw.uniform(0.5, 1.5, shape).astype(np.float32) for name, shape in shapes.items()}


class Held:
    def __init__(self, arrays):
        self.arrays = arrays

    def rows(self, name, start, stop):
        return self.arrays[name][start:stop]


@pytest.mark.parametrize("name", ["resnet18", "skresnet18", "wrn-16-4", "vgg11_bn_small", "resnest14d"])
def test_weights_are_carried_to_the_layers_that_compute_the_same(name):
    """With norms folded again they are the file's bit for bit."""
    given = lower(load("vgg11_bn", ["head.hidden=[8]"]) if name == "vgg11_bn_small" else load(name))
    for graph in forms(given):
        held = mix(graph, 3)
        other = shuffled(graph, 11)
        found = infer_spec(other, "found")
        pairs = match(graph, other).pairs
        theirs = Held({b.weight_name(t.role): held[a.weight_name(t.role)] for a, b in pairs for t in a.tensors})
        made, weights = found.graph, TransferredWeights(found, theirs)
        for weight, tensor in made.state().items():
            assert weights.rows(weight, 0, tensor.shape[0]).shape == tensor.shape
        if found.folded:
            made, weights = fold_batch_norm(made, weights)
        for ours, foreign in match(made, other).pairs:
            for tensor in ours.tensors:
                carried = whole(weights, ours.weight_name(tensor.role), tensor.shape)
                assert carried.tobytes() == theirs.arrays[foreign.weight_name(tensor.role)].tobytes()


SMALL = [
    "resnet18", "cifar-resnet20", "seresnet18", "vgg11", "highway-a", "resnest14d", "skresnet18", "wrn-16-4",
    "resnetblur18", "resnet18-c", "regnetx_002", "alphago-zero-20", "res2net50_48w_2s", "cbam-resnet50",
]  # fmt: skip


def same_but_for_zeros(made, given):
    """Whether two graphs are the same but for biases that only the first has: exporters leave those of zero out."""
    bare, biases = [], []
    for graph in (made, given):
        convs = {n.name: n.op.bias for n in graph.nodes if isinstance(n.op, Conv)}
        unbiased = [replace(n, op=replace(n.op, bias=False)) if n.name in convs else n for n in graph.nodes]
        bare.append(replace(graph, nodes=tuple(unbiased)))
        biases.append(convs)
    found = match(*bare)
    return found.same and all(biases[0][a.name] >= biases[1][b.name] for a, b in found.pairs if a.name in biases[0])


def check_damaged(seeds):
    graphs = [form for name in SMALL for form in forms(lower(load(name)))]
    recovered = 0
    for seed in seeds:
        draw = random.Random(seed)
        graph = damaged(draw.choice(graphs), draw)
        if graph is None:
            continue
        found = infer_spec(graph, "found")
        if isinstance(found, RecoveredSpec):
            recovered += 1
            made, given = live(lower(found.loaded)), live(graph)
            assert match(made, given).same or (found.folded and same_but_for_zeros(folded(made), given))
        else:
            assert str(explain_refusal(found, graph, "f", None)).startswith("f: error: no ")
            assert not found.out_of_patience
    return recovered


def test_damaged_graphs_are_recovered_or_refused():
    assert check_damaged(range(60)) > 5


@pytest.mark.long
def test_thousands_of_damaged_graphs_are_recovered_or_refused():
    check_damaged(range(1_000, 6_000))


def test_what_takes_too_much_patience_is_given_up(monkeypatch):
    monkeypatch.setattr("resnet_gen.infer.flow._MOST_PATIENCE", 100)
    graph = lower(load("resnet18"))
    found = infer_spec(graph, "found")
    assert found.out_of_patience
    assert "not all that might explain the rest was tried" in str(explain_refusal(found, graph, "f", None))


def test_no_value_is_read_by_more_than_a_part_looks_at():
    """A graph in which one value is read by thousands is refused at once."""
    net = Net(Value("input", (4, 8, 8)))
    x = net.add("conv", Conv(4, 3, padding=1), net.input)
    total = net.add("first", Conv(4, 1), x)
    for number in range(3_000):
        total = net.add(
            f"sum{number}", Add(), net.add(f"c{number}", Conv(4, 1 + 2 * (number % 3), padding=number % 3), x), total
        )
    found = infer_spec(net.graph("n", [total]), "found")
    assert found.node.name in ("first", "c0", "conv")
