"""Networks of the whole language in ONNX, checked, run, and counted from their files.

A few of each kind in every run of the tests; 250 of each with `make test-all`.
"""

import json
import math
from contextlib import nullcontext, suppress
from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from resnet_gen.build.passes import prepare
from resnet_gen.build.request import Request
from resnet_gen.graph import Node
from resnet_gen.graph.counts import count
from resnet_gen.language.lower import lower
from resnet_gen.onnx.witness.model import check_onnx
from resnet_gen.onnx.writing import OnnxFile, WriterOptions
from resnet_gen.ops import Conv, GroupNorm, Linear, Mul
from resnet_gen.ops.precision import METHODS, Calibration, QuantizationChoice
from resnet_gen.problems import Refused
from resnet_gen.quantization.calibration.activations import open_session
from resnet_gen.quantization.calibration.images import RandomImages
from tests.helpers.onnx_runs import image, runs, session
from tests.properties.strategies import fitting, specs
from tests.properties.test_specs import loaded

FEW = settings(max_examples=8, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
MANY = settings(FEW, max_examples=250)


def few_and_many(*strategies):
    """A property as two tests: one of every run, and one of `make test-all`.

    Hypothesis takes settings once for each function, so that each run makes its own, whichever comes first.
    """

    def tests(test):
        @pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.long)], ids=["few", "many"])
        def run(examples):
            examples(given(*strategies)(test))()

        return run

    return tests


VANISHING = {
    "name": "net",
    "input": {"channels": 1, "size": 64},
    "stem": {"kind": "conv3x3", "width": 8, "stride": 1},
    "stages": {"depths": [1], "widths": [8], "block": {"kind": "conv"}},
    "norm": {"kind": "layer", "eps": 1e-30},
    "head": {"kind": "linear"},
}
"""A network whose norms have an eps that half precision has not."""


@few_and_many(
    fitting(simple=False), st.booleans(), st.sampled_from([13, 17, 18, 21, 26]), st.sampled_from(["fp32", "fp16"])
)
@example(VANISHING, False, 17, "fp16")
def test_what_fits_is_emitted_sound_runs_and_counts_what_its_file_holds(data, fold, opset, precision):
    spec, request = loaded(data), Request(fold=fold, opset=opset, precision=precision)
    with pytest.raises(Refused, match="eps") if precision == "fp16" and has_no_eps_in_half(spec) else nullcontext():
        everything(spec, request)


def has_no_eps_in_half(spec):
    """Whether a group or layer norm would divide by nothing in half precision, where nothing varies."""
    norms = [node.op for node in lower(spec).nodes if isinstance(node.op, GroupNorm)]
    return any(np.float64(op.eps).astype(np.float16) == 0 for op in norms)


@few_and_many(specs())
def test_what_is_not_refused_is_emitted_sound_runs_and_counts_what_its_file_holds(data):
    with suppress(Refused):
        everything(loaded(data), Request())


CANCELLING = {
    "name": "net",
    "input": {"channels": 1, "size": 64},
    "stem": {"kind": "conv3x3", "width": 8, "stride": 2},
    "stages": {"depths": [1], "widths": [8], "block": {"kind": "conv"}, "shortcut": {"kind": "avg_projection"}},
    "norm": {"kind": "none"},
    "activation": {"kind": "tanh"},
    "head": {"kind": "policy_value"},
}
"""A network that outputs one number, in which 256 products of 0.05 each add up to 0.002."""


@few_and_many(
    fitting(simple=False),
    st.sampled_from([("int8", "cpu"), ("int8", "tensorrt"), ("fp8", "tensorrt")]),
    st.sampled_from(METHODS),
    st.booleans(),
)
@example(CANCELLING, ("int8", "cpu"), "minmax", False)
def test_what_fits_is_quantized_with_its_counts_and_nearly_its_outputs(data, kind, method, in_graph):
    spec = loaded(data)
    how = QuantizationChoice(
        *kind, "float32", Calibration("random", 1, method), in_graph=in_graph and kind[0] == "int8"
    )
    with suppress(Refused):  # a network of which nothing can be quantized
        prepared = prepare(spec, Request(precision=kind[0], quantizing=how))
        graph, weights, counts, eight = prepared.graph, prepared.weights, prepared.counts, prepared.quantized
        file = OnnxFile(graph, weights, WriterOptions())
        model = b"".join(file.chunks())
        assert model == b"".join(OnnxFile(graph, weights, WriterOptions()).chunks())
        onnx.checker.check_model(onnx.ModelProto.FromString(model), full_check=True)
        check_onnx(graph, file.structure())
        assert count(graph).macs == counts.macs
        assert count(graph) == count(prepare(spec, Request(fold=True)).graph)
        found = session(model).run(None, {"input": image(graph, batch=2)})
        assert all(np.isfinite(values).all() for values in found)
        assert eight.entry["layers"] == len(json.loads(eight.account)["noise"])
        # Entropy asks how often values come, not how large they are: of heavy tails it clips what carries the signal.
        least = 3 if method == "entropy" else 5
        lost = lost_in_sums(prepare(spec, Request(fold=True)), next(iter(RandomImages(spec.spec.input))))
        noise = json.loads(eight.account)["noise"]
        assert min(r["own_db"] + lost[name] for name, r in noise.items()) > least


