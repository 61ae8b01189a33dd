"""The order of a file's nodes and the names it has lost mean nothing: not for `diff`, nor for what is recovered."""

import json
import random
import re

import onnx
import pytest

from resnet_gen.compare.comparison import compare_sides
from resnet_gen.compare.difference.graphs import compare
from resnet_gen.compare.difference.sides import load_side
from resnet_gen.compare.formats.data import collect_data
from resnet_gen.compare.formats.summary import list_clauses
from resnet_gen.infer.recovery import recover_spec
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.onnx.writing import OnnxFile, WriterOptions
from resnet_gen.problems import Refused
from resnet_gen.weights.folding import fold_batch_norm
from resnet_gen.weights.initialization import SeededWeights
from resnet_gen.weights.standardization import standardize_weights

NETWORKS = ["resnet18", "seresnet18", "cifar-resnet20", "resnest14d", "skresnet18", "regnety_002", "vgg11", "wrn-16-8"]
LARGER = [
    "resnet50", "resnet50d", "resnext50_32x4d", "seresnet50", "preact164", "res2net50_14w_8s", "regnetx_002",
    "ecaresnet50t", "resnetrs50", "highway-b", "pyramidnet110_a48", "resnetblur18", "resnetv2_50", "cbam-resnet50",
    "resnet34-c", "leela-zero",
]  # fmt: skip
"""One of each way in which paths join."""
EACH = pytest.mark.parametrize("name", [*NETWORKS, *(pytest.param(name, marks=pytest.mark.long) for name in LARGER)])
CHANGES = ["head.classes=12", "stages.depths=[1, 2, 2, 1]", "activation=silu", "stem.width=48"]


def written(folder, name, *settings, unnamed=False, kept=None, fold=True):
    """The structure of a network's file, with norms folded as exporters leave them."""
    graph = lower(load(name, settings))
    graph, weights = standardize_weights(graph, SeededWeights(graph))
    if fold:
        graph, weights = fold_batch_norm(graph, weights)
    model = onnx.ModelProto.FromString(OnnxFile(graph, weights, WriterOptions()).structure())
    if unnamed:
        rename(model)
    if kept:
        forget(model, kept)
    path = folder / "n.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def rename(model):
    """The file with names that tell nothing, as most exporters write them."""
    new = {model.graph.input[0].name: "x"}
    for number, node in enumerate(model.graph.node):
        node.name = ""
        for name in node.output:
            new[name] = str(number)
    for number, tensor in enumerate(model.graph.initializer):
        new[tensor.name] = f"onnx::Conv_{number}"
        tensor.name = new[tensor.name]
    for node in model.graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new[name] for name in node.output]
    for value in (*model.graph.input, *model.graph.output):
        value.name = new[value.name]


def forget(model, kept):
    """The file with the names of those layers' parameters that are kept alone, as PyTorch exported up to 1.12."""
    layers = [t.name.removesuffix(".weight") for t in model.graph.initializer if t.name.endswith(".weight")]
    kept = set(kept(layers))
    new, outputs = {}, {value.name for value in model.graph.output}
    for number, tensor in enumerate(model.graph.initializer):
        if tensor.name.rpartition(".")[0] not in kept:
            new[tensor.name] = f"onnx::Conv_{number}"
            tensor.name = new[tensor.name]
    for number, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{number}"
        new |= {name: str(number) for name in node.output if name not in outputs}
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new.get(name, name) for name in node.output]


def reordered(path, seed, swapped=False):
    """The same file with its nodes in another order in which each stands behind what it reads."""
    model, draw = onnx.load(path, load_external_data=False), random.Random(seed)
    makers = {name: node for node in model.graph.node for name in node.output}
    waiting, nodes, done = list(model.graph.node), [], set()
    while waiting:
        ready = [n for n in waiting if all(id(makers[name]) in done for name in n.input if name in makers)]
        node = draw.choice((ready, ready[:1], ready[-1:])[seed % 3])
        waiting.remove(node)
        done.add(id(node))
        nodes.append(node)
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    for node in nodes if swapped else ():
        if node.op_type == "Add":
            node.input[:] = list(node.input)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    other = path.with_name("r.onnx")
    other.write_bytes(model.SerializeToString())
    return other


def told(one, other):
    """Everything that is told of a difference, but for what the second is called."""
    return json.dumps(collect_data(compare_sides(one, other._replace(given="file"))), sort_keys=True)


@pytest.mark.parametrize("unnamed", [False, True])
@EACH
def test_a_difference_is_the_same_in_any_order(name, unnamed, tmp_path):
    path = written(tmp_path, name, unnamed=unnamed)
    file = load_side(str(path))
    for seed in range(3):
        other = load_side(str(reordered(path, seed)))
        assert compare(file.graph, other.graph, files=True).same
        assert other.graph == file.graph
        for change in CHANGES:
            try:
                changed = load_side(name, (change, "claims=[]", "reference=null"))
            except Refused:  # a change that this network cannot have
                continue
            assert told(changed, other) == told(changed, file)


