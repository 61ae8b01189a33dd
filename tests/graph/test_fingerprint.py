"""The hash of a graph: another for any change of what is built, and the same for all else."""

import inspect
import subprocess
import sys
from dataclasses import MISSING, fields, is_dataclass, replace

import numpy as np
import pytest

from resnet_gen import ops
from resnet_gen.graph import Graph, Net, Node, Value
from resnet_gen.graph.fingerprint import fingerprint
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.ops import Conv, Tensor, WeightStorage
from tests.helpers.onnx_runs import network

PINNED = {
    "resnet18": "4c958f6051bd82cb5789737775cd3e98e3f4130b7ecf3edd33f373b763a96567",
    "resnet50": "4600463a77380a71b5476ef35eac5fb0a3e0d6309fcfe958f1febb6e680af5ed",
    "resnest50d": "8d450886e4298f006afddc195216766bfd80b20bff8f6de547ac9765403f5d93",
    "highway-c": "4dc33a1963151d03582a25bedb973e42b8f60c2b0ce7657ee7053a68a46d4f4d",
}
"""Locks hold these: they change with the network, or with FORM, and never by themselves."""


@pytest.mark.parametrize("name", PINNED)
def test_hashes_are_those_of_every_python_machine_and_day(name):
    assert fingerprint(network(name)).graph == PINNED[name]


