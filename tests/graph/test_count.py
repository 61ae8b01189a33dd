"""Counts, against a network counted by hand and against counts that others published."""

import json
from pathlib import Path

import pytest

from resnet_gen.graph import Net, Value
from resnet_gen.graph.counts import Counts, count, count_nodes, depth
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.ops import (
    Activation,
    Add,
    AsMap,
    AvgPool,
    BatchNorm,
    BlurPool,
    ChannelConv,
    Conv,
    Flatten,
    GlobalAvgPool,
    GroupNorm,
    Linear,
    MaxPool,
)

PYCLS = Path(__file__).parents[1] / "reference" / "pycls_complexity.json"


def small():
    """conv 3x3 (2 -> 4, stride 2), norm, relu, conv 3x3 plus a 1x1 shortcut with its norm, head of 5."""
    net = Net(Value("input", (2, 8, 8)))
    block = net.scope("stages.0.0")
    y = block.add("conv1", Conv(4, 3, 2, 1), net.input)
    y = block.add("act1", Activation("relu"), block.add("norm1", BatchNorm(), y))
    y = block.add("conv2", Conv(4, 3, 1, 1, bias=True), y)
    side = block.scope("shortcut", role="shortcut")
    around = side.add("norm", BatchNorm(), side.add("conv", Conv(4, 1, 2), net.input))
    y = block.add("add", Add(), y, around)
    head = net.scope("head")
    y = head.add("flatten", Flatten(), head.add("pool", GlobalAvgPool(), y))
    return net.graph("small", [head.add("fc", Linear(5), y)])


def test_a_small_network_counted_by_hand():
    assert count(small()) == Counts(
        params=72 + 8 + (144 + 4) + 8 + 8 + 25,
        buffers=8 + 8,
        macs=16 * 72 + 16 * 144 + 16 * 8 + 20,
        conv_macs=16 * 72 + 16 * 144 + 16 * 8,
        macs_and_biases=16 * 72 + 16 * 144 + 16 * 8 + 20 + 64 + 5,
        layers=3,
        activations=64 + 64 + 64 + 5,
        activations_and_pools=64 + 64 + 64 + 5,
    )


def test_flops_are_twice_the_macs_and_all_counts_have_names():
    counts = count(small())
    assert counts.as_dict() == {
        "params": 269, "buffers": 16, "macs": 3604, "flops": 7208, "conv_macs": 3584, "macs_and_biases": 3673,
        "layers": 3, "activations": 197, "activations_and_pools": 197,
    }  # fmt: skip


def newer():
    """What the first networks had none of: group norm, max pooling, a blur, and a layer along channels."""
    net = Net(Value("input", (2, 8, 8)))
    y = net.add("norm", GroupNorm(2), net.add("conv", Conv(4, 3, 1, 2, dilation=2, bias=True), net.input))
    y = net.add("blur", BlurPool(2), net.add("avg", AvgPool(2, 2), net.add("max", MaxPool(2, 1), y)))
    y = net.add("along", ChannelConv(3), net.add("pool", GlobalAvgPool(), y))
    y = net.add("as_map", AsMap(), net.add("flatten", Flatten(), y))
    return net.graph("newer", [net.add("fc", Conv(5, 1), y)])


def test_a_network_of_newer_operations_counted_by_hand():
    """Maps of 8, 8, 7 behind max pooling, 3 behind the average and 2 behind the blur, all of 4 channels."""
    assert count(newer()) == Counts(
        params=72 + 4 + 8 + 3 + 20,
        buffers=0,
        macs=64 * 72 + 16 * 9 + 12 + 20,
        conv_macs=64 * 72 + 16 * 9 + 12 + 20,
        macs_and_biases=64 * 72 + 16 * 9 + 12 + 20 + 256,
        layers=3,
        activations=256 + 4 + 5,
        activations_and_pools=256 + 4 + 5 + 4 * 49,
    )


def test_counts_of_the_stages_add_up_to_those_of_the_network():
    graph = small()
    whole = count(graph).as_dict()
    parts = [count_nodes(n for n in graph.nodes if n.stage == stage).as_dict() for stage in ("stages.0", "head")]
    assert {name: sum(part[name] for part in parts) for name in whole} == whole


def test_shortcuts_and_gates_are_no_layers_of_depth():
    net = Net(Value("input", (2, 8, 8)))
    y = net.add("conv", Conv(2, 1), net.input)
    gate = net.scope("gate", role="gate").add("conv", Conv(2, 1), net.input)
    longer = net.scope("shortcut", role="shortcut").add("conv", Conv(2, 1), gate)
    graph = net.graph("n", [net.add("add", Add(), y, longer)])
    assert (depth(graph), count_nodes(graph.nodes).layers) == (1, 1)


def test_an_empty_graph_counts_nothing():
    net = Net(Value("input", (2, 8, 8)))
    assert set(count(net.graph("n", [net.input])).as_dict().values()) == {0}


def test_the_longest_path_to_any_output_is_the_depth():
    net = Net(Value("input", (2, 8, 8)))
    early = net.add("early", Conv(2, 1), net.input)
    late = net.add("late", Conv(2, 1), early)
    unread = net.add("unread", Conv(2, 1), late)
    assert [depth(net.graph("n", outputs)) for outputs in ([early], [late, early], [early, unread], [])] == [1, 2, 3, 0]


@pytest.mark.parametrize(
    ("spec", "name"), [("resnet50", "R-50-1x64d"), ("resnet101", "R-101-1x64d"), ("resnet152", "R-152-1x64d")]
)
def test_pycls_counts_the_same(spec, name):
    """Its flops have the bias of the last layer, its activations what max pooling outputs."""
    theirs = next(n for n in json.loads(PYCLS.read_text())["nets"] if n["name"] == name)
    ours = count(lower(load(spec)))
    assert ours.params == theirs["params"]
    assert ours.macs_and_biases == theirs["flops"]
    assert ours.activations_and_pools == theirs["acts"]
