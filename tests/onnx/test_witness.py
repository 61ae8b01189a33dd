"""An emitted ONNX file that was changed in any of these ways is no longer the graph's, and the witness says so."""

from importlib import import_module

import onnx
import onnx_graphsurgeon as gs
import pytest
from onnx import TensorProto

from resnet_gen import ops
from resnet_gen.build.build import onnx_file
from resnet_gen.build.passes import prepare
from resnet_gen.build.request import Request
from resnet_gen.language.load import load
from resnet_gen.onnx.witness import FileLayer, WitnessError, check_layers, list_layers
from resnet_gen.onnx.witness.model import check_onnx
from tests.helpers.varied import EVERY

NARROW = ("input.size=32", "stages.widths=[8, 16, 32, 64]", "stem.width=8", "head.classes=10", "reference=null")


@pytest.fixture(scope="module")
def emitted():
    """A narrow ResNet-18 as graph and whole model."""
    loaded = load("resnet18", NARROW)
    network = prepare(loaded, Request())
    model = onnx.ModelProto.FromString(b"".join(onnx_file(loaded, network, Request()).chunks()))
    return network.graph, model


@pytest.fixture
def graph(emitted):
    return emitted[0]


@pytest.fixture
def model(emitted):
    """A copy to be damaged."""
    copy = onnx.ModelProto()
    copy.CopyFrom(emitted[1])
    return copy


def node(model, name):
    return next(n for n in model.graph.node if n.name == name)


def tensor(model, name):
    return next(t for t in model.graph.initializer if t.name == name)


def bypass(model, name):
    """Drop a node; what read it reads its input."""
    dropped = node(model, name)
    for reader in model.graph.node:
        for i, value in enumerate(reader.input):
            if value == dropped.output[0]:
                reader.input[i] = dropped.input[0]
    model.graph.node.remove(dropped)


def reread(model, old, new):
    """Let every node read `new` in place of `old`."""
    for reader in model.graph.node:
        for i, value in enumerate(reader.input):
            if value == old:
                reader.input[i] = new


def complaint(graph, model):
    with pytest.raises(WitnessError) as caught:
        check_onnx(graph, model.SerializeToString())
    return str(caught.value)


def test_an_untouched_file_passes(graph, model):
    check_onnx(graph, model.SerializeToString())


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("fold", [False, True], ids=["kept", "folded"])
def test_every_shipped_network_passes_without_its_data(name, fold):
    loaded = load(name)
    request = Request(fold=fold)
    network = prepare(loaded, request)
    check_onnx(network.graph, onnx_file(loaded, network, request).structure())


def test_layers_are_the_convolutions_and_linear_layers_in_order(graph):
    found = list_layers(graph)
    assert found[0] == FileLayer("conv1", "conv", (8, 16, 16), "float32")
    assert found[-1] == FileLayer("fc", "linear", (10,), "float32")
    assert len(found) == 1 + 16 + 3 + 1


def test_a_missing_layer_is_noticed(graph, model):
    bypass(model, "layer1.0.conv2")
    assert complaint(graph, model).startswith("ONNX: layer 2 is Layer(name='layer1.1.conv1'")


def test_an_operator_that_does_not_exist_is_noticed(graph, model):
    node(model, "relu").op_type = "Rely"
    assert complaint(graph, model) == "ONNX: no shape follows for 'layer1.0.conv1'"


def test_a_missing_last_layer_is_noticed(graph, model):
    bypass(model, "fc")
    assert "layer 20 is None" in complaint(graph, model)


def test_an_additional_layer_is_noticed(graph, model):
    extra = model.graph.node.add()
    extra.CopyFrom(node(model, "layer1.0.conv1"))
    extra.name, extra.output[0] = "more", "more"
    assert "layer 21 is Layer(name='more'" in complaint(graph, model)


def test_a_missing_norm_is_noticed(graph, model):
    bypass(model, "layer1.0.bn2")
    assert "the graph has ('layer1.0.bn2.weight', (8,))" in complaint(graph, model)


def test_a_renamed_layer_is_noticed(graph, model):
    node(model, "layer2.0.conv2").name = "other"
    assert "Layer(name='other'" in complaint(graph, model)


def test_a_renamed_parameter_is_noticed(graph, model):
    reread(model, "fc.bias", "b")
    tensor(model, "fc.bias").name = "b"
    assert "is ('b', (10,)), the graph has ('fc.bias', (10,))" in complaint(graph, model)


def test_a_renamed_output_is_noticed(graph, model):
    node(model, "fc").output[0] = "scores"
    model.graph.output[0].name = "scores"
    assert "output 0 is scores, the graph has logits" in complaint(graph, model)