def test_a_process_of_its_own_with_other_hash_seeds_says_the_same():
    code = (
        "from resnet_gen.graph.fingerprint import fingerprint\n"
        "from resnet_gen.language.load import load\n"
        "from resnet_gen.language.lower import lower\n"
        "print(fingerprint(lower(load('resnest50d'))).graph)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=None)
    assert said.stdout.strip() == PINNED["resnest50d"]


def test_what_is_said_of_a_network_and_where_it_lies_does_not_matter(tmp_path):
    text = "# another\nname: mine\nextends: resnet50\ntitle: Mine\nbudgets: {layers: {max: 3}}\n"
    path = tmp_path / "mine.yaml"
    path.write_text(text + "claims:\n  - {what: layers, value: 3, source: nobody}\n")
    assert fingerprint(lower(load(str(path)))) == fingerprint(network("resnet50"))


@pytest.mark.parametrize(
    "setting",
    [
        "input.size=256", "input.channels=1", "stages.block.stride_on=conv1", "stages.block.expansion=2",
        "norm={kind: batch, eps: 1e-3}", "norm={kind: group, groups: 32}", "activation=silu", "naming=paths",
        "head.classes=10", "outputs=[stage2]", "stages.output_stride=16", "weight_standardization=1e-6",
        "stages.depths=[3,4,6,4]", "stages.attention=se", "antialias=blur", "stem.width=63",
    ],
)  # fmt: skip
def test_whatever_changes_the_network_changes_its_hash(setting):
    assert fingerprint(network("resnet50", setting)).graph != PINNED["resnet50"]


def one(node, graph):
    """A graph of one node, and what it outputs."""
    return replace(graph, nodes=(node,), outputs=(node.output,))


NET = Net(Value("input", (4, 8, 8)))
NET.add("conv", Conv(8, 3, padding=1, groups=2, bias=True), NET.input)
GRAPH = NET.graph("net", [NET._shared.nodes[-1].output])
NODE = GRAPH.nodes[0]
TO = NODE.output
OTHERS = {
    "name": replace(NODE, name="other"),
    "role": replace(NODE, role="shortcut"),
    "operand": replace(NODE, inputs=(Value("elsewhere", (4, 8, 8)),)),
    "weights' shape": replace(NODE, inputs=(Value("input", (6, 8, 8)),)),
    "result's name": replace(NODE, output=Value("other", TO.shape)),
    "result's shape": replace(NODE, output=Value(TO.name, (8, 8, 7))),
    "result's type": replace(NODE, output=Value(TO.name, TO.shape, "float16")),
    "operation": replace(NODE, op=ops.Activation("relu")),
}


@pytest.mark.parametrize("what", OTHERS)
def test_everything_of_a_node_is_part_of_it(what):
    assert fingerprint(one(OTHERS[what], GRAPH)).graph != fingerprint(GRAPH).graph
    assert fingerprint(one(OTHERS[what], GRAPH)).blocks != fingerprint(GRAPH).blocks


def test_the_input_and_the_outputs_are_part_of_it():
    changed = [
        replace(GRAPH, input=Value("image", (4, 8, 8))),
        replace(GRAPH, input=Value("input", (4, 8, 8), "float16")),
        replace(GRAPH, outputs=()),
        replace(GRAPH, outputs=(TO, TO)),
    ]
    assert len({fingerprint(graph).graph for graph in [GRAPH, *changed]}) == 5
    assert fingerprint(replace(GRAPH, name="other")) == fingerprint(GRAPH)
    assert fingerprint(replace(GRAPH, nodes=(replace(NODE, path="conv.deeper"),))).graph == fingerprint(GRAPH).graph


CLASSES = [c for _, c in inspect.getmembers(ops, inspect.isclass) if issubclass(c, ops.Op) and c is not ops.Op]
SETTINGS = [(c, f) for c in CLASSES if is_dataclass(c) for f in fields(c)]


def other(setting):
    """A value of a setting that is not its default."""
    kind = str(setting.type)
    if "WeightStorage" in kind:
        return WeightStorage("int8")
    if "Function" in kind or "DType" in kind:
        return "tanh" if "Function" in kind else "int8"
    if kind == "bool":
        return not setting.default
    return 7 if setting.default is MISSING else (setting.default or 0) + 3


@pytest.mark.parametrize(("kind", "setting"), SETTINGS, ids=lambda x: getattr(x, "name", getattr(x, "__name__", "")))
def test_every_setting_of_every_operation_is_part_of_it(kind, setting, monkeypatch):
    monkeypatch.setattr(kind, "weights", lambda *_: ())
    stated = {f.name: other(f) for f in fields(kind) if f.default is MISSING}
    values = [stated.get(setting.name, setting.default), 1.5 if setting.name in stated else other(setting)]
    made = [replace(NODE, op=kind(**{**stated, setting.name: value})) for value in values]
    assert len({fingerprint(one(node, GRAPH)).graph for node in made}) == 2


def test_defaults_that_are_left_out_are_those_that_were_published():
    """A default that changes would change networks and not their hashes: it has to stay, or FORM has to change."""
    stated = {(kind.__name__, f.name): f.default for kind, f in SETTINGS if f.default is not MISSING}
    assert stated == {
        ("Activation", "slope"): 0.01,
        ("AvgPool", "padding"): 0, ("AvgPool", "ceil"): False,
        ("BatchNorm", "eps"): 1e-5,
        ("Concat", "axis"): 0,
        ("Conv", "stride"): 1, ("Conv", "padding"): 0, ("Conv", "groups"): 1, ("Conv", "bias"): False,
        ("Conv", "bias_fill"): 0.0, ("Conv", "dilation"): 1, ("Conv", "standardize"): None, ("Conv", "stored"): None,
        ("Dequantize", "zero_point"): 0, ("Quantize", "zero_point"): 0,
        ("GroupNorm", "eps"): 1e-5,
        ("Linear", "bias"): True, ("Linear", "stored"): None,
        ("MaxPool", "padding"): 0, ("MaxPool", "ceil"): False, ("MaxPool", "zeros"): False,
        ("SplitSoftmax", "groups"): 1,
    }  # fmt: skip
    assert Tensor._field_defaults == {"fill": None, "trainable": True, "dtype": None, "scale": False}


def test_what_a_weight_starts_from_is_part_of_it(monkeypatch):
    before = fingerprint(GRAPH)
    monkeypatch.setattr(Conv, "weights", lambda *_: (Tensor("weight", (8, 2, 3, 3), 0.5), Tensor("bias", (8,), 0.0)))
    assert fingerprint(one(replace(NODE), GRAPH)).graph != before.graph


def test_equal_numbers_are_equal_whatever_holds_them():
    graphs = [one(replace(NODE, op=Conv(*numbers, bias=True)), GRAPH) for numbers in ((8, 3), (8.0, np.int64(3)))]
    graphs.append(one(replace(NODE, op=Conv(8, 3, bias=1)), GRAPH))
    assert len({fingerprint(graph).graph for graph in graphs}) == 1


def test_a_change_is_placed_in_its_stage_and_block():
    before = network("resnet50")
    index = next(i for i, n in enumerate(before.nodes) if n.name == "layer2.1.bn2")
    nodes = list(before.nodes)
    nodes[index] = replace(nodes[index], op=ops.BatchNorm(1e-3))
    after: Graph = replace(before, nodes=tuple(nodes))
    old, new = fingerprint(before), fingerprint(after)
    assert [stage for stage in old.stages if old.stages[stage] != new.stages[stage]] == ["stages.1"]
    assert [block for block in old.blocks if old.blocks[block] != new.blocks[block]] == ["stages.1.1"]
    assert list(old.stages) == ["stem", "stages.0", "stages.1", "stages.2", "stages.3", "head"]


def test_no_two_changes_of_a_network_have_one_hash():
    before = network("cifar-resnet20")
    seen = {fingerprint(before).graph}
    for index, node in enumerate(before.nodes):
        changed: Node = replace(node, role="gate")
        seen.add(fingerprint(replace(before, nodes=(*before.nodes[:index], changed, *before.nodes[index + 1 :]))).graph)
    assert len(seen) == len(before.nodes) + 1
