"""Means in two steps, paddings of which no window reads the end: read where they compute the same, by ONNX Runtime."""

import itertools

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from resnet_gen.graph import Net, Value
from resnet_gen.onnx.reading import read
from resnet_gen.ops import AvgPool, GlobalAvgPool, MaxPool
from resnet_gen.problems import Refused
from tests.helpers.onnx_runs import model_bytes, run, session
from tests.helpers.varied import spread


def written(path, nodes, initializers, shape, opset=18):
    """A file of one input and one output, whose shape ONNX finds."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in initializers.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    onnx.save(onnx.shape_inference.infer_shapes(model), path)
    return path


def operations(path):
    """What a file is read as; nothing where it is not."""
    try:
        return [node.op for node in read(path).graph.nodes]
    except Refused:
        return []


MEANS = [
    (first, second, keep, kinds)
    for first, second in itertools.product((1, 2, 3), (1, 2, 3))
    for keep in itertools.product((0, 1), (0, 1))
    for kinds in (("ReduceMean", "ReduceMean"), ("ReduceMean", "ReduceMax"), ("ReduceMax", "ReduceMean"))
    if first != second or keep[0]
]


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize(("first", "second", "keep", "kinds"), spread(MEANS, 24))
def test_means_over_one_side_and_then_the_other_are_the_map_s(tmp_path, first, second, keep, kinds, back):
    shape, left = (5, 4, 6), [axis for axis in range(4) if keep[0] or axis != first]
    axes = {"a": [first - 4 * back], "b": [left.index(second) - len(left) * back]}
    nodes = [
        helper.make_node(kinds[0], ["x", "a"], ["m"], keepdims=keep[0]),
        helper.make_node(kinds[1], ["m", "b"], ["y"], keepdims=keep[1]),
    ]
    path = written(tmp_path / "m.onnx", nodes, {name: np.asarray(axis, np.int64) for name, axis in axes.items()}, shape)
    x = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
    found, wanted = session(path).run(None, {"x": x})[0], x.mean(axis=(2, 3))
    ours = found.ndim in (2, 4)  # no value of ours has the dimensions (N, C, 1)
    same = ours and found.size == wanted.size and np.allclose(found.reshape(wanted.shape), wanted, atol=1e-5)
    assert [GlobalAvgPool()] * same == [op for op in operations(path) if isinstance(op, GlobalAvgPool)]


HANGING = list(itertools.product(("MaxPool", "AveragePool"), (2, 3), (2, 3, 4), (6, 7, 8), (6, 7, 9), (0, 1)))


@pytest.mark.parametrize(("kind", "kernel", "stride", "height", "width", "before"), spread(HANGING, 60))
def test_padding_behind_a_map_is_of_windows_that_hang_over(tmp_path, kind, kernel, stride, height, width, before):
    """Read where it is, as what computes the same; never with other numbers."""
    x = np.random.default_rng(0).standard_normal((2, 2, height, width)).astype(np.float32)
    for ends in itertools.product(range(kernel), repeat=2):
        given = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [before, before, *ends]}
        path = written(tmp_path / "n.onnx", [helper.make_node(kind, ["x"], ["y"], **given)], {}, (2, height, width))
        pooling = MaxPool if kind == "MaxPool" else AvgPool
        wanted = session(path).run(None, {"x": x})[0]
        hanging = pooling(kernel, stride, before, ceil=True) if kind == "MaxPool" or not before else None
        found = operations(path)
        if hanging and hanging.shape((2, height, width))[1:] == wanted.shape[2:]:
            assert [type(op) for op in found] == [pooling]
        for op in found:
            net = Net(Value("input", (2, height, width)))
            model = model_bytes(net.graph("again", [net.add("op", op, net.input)]), None)
            np.testing.assert_array_equal(run(model, x), wanted)


PADS = [
    (kind, side, kernel, stride, before, more)
    for kind, side, kernel, stride in itertools.product(("Conv", "MaxPool"), (7, 8, 9, 12), (2, 3, 5), (1, 2, 3))
    for before, more in itertools.product(range(kernel), (-2, -1, 1, 2))
    if 0 <= before + more < kernel
]


@pytest.mark.parametrize(("kind", "side", "kernel", "stride", "before", "more"), spread(PADS, 40))
def test_padding_that_no_window_reads_is_none(tmp_path, kind, side, kernel, stride, before, more):
    """Read exactly where as much padding behind as before gives the same map, or windows that hang over its end do."""
    draw = np.random.default_rng(0)
    weight = {"w": draw.standard_normal((3, 2, kernel, kernel)).astype(np.float32)} if kind == "Conv" else {}
    x = draw.standard_normal((2, 2, side, side)).astype(np.float32)
    outs = []
    for behind in (before + more, before):
        given = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [before] * 2 + [behind] * 2}
        node = helper.make_node(kind, ["x", *weight], ["y"], **given)
        path = written(tmp_path / f"{behind}.onnx", [node], weight, (2, side, side))
        outs.append(session(path).run(None, {"x": x})[0])
    found = operations(tmp_path / f"{before + more}.onnx")
    if np.array_equal(*outs):
        assert [op.padding for op in found] == [before]
    elif kind == "MaxPool" and more > 0 and found:
        assert found == [MaxPool(kernel, stride, before, ceil=True)]
    else:
        hangs = MaxPool(kernel, stride, before, ceil=True).shape((2, side, side))[1:] == outs[0].shape[2:]
        assert not found
        assert kind == "Conv" or not hangs
