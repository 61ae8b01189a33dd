"""Weights drawn from a seed."""

import hashlib
import math
import subprocess
import sys

import numpy as np
import pytest

from resnet_gen.ops import Add
from resnet_gen.weights.base import CHUNK, row_ranges
from resnet_gen.weights.initialization import SeededWeights
from tests.helpers.onnx_runs import TINY, network
from tests.helpers.whole_tensors import whole

ODD = ("input.size=9", "stem.width=5", "input.channels=7", "stages.widths=[11]", "head.classes=13")
"""Odd fan-ins and row lengths, so that runs of rows begin in the middle of a 64-bit draw."""


def _all(graph, seed=0):
    weights = SeededWeights(graph, seed)
    return {name: whole(weights, name, tensor.shape) for name, tensor in graph.state().items()}


@pytest.mark.parametrize("settings", [(), ODD], ids=["even", "odd"])
def test_any_run_of_rows_is_that_slice_of_the_tensor(settings):
    graph = network(TINY, *settings)
    weights = SeededWeights(graph, 3)
    for name, values in _all(graph, 3).items():
        for start in range(len(values)):
            for stop in range(start + 1, len(values) + 1):
                assert weights.rows(name, start, stop).tobytes() == values[start:stop].tobytes(), (name, start, stop)


def test_runs_cover_every_row_once_and_hold_at_most_a_chunk():
    for shape in [(1000, 25088), (3,), (4096, 4096), (512, 512, 3, 3), (2, CHUNK + 1)]:
        found = list(row_ranges(shape))
        assert [a for a, _ in found] == [0, *(b for _, b in found[:-1])]
        assert found[-1][1] == shape[0]
        row = math.prod(shape[1:])
        assert all(b > a and ((b - a) * row <= CHUNK or b - a == 1) for a, b in found)


def test_a_seed_gives_the_same_bytes_in_another_process():
    code = (
        "import hashlib; from tests.helpers.onnx_runs import *\n"
        "from resnet_gen.weights.initialization import SeededWeights\n"
        "from tests.helpers.whole_tensors import whole\n"
        "graph = network(TINY); weights = SeededWeights(graph, 1)\n"
        "for n, t in graph.state().items(): print(n, hashlib.sha256(whole(weights, n, t.shape)).hexdigest())"
    )
    expected = [f"{n} {hashlib.sha256(v.tobytes()).hexdigest()}" for n, v in _all(network(TINY), 1).items()]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == expected


def test_other_seeds_and_other_names_give_other_values():
    graph = network(TINY)
    drawn = [n for n, t in graph.state().items() if t.fill is None]
    zero, one = _all(graph, 0), _all(graph, 1)
    assert len(drawn) == 4
    assert all(not np.array_equal(zero[n], one[n]) for n in drawn)
    same_shape = ("stages.0.0.conv1.weight", "stages.0.0.conv2.weight")
    assert zero[same_shape[0]].shape == zero[same_shape[1]].shape
    assert np.abs(zero[same_shape[0]] - zero[same_shape[1]]).min() > 0


def test_values_of_one_tensor_do_not_repeat():
    values = whole(SeededWeights(network("resnet18")), "layer4.0.conv2.weight", (512, 512, 3, 3))
    assert len(np.unique(values)) > 0.86 * values.size  # 0.871 are expected of draws of 23 bits


@pytest.mark.parametrize("name", ["conv1.weight", "layer1.0.conv1.weight", "layer3.0.downsample.0.weight", "fc.weight"])
def test_variance_is_two_over_the_fan_in(name):
    graph = network("resnet18")
    shape = graph.state()[name].shape
    values = whole(SeededWeights(graph), name, shape).astype(np.float64)
    fan_in = math.prod(shape[1:])
    spread = 6 * math.sqrt(0.8 / values.size)  # six standard errors; a uniform draw's kurtosis is 1.8
    assert values.var() == pytest.approx(2 / fan_in, rel=spread)
    assert abs(values.mean()) < 6 * math.sqrt(2 / fan_in / values.size)
    assert np.abs(values).max() <= math.sqrt(6 / fan_in) * (1 + 1e-6)


