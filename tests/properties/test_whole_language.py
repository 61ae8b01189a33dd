"""Networks of the whole language in ONNX, checked, run, and counted from their files.

A few of each kind in every run of the tests; 500 of each with `make test-all`.
"""

import json
import math
from contextlib import suppress

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from resnet_gen.count import count
from resnet_gen.emit.onnx import OnnxFile, Options
from resnet_gen.precision import METHODS, Calibration, Quantizing
from resnet_gen.prepare import prepare
from resnet_gen.problems import Refused
from resnet_gen.request import Request
from resnet_gen.witness.onnx import check_onnx
from tests.onnx_runs import image, session
from tests.properties.strategies import fitting, specs
from tests.properties.test_specs import loaded

FEW = settings(max_examples=8, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
MANY = settings(FEW, max_examples=500)


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


@few_and_many(
    fitting(simple=False), st.booleans(), st.sampled_from([13, 17, 18, 21, 26]), st.sampled_from(["fp32", "fp16"])
)
def test_what_fits_is_emitted_sound_runs_and_counts_what_its_file_holds(data, fold, opset, precision):
    everything(loaded(data), Request(fold=fold, opset=opset, precision=precision))


@few_and_many(specs())
def test_what_is_not_refused_is_emitted_sound_runs_and_counts_what_its_file_holds(data):
    with suppress(Refused):
        everything(loaded(data), Request())


@few_and_many(
    fitting(simple=False),
    st.sampled_from([("int8", "cpu"), ("int8", "tensorrt"), ("fp8", "tensorrt")]),
    st.sampled_from(METHODS),
    st.booleans(),
)
def test_what_fits_is_quantized_with_its_counts_and_nearly_its_outputs(data, kind, method, in_graph):
    spec = loaded(data)
    how = Quantizing(*kind, "float32", Calibration("random", 1, method), in_graph=in_graph and kind[0] == "int8")
    with suppress(Refused):  # a network of which nothing can be quantized
        graph, weights, counts, *_, eight = prepare(spec, Request(precision=kind[0], quantizing=how))
        file = OnnxFile(graph, weights, Options())
        model = b"".join(file.chunks())
        assert model == b"".join(OnnxFile(graph, weights, Options()).chunks())
        onnx.checker.check_model(onnx.ModelProto.FromString(model), full_check=True)
        check_onnx(graph, file.structure())
        assert count(graph).macs == counts.macs
        assert count(graph) == count(prepare(spec, Request(fold=True)).graph)
        found = session(model).run(None, {"input": image(graph, batch=2)})
        assert all(np.isfinite(values).all() for values in found)
        assert eight.entry["layers"] == len(json.loads(eight.account)["noise"])
        # Entropy asks how often values come, not how large they are: of heavy tails it clips what carries the signal.
        least = 3 if method == "entropy" else 5
        assert min(r["own_db"] for r in json.loads(eight.account)["noise"].values()) > least


def everything(spec, request):
    graph, weights, counts, *_ = prepare(spec, request)
    model = b"".join(OnnxFile(graph, weights, Options(opset=request.opset)).chunks())
    assert model == b"".join(OnnxFile(graph, weights, Options(opset=request.opset)).chunks())
    checked = onnx.ModelProto.FromString(model)
    onnx.checker.check_model(checked, full_check=True)
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
        wanted = session(b"".join(OnnxFile(unfolded.graph, unfolded.weights, Options()).chunks()))
        for ours, theirs in zip(found, wanted.run(None, {"input": image(graph, batch=2)}), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3 * np.abs(theirs).max())
    held = onnx.shape_inference.infer_shapes(checked, strict_mode=True)
    assert macs(held) == counts.macs
    if not request.fold:
        assert elements(checked, graph) == counts.params + counts.buffers == count(graph).params + count(graph).buffers


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
