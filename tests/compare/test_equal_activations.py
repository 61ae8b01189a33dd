"""Files that compute a spec's ReLUs in other words, compared with it and imported; ONNX Runtime is the witness."""

import itertools

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from safetensors.numpy import save_file

from resnet_gen import emit_onnx, verify
from resnet_gen.infer.recovery import Imported, recover_spec
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.weights.initialization import SeededWeights
from tests.helpers.onnx_runs import session
from tests.helpers.varied import spread

STAGES = "input: {channels: 2, size: 12}\nstem: {kind: conv3x3, width: 4}\nhead: {kind: linear, classes: 3}\n"
SPECS = {
    "basic": "stages: {depths: [1, 1], widths: [4, 8], block: basic}\n",
    "preact": "stages: {depths: [1, 1], widths: [4, 8], block: preact_basic}\n",
    "plain": "norm: none\nstages: {depths: [1, 1], widths: [4, 8], block: preact_basic}\n",
}
"""The last has ReLUs of ReLUs of its own, where a stem ends in one and a block begins with one."""


def choice(asked, bounds, picked):
    """Where one of two is larger, one of two: `x` is what goes in, the others are constants."""

    def build(x, y):
        named = {"x": x}
        ask = helper.make_node(asked, [named.get(bound, bound) for bound in bounds], [f"{y}.asked"])
        return [ask, helper.make_node("Where", [f"{y}.asked", *(named.get(one, one) for one in picked)], [y])]

    return build


def turned(*orders):
    """A ReLU, and transposes in a row behind it."""

    def build(x, y):
        names = [f"{y}.{n}" for n in range(len(orders))] + [y]
        turns = zip(orders, names, names[1:], strict=False)
        return relu(x, names[0]) + [helper.make_node("Transpose", [a], [b], perm=order) for order, a, b in turns]

    return build


def relu(x, y):
    return [helper.make_node("Relu", [x], [y])]


