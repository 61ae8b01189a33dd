"""The order in which a file lists its nodes means nothing: not for `diff`, nor for what is read and recovered."""

import json
import random

import onnx
import pytest

from resnet_gen.comparison import compared
from resnet_gen.difference.compare import compare
from resnet_gen.difference.sides import side
from resnet_gen.emit.difference.data import data
from resnet_gen.emit.onnx import OnnxFile, Options
from resnet_gen.infer.imported import recovered
from resnet_gen.load import load
from resnet_gen.lower import lower
from resnet_gen.passes.fold import fold_batch_norm
from resnet_gen.passes.standardize import standardize_weights
from resnet_gen.problems import Refused
from resnet_gen.weights.seeded import Seeded

NETWORKS = ["resnet18", "seresnet18", "cifar-resnet20", "resnest14d", "skresnet18", "regnety_002", "vgg11", "wrn-16-8"]
LARGER = [
    "resnet50", "resnet50d", "resnext50_32x4d", "seresnet50", "preact164", "res2net50_14w_8s", "regnetx_002",
    "ecaresnet50t", "resnetrs50", "highway-b", "pyramidnet110_a48", "resnetblur18", "resnetv2_50", "cbam-resnet50",
    "resnet34-c", "leela-zero",
]  # fmt: skip
"""One of each way in which paths join."""
EACH = pytest.mark.parametrize("name", [*NETWORKS, *(pytest.param(name, marks=pytest.mark.long) for name in LARGER)])
CHANGES = ["head.classes=12", "stages.depths=[1, 2, 2, 1]", "activation=silu", "stem.width=48"]


def written(folder, name, *settings, unnamed=False):
    """The structure of a network's file, with norms folded as exporters leave them."""
    graph = lower(load(name, settings))
    graph, weights = fold_batch_norm(*standardize_weights(graph, Seeded(graph)))
    model = onnx.ModelProto.FromString(OnnxFile(graph, weights, Options()).structure())
    if unnamed:
        rename(model)
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
    return json.dumps(data(compared(one, other._replace(given="file"))), sort_keys=True)


@pytest.mark.parametrize("unnamed", [False, True])
@EACH
def test_a_difference_is_the_same_in_any_order(name, unnamed, tmp_path):
    path = written(tmp_path, name, unnamed=unnamed)
    file = side(str(path))
    for seed in range(3):
        other = side(str(reordered(path, seed)))
        assert compare(file.graph, other.graph, files=True).same
        assert other.graph == file.graph
        for change in CHANGES:
            try:
                changed = side(name, (change, "claims=[]", "reference=null"))
            except Refused:  # a change that this network cannot have
                continue
            assert told(changed, other) == told(changed, file)


@EACH
def test_what_is_recovered_is_the_same_in_any_order(name, tmp_path):
    path = written(tmp_path, name)
    assert recovered(reordered(path, 2), "net").text == recovered(path, "net").text.replace("n.onnx", "r.onnx")


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("name", ["resnet18", "resnet50", "regnety_002", "preact164"])
def test_one_change_is_one_change_in_any_order(name, swapped, tmp_path):
    """Where shortcuts are listed first, as tf2onnx does, and sums have their operands the other way round."""
    path = written(tmp_path, name, unnamed=True)
    spec = side(name, ("head.classes=12", "claims=[]", "reference=null"))
    for seed in range(3):
        found = compared(spec, side(str(reordered(path, seed, swapped)))).difference
        changes = [(c.kind, [s.name for s in c.settings]) for c in found.changes if c.kind != "follows"]
        assert changes == [("changed", ["features"])]
