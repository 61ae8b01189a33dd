"""What is none of our operations can be kept as it stands: with its shape, weights and attributes."""

import os

import numpy as np
import pytest
from onnx import TensorProto

from resnet_gen.graph.counts import count
from resnet_gen.onnx.reading import NotExplained, Opaque, shape_inference
from resnet_gen.ops import Activation, Conv, Linear
from resnet_gen.problems import Refused
from tests.onnx.reading.models import Hand


def partly(hand, path, *outputs):
    """The nodes of the file, as they are read partly; strictly it is refused."""
    with pytest.raises(NotExplained):
        hand.read(path, *outputs)
    return hand.read(path, *outputs, partial=True).graph


def test_a_rectangular_convolution_is_counted(tmp_path):
    hand = Hand()
    y = hand.node("Conv", "x", hand.weight(6, 4, 1, 3, name="conv.weight"), hand.weight(6), pads=[0, 1, 0, 1])
    graph = partly(hand, tmp_path / "n.onnx", hand.node("Relu", y))
    (first, second) = graph.nodes
    assert (first.name, first.shape) == ("conv", (6, 8, 8))
    assert (first.op.op_type, first.op.settings) == ("Conv", "pads=[0, 1, 0, 1]")
    assert [(t.role, t.shape) for t in first.tensors] == [("weight", (6, 4, 1, 3)), ("bias", (6,))]
    assert count(graph).macs == 6 * 8 * 8 * 4 * 3
    assert count(graph).params == 6 * 4 * 3 + 6
    assert second.op == Activation("relu")


def test_a_linear_layer_of_positions_is_counted(tmp_path):
    hand = Hand()
    graph = partly(hand, tmp_path / "n.onnx", hand.node("MatMul", "x", hand.weight(8, 5)))
    assert count(graph).macs == 4 * 8 * 5 * 8
    hand = Hand()
    flat = hand.node("Flatten", hand.node("GlobalAveragePool", "x"))
    y = hand.node("Gemm", hand.node("Tan", flat), hand.weight(3, 4), transB=1)
    graph = partly(hand, tmp_path / "n.onnx", y)
    assert [type(node.op) for node in graph.nodes][-2:] == [Opaque, Linear]


def test_constants_are_told_among_the_settings(tmp_path):
    hand = Hand()
    y = hand.node("Clip", "x", hand.constant(0.0), hand.constant(6.0), name="/features/features.0/Clip")
    (node,) = partly(hand, tmp_path / "n.onnx", y).nodes
    assert (node.name, node.op) == ("features.0", Opaque("Clip", "input1=0.0, input2=6.0", (4, 8, 8)))


def test_numbers_that_are_left_out_are_told_as_such(tmp_path):
    hand = Hand()
    hand.constants.append(TensorProto(name="absent", data_type=TensorProto.FLOAT, dims=[1]))
    (node,) = partly(hand, tmp_path / "n.onnx", hand.node("Mul", "x", "absent")).nodes
    assert node.op.settings == "input1=?"


def test_attributes_of_every_kind_are_told(tmp_path):
    hand = Hand()
    y = hand.node("LpPool", "x", kernel_shape=[2, 2], auto_pad="VALID", p=2)
    y = hand.node("Selu", y, alpha=1.5)
    first, second = partly(hand, tmp_path / "n.onnx", y).nodes
    assert first.op.settings == "auto_pad=VALID, kernel_shape=[2, 2], p=2"
    assert second.op.settings == "alpha=1.5"


def test_what_waited_is_kept_where_the_next_node_does_not_take_it(tmp_path):
    """The product with a number belongs to no activation: it is kept, and the convolution behind it read."""
    hand = Hand()
    scaled = hand.node("Mul", hand.node("Sigmoid", "x"), hand.constant(2.0))
    graph = partly(hand, tmp_path / "n.onnx", hand.node("Conv", scaled, hand.weight(4, 4, 1, 1)))
    ops = [node.op for node in graph.nodes]
    assert ops == [Activation("sigmoid"), Opaque("Mul", "input1=2.0", (4, 8, 8)), Conv(4, 1)]


