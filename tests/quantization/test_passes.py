"""Passes: other graphs, the same network."""

from itertools import permutations

import numpy as np
import onnx
import pytest

from resnet_gen.graph.counts import count
from resnet_gen.onnx.writing import OnnxFile, WriterOptions
from resnet_gen.ops import BatchNorm, Cast, Conv, Linear
from resnet_gen.quantization.float_types import set_precision
from resnet_gen.quantization.linear_as_conv import linear_as_conv
from resnet_gen.weights.folding import fold_batch_norm
from resnet_gen.weights.initialization import SeededWeights
from resnet_gen.weights.standardization import standardize_weights
from tests.helpers.onnx_runs import TINY, TOLERANCE, Ruled, difference, image, model_bytes, network, outputs, run
from tests.helpers.whole_tensors import whole

SMALL = ("input.size=32", "stem.width=8", "stages.widths={kind: double, first: 8}", "head.classes=10")
SMALL_VGG = (
    "input.size=64",
    "stages.widths=[8, 16, 32, 64, 64]",
    "head={kind: mlp, pool: 2, hidden: [24, 16], classes: 5}",
)
NETWORKS = {
    "basic": ("resnet18", *SMALL),
    "bottleneck": ("resnet50", *SMALL),
    "zero pad": ("cifar-resnet20",),
    "preact basic": ("preact110", "stages.depths=[2, 2, 2]"),
    "preact bottleneck": ("preact164", "stages.depths=[2, 2, 2]"),
    "vgg with norms": ("vgg11_bn", *SMALL_VGG),
    "vgg without": ("vgg11", *SMALL_VGG),
    "highway": ("highway-b", "stages.widths=[8, 12, 20, 32]"),
    "gated": ("resnet18", *SMALL, "stages.shortcut={kind: gated, carry: coupled}"),
    "two heads": ("alphago-zero-20", "stages.depths=[2]", "stages.widths.width=8", "stem.width=8"),
    "probabilities": (TINY, "head={kind: linear, classes: 3, softmax: true}"),
}
HALF = 2e-2
"""Of the largest output: float16 has 11 bits, and some ten layers add their roundings."""


def half(graph, weights):
    return set_precision(graph, "float16"), weights


@pytest.fixture(params=NETWORKS)
def graph(request):
    return network(*NETWORKS[request.param])


@pytest.fixture
def weights(graph):
    return Ruled(graph)


# --- fold --------------------------------------------------------------------


def test_folding_leaves_the_outputs(graph, weights):
    x = image(graph, batch=2)
    assert difference(outputs(*fold_batch_norm(graph, weights), x), outputs(graph, weights, x)) < TOLERANCE


def test_folding_removes_each_norm_that_alone_reads_a_convolution(graph, weights):
    folded, _ = fold_batch_norm(graph, weights)
    makers = {node.output.name: node for node in folded.nodes}
    for norm in folded.nodes:
        if isinstance(norm.op, BatchNorm):
            maker = makers[norm.inputs[0].name]
            readers = [n for n in folded.nodes if maker.output in n.inputs]
            assert not isinstance(maker.op, Conv) or len(readers) > 1, norm.name


@pytest.mark.parametrize("name", ["basic", "bottleneck", "vgg with norms", "zero pad"])
def test_folding_leaves_no_norm_where_each_follows_a_convolution(name):
    graph = network(*NETWORKS[name])
    folded, _ = fold_batch_norm(graph, Ruled(graph))
    norms = sum(isinstance(n.op, BatchNorm) for n in graph.nodes)
    assert norms > 0
    assert len(folded.nodes) == len(graph.nodes) - norms
    assert not any(isinstance(n.op, BatchNorm) for n in folded.nodes)


