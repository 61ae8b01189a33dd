"""Graphs that compute the same are told from those that do not, whatever they are called."""

import random
from dataclasses import replace

import pytest

from resnet_gen.graph import Graph, Net, Value
from resnet_gen.graph.matching import match
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.ops import Activation, Concat, Conv, Mul
from tests.helpers.graphs import shuffled

NETWORKS = ["resnet50", "seresnet50", "highway-c", "res2net50_26w_4s", "resnest50d", "resnetv2_50", "resnet101d"]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_itself_under_other_names_and_in_another_order(name):
    graph = lower(load(name))
    found = match(graph, shuffled(graph, 7))
    assert found.same
    assert not found.missing
    assert not found.unexplained
    inputs = {ours.output.name: theirs.output.name for ours, theirs in found.pairs} | {"input": "input"}
    for ours, theirs in found.pairs:
        assert {inputs[v.name] for v in ours.inputs} == {v.name for v in theirs.inputs}


@pytest.mark.parametrize("name", NETWORKS)
def test_any_changed_layer_is_noticed(name):
    graph = lower(load(name))
    convs = [i for i, n in enumerate(graph.nodes) if isinstance(n.op, Conv) and n.op.kernel > 1]
    for index in random.Random(3).sample(convs, 3):
        node = graph.nodes[index]
        op = replace(node.op, dilation=2, padding=node.op.padding + node.op.kernel // 2)
        nodes = [*graph.nodes[:index], replace(node, op=op), *graph.nodes[index + 1 :]]
        found = match(graph, replace(graph, nodes=tuple(nodes)))
        assert not found.same
        assert found.unexplained[0].name == node.name
        assert node.block in {n.block for n in found.missing}  # not by name: a gate may be its equal


def two_branches(swapped: bool) -> Graph:
    """Equal convolutions whose results are used unlike: x * sigmoid(x)."""
    net = Net(Value("input", (4, 8, 8)))
    names = ("gate", "signal") if swapped else ("signal", "gate")
    made = {name: net.add(name, Conv(4, 1), net.input) for name in names}
    gate = net.add("sigmoid", Activation("sigmoid"), made["gate"])
    return net.graph("n", [net.add("mul", Concat(), made["signal"], gate)])


def test_equal_branches_are_told_apart_by_their_use():
    found = match(two_branches(False), two_branches(True))
    assert found.same
    assert all(ours.name == theirs.name for ours, theirs in found.pairs)


def test_factors_of_one_shape_may_be_exchanged_and_others_not():
    def product(turned: bool, gate: int) -> Graph:
        net = Net(Value("input", (4, 8, 8)))
        a, b = net.add("a", Conv(4, 1), net.input), net.add("b", Conv(gate, 3, padding=1), net.input)
        return net.graph("n", [net.add("mul", Mul(), *((b, a) if turned else (a, b)))])

    assert match(product(False, 4), product(True, 4)).same
    assert match(product(False, 1), product(False, 1)).same


def test_outputs_in_another_order_are_another_network():
    graph = lower(load("resnet18", ["outputs=[stage2,stage3]", "head=none"]))
    assert match(graph, graph).same
    assert not match(graph, replace(graph, outputs=graph.outputs[::-1])).same


def test_what_no_file_shows_makes_no_difference():
    bit = lower(load("resnetv2_50x1_bit"))
    plain = [replace(n, op=replace(n.op, standardize=None)) if isinstance(n.op, Conv) else n for n in bit.nodes]
    assert match(bit, replace(bit, nodes=tuple(plain))).same
