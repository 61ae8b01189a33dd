"""Nodes that are none of ours, with attributes of any type and any fields: told, and never a traceback."""

import itertools
import random

import pytest
from onnx import AttributeProto, TensorProto, helper

from resnet_gen.compare.difference.sides import load_side
from resnet_gen.infer.recovery import recover_spec
from resnet_gen.onnx.reading import Opaque, read
from resnet_gen.problems import Problem, Refused
from tests.helpers.varied import spread
from tests.onnx.reading.models import Hand

KINDS = [*AttributeProto.AttributeType.values(), 99]
GRAPH = helper.make_graph([], "inner", [], [])
FIELDS = {
    "f": 0.1, "i": -3, "s": b"\xff\x00text", "t": helper.make_tensor("t", TensorProto.FLOAT, [2], [1, 2]), "g": GRAPH,
    "tp": helper.make_tensor_type_proto(1, [2]), "floats": [0.5, float("nan")], "ints": [1, 2],
    "strings": [b"a", b"\xfe"],
    "tensors": [helper.make_tensor("t", TensorProto.INT64, [1], [1])], "graphs": [GRAPH], "ref_attr_name": "other",
    "doc_string": "words",
}  # fmt: skip


def odd(kind, fields, name="a"):
    """An attribute of a type by its number, with whatever fields."""
    found = AttributeProto(name=name)
    for field in fields:
        value = FIELDS[field]
        if isinstance(value, list):
            getattr(found, field).extend(value)
        elif hasattr(value, "SerializeToString"):
            getattr(found, field).CopyFrom(value)
        else:
            setattr(found, field, value)
    unknown = b"" if kind == AttributeProto.UNDEFINED else b"\xa0\x01" + bytes([kind])  # field 20, a number below 128
    return AttributeProto.FromString(found.SerializeToString() + unknown)


def file(folder, attributes, op_type="Hardmax"):
    hand, path = Hand(), folder / "a.onnx"
    node = hand.node(op_type, "x")
    hand.nodes[-1].attribute.extend(attributes)
    return hand.write(path, hand.node("Relu", node))


def opened(path):
    """A file as each command reads it: told, or refused in words."""
    try:
        found = read(path, partial=True)
        assert load_side(str(path)).graph == found.graph
    except Refused:
        return None
    assert isinstance(recover_spec(path), Problem)
    return next(node.op for node in found.graph.nodes if isinstance(node.op, Opaque))


@pytest.mark.parametrize(("kind", "field"), spread(itertools.product(KINDS, [None, *FIELDS]), 45))
def test_an_attribute_of_any_type_with_any_field_is_told(kind, field, tmp_path):
    path = file(tmp_path, [odd(kind, [field] if field else [])])
    op = opened(path)
    assert op is None or "a=" in op.settings


@pytest.mark.parametrize("files", [6, pytest.param(60, marks=pytest.mark.long)])
@pytest.mark.parametrize("op_type", ["Hardmax", "NoSuchOperator", "If", "Constant"])
def test_many_odd_attributes_at_once_are_told(op_type, files, tmp_path):
    draw = random.Random(op_type)
    for _ in range(files):
        attributes = [
            odd(
                draw.choice(KINDS),
                draw.sample(list(FIELDS), draw.randrange(4)),
                name=draw.choice(["a", "", "axis", "\x1b"]),
            )
            for _ in range(draw.randrange(5))
        ]
        opened(file(tmp_path, attributes, op_type))


def test_attributes_that_differ_are_told_apart(tmp_path):
    settings = {
        opened(file(tmp_path, [odd(kind, [field])])).settings
        for kind, field in (
            (1, "f"),
            (2, "i"),
            (3, "s"),
            (4, "t"),
            (5, "g"),
            (6, "floats"),
            (7, "ints"),
            (8, "strings"),
        )
    }
    assert len(settings) == 8
