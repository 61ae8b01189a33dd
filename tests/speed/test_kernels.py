"""What an engine fuses: one kernel for a convolution and what follows it, none for what moves no data."""

import pytest

from resnet_gen import ops
from resnet_gen.graph import Net, Value
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.speed.kernels import find_kernels, most_activations
from resnet_gen.system.resources import shipped_specs
from resnet_gen.weights.folding import fold_batch_norm
from resnet_gen.weights.initialization import SeededWeights

IMAGE = Value("input", (8, 4, 4))
CONV = ops.Conv(8, kernel=3, padding=1)


def names(graph):
    return [kernel.node.name for kernel in find_kernels(graph)]


def test_a_residual_block_is_a_kernel_a_convolution_and_its_last_one_reads_the_shortcut():
    found = {kernel.node.name: kernel for kernel in find_kernels(lower(load("resnet50")))}
    first = [name for name in found if name.startswith("layer1.0.")]
    assert first == ["layer1.0.conv1", "layer1.0.conv2", "layer1.0.conv3", "layer1.0.downsample.0"]
    assert [len(found[name].reads) for name in first] == [1, 1, 1, 2], "the projection comes last, and adds"
    block = found["layer1.1.conv3"]
    assert [value.shape for value in block.reads] == [(64, 56, 56), (256, 56, 56)]
    assert block.activations == (64 + 256 + 256) * 56 * 56
    assert block.weights == 64 * 256
    assert len(found) == 53 + 3


def test_folding_batch_norm_first_changes_nothing_but_biases():
    graph = lower(load("cifar-resnet20"))
    folded, _ = fold_batch_norm(graph, SeededWeights(graph, 0))
    before, after = find_kernels(graph), find_kernels(folded)
    assert [(k.node.name, k.activations, k.macs) for k in before] == [
        (k.node.name, k.activations, k.macs) for k in after
    ]
    biases = sum(k.node.shape[0] for k in before if isinstance(k.op, ops.Conv))
    assert sum(k.weights for k in after) == sum(k.weights for k in before) + biases


def test_what_follows_a_convolution_alone_is_fused_into_it():
    net = Net(IMAGE)
    a = net.add("a", CONV, IMAGE)
    relu = net.add("relu", ops.Activation("relu"), a)
    assert names(net.graph("net", [relu])) == ["a"]
    assert names(net.graph("net", [a, relu])) == ["a", "relu"], "the network puts it out"
    assert names(net.graph("net", [net.add("add", ops.Add(), relu, a)])) == ["a", "relu"], "two read it"


def test_a_gate_of_another_shape_is_not_fused_into_what_makes_it():
    net = Net(IMAGE)
    a = net.add("a", CONV, IMAGE)
    gate = net.add("gate", ops.Conv(8, kernel=1), net.add("pool", ops.GlobalAvgPool(), a))
    scaled = net.add("mul", ops.Mul(), a, net.add("sigmoid", ops.Activation("sigmoid"), gate))
    out = net.add("add", ops.Add(), scaled, IMAGE)
    found = find_kernels(net.graph("net", [out]))
    assert [k.node.name for k in found] == ["a", "pool", "gate", "mul"]
    assert [v.shape for v in found[-1].reads] == [(8, 4, 4), (8, 1, 1), (8, 4, 4)]


def test_a_norm_before_the_convolution_is_a_kernel_with_its_activation():
    net = Net(IMAGE)
    normed = net.add("relu", ops.Activation("relu"), net.add("norm", ops.BatchNorm(), IMAGE))
    graph = net.graph("net", [net.add("a", CONV, normed)])
    assert names(graph) == ["norm", "a"]
    assert find_kernels(graph)[0].weights == 4 * 8


def test_joining_and_taking_channels_moves_nothing():
    net = Net(IMAGE)
    parts = [net.add(f"take{n}", ops.TakeChannels(n, n + 4), IMAGE) for n in (0, 4)]
    convs = [net.add(f"conv{n}", ops.Conv(4, kernel=1), part) for n, part in enumerate(parts)]
    joined = net.add("join", ops.Concat(), *convs)
    found = find_kernels(net.graph("net", [net.add("last", CONV, joined)]))
    assert [k.node.name for k in found] == ["conv0", "conv1", "last"]
    assert [k.activations for k in found] == [8 * 16, 8 * 16, 16 * 16]


def test_a_grouped_convolution_is_a_product_a_group():
    net = Net(IMAGE)
    out = net.add("a", ops.Conv(16, kernel=3, padding=1, groups=4), IMAGE)
    assert find_kernels(net.graph("net", [out]))[0].product == (16, 4, 4)


def test_the_most_that_is_kept_counts_a_shortcut_as_long_as_it_is_needed():
    net = Net(IMAGE)
    wide = net.add("wide", ops.Conv(32, kernel=1), IMAGE)
    narrow = net.add("narrow", CONV, wide)
    end = net.add("end", ops.Add(), net.add("b", CONV, narrow), IMAGE)
    assert most_activations(find_kernels(net.graph("net", [end]))) == (8 + 32 + 8) * 16
    assert most_activations(find_kernels(net.graph("net", [narrow]))) == (32 + 8) * 16 + 8 * 16


@pytest.mark.parametrize("name", list(shipped_specs())[::15])
def test_kernels_have_all_the_work_of_the_graph(name):
    graph = lower(load(name))
    found = find_kernels(graph)
    assert sum(k.macs for k in found) == sum(n.op.macs(*n.input_shapes) for n in graph.nodes)
    written = {graph.input.name, *(k.output.name for k in found)}
    moved = {n.output.name for n in graph.nodes if isinstance(n.op, NO_WORK)}
    assert {v.name for v in (*graph.outputs, *(v for k in found for v in k.reads))} <= written | moved


NO_WORK = (ops.AsMap, ops.Concat, ops.Flatten, ops.PadMap, ops.TakeChannels)
