"""Pools in eight bits: a max pool of codes gives the codes of the max pool, and nothing else changes."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from resnet_gen.graph import Net, Value
from resnet_gen.onnx.writing import WriterOptions
from resnet_gen.ops import Activation, AvgPool, BlurPool, Conv, MaxPool
from resnet_gen.ops.precision import Calibration
from resnet_gen.quantization.calibration import calibrate
from resnet_gen.quantization.placement import CPU_INT8, TENSORRT_FP8, TENSORRT_INT8, Range, place, quantize
from resnet_gen.weights.initialization import SeededWeights
from tests.helpers.onnx_runs import image, model_bytes, session
from tests.quantization.test_quantize import NETWORKS, eight, folded

STYLES = {"tensorrt": TENSORRT_INT8, "cpu": CPU_INT8, "cpu, seven bits": CPU_INT8._replace(weight_bits=7)}
WINDOWS = {
    "padded": MaxPool(3, 2, 1),
    "over the end": MaxPool(3, 2, ceil=True),
    "zeros around": MaxPool(3, 2, 1, zeros=True),
    "every pixel": MaxPool(3, 1, 1),
    "apart": MaxPool(2, 2),
}


class Few:
    """The images of an array."""

    def __init__(self, images):
        self._images = images

    def __len__(self):
        return len(self._images)

    def __iter__(self):
        return iter(self._images)

    def entry(self):
        return {}


def pooled(window, *, positive=True, again=None, beside=False):
    """A convolution, a pool of it, and a convolution of that; `beside` reads what the pool reads as well."""
    net = Net(Value("input", (3, 15, 14)))
    y = net.add("first", Conv(8, 3, padding=1, bias=True), net.input)
    y = net.add("relu", Activation("relu"), y) if positive else y
    pool = net.add("pool", window, y)
    pool = net.add("again", again, pool) if again else pool
    ends = [net.add("last", Conv(4, 1, bias=True), pool)]
    ends += [net.add("beside", Conv(4, 1, bias=True), y)] if beside else []
    graph = net.graph("net", ends)
    return graph, SeededWeights(graph)


def placed(graph, weights, style):
    """The network in eight bits, and the same without Q/DQ before its pools."""
    with_pools, without = place(graph, style), place(graph, style._replace(pools=False))
    x = Few(image(graph, 6))
    made = []
    for placement in (with_pools, without):
        ranges = calibrate(graph, weights, placement.observed, x, Calibration("", 6, "percentile", 99.0))
        made.append(quantize(graph, weights, placement, ranges, style, "float32"))
    return made


def outputs(network, x, *, optimized):
    running = session(model_bytes(*network), optimized=optimized)
    return running.run(None, {"input": x})


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
@pytest.mark.parametrize("positive", [True, False])
def test_a_max_pool_in_eight_bits_computes_what_it_does_in_float(window, positive, style):
    graph, weights = pooled(window, positive=positive)
    new, old = placed(graph, weights, style)
    assert [n.name for n in new[0].nodes if n.name == "pool"] == ["pool"]
    assert len(new[0].nodes) == len(old[0].nodes) + 2
    x = 3 * image(graph, 5)  # beyond the ranges, so that codes saturate
    for found, wanted in zip(outputs(new, x, optimized=False), outputs(old, x, optimized=False), strict=True):
        np.testing.assert_array_equal(found, wanted)
    (found,) = outputs(new, x, optimized=True)  # where ONNX Runtime has kernels of its own for codes
    written = onnx.load_from_string(model_bytes(*new, WriterOptions(19)))  # onnx itself knows no older Q/DQ
    (exact,) = ReferenceEvaluator(written).run(None, {"input": x})
    assert np.abs(found - exact).max() <= 0.02 * np.abs(exact).max()


@pytest.mark.parametrize("style", [TENSORRT_INT8, CPU_INT8], ids=["tensorrt", "cpu"])
@pytest.mark.parametrize("name", ["attention", "dense head"])
def test_what_a_pool_reads_has_the_scale_of_what_it_makes(name, style):
    """Without which a runtime has to leave the eight bits between the two; read from the file with onnx alone."""
    file = onnx.load_from_string(model_bytes(*eight(NETWORKS[name], style)))
    makers = {output: node for node in file.graph.node for output in node.output}
    readers = {name: node for node in file.graph.node for name in node.input}
    tensors = {t.name: numpy_helper.to_array(t) for t in file.graph.initializer}
    pools = [node for node in file.graph.node if node.op_type == "MaxPool"]
    quantized = [pool for pool in pools if readers[pool.output[0]].op_type == "QuantizeLinear"]
    assert len(quantized) == len(pools) - (name == "dense head" and not style.linear)  # its last is read in float
    for pool in quantized:
        before, after = makers[pool.input[0]], readers[pool.output[0]]
        assert before.op_type == "DequantizeLinear"
        assert makers[before.input[0]].op_type == "QuantizeLinear"
        for place_ in (1, 2):
            assert tensors[before.input[place_]] == tensors[after.input[place_]]


def test_only_what_is_pooled_is_observed_where_nobody_else_reads_it():
    graph, _ = pooled(MaxPool(3, 2, 1))
    placement = place(graph, CPU_INT8)
    assert [value.name for value in placement.values] == ["input", "relu", "pool"]
    assert [value.name for value in placement.observed] == ["input", "pool"]
    ranges = {"input": Range(-1.0, 1.0), "pool": Range(0.5, 3.0)}
    assert placement.find_ranges(ranges) == {**ranges, "relu": Range(0.5, 3.0)}


def test_values_that_several_read_share_a_scale_that_covers_them_all():
    graph, _ = pooled(MaxPool(3, 2, 1), again=MaxPool(3, 1, 1), beside=True)
    placement = place(graph, TENSORRT_INT8)
    assert placement.shared.keys() == {"relu", "pool", "again"}
    assert {value.name for value in placement.observed} == {"input", "relu", "again"}
    ranges = {"input": Range(-1.0, 1.0), "relu": Range(0.0, 4.0), "again": Range(-1.0, 3.0)}
    found = placement.find_ranges(ranges)
    assert found == {"input": Range(-1.0, 1.0), **dict.fromkeys(("relu", "pool", "again"), Range(-1.0, 4.0))}


@pytest.mark.parametrize("style", [TENSORRT_INT8, CPU_INT8], ids=["tensorrt", "cpu"])
def test_a_pool_that_is_left_out_stays_in_float(style):
    graph, _ = pooled(MaxPool(3, 2, 1))
    assert ("pool", 0) in place(graph, style).operands
    assert ("pool", 0) not in place(graph, style, keep={"pool"}).operands
    assert ("pool", 0) not in place(graph, style, keep={"last"}).operands  # nobody reads what it makes in eight bits
    assert ("pool", 0) not in place(graph, TENSORRT_FP8).operands


@pytest.mark.parametrize("mean", [AvgPool(2, 2), AvgPool(3, 2, 1), AvgPool(3, 2, ceil=True), BlurPool(2)])
def test_means_read_eight_bits_for_cpus_alone(mean):
    """And nearly what they make of floats: they may be off by a half of a step."""
    graph, weights = pooled(MaxPool(3, 1, 1), again=mean)
    assert {("pool", 0), ("again", 0)} <= place(graph, CPU_INT8).operands
    assert not {("pool", 0), ("again", 0)} & place(graph, TENSORRT_INT8).operands
    x = image(graph, 4)
    new, old = placed(graph, weights, CPU_INT8)
    (found,), (wanted,) = (outputs(one, x, optimized=optimized) for one, optimized in ((new, True), (old, False)))
    assert 10 * np.log10((wanted**2).sum() / ((found - wanted) ** 2).sum()) > 30


def test_resnet50d_has_no_float_between_its_convolutions_on_cpus():
    """Of its shortcuts' means: they read the codes that the first convolution of their block reads."""
    graph, _ = folded("resnet50d", "input.size=64", "head.classes=10", "stages.depths=[1, 1, 1, 1]")
    means = [node for node in graph.nodes if isinstance(node.op, AvgPool)]
    found = place(graph, CPU_INT8).operands
    assert len(means) == 3
    assert {(node.name, 0) for node in means} <= found
    assert not {(node.name, 0) for node in means} & place(graph, TENSORRT_INT8).operands
