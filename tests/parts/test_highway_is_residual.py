"""A gated network is the residual one when its gates are open, and says so by its numbers.

Srivastava et al. 2015, Sec. 2: with T = 1 a layer is plain, with T = 0 it is the
identity; He et al. 2016, Sec. 4: with both gates open it is the residual sum.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.onnx_runs import TOLERANCE, Ruled, difference, image, network, outputs

SMALL = ("stages.depths=[2, 2, 2, 2]", "input.size=32", "head.classes=10")
NETWORKS = {
    "basic": ("resnet18", *SMALL),
    "bottleneck": ("resnet50", *SMALL, "stem.width=16", "stages.widths={kind: double, first: 16}"),
    "preact": ("preact110", "stages.depths=[2, 2, 2]"),
    "preact bottleneck": ("preact164", "stages.depths=[2, 2, 2]"),
}
ENDS = {"basic": ("bn2.weight", "bn2.bias"), "bottleneck": ("bn3.weight", "bn3.bias")} | {
    "preact": ("conv2.weight",),
    "preact bottleneck": ("conv3.weight",),
}
"""The parameters that, set to zero, make a branch output zero."""

FAR = 100.0
"""A gate's bias at which its sigmoid is 1 or 0."""


def gate(name, bias):
    return {f"{name}.conv.weight": 0.0, f"{name}.conv.bias": bias}


def gated(name, carry, **forced):
    graph = network(*NETWORKS[name], f"stages.shortcut={{kind: gated, carry: {carry}}}")
    return outputs(graph, Ruled(graph, forced))


def residual(name, *settings, **forced):
    graph = network(*NETWORKS[name], "stages.shortcut=projection", *settings)
    return outputs(graph, Ruled(graph, forced))


each_network = pytest.mark.parametrize("name", NETWORKS)


@each_network
def test_with_both_gates_open_it_is_the_residual_network(name):
    found = gated(name, "independent", **gate("transform", FAR), **gate("carry", FAR))
    np.testing.assert_array_equal(found, residual(name))


@each_network
@pytest.mark.parametrize("shut", ["transform", "carry"])
def test_with_one_gate_shut_it_is_not(name, shut):
    gates = gate("transform", FAR) | gate("carry", FAR) | gate(shut, -FAR)
    assert difference(gated(name, "independent", **gates), residual(name)) > 100 * TOLERANCE


@each_network
def test_with_gates_of_their_own_weights_it_is_not(name):
    assert difference(gated(name, "independent"), residual(name)) > 100 * TOLERANCE


@each_network
@pytest.mark.parametrize("carry", ["coupled", "independent"])
def test_with_the_transform_gate_shut_only_the_shortcut_passes(name, carry):
    gates = gate("transform", -FAR) | (gate("carry", FAR) if carry == "independent" else {})
    silent = residual(name, **dict.fromkeys(ENDS[name], 0.0))
    assert difference(gated(name, carry, **gates), silent) < TOLERANCE
    assert difference(silent, residual(name)) > 100 * TOLERANCE


@each_network
def test_with_a_coupled_gate_shut_the_branch_has_no_say_and_the_shortcut_has(name):
    shut = gated(name, "coupled", **gate("transform", -FAR))
    other_branch = gated(name, "coupled", **gate("transform", -FAR), **dict.fromkeys(ENDS[name], 0.5))
    other_shortcut = gated(name, "coupled", **gate("transform", -FAR), **{PROJECTED[name]: 0.5})
    assert difference(other_branch, shut) < TOLERANCE
    assert difference(other_shortcut, shut) > 100 * TOLERANCE


PROJECTED = {"basic": "downsample.0.weight", "bottleneck": "downsample.0.weight"} | {
    "preact": "shortcut.conv.weight",
    "preact bottleneck": "shortcut.conv.weight",
}


def test_with_a_coupled_gate_open_it_is_the_plain_network():
    plain = network(*NETWORKS["basic"], "stages.block=plain")
    found = gated("basic", "coupled", **gate("transform", FAR))
    np.testing.assert_array_equal(found, outputs(plain, Ruled(plain)))


def test_a_coupled_gate_half_open_passes_half_of_each():
    """T = C = 1/2 throughout is the residual network with both paths halved: relu(b + s) / 2 each block."""
    graph = network("cifar-resnet20", "stages.depths=[1]", "stages.widths=[16]", "stages.shortcut={kind: gated}")
    plain = network("cifar-resnet20", "stages.depths=[1]", "stages.widths=[16]", "stages.shortcut=projection")
    found = outputs(graph, Ruled(graph, gate("transform", 0.0) | {"fc.bias": 0.0}))
    assert difference(2 * found, outputs(plain, Ruled(plain, {"fc.bias": 0.0}))) < TOLERANCE


@pytest.mark.parametrize(("bias", "same"), [(-FAR, True), (0.0, False)])
def test_a_highway_layer_with_its_gate_shut_carries_its_input(bias, same):
    """Then only the layers that change the shape, and the head, compute anything."""
    graph = network("highway-c", "stages.depths=[2, 2, 2]")
    inner = {f"stages.{stage}.1.conv.bias": 3.0 for stage in range(3)}
    found, other = (
        outputs(graph, Ruled(graph, gate("transform", bias) | forced), image(graph)) for forced in ({}, inner)
    )
    assert (difference(other, found) < TOLERANCE) is same