SQUARES = ".squares"


class Squared:
    """Weights, and their squares by the names of layers that end so."""

    def __init__(self, weights):
        self._weights = weights

    def rows(self, name, start, stop):
        layer, squared, role = name.rpartition(f"{SQUARES}.")
        rows = self._weights.rows(f"{layer}.{role}" if squared else name, start, stop)
        return rows**2 if squared else rows


def lost_in_sums(network, x):
    """How far each layer's output is below what it is the sum of, in dB, at least 0.

    Eight bits round each number by a part of itself, and so each product and bias: what of those adds up to little,
    as in a single number that is output, is as far off as if it had not.
    """
    graph, weights = network.graph, network.weights
    layers = [node for node in graph.nodes if isinstance(node.op, (Conv, Linear))]
    values = tuple(v for node in layers for v in (node.output, squares(node.output)))
    wide = replace(graph, nodes=(*graph.nodes, *(n for layer in layers for n in sums_of_squares(layer))))
    with open_session(wide, Squared(weights), values) as session:
        found = session.run(x[None])
    return {n.name: lost(found[n.output.name], found[squares(n.output).name]) for n in layers}


def sums_of_squares(layer):
    """The nodes that add up the squares of what a layer adds up."""
    (read,) = layer.inputs
    factors = read._replace(name=layer.name + ".factors")
    yield Node(factors.name, layer.path, Mul(), (read, read), factors)
    yield replace(layer, name=layer.name + SQUARES, inputs=(factors,), output=squares(layer.output))


def squares(value):
    return value._replace(name=value.name + SQUARES)


def lost(output, terms):
    kept, whole = (float(values.astype(np.float64).sum()) for values in (output.astype(np.float64) ** 2, terms))
    if not kept:
        return math.inf if whole else 0.0
    return max(0.0, 10 * math.log10(whole / kept)) if whole else 0.0


def test_what_cancels_in_a_sum_is_lost_in_it():
    assert lost(np.array([0.1]), np.array([10.0])) == pytest.approx(30)
    assert lost(np.array([3.0]), np.array([5.0])) == lost(np.zeros(1), np.zeros(1)) == 0


def everything(spec, request):
    graph, weights, counts, *_ = prepare(spec, request)
    model = b"".join(OnnxFile(graph, weights, WriterOptions(opset=request.opset)).chunks())
    assert model == b"".join(OnnxFile(graph, weights, WriterOptions(opset=request.opset)).chunks())
    checked = onnx.ModelProto.FromString(model)
    onnx.checker.check_model(checked, full_check=True)
    if request.opset is None or runs(request.opset):
        _run(spec, request, graph, model)
    held = onnx.shape_inference.infer_shapes(checked, strict_mode=True)
    assert macs(held) == counts.macs
    if not request.fold:
        assert elements(checked, graph) == counts.params + counts.buffers == count(graph).params + count(graph).buffers


def _run(spec, request, graph, model):
    running = session(model)
    found = running.run(None, {"input": image(graph, batch=2)})
    assert [values.shape for values in found] == [(2, *value.shape) for value in graph.outputs]
    assert [value.name for value in running.get_outputs()] == [value.name for value in graph.outputs]
    assert all(np.isfinite(values).all() for values in found)
    if request.precision == "fp32":
        rewritten = session(model, optimized=True).run(None, {"input": image(graph, batch=2)})
        for ours, theirs in zip(found, rewritten, strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-3 * np.abs(ours).max())
    if request == Request(fold=True, opset=request.opset):
        unfolded = prepare(spec, Request())
        wanted = session(b"".join(OnnxFile(unfolded.graph, unfolded.weights, WriterOptions()).chunks()))
        for ours, theirs in zip(found, wanted.run(None, {"input": image(graph, batch=2)}), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3 * np.abs(theirs).max())


def macs(model):
    """Multiply-accumulates of a file's convolutions and matrix products, one image."""
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.value_info}
    shapes |= {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.output}
    weights = {t.name: t.dims for t in model.graph.initializer}
    layers = [n for n in model.graph.node if n.op_type in ("Conv", "Gemm")]
    return sum(math.prod(shapes[n.output[0]][1:]) * math.prod(weights[n.input[1]][1:]) for n in layers)


def elements(model, graph):
    """Numbers in the tensors of a file that the graph's state names; what else it holds are constants of the rules."""
    state = graph.state()
    return sum(numpy_helper.to_array(t).size for t in model.graph.initializer if t.name in state)