def test_quantization_that_is_not_undone_is_kept(tmp_path):
    hand = Hand()
    kept = hand.node("QuantizeLinear", hand.node("Relu", "x"), hand.constant(0.5), name="eight")
    back = hand.node("DequantizeLinear", kept, hand.constant(0.25), hand.constant(7, dtype=np.uint8), name="more")
    graph = partly(hand, tmp_path / "n.onnx", hand.node("Sigmoid", back))
    first, second = (node.op for node in graph.nodes if isinstance(node.op, Opaque))
    assert (first.op_type, second.op_type) == ("QuantizeLinear", "DequantizeLinear")
    assert first.settings.endswith("input1=0.5")
    assert second.settings.endswith("input1=0.25, input2=7 uint8")


def test_what_stands_side_by_side_at_the_end_is_kept(tmp_path):
    hand = Hand()
    stack = hand.node("Concat", *(hand.node("Unsqueeze", name, hand.integers(1)) for name in ("x", "x")), axis=1)
    graph = partly(hand, tmp_path / "n.onnx", stack)
    assert graph.outputs[0].shape == (2, 4, 8, 8)


def test_several_results_are_nodes_of_their_own_and_weights_count_once(tmp_path):
    hand = Hand()
    first = hand.node("Split", "x", outputs=2, axis=2)
    graph = partly(hand, tmp_path / "n.onnx", first, f"{first}.1")
    assert [node.op.result for node in graph.nodes] == [(4, 4, 8), (4, 4, 8)]
    assert len({node.name for node in graph.nodes}) == 2


def test_a_network_of_constants_alone_is_refused(tmp_path):
    hand, path = Hand(), tmp_path / "n.onnx"
    y = hand.node("Relu", hand.node("NonZero", hand.weight(4)))
    with pytest.raises(Refused) as refused:
        hand.read(path, y, partial=True)
    message = "node 0, NonZero: it is none of our operations, and reads no activation"
    assert str(refused.value) == f"{path}: error: {message}"


def test_what_has_no_shape_is_refused(tmp_path):
    hand, path = Hand(), tmp_path / "n.onnx"
    with pytest.raises(Refused) as refused:
        hand.read(path, hand.node("NonZero", "x"), partial=True)
    assert str(refused.value) == f"{path}: error: node 0, NonZero: no shape follows for 't0'"


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (
            lambda h: h.node("ReduceSum", "x", keepdims=0),
            "node 0, ReduceSum: it reduces all axes, the batch among them",
        ),
        (
            lambda h: h.node("Reshape", "x", h.integers(256)),
            "node 0, Reshape: the batch does not stay the first dimension",
        ),
        (
            lambda h: h.node("Reshape", h.node("Mul", h.node("Sigmoid", "x"), h.constant(2.0)), h.integers(256)),
            "node 2, Reshape: the batch does not stay the first dimension",
        ),
    ],
)
def test_what_has_no_shape_behind_the_batch_is_refused_as_when_it_is_read_whole(model, why, tmp_path):
    hand, path = Hand(), tmp_path / "n.onnx"
    outputs = model(hand)
    for partial in (False, True):
        with pytest.raises(Refused) as refused:
            hand.read(path, outputs, partial=partial)
        assert str(refused.value) == f"{path}: error: {why}"


def test_an_inference_that_ends_its_process_leaves_no_shape(tmp_path, monkeypatch):
    monkeypatch.setattr(shape_inference, "_shapes", lambda message: os._exit(3))
    assert shape_inference.infer_shapes(Hand().model()) == {}


def test_an_inference_that_fails_leaves_no_shape():
    assert shape_inference._shapes(b"no model") == {}
    hand = Hand()
    hand.node("Relu", "x")
    assert shape_inference._shapes(hand.model("t0").SerializeToString()) == {"t0": (4, 8, 8)}


def test_shapes_are_inferred_in_a_process_of_its_own(tmp_path):
    hand = Hand()
    hand.node("Conv", "x", hand.constant(np.ones((6, 4, 3, 3))))
    assert shape_inference.infer_shapes(hand.model("t0")) == {"t0": (6, 6, 6)}
