"""Nodes are called after a file's weights, else after the module that they were exported from, else after its nodes."""

from onnx import StringStringEntryProto

from tests.onnx.reading.models import Hand


def named(tmp_path, hand, *outputs):
    """The names of the nodes that are read, and what they are called after."""
    found = hand.read(tmp_path / "n.onnx", *outputs)
    return [node.name for node in found.graph.nodes], found.names


def scoped(hand, scopes):
    """Give the last node the scopes that the dynamo exporter writes."""
    hand.nodes[-1].metadata_props.append(StringStringEntryProto(key="pkg.torch.onnx.name_scopes", value=str(scopes)))


def test_weights_come_first(tmp_path):
    hand = Hand()
    y = hand.node("Conv", "x", hand.weight(4, 4, 1, 1, name="layer1.0.conv1.weight"), name="/layer9/Conv")
    assert named(tmp_path, hand, y) == (["layer1.0.conv1"], {"weights": 1})


def test_a_weight_is_called_as_the_node_reads_it(tmp_path):
    """The legacy exporter keeps one copy of equal weights, behind Identity nodes that have their own names."""
    hand = Hand()
    hand.weight(4, 4, 1, 1, name="conv1.weight")
    hand.node("Identity", "conv1.weight")
    hand.nodes[-1].output[0] = "conv2.weight"
    y = hand.node("Conv", hand.node("Conv", "x", "conv1.weight"), "conv2.weight")
    assert named(tmp_path, hand, y)[0] == ["conv1", "conv2"]


def test_a_weight_that_two_layers_share_gives_its_name_once(tmp_path):
    hand = Hand()
    weight = hand.weight(4, 4, 1, 1, name="conv.weight")
    found = hand.read(tmp_path / "n.onnx", hand.node("Conv", hand.node("Conv", "x", weight), weight))
    assert list(found.graph.state()) == ["conv.weight", "conv_1.weight"]
    assert (found.weights.rows("conv.weight", 0, 4) == found.weights.rows("conv_1.weight", 0, 4)).all()


def test_scopes_of_the_legacy_exporter(tmp_path):
    hand = Hand()
    first = hand.node("Conv", "x", hand.weight(4, 4, 1, 1, name="onnx::Conv_7"), name="/layer1/layer1.0/conv1/Conv")
    y = hand.node("Relu", first, name="/layer1/layer1.0/relu/Relu")
    y = hand.node("Conv", y, hand.weight(4, 4, 1, 1), name="/layer1/layer1.0/downsample/downsample.0/Conv")
    y = hand.node("Add", y, first, name="/layer1/layer1.0/Add")
    y = hand.node("Relu", y, name="/layer1/layer1.0/relu_1/Relu")
    y = hand.node("Flatten", y, name="/Flatten")
    names, after = named(tmp_path, hand, y)
    block = [f"layer1.0.{name}" for name in ("conv1", "relu", "downsample.0", "add", "relu_1")]
    assert names == [*block, "flatten"]
    assert after == {"scopes": 5, "nodes": 1}


def test_scopes_of_the_dynamo_exporter(tmp_path):
    hand = Hand()
    y = hand.node("Conv", "x", hand.weight(4, 4, 1, 1, name="val_3"), name="node_conv2d_3")
    scoped(hand, ["", "layer1", "layer1.0", "layer1.0.conv1", "conv2d_3"])
    y = hand.node("Relu", y, name="node_relu_5")
    scoped(hand, ["", "layer1", "layer1.0", "layer1.0.relu", "relu_5"])
    y = hand.node("Relu", y, name="node_relu_6")
    scoped(hand, ["", "layer1", "layer1.0", "layer1.0.relu", "relu_6"])
    y = hand.node("Relu", y, name="node_relu_7")
    scoped(hand, ["relu_7"])
    assert named(tmp_path, hand, y)[0] == ["layer1.0.conv1", "layer1.0.relu", "layer1.0.relu_1", "node_relu_7"]


def test_nodes_that_have_no_name_are_called_after_their_operator(tmp_path):
    hand = Hand()
    y = hand.node("Relu", hand.node("Relu", "x"))
    assert named(tmp_path, hand, y) == (["relu", "relu_1"], {"nodes": 2})


def test_an_output_keeps_its_name_where_no_other_value_has_it(tmp_path):
    hand, path = Hand(), tmp_path / "n.onnx"
    found = hand.read(path, hand.node("Relu", "x", name="t7"), hand.node("Sigmoid", "x", name="t0"))
    assert [node.name for node in found.graph.nodes] == ["t7", "t0"]
    assert [value.name for value in found.graph.outputs] == ["t7", "t1"]
