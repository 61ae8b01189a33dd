"""Files that ONNX Runtime and onnx-graphsurgeon rewrote are read as the networks that they were."""

import onnx
import onnx_graphsurgeon
import onnxruntime
import pytest

from resnet_gen.graph.matching import match
from resnet_gen.onnx.reading import read
from resnet_gen.onnx.writing.messages import IR_OF_OPSET
from resnet_gen.problems import Refused
from tests.helpers.onnx_runs import TOLERANCE
from tests.onnx.reading.models import SHALLOW, file, network, same_outputs

NETWORKS = {
    "resnet50": (SHALLOW, "stages.attention=se", "input.size=64"),
    "resnet50d": (SHALLOW, "stages.attention=eca", "input.size=64", "activation=mish"),
    "resnet50_gn": (SHALLOW, "input.size=64", "activation=gelu"),
    "resnest50d": (SHALLOW, "input.size=64"),
    "res2net50_26w_4s": (SHALLOW, "input.size=64", "activation=hard_swish"),
    "resnetv2_50": (SHALLOW, "input.size=64", "activation=silu"),
    "cifar-resnet20": (),
    "highway-c": (),
}


def optimized(path, level):
    """The file as ONNX Runtime writes it after its optimizations of this level."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, f"ORT_ENABLE_{level}")
    options.optimized_model_filepath = str(path.with_name(f"{level}.onnx"))
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return path.with_name(f"{level}.onnx")


@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_runtime_s_basic_optimizations_are_seen_through(name, tmp_path):
    folded, _ = network(name, *NETWORKS[name], fold=True)
    path = optimized(file(*network(name, *NETWORKS[name]), tmp_path / "n.onnx"), "BASIC")
    found = read(path)
    assert match(folded, found.graph).same
    assert same_outputs(path, found) <= TOLERANCE


@pytest.mark.parametrize("name", NETWORKS)
def test_graphsurgeon_s_folding_of_constants_is_seen_through(name, tmp_path):
    graph, weights = network(name, *NETWORKS[name])
    surgeon = onnx_graphsurgeon.import_onnx(onnx.load(file(graph, weights, tmp_path / "n.onnx")))
    path = tmp_path / "folded.onnx"
    model = onnx_graphsurgeon.export_onnx(surgeon.fold_constants().cleanup().toposort())
    model.ir_version = IR_OF_OPSET[surgeon.opset]  # it takes the newest that onnx has, which a runtime may not read
    onnx.save(model, path)
    found = read(path)
    assert match(graph, found.graph).same
    assert same_outputs(path, found) <= TOLERANCE


def test_operators_of_onnx_runtime_alone_are_refused_by_name(tmp_path):
    path = optimized(file(*network("resnet50", *NETWORKS["resnet50"]), tmp_path / "n.onnx"), "EXTENDED")
    with pytest.raises(Refused) as refused:
        read(path)
    message = "node 0 'conv1', FusedConv: an operator of the domain 'com.microsoft'"
    assert str(refused.value) == f"{path}: error: {message}"
