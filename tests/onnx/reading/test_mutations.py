"""Broken ONNX files: each is read as a valid graph or refused, in time, and none is changed.

Some in every run of the tests; a thousand with `make test-all`.
"""

import random

import onnx
import pytest
from onnx import AttributeProto

from resnet_gen.graph.counts import count
from resnet_gen.onnx.reading import read
from resnet_gen.problems import Refused
from tests.helpers.limits import within
from tests.onnx.reading.models import SHALLOW, network, structure

FILES = [250, pytest.param(1000, marks=pytest.mark.long)]
KEPT_AS_THEY_STAND = 5
"""Every so many files are also read with what is not explained kept as it stands, which takes a process."""
LIMIT = 2.0
NETWORKS = {
    "resnet50": (SHALLOW, "stages.attention=se", "input.size=64"),
    "resnet50d": (SHALLOW, "stages.attention=eca", "antialias=blur", "input.size=64", "activation=gelu"),
    "resnest50d": (SHALLOW, "input.size=64"),
    "skresnet18": (SHALLOW, "input.size=64", "activation=mish"),
    "res2net50_26w_4s": (SHALLOW, "input.size=64"),
    "resnetv2_50x1_bit": (SHALLOW, "input.size=64", "activation=hard_swish"),
    "cbam-resnet50": (SHALLOW, "input.size=64"),
    "cifar-resnet20": ("stages.depths=[1, 1, 1]",),
}
OPERATORS = (
    "Relu Conv Add Mul Reshape Loop If Clip Softmax Concat ReduceSum Shape Cast Transpose Pad Slice Split Squeeze"
)
OPERATORS = [*OPERATORS.split(), "Gather", "Identity", ""]
INTEGERS = [0, -1, 1, 2, 3, 7, 1 << 33, -(1 << 62)]


def flip(draw, data):
    found = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        found[draw.randrange(len(found))] ^= 1 << draw.randrange(8)
    return bytes(found)


def cut(draw, data):
    return data[: draw.randrange(len(data))]


def of_model(change):
    """A change of the parsed model; bytes that are none any more stay as they are."""

    def changed(draw, data):
        try:
            model = onnx.ModelProto.FromString(data)
        except Exception:  # an earlier change broke it
            return data
        if model.graph.node and model.graph.initializer:
            change(draw, model.graph)
        return model.SerializeToString()

    return changed


def drop(draw, g):
    del g.node[draw.randrange(len(g.node))]


def reorder(draw, g):
    nodes = list(g.node)
    first, second = draw.randrange(len(nodes)), draw.randrange(len(nodes))
    nodes[first], nodes[second] = nodes[second], nodes[first]
    del g.node[:]
    g.node.extend(nodes)


def duplicate(draw, g):
    g.node.insert(draw.randrange(len(g.node)), draw.choice(g.node))


def attribute(draw, g):
    found = draw.choice([a for node in g.node for a in node.attribute] or [AttributeProto()])
    if found.type == AttributeProto.INT:
        found.i = draw.choice(INTEGERS)
    elif found.type == AttributeProto.INTS and found.ints and draw.random() < 0.7:
        found.ints[draw.randrange(len(found.ints))] = draw.choice(INTEGERS)
    elif found.type == AttributeProto.INTS:
        found.ints.append(1)
    elif found.type == AttributeProto.FLOAT:
        found.f = draw.choice([0.0, -1.0, float("nan"), float("inf"), 1e38])
    else:
        found.s = draw.choice([b"", b"SAME_UPPER", b"edge", b"\xff"])


def dimensions(draw, g):
    tensor = draw.choice(g.initializer)
    if tensor.dims and draw.random() < 0.8:
        tensor.dims[draw.randrange(len(tensor.dims))] = draw.choice(INTEGERS)
    else:
        tensor.dims.append(draw.choice([0, 1, 2]))
    if draw.random() < 0.5:
        tensor.ClearField("raw_data")


def operator(draw, g):
    draw.choice(g.node).op_type = draw.choice(OPERATORS)


def wire(draw, g):
    node = draw.choice(g.node)
    if node.input:
        names = [draw.choice(g.node).output[0], draw.choice(g.initializer).name, "", "nobody", g.input[0].name]
        node.input[draw.randrange(len(node.input))] = draw.choice(names)


def given(draw, g):
    tensor = g.input[0].type.tensor_type
    if draw.random() < 0.7 and tensor.shape.dim:
        tensor.shape.dim[draw.randrange(len(tensor.shape.dim))].dim_value = draw.choice([*INTEGERS, 33])
    else:
        tensor.elem_type = draw.randrange(25)


def element_type(draw, g):
    draw.choice(g.initializer).data_type = draw.randrange(26)


def external(draw, g):
    tensor = draw.choice(g.initializer)
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    tensor.external_data.add(key="location", value=draw.choice(["../../etc/passwd", "/etc/passwd", "x", "", "\0"]))
    tensor.external_data.add(key="offset", value=draw.choice(["0", "-1", "99999999999", "x"]))


OF_MODELS = (drop, reorder, duplicate, attribute, dimensions, operator, wire, given, element_type, external)
CHANGES = [flip, cut, *(of_model(change) for change in OF_MODELS)]


def outcome(path, partial):
    """Whether a file is read; what is read is whole."""
    try:
        found = read(path, partial=partial)
    except Refused as refused:
        said = str(refused)
        found = None
    if found is None:
        assert str(path) in said
        return False
    made = {found.graph.input.name}
    for node in found.graph.nodes:
        assert made >= {value.name for value in node.inputs}
        assert node.output.name not in made
        assert node.op.shape(*node.input_shapes) == node.shape
        made.add(node.output.name)
    assert made >= {value.name for value in found.graph.outputs}
    assert count(found.graph).macs >= 0
    return True


@pytest.mark.parametrize("files", FILES)
def test_every_broken_file_is_read_or_refused(files, tmp_path):
    whole = []
    for name, settings in NETWORKS.items():
        whole.append(structure(*network(name, *settings), tmp_path / "n.onnx").read_bytes())
    draw, path = random.Random(20260), tmp_path / "n.onnx"
    results = []
    for index in range(files):
        data = draw.choice(whole)
        for _ in range(draw.choice([1, 1, 2, 3])):
            data = draw.choice(CHANGES)(draw, data)
        path.write_bytes(data)
        for partial in (False, True) if index % KEPT_AS_THEY_STAND == 0 else (False,):
            with within(LIMIT):
                results.append(outcome(path, partial))
        assert path.read_bytes() == data
    assert 10 < sum(results) < len(results) - 10, "changes that are all noticed, or none, test nothing"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["n.onnx"]
