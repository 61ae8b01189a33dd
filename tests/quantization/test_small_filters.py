"""Eight bits where a filter is small beside its bias: pruned channels, norms that were initialized with zero."""

import functools
import importlib.util
import itertools
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from safetensors.numpy import save_file

from resnet_gen import emit_onnx, load_spec
from resnet_gen.engine.base import Tuning
from resnet_gen.engine.cpu_numerics import has_seven_bits, sums_saturate
from resnet_gen.engine.runtimes import open_file
from resnet_gen.language.lower import lower
from resnet_gen.ops import BatchNorm, Linear
from resnet_gen.weights.initialization import SeededWeights
from tests.helpers.restrained import RESTRAINED
from tests.helpers.varied import spread

SMALL = {"input.size": 16, "head.classes": 5, "stages.depths": [1, 1], "stages.strides": [1, 2]}
NETWORKS = {
    "basic": ("resnet18", {**SMALL, "stem": {"kind": "conv3x3", "width": 8}, "stages.widths": [8, 16]}),
    "grouped": ("resnext50_32x4d", SMALL),
    "depthwise": ("resnext50_32x4d", {**SMALL, "stages.widths": [16, 16], "stages.block.groups": 16}),
    "attention": ("seresnet18", {**SMALL, "stages.widths": [8, 16]}),
    "dense head": ("vgg11_bn", {"input.size": 16, "stages.depths": [1, 1], "stages.widths": [8, 16],
                                "head": {"kind": "mlp", "pool": 2, "hidden": [24], "classes": 5}}),
}  # fmt: skip
GAMMAS = {
    "1e-2": [1e-2], "1e-4": [1e-4], "-1e-5": [-1e-5], "1e-6": [1e-6], "1e-8": [1e-8], "1e-20": [1e-20],
    "1e-38": [1e-38], "0": [0.0], "mixed": [1e-2, -1e-5, 1e-8, 0.0, -1e-38, 1e-3],
}  # fmt: skip
MOST_TELLING = {shown: GAMMAS[shown] for shown in ("1e-6", "mixed")}
FILES = {
    "cpu": {"precision": "int8", "placement": "cpu"},
    "cpu, rest fp16": {"precision": "int8", "placement": "cpu", "rest": "fp16"},
    "cpu, seven bits": {"precision": "int8", "placement": "cpu", "reduce_range": True},
    "tensorrt": {"precision": "int8", "placement": "tensorrt"},
    "tensorrt, rest fp16": {"precision": "int8", "placement": "tensorrt", "rest": "fp16"},
}
MOST = 2**24 + 2
"""Of a bias: no more digits than a float32 has, and far from the end of int32."""
RUNTIMES = {
    "as written": ("onnxruntime", Tuning(as_written=True)),
    "onnxruntime": ("onnxruntime", Tuning()),
    "openvino": ("openvino", Tuning()),
}


@functools.lru_cache
def spec(name):
    return load_spec(*NETWORKS[name])


def weights(name, gammas, beta):
    """Drawn weights, half of the channels of each norm (and of a dense layer's rows) with these factors."""
    graph = lower(spec(name))
    draw, seeded = np.random.default_rng(0), SeededWeights(graph, 0)
    found = {k: np.array(seeded.rows(k, 0, t.shape[0]), np.float32) for k, t in graph.state().items() if t.shape}
    for node in graph.nodes:
        if isinstance(node.op, BatchNorm):
            size = node.shape[0]
            found[node.weight_name("running_var")] = np.exp(draw.normal(0, 0.3, size)).astype(np.float32)
            found[node.weight_name("running_mean")] = draw.normal(0, 0.3, size).astype(np.float32)
            found[node.weight_name("bias")] = draw.normal(0.2, 0.3, size).astype(np.float32)
            found[node.weight_name("weight")][: size // 2] = np.resize(gammas, size // 2)
            found[node.weight_name("bias")][: size // 2] *= beta
        if isinstance(node.op, Linear):
            size = node.shape[0]
            found[node.weight_name("bias")] = draw.normal(0.2, 0.3, size).astype(np.float32)
            found[node.weight_name("weight")][: size // 2] *= np.resize(gammas, size // 2)[:, None].astype(np.float32)
    return found


def errors(folder, name, gammas, beta, how):
    """By which part of its outputs each runtime's differ from float32's; the largest of the file's biases."""
    side = spec(name).spec.input.size[0]
    draw = np.random.default_rng(1)
    np.savez(folder / "images.npz", images=draw.normal(0, 1, (16, 3, side, side)).astype(np.float32))
    save_file(weights(name, gammas, beta), folder / "a.safetensors")
    x = draw.normal(0, 1, (8, 3, side, side)).astype(np.float32)
    exact = emit_onnx(spec(name), folder / "32.onnx", weights=folder / "a.safetensors")
    path = emit_onnx(spec(name), folder / "8.onnx", weights=folder / "a.safetensors",
                     calibration=folder / "images.npz", **how)  # fmt: skip
    wanted = _only(open_file("onnxruntime", exact).run(x))
    found = {by: _only(_opened(by, path).run(x)) for by in _there(has_seven_bits(path))}
    return {by: _distance(values, wanted) for by, values in found.items()}, _largest(path)


def _opened(by, path):
    runtime, tuning = RUNTIMES[by]
    return open_file(runtime, path, tuning=tuning)


def _there(seven_bits):
    """The runtimes that are here and compute what the file says: none but as written where their sums saturate.

    OpenVINO would plan for another processor than it is given where oneDNN is held to less.
    """
    if sums_saturate() and not seven_bits:
        return ["as written"]
    there = importlib.util.find_spec("openvino") and not RESTRAINED
    return [by for by in RUNTIMES if by != "openvino" or there]


def _only(outputs):
    (values,) = outputs.values()
    return values.astype(np.float64)


def _distance(found, wanted):
    return float(np.sqrt(((found - wanted) ** 2).mean() / (wanted**2).mean()))


def _largest(path: Path) -> int:
    """The largest magnitude of the integers in a file, which are its biases."""
    tensors = (t for t in onnx.load(path).graph.initializer if t.data_type == onnx.TensorProto.INT32)
    return max((int(np.abs(numpy_helper.to_array(t).astype(np.int64)).max()) for t in tensors), default=0)


@pytest.mark.parametrize(("name", "how"), spread(itertools.product(NETWORKS, FILES), 5))
def test_no_bias_is_lost_whatever_the_norms_factors_are(name, how, tmp_path):
    _check_factors(tmp_path, name, MOST_TELLING, FILES[how])


@pytest.mark.long
@pytest.mark.parametrize("how", FILES)
def test_no_bias_is_lost_for_any_one_factor(how, tmp_path):
    _check_factors(tmp_path, "basic", GAMMAS, FILES[how])


def _check_factors(folder, name, factors, how):
    healthy, _ = errors(folder, name, [0.5], 1, how)
    for shown, gammas in factors.items():
        found, largest = errors(folder, name, gammas, 1, how)
        assert largest <= MOST, shown
        for by, error in found.items():
            assert error < max(3 * healthy[by], 0.06), (shown, by, healthy)


@pytest.mark.parametrize("how", FILES)
def test_no_bias_is_lost_where_it_is_a_thousand_times_the_others(how, tmp_path):
    found, largest = errors(tmp_path, "basic", [1e-8], 1000, FILES[how])
    assert largest <= MOST
    # ONNX Runtime 1.23 rounds what is in half precision more often than later ones; a bias that is lost takes 0.19.
    assert max(found.values()) < (0.06 if "fp16" in how else 0.03)