def test_tensors_that_start_from_a_value_hold_it():
    state = network(TINY).state()
    values = _all(network(TINY))
    filled = {n: t for n, t in state.items() if t.fill is not None and n != "stages.0.0.norm2.weight"}
    assert len(filled) == 12
    assert all((values[n] == t.fill).all() for n, t in filled.items())


@pytest.mark.parametrize(("name", "last"), [("resnet18", "bn2"), ("resnet50", "bn3")])
def test_the_norm_that_ends_a_branch_is_scaled_by_the_number_of_sums(name, last):
    graph = network(name)
    sums = sum(isinstance(node.op, Add) for node in graph.nodes)
    scaled = {n for n, v in _all_norm_weights(graph).items() if (v != 1).any()}
    assert scaled == {n.weight_name("weight") for n in graph.nodes if n.name.endswith(last)}
    assert len(scaled) == sums
    for n in scaled:
        np.testing.assert_array_equal(_all_norm_weights(graph)[n], np.float32(sums**-0.5))


@pytest.mark.parametrize(("name", "last"), [("seresnet18", "bn2"), ("resnet50_gn", "bn3"), ("resnetblur18", "bn2")])
def test_a_norm_that_ends_a_branch_is_scaled_behind_attention_and_whatever_its_kind(name, last):
    graph = network(name)
    scaled = {n for n, v in _all_norm_weights(graph).items() if (v != 1).any()}
    assert scaled == {n.weight_name("weight") for n in graph.nodes if n.name.endswith(f".{last}")}


def _all_norm_weights(graph):
    weights = SeededWeights(graph)
    names = [n for n, t in graph.state().items() if t.fill == 1.0 and t.trainable]
    return {n: whole(weights, n, graph.state()[n].shape) for n in names}


def test_the_convolution_that_ends_a_preactivated_branch_is_scaled_by_the_number_of_sums():
    graph = network("preact110")
    sums = sum(isinstance(node.op, Add) for node in graph.nodes)
    weights, bound = SeededWeights(graph), math.sqrt(6 / (16 * 9))
    largest = {n: np.abs(weights.rows(f"stages.0.1.{n}.weight", 0, 16)).max() for n in ("conv1", "conv2")}
    assert 0.95 * bound < largest["conv1"] <= bound * (1 + 1e-6)
    assert 0.95 * bound < largest["conv2"] * math.sqrt(sums) <= bound * (1 + 1e-6)


def test_values_are_the_generators_raw_bits():
    """NumPy promises the bits of PCG64 for all time, and nothing about its distributions."""
    graph = network(TINY, *ODD)
    name, shape = "stem.conv.weight", (5, 7, 3, 3)
    key = int.from_bytes(hashlib.sha256(f"9/{name}".encode()).digest(), "little")
    draws = [int(raw) for raw in np.random.PCG64(np.random.SeedSequence(key)).random_raw(158)]
    bits = [half >> 9 for raw in draws for half in (raw & 0xFFFFFFFF, raw >> 32)]
    wanted = (np.array(bits[:315], np.float32) / np.float32(1 << 23) - np.float32(0.5)) * np.float32(
        2 * math.sqrt(6 / 63)
    )
    assert graph.state()[name].shape == shape
    np.testing.assert_array_equal(whole(SeededWeights(graph, 9), name, shape), wanted.reshape(shape))


PINNED = {
    (0, "stem.conv.weight"): "ea3cbf20cafd61bac8aa5327c5dafac1bab0b3c1f9f86ff41f1b37cf6334e29f",
    (7, "stages.0.0.conv2.weight"): "508e46cca9a88c59d338fb7bd5458543977ed300d7bb9dea8cdea030212f6815",
    (2**64, "head.fc.weight"): "f01cb53a11e744ef2af4fcaae6cede4c54ea6b03c1271e7df147b8b54ad0c6a0",
}


@pytest.mark.parametrize(("seed", "name"), PINNED)
def test_values_never_change(seed, name):
    """A change here is a change of every network ever built from a seed: it needs a major version."""
    values = _all(network(TINY), seed)[name]
    assert hashlib.sha256(values.astype("<f4").tobytes()).hexdigest() == PINNED[seed, name]