@pytest.mark.parametrize(("name", "inner", "lone"), [("preact basic", 1, 0), ("preact bottleneck", 2, 1)])
def test_folding_leaves_the_norms_that_begin_a_preactivated_branch(name, inner, lone):
    """All but one that is the only reader of the stem: a projection starts from the activated input."""
    graph = network(*NETWORKS[name])
    folded, _ = fold_batch_norm(graph, Ruled(graph))
    left = [n.name for n in folded.nodes if isinstance(n.op, BatchNorm)]
    first = [f"stages.{s}.{b}.norm1" for s in range(3) for b in range(2)]
    assert left == [*first[lone:], "head.norm"]
    assert len(graph.nodes) - len(folded.nodes) == 6 * inner + lone


def test_folding_keeps_names_and_shapes_of_all_that_stays(graph, weights):
    folded, _ = fold_batch_norm(graph, weights)
    before, after = graph.state(), folded.state()
    norms = {n.name for n in graph.nodes} - {n.name for n in folded.nodes}
    gone = {name for name in before if name.rpartition(".")[0] in norms}
    assert before.keys() - after.keys() == gone
    assert {n: t.shape for n, t in after.items() if n in before} == {n: before[n].shape for n in after if n in before}
    new = after.keys() - before.keys()
    assert all(name.endswith(".bias") and f"{name[:-5]}.weight" in before for name in new)
    assert [n.name for n in folded.nodes] == [n.name for n in graph.nodes if n.name not in norms]
    assert (folded.input, [v.name for v in folded.outputs]) == (graph.input, [v.name for v in graph.outputs])


def test_folding_a_convolution_that_has_a_bias_uses_it():
    """VGG's convolutions have a bias before their norm."""
    graph = network(*NETWORKS["vgg with norms"])
    weights = Ruled(graph)
    conv, norm = graph.nodes[0], graph.nodes[1]
    assert isinstance(conv.op, Conv)
    assert conv.op.bias
    _, folded = fold_batch_norm(graph, weights)
    given = {t: weights.rows(norm.weight_name(t), 0, 8).astype(np.float64) for t in ("weight", "bias")}
    mean, var = (weights.rows(norm.weight_name(f"running_{t}"), 0, 8).astype(np.float64) for t in ("mean", "var"))
    bias = weights.rows(conv.weight_name("bias"), 0, 8)
    wanted = (bias - mean) * given["weight"] / np.sqrt(var + 1e-5) + given["bias"]
    np.testing.assert_allclose(folded.rows(conv.weight_name("bias"), 0, 8), wanted, rtol=1e-6)


def test_folded_weights_are_the_same_in_any_run_of_rows():
    graph = network(*NETWORKS["basic"])
    folded, weights = fold_batch_norm(graph, Ruled(graph))
    for name in ("layer1.0.conv1.weight", "layer1.0.conv1.bias"):
        values = whole(weights, name, folded.state()[name].shape)
        for start, stop in [(0, 1), (3, 8), (7, 8), (1, 6)]:
            np.testing.assert_array_equal(weights.rows(name, start, stop), values[start:stop])


def test_folding_twice_is_folding_once(graph, weights):
    once = fold_batch_norm(graph, weights)
    twice = fold_batch_norm(*once)
    assert twice[0] == once[0]
    assert model_bytes(*twice) == model_bytes(*once)


def test_a_convolution_that_is_put_out_is_not_folded():
    """It ends a pre-activated block without a sum, so that inside the network only the next block's norm reads it."""
    stages = "{depths: [1, 1], widths: [8, 16], strides: [2, 2], block: preact_basic, shortcut: same_shape}"
    graph = network(TINY, f"stages={stages}", "outputs=[stage1]")
    weights = Ruled(graph)
    assert difference(outputs(*fold_batch_norm(graph, weights)), outputs(graph, weights)) < TOLERANCE


# --- precision ---------------------------------------------------------------