EQUAL = {
    "leaky without a slope": lambda x, y: [helper.make_node("LeakyRelu", [x], [y], alpha=0.0)],
    "leaky with a slope of -0": lambda x, y: [helper.make_node("LeakyRelu", [x], [y], alpha=-0.0)],
    "elu without a slope": lambda x, y: [helper.make_node("Elu", [x], [y], alpha=0.0)],
    "prelu without a slope": lambda x, y: [helper.make_node("PRelu", [x, "zero"], [y])],
    "twice": lambda x, y: relu(x, f"{y}.1") + relu(f"{y}.1", y),
    "three times": lambda x, y: relu(x, f"{y}.1") + relu(f"{y}.1", f"{y}.2") + relu(f"{y}.2", y),
    "in two spellings": lambda x, y: (
        [helper.make_node("Clip", [x, "zero"], [f"{y}.1"]), helper.make_node("LeakyRelu", [f"{y}.1"], [y], alpha=0.0)]
    ),
    "a maximum": lambda x, y: [helper.make_node("Max", [x, "zero"], [y])],
    "above zero": choice("Greater", ("x", "zero"), ("x", "zero")),
    "not below zero": choice("GreaterOrEqual", ("x", "zero"), ("x", "zero")),
    "below zero": choice("Less", ("x", "zero"), ("zero", "x")),
    "zero is larger": choice("Greater", ("zero", "x"), ("zero", "x")),
    "zero is not larger": choice("LessOrEqual", ("zero", "x"), ("x", "zero")),
    "threshold of zero": lambda x, y: [helper.make_node("ThresholdedRelu", [x], [y], alpha=0.0)],
    "transposed and back": turned([0, 2, 3, 1], [0, 3, 1, 2]),
    "its own inverse": turned([0, 1, 3, 2], [0, 1, 3, 2]),
    "twice and back": turned([0, 2, 3, 1], [0, 2, 3, 1], [0, 2, 3, 1]),
}
OTHER = {
    "leaky": lambda x, y: [helper.make_node("LeakyRelu", [x], [y], alpha=1e-3)],
    "leaky that falls": lambda x, y: [helper.make_node("LeakyRelu", [x], [y], alpha=-1e-3)],
    "elu": lambda x, y: [helper.make_node("Elu", [x], [y], alpha=1e-3)],
    "of what is below": lambda x, y: [helper.make_node("Neg", [x], [f"{y}.1"]), *relu(f"{y}.1", y)],
    "and a sigmoid": lambda x, y: [*relu(x, f"{y}.1"), helper.make_node("Sigmoid", [f"{y}.1"], [y])],
    "none": lambda x, y: [helper.make_node("Identity", [x], [y])],
    "what is below": choice("Less", ("x", "zero"), ("x", "zero")),
    "above one": choice("Greater", ("x", "one"), ("x", "zero")),
    "above one, else one": choice("Greater", ("x", "one"), ("x", "one")),
    "one where it is above": choice("Greater", ("x", "zero"), ("one", "zero")),
    "threshold of one": lambda x, y: [helper.make_node("ThresholdedRelu", [x], [y], alpha=1.0)],
    "threshold by default": lambda x, y: [helper.make_node("ThresholdedRelu", [x], [y])],
    "transposed": turned([0, 1, 3, 2]),
    "transposed and back otherwise": turned([0, 1, 3, 2], [0, 1, 3, 2], [0, 1, 3, 2]),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A spec, its weights, its file, and that file with its ReLUs, or the first alone, in other words."""
    folder = tmp_path_factory.mktemp("equal")
    known = {}

    def make(name, build, every):
        if name not in known:
            spec, weights = folder / f"{name}.yaml", folder / f"{name}.safetensors"
            spec.write_text(f"name: {name}\n{STAGES}{SPECS[name]}")
            graph = lower(load(str(spec)))
            seeded = SeededWeights(graph, 0)
            tensors = {key: np.array(seeded.rows(key, 0, t.shape[0])) for key, t in graph.state().items() if t.shape}
            save_file(tensors, weights)
            known[name] = spec, weights, emit_onnx(spec, folder / f"{name}.onnx", weights=weights)
        spec, weights, file = known[name]
        return spec, weights, file, rewritten(file, build, every)

    return make


def rewritten(file, build, every):
    model = onnx.load(file)
    relus = [node for node in model.graph.node if node.op_type == "Relu"]
    for node in relus if every else relus[:1]:
        place = list(model.graph.node).index(node)
        model.graph.node.remove(node)
        for more in reversed(build(node.input[0], node.output[0])):
            model.graph.node.insert(place, more)
    for name, value in (("zero", 0), ("one", 1)):
        model.graph.initializer.append(numpy_helper.from_array(np.float32(value), name))
    path = file.with_name("rewritten.onnx")
    onnx.save(model, path)
    return path


def outputs(file):
    x = np.random.default_rng(0).standard_normal((4, 2, 12, 12)).astype(np.float32)
    return session(file).run(None, {"input": x})[0]


@pytest.mark.parametrize(("name", "how", "every"), spread(itertools.product(SPECS, EQUAL, [True, False]), 9))
def test_what_computes_the_same_is_the_spec_and_is_imported(made, name, how, every):
    spec, weights, file, other = made(name, EQUAL[how], every)
    assert np.array_equal(outputs(file), outputs(other))
    assert verify(spec, against=other, weights=weights) == ()
    found = recover_spec(other)
    assert isinstance(found, Imported)
    again = spec.with_name("again.yaml")
    again.write_text(found.text)
    assert verify(again, against=other) == ()


@pytest.mark.parametrize("how", OTHER)
@pytest.mark.parametrize("name", SPECS)
def test_what_does_not_is_a_difference(made, name, how):
    spec, weights, file, other = made(name, OTHER[how], every=True)
    assert not np.array_equal(outputs(file), outputs(other))
    assert {found.rule for found in verify(spec, against=other, weights=weights)} == {"against-layer"}


@pytest.mark.parametrize("name", SPECS)
def test_a_repeated_one_hides_no_other_difference(made, name):
    spec, weights, _, other = made(name, EQUAL["twice"], every=True)
    model = onnx.load(other)
    last = [node for node in model.graph.node if node.op_type == "Relu"][-1]
    last.op_type = "LeakyRelu"
    last.attribute.append(helper.make_attribute("alpha", 0.5))
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    next(a for a in first.attribute if a.name == "dilations").ints[:] = [2, 2]
    next(a for a in first.attribute if a.name == "pads").ints[:] = [2, 2, 2, 2]
    onnx.save(model, other)
    assert "against-layer" in {found.rule for found in verify(spec, against=other, weights=weights)}
