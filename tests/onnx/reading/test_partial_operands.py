"""Nodes that are kept as they stand differ by all that decides what they compute, but for the numbers of weights."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from resnet_gen.graph.counts import count
from resnet_gen.graph.matching import match
from resnet_gen.onnx.reading import Opaque
from tests.onnx.reading.models import Hand

COLUMN = (1, 4, 1, 1)


def array(h, *shape):
    return h.constant(np.ones(shape or COLUMN))


def halves(h, first, second):
    h.node("Split", "x", outputs=2, axis=2)
    return h.node("Sub", *(f"t0{name}" for name in (first, second)))


def half(h, name):
    h.node("Split", "x", outputs=2, axis=2)
    return h.node("Relu", f"t0{name}")


def resized(h, scale):
    return h.node("Resize", "x", "", h.constant([1, 1, scale, scale]), mode="nearest")


def cropped(h, last):
    """A region of interest, of which the last number is another."""
    region = h.constant([0] * 4 + [1, 1, 1, last])
    return h.node(
        "Resize", "x", region, "", h.integers(1, 4, 8, 8), coordinate_transformation_mode="tf_crop_and_resize"
    )


def gathered(h, *rows):
    return h.node("Gather", "x", h.integers(*rows), axis=2)


def quantized_to(h, dtype):
    return h.node("Cast", h.node("QuantizeLinear", "x", h.constant(0.5), h.constant(0, dtype=dtype)), to=1)


def by_channels(h, *scales):
    zeros = h.constant([0] * 4, dtype=np.uint8)
    return h.node("Cast", h.node("QuantizeLinear", "x", h.constant(scales), zeros), to=1)


def chosen(h, *where):
    return h.node("Where", h.constant([[where]], dtype=bool), "x", array(h))


def scanned(h, op_type, domain=""):
    """One channel after the other."""
    given, made = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 8, 8]) for name in "ef")
    body = helper.make_graph([helper.make_node(op_type, ["e"], ["f"], domain=domain)], "body", [given], [made])
    return h.node("Scan", "x", body=body, num_scan_inputs=1, scan_input_axes=[1], scan_output_axes=[1])


def called(h, op_type, domain="of.its.own", name="Own"):
    """A function of one node."""
    h.function(domain, name, helper.make_node(op_type, ["a"], ["b"]))
    return h.node(name, "x", domain=domain)


def overloaded(h, which):
    for overload, op_type in (("one", "Sin"), ("two", "Cos")):
        h.function("of.its.own", "Own", helper.make_node(op_type, ["a"], ["b"]), overload=overload)
    return h.node("Own", "x", domain="of.its.own", overload=which)


def nested(h, op_type, graph=False):
    """A function that calls another, which calls the one that differs; or a graph that does."""
    h.function("of.its.own", "Inner", helper.make_node(op_type, ["a"], ["b"]))
    h.function("of.its.own", "Own", helper.make_node("Inner", ["a"], ["b"], domain="of.its.own"))
    return scanned(h, "Own", "of.its.own") if graph else h.node("Own", "x", domain="of.its.own")


TWINS = {
    "a difference turned": (lambda h: h.node("Sub", "x", array(h)), lambda h: h.node("Sub", array(h), "x")),
    "a quotient turned": (lambda h: h.node("Div", "x", array(h)), lambda h: h.node("Div", array(h), "x")),
    "a power turned": (lambda h: h.node("Pow", "x", array(h)), lambda h: h.node("Pow", array(h), "x")),
    "channels of a constant before or behind": (
        lambda h: h.node("Concat", "x", array(h, 1, 2, 8, 8), axis=1),
        lambda h: h.node("Concat", array(h, 1, 2, 8, 8), "x", axis=1),
    ),
    "a comparison turned": (
        lambda h: h.node("Cast", h.node("Less", "x", array(h)), to=1),
        lambda h: h.node("Cast", h.node("Less", array(h), "x"), to=1),
    ),
    "a choice turned": (
        lambda h: h.node("Where", h.node("Greater", "x", h.constant(0.0)), "x", array(h)),
        lambda h: h.node("Where", h.node("Greater", "x", h.constant(0.0)), array(h), "x"),
    ),
    "a product turned": (
        lambda h: h.node("MatMul", "x", h.weight(8, 8)),
        lambda h: h.node("MatMul", h.weight(8, 8), "x"),
    ),
    "halves exchanged": (lambda h: halves(h, "", ".1"), lambda h: halves(h, ".1", "")),
    "the other half": (lambda h: half(h, ""), lambda h: half(h, ".1")),
    "scales of a map": (lambda h: resized(h, 1.5), lambda h: resized(h, 1.55)),
    "a region of a map": (lambda h: cropped(h, 1), lambda h: cropped(h, 0.5)),
    "positions": (lambda h: gathered(h, *range(8), *[0] * 12), lambda h: gathered(h, *range(8), *[1] * 12)),
    "a type to quantize to": (lambda h: quantized_to(h, np.uint8), lambda h: quantized_to(h, np.int8)),
    "scales to quantize by": (lambda h: by_channels(h, 1, 2, 3, 4), lambda h: by_channels(h, 1, 2, 3, 5)),
    "truths": (lambda h: chosen(h, *[1, 0] * 4), lambda h: chosen(h, *[0, 1] * 4)),
    "an attribute beyond six digits": (
        lambda h: h.node("LRN", "x", size=3, bias=1.0),
        lambda h: h.node("LRN", "x", size=3, bias=1.0000002),
    ),
    "a graph of its own": (lambda h: scanned(h, "Sin"), lambda h: scanned(h, "Cos")),
    "a function": (lambda h: called(h, "Sin"), lambda h: called(h, "Cos")),
    "a function of the name of an operator": (
        lambda h: called(h, "Relu", name="Relu"),
        lambda h: called(h, "Exp", name="Relu"),
    ),
    "a function or an operator": (lambda h: called(h, "Sin", name="Sin"), lambda h: h.node("Sin", "x")),
    "a function of two domains": (lambda h: called(h, "Sin"), lambda h: called(h, "Sin", domain="com.microsoft")),
    "a function of two names": (lambda h: called(h, "Sin"), lambda h: called(h, "Sin", name="Sine")),
    "the other of two overloads": (lambda h: overloaded(h, "one"), lambda h: overloaded(h, "two")),
    "a function that a function calls": (lambda h: nested(h, "Sin"), lambda h: nested(h, "Cos")),
    "a function that a graph of its own calls": (
        lambda h: nested(h, "Sin", graph=True),
        lambda h: nested(h, "Cos", graph=True),
    ),
}


def kept(make, path):
    hand = Hand()
    return hand.read(path, make(hand), partial=True).graph


@pytest.mark.parametrize("case", TWINS)
def test_what_decides_the_function_tells_nodes_apart(case, tmp_path):
    one, other = TWINS[case]
    first, second = kept(one, tmp_path / "1.onnx"), kept(other, tmp_path / "2.onnx")
    assert any(isinstance(node.op, Opaque) for node in first.nodes)
    assert [node.shape for node in first.nodes] == [node.shape for node in second.nodes]
    assert match(first, kept(one, tmp_path / "3.onnx")).same
    assert not match(first, second).same


def strange(h, last):
    """A setting of one long word."""
    return h.node("LpPool", "x", kernel_shape=[2, 2], p=2, auto_pad="VALID" + "?" * 100 + last)


def sized(h, last):
    """Settings that are long together."""
    digits = [0.123456789 + n for n in range(15)]
    return h.node("Resize", "x", h.constant([*digits, last]), h.constant([1, 1, 1, 1]), mode="nearest")


@pytest.mark.parametrize(("make", "limit", "one", "other"), [(strange, 100, "a", "b"), (sized, 300, 1, 2)])
def test_settings_that_are_cut_have_a_hash_of_the_whole(make, limit, one, other, tmp_path):
    def settings(last):
        return kept(lambda h: make(h, last), tmp_path / "n.onnx").nodes[0].op.settings

    assert settings(one) == settings(one) != settings(other)
    assert settings(one)[: limit // 2] == settings(other)[: limit // 2]
    assert len(settings(one)) <= limit


def test_dimensions_that_depend_on_the_batch_are_told(tmp_path):
    def make(h):
        batch = h.node("Slice", h.node("Shape", "x"), h.integers(0), h.integers(1))
        return h.node("Reshape", "x", h.node("Concat", batch, h.integers(2, 16, 8), axis=0))

    (node,) = kept(make, tmp_path / "n.onnx").nodes
    assert node.op.settings == "input1=[N, 2, 16, 8]"


def test_a_product_from_the_left_is_counted(tmp_path):
    graph = kept(lambda h: h.node("MatMul", h.weight(5, 8), "x"), tmp_path / "n.onnx")
    assert count(graph).macs == 4 * 5 * 8 * 8