def test_in_float16_every_value_is_typed_and_input_and_output_stay_float32(graph):
    typed = set_precision(graph, "float16")
    assert (typed.input, typed.outputs) == (graph.input, graph.outputs)
    first, *body = typed.nodes
    body, last = body[: -len(graph.outputs)], body[-len(graph.outputs) :]
    assert [node.op for node in (first, *last)] == [Cast("float16"), *(Cast("float32") for _ in graph.outputs)]
    assert [node.op for node in body] == [node.op for node in graph.nodes]
    assert {v.dtype for node in (*body, *last) for v in node.inputs} == {"float16"}
    assert {node.output.dtype for node in (first, *body)} == {"float16"}


def test_in_float16_the_file_is_typed_alike(graph, weights):
    model = onnx.load_from_string(model_bytes(*half(graph, weights)))
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True).graph
    outer = {v.name for v in (*inferred.input, *inferred.output)}
    types = {v.name: v.type.tensor_type.elem_type for v in (*inferred.input, *inferred.value_info, *inferred.output)}
    assert {types[name] for name in outer} == {onnx.TensorProto.FLOAT}
    assert {t for name, t in types.items() if name not in outer} == {onnx.TensorProto.FLOAT16}
    assert {t.data_type for t in inferred.initializer if t.name in graph.state()} == {onnx.TensorProto.FLOAT16}
    assert types.keys() >= {o for node in inferred.node for o in node.output}


def test_float16_comes_close_to_float32(graph):
    weights = SeededWeights(graph)
    found, wanted = outputs(*half(graph, weights)), outputs(graph, weights)
    assert found.dtype == np.float32
    assert 0 < difference(found, wanted) < HALF


def test_float32_is_the_graph_itself(graph):
    assert set_precision(graph, "float32") is graph


# --- linear layers as convolutions -------------------------------------------


def test_linear_layers_as_convolutions_leave_the_outputs(graph, weights):
    turned = linear_as_conv(graph, weights)
    assert not any(isinstance(node.op, Linear) for node in turned[0].nodes)
    x = image(graph, batch=2)
    assert difference(outputs(*turned, x), outputs(graph, weights, x)) < 1e-6


def test_linear_layers_as_convolutions_keep_names_and_values(graph, weights):
    turned, same = linear_as_conv(graph, weights)
    before, after = graph.state(), turned.state()
    assert list(before) == list(after)
    linear = {n.name for n in graph.nodes if isinstance(n.op, Linear)}
    assert linear
    for name in linear:
        weight = f"{name}.weight"
        stop = before[weight].shape[0]
        found = same.rows(weight, 1, stop)
        assert found.shape == (stop - 1, *after[weight].shape[1:]) == (stop - 1, *before[weight].shape[1:], 1, 1)
        assert found.tobytes() == weights.rows(weight, 1, stop).tobytes()
    added = {f"{name}.{change}" for name in linear for change in ("pixel", "flatten")}
    assert sorted(n.name for n in turned.nodes) == sorted({n.name for n in graph.nodes} | added)
    assert turned.outputs == graph.outputs


def test_a_network_without_linear_layers_is_left_as_it_is():
    graph = network("resnetv2_18", *SMALL)
    assert linear_as_conv(graph, SeededWeights(graph))[0] == graph


def test_linear_layers_of_vgg_become_convolutions_on_one_pixel():
    turned, _ = linear_as_conv(network("vgg11"), SeededWeights(network("vgg11")))
    convs = {n.name: n for n in turned.nodes if n.name.startswith("classifier") and isinstance(n.op, Conv)}
    assert {name: (n.op.kernel, n.input_shapes[0], n.shape) for name, n in convs.items()} == {
        "classifier.0": (1, (25088, 1, 1), (4096, 1, 1)),
        "classifier.3": (1, (4096, 1, 1), (4096, 1, 1)),
        "classifier.6": (1, (4096, 1, 1), (1000, 1, 1)),
    }


# --- all together ------------------------------------------------------------

PASSES = {"fold": fold_batch_norm, "conv": linear_as_conv, "half": half}


