"""Functions that a file defines are what its nodes call, not operators of that name; what is open is refused."""

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

from resnet_gen.graph.counts import count
from resnet_gen.graph.matching import match
from resnet_gen.onnx.reading import NotExplained, Opaque, read
from resnet_gen.problems import Refused
from tests.helpers.onnx_runs import TINY
from tests.onnx.reading.models import Hand, file, network

NETWORKS = ("relu", "gelu", "mish", "hard_swish")
"""Activations of small networks, which are spelled out by many operators."""
OWN, FOREIGN = ("", "ai.onnx"), ("com.microsoft", "of.its.own", "ai.onnx.ml")


@pytest.fixture(scope="module", params=NETWORKS)
def made(request, tmp_path_factory):
    """A network's model, and a folder."""
    folder = tmp_path_factory.mktemp("foreign")
    graph, weights = network(TINY, f"activation={request.param}", "stages.attention={kind: se, rd_ratio: 0.5}")
    return onnx.load(file(graph, weights, folder / "n.onnx")), folder


def with_function(model, domain, op_type, overload=""):
    """The model with a function of no node's doing, called as an operator."""
    found = onnx.ModelProto.FromString(model.SerializeToString())
    body = [helper.make_node("Exp", ["a"], ["b"])]
    opsets = [helper.make_opsetid("", 17)]
    found.functions.append(helper.make_function(domain, op_type, ["a"], ["b"], body, opsets, overload=overload))
    return found


def put(model, path):
    path.write_bytes(model.SerializeToString())
    return path


def first(model, op_type):
    """Where the first node of an operator stands, with its name."""
    return next((i, node.name) for i, node in enumerate(model.graph.node) if node.op_type == op_type)


def operators(model):
    return sorted({node.op_type for node in model.graph.node})


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("called", OWN)
@pytest.mark.parametrize("overload", ["", "other"])
@pytest.mark.parametrize("domain", OWN)
def test_a_function_called_as_an_operator_of_onnx_s_is_refused_by_its_name(domain, overload, called, partial, made):
    model, folder = made
    for op_type in operators(model):
        found = with_function(model, domain, op_type, overload)
        for node in found.graph.node:
            node.domain = called
        path = put(found, folder / "f.onnx")
        with pytest.raises(Refused) as refused:
            read(path, partial=partial)
        assert str(refused.value).endswith(
            f", {op_type}: the file has a function 'ai.onnx::{op_type}', "
            "and ONNX an operator: which of them counts is a runtime's choice"
        )


@pytest.mark.parametrize("domain", FOREIGN)
def test_a_function_that_no_node_calls_changes_nothing(domain, made):
    model, folder = made
    plain = read(put(model, folder / "n.onnx"))
    for op_type in operators(model):
        found = read(put(with_function(model, domain, op_type), folder / "f.onnx"))
        assert match(plain.graph, found.graph).same


@pytest.mark.parametrize("domain", FOREIGN)
def test_a_node_that_calls_a_function_is_none_of_our_operations(domain, made):
    model, folder = made
    for op_type in operators(model):
        found = with_function(model, domain, op_type)
        at, name = first(found, op_type)
        found.graph.node[at].domain = domain
        path = put(found, folder / "f.onnx")
        with pytest.raises(NotExplained) as refused:
            read(path)
        why = f"node {at} '{name}', {op_type}: the function '{domain}::{op_type}' of the file"
        assert str(refused.value) == f"{path}: error: {why}"


def test_a_witness_runs_the_function(tmp_path):
    """ONNX's own reference does, where both domains are told apart; ONNX Runtime runs the operator."""
    hand = Hand()
    hand.function("ai.onnx", "Relu", helper.make_node("Neg", ["a"], ["n"]), helper.make_node("Exp", ["n"], ["b"]))
    model = hand.model(hand.node("Relu", "x", domain="ai.onnx"))
    model.opset_import.add(domain="ai.onnx", version=17)
    x = np.ones((1, 4, 8, 8), np.float32)
    np.testing.assert_allclose(ReferenceEvaluator(model).run(None, {"x": x})[0], np.exp(-x), rtol=1e-6)
    for model.opset_import[0].domain in ("ai.onnx", "of.another"):
        with pytest.raises(Refused, match=r"the file has a function 'ai\.onnx::Relu'"):
            read(put(model, tmp_path / "n.onnx"))


def test_a_function_that_is_called_as_a_layer_is_counted_as_none(tmp_path):
    """What it computes is its body's affair."""
    hand = Hand()
    hand.function("of.its.own", "Conv", helper.make_node("Sin", ["a"], ["b"]))
    found = hand.read(tmp_path / "n.onnx", hand.node("Conv", "x", domain="of.its.own"), partial=True)
    (node,) = found.graph.nodes
    assert isinstance(node.op, Opaque)
    assert (node.op.op_type, count(found.graph).macs) == ("of.its.own::Conv", 0)


def strange(path, domain, overload="", hand=None):
    """An operator of another domain, whose result's shape is told."""
    hand = hand or Hand()
    model = hand.model(hand.node("Conv", "x", hand.weight(4, 4, 1, 1), domain=domain, overload=overload))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("t0", onnx.TensorProto.FLOAT, ["N", 4, 8, 8]))
    return read(put(model, path), partial=True).graph


def test_operators_of_two_domains_are_two(tmp_path):
    found = [strange(tmp_path / "n.onnx", *case) for case in (("a",), ("b",), ("a", "other"))]
    assert match(found[0], strange(tmp_path / "n.onnx", "a")).same
    assert not any(match(found[0], other).same for other in found[1:])
    assert [count(graph).macs for graph in found] == [0, 0, 0]


def test_functions_that_call_themselves_or_are_no_text_end_no_program(tmp_path):
    hand, path = Hand(), tmp_path / "n.onnx"
    hand.function("of.its.own", "Conv", helper.make_node("Conv", ["a"], ["b"], domain="of.its.own", overload="WHICH"))
    assert len(strange(path, "of.its.own", "WHICH", hand).nodes) == 1
    path.write_bytes(path.read_bytes().replace(b"WHICH", b"\xff\xfe\xff\xfe\xff"))
    with pytest.raises(Refused, match="not an ONNX file, or damaged"):
        read(path, partial=True)
