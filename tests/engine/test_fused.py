"""Eight bits are fast only where a runtime fuses them: what ONNX Runtime and OpenVINO make of our files."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest

from resnet_gen.build.build import build
from resnet_gen.build.request import BuildBatch, Request
from resnet_gen.engine.runtimes import open_file
from resnet_gen.language.load import load
from resnet_gen.ops.precision import Calibration, QuantizationChoice
from tests.helpers.restrained import on_the_whole_processor

SMALL = ("input.size=64",)
SHALLOW = (*SMALL, "stages.depths=[1, 1, 1, 1]")
NETWORKS = [
    ("resnet18", SMALL, 20, 8),
    ("resnet50", SHALLOW, 17, 4),
    ("wide_resnet50_2", SHALLOW, 17, 4),
    ("resnext50_32x4d", SHALLOW, 17, 4),
    *(
        pytest.param(n, SMALL, 53, 16, marks=pytest.mark.long)
        for n in ("resnet50", "wide_resnet50_2", "resnext50_32x4d")
    ),
]
"""Networks, and how many convolutions and residual sums each has."""


def emitted(folder, name, settings=SMALL, placement="cpu", batch=1):
    how = QuantizationChoice("int8", placement, "float32", Calibration("random", 1))
    build(load(name, settings), Request(precision="int8", batch=BuildBatch(batch), quantizing=how), folder)
    return folder / f"{name}.onnx"


def rewritten(model, folder):
    """The operators of the graph that ONNX Runtime runs."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "rewritten.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(folder / "rewritten.onnx").graph.node)


@pytest.mark.parametrize(("name", "settings", "convs", "sums"), NETWORKS)
def test_onnx_runtime_runs_everything_in_integers(name, settings, convs, sums, tmp_path):
    found = rewritten(emitted(tmp_path, name, settings), tmp_path)
    assert found["QLinearConv"] == convs
    assert found["QLinearAdd"] == sums
    assert found["QLinearGlobalAveragePool"] == found["QGemm"] == 1
    assert not {"Conv", "Add", "Relu", "Gemm", "GlobalAveragePool"} & set(found)
    assert (found["QuantizeLinear"], found["DequantizeLinear"]) == (1, 0)  # the image; logits leave QGemm as floats


def test_onnx_runtime_would_compute_tensorrt_s_placement_in_float(tmp_path):
    """Which is why there are two."""
    found = rewritten(emitted(tmp_path, "resnet18", placement="tensorrt"), tmp_path)
    assert not found["QLinearConv"]
    assert found["Conv"] + found["FusedConv"] == 20


@on_the_whole_processor
@pytest.mark.parametrize(("name", "settings", "count", "_"), NETWORKS)
def test_openvino_runs_every_convolution_in_integers(name, settings, count, _, tmp_path):
    openvino = pytest.importorskip("openvino", reason="openvino is not installed")
    model = emitted(tmp_path, name, settings)
    compiled = openvino.Core().compile_model(str(model), "CPU")
    convs = [op for op in compiled.get_runtime_model().get_ops() if _info(op, "layerType") == "Convolution"]
    assert len(convs) == count
    assert {_info(op, "runtimePrecision") for op in convs} <= {"u8", "i8"}
    sums = [op for op in compiled.get_runtime_model().get_ops() if _info(op, "layerType") == "Eltwise"]
    assert not sums  # each is fused into the convolution before it


NARROW = (*SHALLOW, "stages.depths=[2, 1, 1, 1]", "stages.widths.first=16", "head.classes=10")


@on_the_whole_processor
@pytest.mark.parametrize(("placement", "rounded"), [("openvino", 0), ("cpu", 5)])
def test_openvino_adds_shortcuts_within_convolutions_and_rounds_before_where_it_is_told_to(
    placement, rounded, tmp_path
):
    openvino = pytest.importorskip("openvino", reason="openvino is not installed")
    model = emitted(tmp_path, "resnet18", NARROW, placement, None)
    found = list(openvino.Core().compile_model(str(model), "CPU").get_runtime_model().get_ops())
    convs = [op for op in found if _info(op, "layerType") == "Convolution"]
    assert {_info(op, "runtimePrecision") for op in convs} <= {"u8", "i8"}
    sums = [layers for op in convs if ".add" in (layers := _info(op, "originalLayersNames"))]
    assert len(sums) == 5
    assert sum(".conv2.quantize" in layers for layers in sums) == rounded


def test_openvino_s_placement_is_no_less_exact_than_that_for_both(tmp_path):
    """Weights have seven bits, so that no CPU's sums saturate; ONNX Runtime computes the same, and slowly."""
    loaded = load("resnet18", NARROW)
    x = np.random.default_rng(0).standard_normal((8, 3, 64, 64)).astype(np.float32)
    build(loaded, Request(fold=True), tmp_path / "float")
    wanted = open_file("onnxruntime", tmp_path / "float" / "resnet18.onnx").run(x)["logits"]
    ratios = {}
    for placement in ("cpu", "openvino"):
        how = QuantizationChoice("int8", placement, "float32", Calibration("random", 4), reduce_range=True)
        build(loaded, Request(precision="int8", quantizing=how), tmp_path / placement)
        found = open_file("onnxruntime", tmp_path / placement / "resnet18.onnx").run(x)["logits"]
        ratios[placement] = 10 * np.log10((wanted**2).sum() / ((found - wanted) ** 2).sum())
    assert ratios["openvino"] > max(24, ratios["cpu"] - 1)


def _info(op, key):
    info = op.get_rt_info()
    return str(info[key].astype(str)) if key in info else ""


@pytest.mark.parametrize("name", ["seresnet18", "cbam-resnet50", "ecaresnet50d", "skresnet18", "resnest14d"])
def test_openvino_computes_what_onnx_runtime_does_with_attention(name, tmp_path):
    """Weights have seven bits, so that no CPU's sums saturate."""
    pytest.importorskip("openvino", reason="openvino is not installed")
    loaded = load(name, (*SHALLOW, "head.classes=10"))
    how = QuantizationChoice("int8", "cpu", "float32", Calibration("random", 4), reduce_range=True)
    build(loaded, Request(precision="int8", batch=BuildBatch(2), quantizing=how), tmp_path / "eight")
    build(loaded, Request(fold=True, batch=BuildBatch(2)), tmp_path / "float")
    x = np.random.default_rng(0).standard_normal((2, 3, 64, 64)).astype(np.float32)
    wanted = open_file("onnxruntime", tmp_path / "float" / f"{name}.onnx").run(x)["logits"]
    for runtime in ("onnxruntime", "openvino"):
        found = open_file(runtime, tmp_path / "eight" / f"{name}.onnx").run(x)["logits"]
        assert 10 * np.log10((wanted**2).sum() / ((found - wanted) ** 2).sum()) > 25, runtime