@pytest.mark.parametrize("order", [*permutations(PASSES)], ids="-".join)
def test_passes_compose_in_any_order(graph, order):
    weights = SeededWeights(graph)
    wanted = outputs(graph, weights)
    made = graph, weights
    for name in order:
        made = PASSES[name](*made)
        onnx.checker.check_model(onnx.load_from_string(model_bytes(*made)), full_check=True)
    assert not any(isinstance(node.op, Linear) for node in made[0].nodes)
    assert difference(outputs(*made), wanted) < HALF


@pytest.mark.parametrize("order", [("fold", "conv"), ("conv", "fold")], ids="-".join)
def test_float32_passes_compose_within_float32(graph, weights, order):
    made = graph, weights
    for name in order:
        made = PASSES[name](*made)
    assert difference(outputs(*made), outputs(graph, weights)) < TOLERANCE


@pytest.mark.parametrize("name", PASSES)
def test_passes_leave_macs_and_depth(graph, weights, name):
    before, after = count(graph), count(PASSES[name](graph, weights)[0])
    assert before.macs > 0
    assert (after.macs, after.layers, after.activations) == (before.macs, before.layers, before.activations)


def test_folding_leaves_parameters_out_that_the_norms_had():
    graph = network("resnet18")
    folded, _ = fold_batch_norm(graph, SeededWeights(graph))
    norms = sum(n.shape[0] for n in graph.nodes if isinstance(n.op, BatchNorm))
    assert count(folded).params == count(graph).params - norms
    assert count(folded).buffers == 0


def test_a_pass_changes_neither_graph_nor_weights_that_it_is_given(graph, weights):
    before = model_bytes(graph, weights)
    for step in PASSES.values():
        OnnxFile(*step(graph, weights), WriterOptions())
        run(model_bytes(*step(graph, weights)), image(graph))
    assert model_bytes(graph, weights) == before


# --- weight standardization --------------------------------------------------

STANDARDIZED = ("resnet18", *SMALL, "weight_standardization=1.0e-4")


def test_standardized_filters_have_mean_0_and_variance_1():
    graph = network(*STANDARDIZED)
    weights = SeededWeights(graph)
    turned, made = standardize_weights(graph, weights)
    name, tensor = next((n, t) for n, t in graph.state().items() if n == "layer2.0.conv1.weight")
    filters = whole(weights, name, tensor.shape).reshape(tensor.shape[0], -1).astype(np.float64)
    wanted = (filters - filters.mean(1, keepdims=True)) / np.sqrt(filters.var(1, keepdims=True) + 1e-4)
    found = np.concatenate([made.rows(name, start, start + 4) for start in range(0, tensor.shape[0], 4)])
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, rtol=1e-6, atol=1e-7)
    assert {node.op.standardize for node in graph.nodes if isinstance(node.op, Conv)} == {1e-4}
    assert {node.op.standardize for node in turned.nodes if isinstance(node.op, Conv)} == {None}
    assert turned.state() == graph.state()


def test_standardized_weights_are_folded_as_any_other():
    graph = network(*STANDARDIZED)
    made = standardize_weights(graph, SeededWeights(graph))
    assert difference(outputs(*fold_batch_norm(*made)), outputs(*made)) < TOLERANCE


def test_a_graph_without_standardized_weights_is_handed_on():
    graph = network("resnet18", *SMALL)
    weights = SeededWeights(graph)
    assert standardize_weights(graph, weights) == (graph, weights)


def test_a_folded_norm_that_is_put_out_keeps_its_name_and_values():
    graph = network(
        "resnet18", *SMALL, "stages.depths=[1, 1]", "stages.widths=[8, 16]", "stages.block=regnet",
        "stages.block.linear=true", "stages.shortcut=same_shape", "outputs=[stage2]", "naming=paths",
    )  # fmt: skip
    weights = SeededWeights(graph)
    folded = fold_batch_norm(graph, weights)
    assert [value.name for value in folded[0].outputs] == ["stage2", "logits"]
    assert not any(isinstance(node.op, BatchNorm) for node in folded[0].nodes)
    assert difference(outputs(*folded), outputs(graph, weights)) < TOLERANCE