@EACH
def test_what_is_recovered_is_the_same_in_any_order(name, tmp_path):
    path = written(tmp_path, name)
    assert recover_spec(reordered(path, 2), "net").text == recover_spec(path, "net").text.replace("n.onnx", "r.onnx")


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("name", ["resnet18", "resnet50", "regnety_002", "preact164"])
def test_one_change_is_one_change_in_any_order(name, swapped, tmp_path):
    """Where shortcuts are listed first, as tf2onnx does, and sums have their operands the other way round."""
    path = written(tmp_path, name, unnamed=True)
    spec = load_side(name, ("head.classes=12", "claims=[]", "reference=null"))
    for seed in range(3):
        found = compare_sides(spec, load_side(str(reordered(path, seed, swapped)))).difference
        changes = [(c.kind, [s.name for s in c.settings]) for c in found.changes if c.kind != "follows"]
        assert changes == [("changed", ["features"])]


def first_of_each(layers):
    """The first layer of each block: `layer1.0.conv1`, `s1.b1.conv1.conv`; and what is in none."""
    blocks = (re.match(r"(?:[^.\d]+\.)*[^.]*\d[^.]*\.(?:[^.\d]+\.)*[^.]*\d[^.]*(?=\.)", name) for name in layers)
    found = {}
    for name, block in zip(layers, blocks, strict=True):
        found.setdefault(block[0] if block else name, name)
    return found.values()


KEPT = {
    "of parameters": lambda layers: layers,
    "of one layer a block": first_of_each,
    "of convolutions": lambda layers: [name for name in layers if not re.search(r"norm|bn", name)],
}
MORE_CHANGES = [
    *CHANGES, "norm={kind: batch, eps: 0.001}", "stages.strides=[1, 2, 2, 1]", "stages.block.stride_on=conv1",
    "stages.attention=se", "stages.depths=[2, 3, 2, 2]",
]  # fmt: skip


def words(one, other):
    """What is told of a difference, in words; for what a layer is called there stands `it`."""
    names = {node.name for network in (one, other) for node in network.graph.nodes}
    called = re.compile(rf"(?:(?<= in )|(?<= \()|(?<=, ))({'|'.join(map(re.escape, names))})(?=$|[,)])")
    return [called.sub("it", told) for told in list_clauses(compare_sides(one, other).difference)]


@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("kept", [*list(KEPT)[:2], pytest.param("of convolutions", marks=pytest.mark.long)])
@EACH
def test_a_difference_is_told_in_the_same_words_where_names_are_lost(name, kept, fold, tmp_path):
    file = load_side(str(written(tmp_path, name, fold=fold)))
    half = load_side(str(written(tmp_path, name, fold=fold, kept=KEPT[kept])))
    for change in MORE_CHANGES:
        try:
            changed = load_side(name, (change, "claims=[]", "reference=null"))
        except Refused:  # a change that this network cannot have
            continue
        assert words(half, changed) == words(file, changed), change
        assert words(changed, half) == words(changed, file), change


@pytest.mark.parametrize("lost", ["layer1.0", "layer2.1", "layer4.1"])
def test_blocks_without_any_name_are_not_taken_for_another(lost, tmp_path):
    file = written(tmp_path, "resnet18", kept=lambda layers: [name for name in layers if not name.startswith(lost)])
    for change, told in [
        ("head.classes=12", "1,000 -> 12 classes"),
        ("activation=silu", "relu -> silu everywhere (17)"),
    ]:
        changed = load_side("resnet18", (change, "claims=[]", "reference=null"))
        assert words(load_side(str(file)), changed) == [told]


def test_a_norm_without_a_name_belongs_to_the_convolution_before_it(tmp_path):
    """Where no path leads around it, as in networks without shortcuts."""
    file = load_side(str(written(tmp_path, "cifar-plain20", kept=KEPT["of convolutions"], fold=False)))
    changed = load_side("cifar-plain20", ("norm={kind: batch, eps: 0.001}", "claims=[]", "reference=null"))
    assert words(file, changed) == ["eps 1e-05 -> 0.001 in 19 batch norms"]


def test_the_sum_of_a_block_stays_where_its_layers_change_their_order(tmp_path):
    file = load_side(str(written(tmp_path, "resnet18", fold=False)))
    half = load_side(str(written(tmp_path, "resnet18", kept=KEPT["of parameters"], fold=False)))
    changed = load_side("resnet18", ("stages.block=preact_basic", "claims=[]", "reference=null"))
    assert words(half, changed) == words(file, changed)