def test_another_window_of_the_same_output_is_noticed(graph, model):
    tensor(model, "layer1.0.conv2.weight").dims[2:] = [1, 1]
    for attribute in node(model, "layer1.0.conv2").attribute:
        if attribute.name in ("kernel_shape", "pads"):
            attribute.ints[:] = [1, 1] if attribute.name == "kernel_shape" else [0] * 4
    assert "layer1.0.conv2.weight', (8, 8, 1, 1))" in complaint(graph, model)


@pytest.mark.parametrize("name", ["layer1.0.conv2.weight", "fc.weight", "fc.bias", "bn1.running_var"])
def test_a_parameter_of_another_shape_is_noticed(graph, model, name):
    tensor(model, name).dims[0] += 1
    assert complaint(graph, model)


def test_another_stride_is_noticed(graph, model):
    for name in ("layer2.0.conv1", "layer2.0.downsample.0"):
        next(a for a in node(model, name).attribute if a.name == "strides").ints[:] = [1, 1]
    assert "layer 5 is Layer(name='layer2.0.conv1', kind='conv', shape=(16, 8, 8)" in complaint(graph, model)


def test_another_input_size_is_noticed(graph, model):
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 64
    assert "shape=(8, 16, 32)" in complaint(graph, model)


def test_one_parameter_of_another_type_is_noticed(graph, model):
    tensor(model, "fc.weight").data_type = TensorProto.FLOAT16
    assert "inconsistent type tensor(float16)" in complaint(graph, model)


def test_a_whole_network_of_another_type_is_noticed(graph, model):
    for each in model.graph.initializer:
        each.data_type = TensorProto.FLOAT16
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    assert "dtype='float16'" in complaint(graph, model)


def test_a_missing_bias_is_noticed(graph, model):
    node(model, "fc").input.pop()
    model.graph.initializer.remove(tensor(model, "fc.bias"))
    assert "is None, the graph has ('fc.bias', (10,))" in complaint(graph, model)


def test_a_parameter_that_is_not_there_is_noticed(graph, model):
    model.graph.initializer.remove(tensor(model, "fc.bias"))
    assert "('fc.bias', ())" in complaint(graph, model)


def test_an_additional_parameter_of_a_layer_is_noticed(graph, model):
    model.graph.initializer.add(name="layer1.0.conv1.bias", dims=[8], data_type=TensorProto.FLOAT)
    node(model, "layer1.0.conv1").input.append("layer1.0.conv1.bias")
    assert "('layer1.0.conv1.bias', (8,))" in complaint(graph, model)


def test_a_parameter_that_nothing_reads_is_noticed(graph, model):
    model.graph.initializer.add(name="left", dims=[8], data_type=TensorProto.FLOAT)
    assert complaint(graph, model) == "ONNX: nothing reads ['left']"


def test_two_layers_that_share_one_weight_are_noticed(graph, model):
    node(model, "layer1.0.conv2").input[1] = "layer1.0.conv1.weight"
    assert "('layer1.0.conv1.weight', (8, 8, 3, 3)), the graph has ('layer1.0.conv2" in complaint(graph, model)


def test_exchanged_parameters_of_a_norm_are_noticed(graph, model):
    reads = node(model, "bn1").input
    reads[1], reads[2] = reads[2], reads[1]
    assert "is ('bn1.bias', (8,)), the graph has ('bn1.weight', (8,))" in complaint(graph, model)


def test_macs_that_an_operation_counts_wrongly_are_noticed(graph, model, monkeypatch):
    monkeypatch.setattr(ops.Linear, "macs", lambda self, *inputs: 1)
    assert "MACs, the graph has" in complaint(graph, model)


def test_parameters_that_are_counted_wrongly_are_noticed(graph, model, monkeypatch):
    monkeypatch.setattr(import_module("resnet_gen.graph.counts"), "params", lambda node: 1)
    assert "parameters and buffers, the graph has" in complaint(graph, model)


def test_an_edit_with_graphsurgeon_is_noticed_and_a_round_trip_is_not(graph, model):
    surgeon = gs.import_onnx(model)
    check_onnx(graph, gs.export_onnx(surgeon))
    bias = next(n for n in surgeon.nodes if n.name == "fc").inputs.pop()
    surgeon.cleanup()
    assert bias.name not in surgeon.tensors()
    assert "is None, the graph has ('fc.bias', (10,))" in complaint(graph, gs.export_onnx(surgeon))


def test_layers_found_elsewhere_are_compared_one_by_one(graph):
    found = list_layers(graph)
    check_layers(graph, found, "there")
    with pytest.raises(WitnessError, match="there: layer 0 is"):
        check_layers(graph, found[1:], "there")
