"""ONNX, written as a stream."""

import hashlib
import itertools
import math
import os
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, numpy_helper

from resnet_gen import ops
from resnet_gen.graph import Net, Value
from resnet_gen.onnx.writing import NEWEST_OPSET, OLDEST_OPSET, RULES, OnnxFile, WriterOptions, messages
from resnet_gen.onnx.writing.messages import IR_OF_OPSET
from resnet_gen.ops import Op
from resnet_gen.problems import Refused
from resnet_gen.quantization.float_types import set_precision
from resnet_gen.quantization.linear_as_conv import linear_as_conv
from resnet_gen.quantization.placement import CPU_INT8, TENSORRT_INT8, Range, place, quantize
from resnet_gen.weights.folding import fold_batch_norm
from resnet_gen.weights.initialization import SeededWeights
from resnet_gen.weights.standardization import standardize_weights
from resnet_gen.weights.stream import element_type
from tests.helpers.onnx_runs import TINY, Ruled, Session, difference, image, model_bytes, network, outputs, run, session
from tests.helpers.varied import EVERY
from tests.helpers.whole_tensors import whole
from tests.ops.test_ops import CONCRETE

OPSETS = range(OLDEST_OPSET, NEWEST_OPSET + 1)
NEWEST_RUN = 21
"""The newest opset of the oldest ONNX Runtime that pyproject.toml admits; newer ones are checked, not run."""


def layers(net, x):
    x = net.add("conv", ops.Conv(8, 3, 1, 1, groups=2, bias=True), x)
    x = net.add("dilated", ops.Conv(8, 3, padding=2, dilation=2), x)
    x = net.add("norm", ops.BatchNorm(1e-3), x)
    return net.add("group_norm", ops.GroupNorm(4), x)


def activations(net, x):
    for function in ops.Function.__args__:
        x = net.add(function, ops.Activation(function, 0.2), net.add(f"before_{function}", ops.Conv(8, 1), x))
    return x


def weighed_channels(net, x):
    both = net.add(
        "both", ops.Concat(2), net.add("mean", ops.GlobalAvgPool(), x), net.add("max", ops.GlobalMaxPool(), x)
    )
    y = net.add("along", ops.ChannelConv(3), net.add("sum", ops.SumPositions(), both))
    y = net.add("grouped", ops.SplitSoftmax(2, groups=2), net.add("split", ops.SplitSoftmax(2), y))
    return net.add("scale", ops.Mul(), x, y)


def weighed_positions(net, x):
    both = net.add("both", ops.Concat(), net.add("max", ops.ChannelMax(), x), net.add("mean", ops.ChannelMean(), x))
    y = net.add("gate", ops.Activation("sigmoid"), net.add("one", ops.TakeChannels(1, 2), both))
    return net.add("scale", ops.Mul(), x, net.add("carry", ops.OneMinus(), y))


def smaller(net, x):
    around = net.add("pad", ops.PadChannels(11), net.add("subsample", ops.Subsample(2), x))
    x = net.add("add", ops.Add(), net.add("strided", ops.Conv(11, 3, 2, 1), x), around)
    for name, op in POOLS.items():
        x = net.add(name, op, x)
    return x


POOLS = {
    "max_pool": ops.MaxPool(3, 1, 1),
    "pad_map": ops.PadMap(1, 1),
    "max_ceil": ops.MaxPool(3, 2, ceil=True),
    "max_zeros": ops.MaxPool(3, 1, 1, zeros=True),
    "padded": ops.AvgPool(3, 1, 1),
    "below": ops.PadMap(0, 1),
    "avg_ceil": ops.AvgPool(2, 2, ceil=True),
    "blur": ops.BlurPool(1),
    "avg_pool": ops.AvgPool(2, 2),
}


def scores(net, x):
    x = net.add("pool", ops.GlobalAvgPool(), x)
    x = net.add("fc1", ops.Linear(7), net.add("flatten", ops.Flatten(), x))
    x = net.add("again", ops.Flatten(), net.add("as_map", ops.AsMap(), x))
    return net.add("softmax", ops.Softmax(), net.add("fc2", ops.Linear(5, bias=False), x))


TO_EIGHT = ops.Quantize("int8", 0.1)


def every_op(casts=True):
    """A graph with every operation, and with every variant of it that is written differently."""
    net = Net(Value("input", (4, 12, 12)))
    x = activations(net.scope("activations"), layers(net.scope("layers"), net.input))
    x = weighed_positions(net.scope("positions"), weighed_channels(net.scope("channels"), x))
    x = smaller(net.scope("smaller"), x)
    x = net.add("cast", ops.Cast("float16"), x) if casts else x
    x = net.add("half", ops.Conv(6, 1, bias=True), x)
    x = net.add("back", ops.Cast("float32"), x) if casts else x
    x = net.add("from_eight", ops.Dequantize("float32", 0.1), net.add("to_eight", TO_EIGHT, x)) if casts else x
    return net.graph("every_op", [scores(net.scope("head"), x)])


def standardized(name, *settings):
    """A network whose weights are as its convolutions take them."""
    graph = network(name, *settings)
    return standardize_weights(graph, SeededWeights(graph))[0]


def in_eight_bits(style):
    """A network whose weights, and a bias or two, are stored in integers."""
    graph = fold_batch_norm(network(TINY), SeededWeights(network(TINY)))[0]
    placement = place(graph, style)
    ranges = dict.fromkeys((value.name for value in placement.values), Range(-1.0, 2.0))
    return quantize(graph, SeededWeights(graph), placement, ranges, style, "float32")[0]


EVERY_OP = every_op()
GRAPHS = {
    "every op": EVERY_OP,
    "tiny": network(TINY),
    "half": set_precision(network(TINY), "float16"),
    "every op in half": set_precision(every_op(casts=False), "float16"),
    "zero pad": network("cifar-resnet20"),
    "highway": network("highway-b"),
    "standardized": standardized(TINY, "weight_standardization=1e-6", "norm={kind: group, groups: 2}"),
    "eight bits": in_eight_bits(TENSORRT_INT8),
    "eight bits, int32 biases": in_eight_bits(CPU_INT8),
    "outputs": network(TINY, "outputs=[stage1]", "head={kind: policy_value, moves: 3}"),
}
OPTIONS = {
    "plain": WriterOptions(),
    "fixed": WriterOptions(batch=3),
    "all": WriterOptions(
        opset=17, batch=2, metadata={"b": "2", "a": "1", "long": "x" * 300, "ü": "ß"}, producer_version="1.2"
    ),
}


# --- the table ---------------------------------------------------------------


def test_every_operation_has_a_rule():
    assert set(RULES) == set(CONCRETE)


def test_the_graph_of_every_operation_has_every_operation_and_function():
    assert {type(node.op) for node in EVERY_OP.nodes} == set(CONCRETE)
    functions = {node.op.function for node in EVERY_OP.nodes if isinstance(node.op, ops.Activation)}
    assert functions == set(ops.Function.__args__)


def test_a_convolution_whose_weights_are_still_to_be_standardized_cannot_be_written():
    graph = network(TINY, "weight_standardization=1e-6")
    with pytest.raises(AssertionError, match="weights are standardized by a pass"):
        OnnxFile(graph, SeededWeights(graph), WriterOptions())


# --- the bytes ---------------------------------------------------------------


@pytest.mark.parametrize("options", OPTIONS.values(), ids=list(OPTIONS))
@pytest.mark.parametrize("name", GRAPHS)
def test_the_stream_is_what_protobuf_would_have_written(name, options):
    data = model_bytes(GRAPHS[name], SeededWeights(GRAPHS[name]), options)
    model = ModelProto.FromString(data)
    assert model.SerializeToString(deterministic=True) == data


@pytest.mark.parametrize("name", GRAPHS)
def test_the_structure_is_the_model_without_its_weights(name):
    file = OnnxFile(GRAPHS[name], SeededWeights(GRAPHS[name]), OPTIONS["all"])
    model = ModelProto.FromString(b"".join(file.chunks()))
    weights = [tensor for tensor in model.graph.initializer if tensor.name in GRAPHS[name].state()]
    assert weights
    for tensor in weights:
        assert len(tensor.raw_data) > 0
        tensor.ClearField("raw_data")
    assert file.structure() == model.SerializeToString(deterministic=True)


def test_tensors_larger_than_a_run_are_streamed_in_order(monkeypatch):
    """A run of rows is a megabyte of elements; here it is 40, so that tensors of every size are cut."""
    graph = network(TINY)
    wanted = model_bytes(graph, SeededWeights(graph))
    monkeypatch.setattr("resnet_gen.weights.base.CHUNK", 40)
    chunks = list(OnnxFile(graph, SeededWeights(graph), WriterOptions()).chunks())
    assert b"".join(chunks) == wanted
    assert sum(len(c) in (36 * 4, 40 * 4, 3 * 9 * 4 * 4) for c in chunks) >= 8


def test_a_stream_can_be_read_twice():
    file = OnnxFile(EVERY_OP, SeededWeights(EVERY_OP), WriterOptions())
    assert b"".join(file.chunks()) == b"".join(file.chunks())


@pytest.mark.parametrize("seed", ["0", "1", "random"])
def test_a_process_with_any_hash_seed_writes_the_same_bytes(seed):
    code = (
        "import hashlib; from tests.helpers.onnx_runs import *\n"
        "from resnet_gen.weights.initialization import SeededWeights\n"
        "graph = network('cifar-resnet20')\n"
        "options = WriterOptions(metadata={'b': '2', 'a': '1', 'c': '3'})\n"
        "print(hashlib.sha256(model_bytes(graph, SeededWeights(graph), options)).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    graph = network("cifar-resnet20")
    here = model_bytes(graph, SeededWeights(graph), WriterOptions(metadata={"c": "3", "a": "1", "b": "2"}))
    assert done.stdout.strip() == hashlib.sha256(here).hexdigest()


# --- what onnx makes of it ---------------------------------------------------


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("opset", OPSETS)
def test_the_checker_accepts_every_operation_at_every_opset(name, opset):
    graph = GRAPHS[name]
    model = onnx.load_from_string(model_bytes(graph, SeededWeights(graph), WriterOptions(opset=opset)))
    onnx.checker.check_model(model, full_check=True)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", opset)]
    assert model.ir_version == onnx.helper.find_min_ir_version_for(list(model.opset_import))


@pytest.mark.parametrize("opset", range(OLDEST_OPSET + 1, NEWEST_RUN + 1))
def test_every_opset_computes_the_same(opset):
    x = image(EVERY_OP, batch=2)
    weights = Ruled(EVERY_OP)
    oldest = run(model_bytes(EVERY_OP, weights, WriterOptions(opset=OLDEST_OPSET)), x)
    assert difference(run(model_bytes(EVERY_OP, weights, WriterOptions(opset=opset)), x), oldest) < 1e-6


def test_without_a_choice_the_oldest_opset_is_written():
    assert OnnxFile(EVERY_OP, SeededWeights(EVERY_OP), WriterOptions()).opset == OLDEST_OPSET


@pytest.mark.parametrize("opset", [0, -1, OLDEST_OPSET - 1, NEWEST_OPSET + 1])
def test_other_opsets_are_refused(opset):
    with pytest.raises(Refused, match=f"opset {opset} cannot be written"):
        OnnxFile(EVERY_OP, SeededWeights(EVERY_OP), WriterOptions(opset=opset))


def inferred(graph, batch):
    """Shape and type of every value, by onnx's own inference; needs no weights' data."""
    structure = OnnxFile(graph, SeededWeights(graph), WriterOptions(batch=batch)).structure()
    model = onnx.shape_inference.infer_shapes(structure, check_type=True, strict_mode=True, data_prop=True)
    found = {}
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        tensor = value.type.tensor_type
        dims = tuple(d.dim_param or d.dim_value for d in tensor.shape.dim)
        found[value.name] = dims, onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    return found


@pytest.mark.parametrize("batch", [None, 2])
@pytest.mark.parametrize("name", [*EVERY, *GRAPHS])
def test_onnx_infers_the_shapes_and_types_that_we_state(name, batch):
    graph = GRAPHS.get(name) or standardized(name)
    found = inferred(graph, batch)
    for value in (graph.input, *(node.output for node in graph.nodes)):
        assert found[value.name] == (("N" if batch is None else batch, *value.shape), value.dtype)


WITH_CONSTANTS = (
    ops.AsMap, ops.BlurPool, ops.ChannelConv, ops.Dequantize, ops.GroupNorm, ops.OneMinus, ops.PadChannels,
    ops.PadMap, ops.Quantize, ops.SplitSoftmax, ops.Subsample, ops.SumPositions, ops.TakeChannels,
)  # fmt: skip


def needs_constants(node):
    own = getattr(node.op, "function", "") == "gelu" or getattr(node.op, "zeros", False)
    return isinstance(node.op, WITH_CONSTANTS) or own or getattr(node.op, "stored", None)


@pytest.mark.parametrize("name", [*EVERY, *GRAPHS])
def test_initializers_are_the_weights_as_they_are_used_and_a_few_constants(name):
    graph = GRAPHS.get(name) or standardized(name)
    initializers = OnnxFile(graph, SeededWeights(graph), WriterOptions()).initializers
    state = {n: t.shape for n, t in graph.used().items()}
    assert [(i.name, i.shape) for i in initializers if i.name in state] == list(state.items())
    others = {i.name.rpartition(".")[0] for i in initializers if i.name not in state}
    assert others == {n.name for n in graph.nodes if needs_constants(n)}


@pytest.mark.parametrize("opset", [17, 18])
def test_reductions_over_channels_take_their_axes_as_the_opset_has_them(opset):
    model = ModelProto.FromString(OnnxFile(EVERY_OP, SeededWeights(EVERY_OP), WriterOptions(opset=opset)).structure())
    nodes = {n.name: n for n in model.graph.node}
    for name in ("positions.max", "positions.mean"):
        axes = [a for a in nodes[name].attribute if a.name == "axes"]
        assert (len(axes), len(nodes[name].input)) == ((1, 1) if opset < 18 else (0, 2))


@pytest.mark.parametrize("name", [*EVERY, *GRAPHS])
def test_every_value_of_a_file_has_a_name_of_its_own(name):
    graph = GRAPHS.get(name) or standardized(name)
    model = ModelProto.FromString(OnnxFile(graph, SeededWeights(graph), WriterOptions()).structure()).graph
    values = [v.name for v in (*model.input, *model.initializer)] + [o for n in model.node for o in n.output]
    assert len(set(values)) == len(values)
    assert len({n.name for n in model.node}) == len(model.node)


@pytest.mark.parametrize("name", ["every op", "tiny", "highway"])
def test_initializers_hold_the_weights(name):
    graph = GRAPHS[name]
    weights = Ruled(graph)
    model = onnx.load_from_string(model_bytes(graph, weights))
    found = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    for n, tensor in graph.state().items():
        wanted = whole(weights, n, tensor.shape)
        np.testing.assert_array_equal(found[n], wanted.astype(found[n].dtype), err_msg=n)


@pytest.mark.parametrize("name", GRAPHS)
def test_nodes_are_called_and_wired_as_in_the_graph(name):
    """What takes several nodes of ONNX has them in a row, the last under its own name and the others below it."""
    graph = GRAPHS[name]
    model = ModelProto.FromString(OnnxFile(graph, SeededWeights(graph), WriterOptions()).structure())
    rest = list(model.graph.node)
    for node in graph.nodes:
        own = [rest.pop(0)]
        while own[-1].name != node.name:
            assert own[-1].name.startswith(f"{node.name}."), own[-1].name
            own.append(rest.pop(0))
        assert {i for n in own for i in n.input} >= {v.name for v in node.inputs}
        assert list(own[-1].output) == [node.output.name]
        assert [list(n.output) for n in own[:-1]] == [[n.name] for n in own[:-1]]
    assert rest == []


def test_several_outputs_are_put_out_in_their_order():
    graph = GRAPHS["outputs"]
    running = session(model_bytes(graph, Ruled(graph)))
    found = {o.name: o.shape for o in running.get_outputs()}
    assert list(found.items()) == [("stage1", ["N", 4, 8, 8]), ("policy", ["N", 3]), ("value", ["N", 1])]
    values = dict(zip(found, running.run(None, {"input": image(graph)}), strict=True))
    alone = network(TINY, "head=none")
    np.testing.assert_array_equal(values["stage1"], outputs(alone, Ruled(alone), image(graph)))


# --- what each operation computes --------------------------------------------


def one_op(op, *shapes, opset=None, dtype="float32", optimized=False, of=lambda x: x):
    """What an operation alone makes of inputs that are all one image, with the image and the weights."""
    net = Net(Value("input", shapes[0]))
    graph = set_precision(net.graph("one", [net.add("op", op, *(net.input for _ in shapes))]), dtype)
    x = of(2 * image(graph, 2))
    model = model_bytes(graph, Ruled(graph), WriterOptions(opset=opset))
    return Session(model, optimized=optimized).run(x), x, Ruled(graph)


def windows(x, kernel, stride, dilation=1):
    """Every window of a map: (N, C, H, W, k, k)."""
    reach = dilation * (kernel - 1) + 1
    views = np.lib.stride_tricks.sliding_window_view(x, (reach, reach), axis=(2, 3))
    return views[:, :, ::stride, ::stride, ::dilation, ::dilation]


def padded(x, by, **more):
    return np.pad(x.astype(np.float64), ((0, 0), (0, 0), (by, by), (by, by)), **more)


def _conv(op, x, w):
    kernel = w.rows("op.weight", 0, op.out).astype(np.float64)
    views = windows(padded(x, op.padding), op.kernel, op.stride, op.dilation)
    each = zip(np.split(views, op.groups, 1), np.split(kernel, op.groups), strict=True)
    y = np.concatenate([np.einsum("nchwij,ocij->nohw", part, k) for part, k in each], 1)
    return y + w.rows("op.bias", 0, op.out)[:, None, None] if op.bias else y


def _channel_conv(op, x, w):
    around = np.pad(x[:, :, 0, 0].astype(np.float64), ((0, 0), (op.kernel // 2,) * 2))
    kernel = w.rows("op.weight", 0, 1)[0, 0]
    y = [(around[:, c : c + op.kernel] * kernel).sum(1) for c in range(x.shape[1])]
    return np.stack(y, 1)[:, :, None, None]


def _norm(op, x, w):
    weight, bias, mean, var = (w.rows(f"op.{t.role}", 0, 6)[:, None, None] for t in op.weights((6, 9, 9)))
    return (x - mean) / np.sqrt(var.astype(np.float64) + op.eps) * weight + bias


def _group_norm(op, x, w):
    groups = [part.astype(np.float64) for part in np.split(x, op.groups, 1)]
    axes = {"axis": (1, 2, 3), "keepdims": True}
    y = np.concatenate([(g - g.mean(**axes)) / np.sqrt(g.var(**axes) + op.eps) for g in groups], 1)
    weight, bias = (w.rows(f"op.{role}", 0, x.shape[1])[:, None, None] for role in ("weight", "bias"))
    return y * weight + bias


def softmax(x, axis):
    raised = np.exp(x.astype(np.float64))
    return raised / raised.sum(axis, keepdims=True)


def _split_softmax(op, x, w):
    """The splits of a group stand in a row on the way in, the groups of a split on the way out."""
    weighed = softmax(x.reshape(len(x), op.groups, op.splits, -1), 2)
    return np.concatenate([weighed[:, :, split] for split in range(op.splits)], 1).reshape(x.shape)


def _max_pool(op, x, w):
    border = 0 if op.zeros else -np.inf
    return windows(padded(x, op.padding, constant_values=border), op.kernel, op.stride).max((4, 5))


def _avg_pool(op, x, w):
    return windows(padded(x, op.padding), op.kernel, op.stride).mean((4, 5))


def _hanging(op, x, w):
    """Of what each window covers of the map; a next one begins as long as none has reached the map's end."""
    x = padded(x, op.padding, constant_values=-np.inf)
    rows, columns = (
        [start for start in range(0, side - op.padding, op.stride) if start + op.kernel - op.stride < side]
        for side in x.shape[2:]
    )
    take = np.max if isinstance(op, ops.MaxPool) else np.mean
    parts = [[take(x[:, :, r : r + op.kernel, c : c + op.kernel], (2, 3)) for c in columns] for r in rows]
    return np.array(parts).transpose(2, 3, 0, 1)


def _blur(op, x, w):
    window = np.outer([1, 2, 1], [1, 2, 1]) / 16
    return (windows(padded(x, 1, mode="reflect"), 3, op.stride) * window).sum((4, 5))


def _linear(op, x, w):
    y = x @ w.rows("op.weight", 0, op.out).T
    return y + w.rows("op.bias", 0, op.out) if op.bias else y


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def _gelu(op, x, w):
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


MAP, UNEVEN, CELL, VECTOR = (6, 9, 9), (6, 8, 11), (12, 1, 1), (6,)


MEANINGS = [
    (ops.Conv(4, 3, 2, 1, bias=True), MAP, _conv),
    (ops.Conv(4, 3, 1, 0, groups=2), MAP, _conv),
    (ops.Conv(6, 5, 3, 2, groups=6), MAP, _conv),
    (ops.Conv(4, 3, 1, 2, dilation=2), MAP, _conv),
    (ops.Conv(4, 3, 2, 3, groups=2, dilation=3), UNEVEN, _conv),
    (ops.ChannelConv(3), CELL, _channel_conv),
    (ops.ChannelConv(5), (3, 1, 1), _channel_conv),
    (ops.Linear(4), VECTOR, _linear),
    (ops.Linear(4, bias=False), VECTOR, _linear),
    (ops.BatchNorm(0.25), MAP, _norm),
    (ops.GroupNorm(3), MAP, _group_norm),
    (ops.GroupNorm(1, 0.25), UNEVEN, _group_norm),
    (ops.GroupNorm(6), MAP, _group_norm),
    (ops.Activation("relu"), MAP, lambda op, x, w: np.maximum(x, 0)),
    (ops.Activation("leaky_relu", 0.3), MAP, lambda op, x, w: np.where(x > 0, x, 0.3 * x)),
    (ops.Activation("elu", 0.7), MAP, lambda op, x, w: np.where(x > 0, x, 0.7 * np.expm1(x))),
    (ops.Activation("silu"), MAP, lambda op, x, w: x * sigmoid(x)),
    (ops.Activation("gelu"), MAP, _gelu),
    (ops.Activation("mish"), MAP, lambda op, x, w: x * np.tanh(np.log1p(np.exp(x)))),
    (ops.Activation("hard_swish"), MAP, lambda op, x, w: x * np.clip(x + 3, 0, 6) / 6),
    (ops.Activation("sigmoid"), VECTOR, lambda op, x, w: sigmoid(x)),
    (ops.Activation("hard_sigmoid"), MAP, lambda op, x, w: np.clip(x + 3, 0, 6) / 6),
    (ops.Activation("tanh"), MAP, lambda op, x, w: np.tanh(x)),
    (ops.MaxPool(3, 2, 1), MAP, _max_pool),
    (ops.MaxPool(2, 2), MAP, _max_pool),
    (ops.MaxPool(3, 2, 1, zeros=True), MAP, _max_pool),
    (ops.MaxPool(3, 2, 1, zeros=True), UNEVEN, _max_pool),
    (ops.MaxPool(3, 1, 1, zeros=True), MAP, _max_pool),
    (ops.MaxPool(3, 2, zeros=True), UNEVEN, _max_pool),
    (ops.MaxPool(3, 2, ceil=True), UNEVEN, _hanging),
    (ops.MaxPool(2, 2, ceil=True), MAP, _hanging),
    (ops.MaxPool(3, 2, 1, ceil=True), UNEVEN, _hanging),
    (ops.AvgPool(3, 2), MAP, _avg_pool),
    (ops.AvgPool(3, 2, 1), UNEVEN, _avg_pool),
    (ops.AvgPool(2, 2, ceil=True), MAP, _hanging),
    (ops.AvgPool(2, 2, ceil=True), UNEVEN, _hanging),
    (ops.AvgPool(2, 3, ceil=True), (6, 6, 7), _hanging),
    (ops.AvgPool(3, 2, ceil=True), UNEVEN, _hanging),
    (ops.BlurPool(2), MAP, _blur),
    (ops.BlurPool(2), UNEVEN, _blur),
    (ops.BlurPool(1), (6, 2, 3), _blur),
    (ops.GlobalAvgPool(), MAP, lambda op, x, w: x.mean((2, 3), keepdims=True)),
    (ops.GlobalMaxPool(), MAP, lambda op, x, w: x.max((2, 3), keepdims=True)),
    (ops.SumPositions(), UNEVEN, lambda op, x, w: x.sum((2, 3), keepdims=True)),
    (ops.ChannelMean(), UNEVEN, lambda op, x, w: x.mean(1, keepdims=True)),
    (ops.ChannelMax(), UNEVEN, lambda op, x, w: x.max(1, keepdims=True)),
    (ops.Flatten(), MAP, lambda op, x, w: x.reshape(2, -1)),
    (ops.AsMap(), VECTOR, lambda op, x, w: x[:, :, None, None]),
    (ops.Add(), MAP, lambda op, x, w: x + x),
    (ops.Mul(), MAP, lambda op, x, w: x * x),
    (ops.OneMinus(), MAP, lambda op, x, w: 1 - x),
    (ops.PadChannels(8), MAP, lambda op, x, w: np.pad(x, ((0, 0), (0, 2), (0, 0), (0, 0)))),
    (ops.PadChannels(6), MAP, lambda op, x, w: x),
    (ops.PadMap(1, 1), MAP, lambda op, x, w: np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))),
    (ops.PadMap(0, 2), UNEVEN, lambda op, x, w: np.pad(x, ((0, 0), (0, 0), (0, 2), (0, 2)))),
    (ops.TakeChannels(2, 5), MAP, lambda op, x, w: x[:, 2:5]),
    (ops.Concat(), MAP, lambda op, x, w: np.concatenate([x, x], 1)),
    (ops.Concat(2), UNEVEN, lambda op, x, w: np.concatenate([x, x], 3)),
    (ops.SplitSoftmax(3), CELL, _split_softmax),
    (ops.SplitSoftmax(2, groups=3), CELL, _split_softmax),
    (ops.SplitSoftmax(1, groups=2), CELL, _split_softmax),
    (ops.Subsample(2), MAP, lambda op, x, w: x[:, :, ::2, ::2]),
    (ops.Subsample(4), MAP, lambda op, x, w: x[:, :, ::4, ::4]),
    (ops.Softmax(), VECTOR, lambda op, x, w: softmax(x, 1)),
    (ops.Cast("float16"), MAP, lambda op, x, w: x.astype(np.float16)),
]
PAIRED = {ops.Quantize, ops.Dequantize}
"""What goes by two, and is tested by two."""
HALVED = [row for row in MEANINGS if not isinstance(row[0], ops.Cast)]


def test_the_meaning_of_every_operation_and_function_is_tested():
    assert {type(op) for op, *_ in MEANINGS} | PAIRED == set(CONCRETE)
    functions = {op.function for op, *_ in MEANINGS if isinstance(op, ops.Activation)}
    assert functions == set(ops.Function.__args__)


def shapes_of(op, shape):
    return (shape, shape) if isinstance(op, (ops.Add, ops.Mul, ops.Concat)) else (shape,)


@pytest.mark.parametrize("opset", [OLDEST_OPSET, 18, NEWEST_RUN])
@pytest.mark.parametrize(("op", "shape", "meaning"), MEANINGS, ids=lambda v: str(v) if isinstance(v, Op) else "")
def test_an_operation_computes_what_its_name_says(op, shape, meaning, opset):
    shapes = shapes_of(op, shape)
    found, x, weights = one_op(op, *shapes, opset=opset)
    assert found.shape[1:] == op.shape(*shapes)
    np.testing.assert_allclose(found, meaning(op, x, weights), rtol=2e-5, atol=4e-6)


@pytest.mark.parametrize(("op", "shape", "meaning"), MEANINGS, ids=lambda v: str(v) if isinstance(v, Op) else "")
def test_an_operation_computes_the_same_as_the_runtime_rewrites_it(op, shape, meaning):
    found, x, weights = one_op(op, *shapes_of(op, shape), optimized=True)
    np.testing.assert_allclose(found, meaning(op, x, weights), rtol=2e-5, atol=4e-6)


HANGING = list(itertools.product((ops.MaxPool, ops.AvgPool), (2, 3, 4), (2, 3, 4, 5), (0, 1)))


@pytest.mark.parametrize(
    ("kind", "kernel", "stride", "padding"), [h for h in HANGING if h[0] is ops.MaxPool or not h[3]]
)
@pytest.mark.parametrize("opset", [OLDEST_OPSET, NEWEST_RUN])
def test_no_window_begins_past_the_map_in_the_file_either(kind, kernel, stride, padding, opset):
    op = kind(kernel, stride, padding, ceil=True)
    for height, width in [*((side, side) for side in range(4, 13)), *itertools.combinations(range(4, 13), 2)]:
        shape = (2, height, width)
        net = Net(Value("input", shape))
        model = model_bytes(net.graph("one", [net.add("op", op, net.input)]), None, WriterOptions(opset=opset))
        onnx.shape_inference.infer_shapes(onnx.load_from_string(model), check_type=True, strict_mode=True)
        x = np.arange(2 * height * width, dtype=np.float32).reshape(1, *shape) % 31
        wanted = _hanging(op, x, None)
        np.testing.assert_allclose(Session(model).run(x), wanted, rtol=1e-5, atol=1e-6)
        assert wanted.shape[1:] == op.shape(shape)


@pytest.mark.parametrize("op", [op for op, *_ in MEANINGS if isinstance(op, ops.MaxPool) and op.zeros], ids=str)
def test_zeros_around_a_map_are_seen_by_windows_that_reach_into_them_alone(op):
    found, x, _ = one_op(op, MAP, of=lambda x: -np.abs(x) - 1)
    np.testing.assert_array_equal(found, _max_pool(op, x, None))
    assert found.min() < 0


@pytest.mark.parametrize("opset", [OLDEST_OPSET, 18])
@pytest.mark.parametrize(("op", "shape", "meaning"), HALVED, ids=lambda v: str(v) if isinstance(v, Op) else "")
def test_an_operation_computes_the_same_in_float16(op, shape, meaning, opset):
    found, x, weights = one_op(op, *shapes_of(op, shape), opset=opset, dtype="float16")
    assert difference(found, meaning(op, x, weights)) < HALF


HALF = 5e-3
"""Of the largest output: weights, inputs and results are each rounded to 11 bits."""


def test_channels_are_joined_in_the_order_that_is_given():
    net = Net(Value("input", MAP))
    last, first = (net.add(f"{a}-{b}", ops.TakeChannels(a, b), net.input) for a, b in ((4, 6), (0, 3)))
    graph = net.graph("n", [net.add("concat", ops.Concat(), last, first)])
    x = image(graph, 2)
    np.testing.assert_array_equal(outputs(graph, Ruled(graph), x), x[:, [4, 5, 0, 1, 2]])


@pytest.mark.parametrize(
    ("gates", "axes"),
    [([ops.GlobalMaxPool()], (2, 3)), ([ops.ChannelMax()], 1), ([ops.ChannelMax(), ops.GlobalMaxPool()], (1, 2, 3))],
)
def test_a_gate_weighs_channels_or_positions_or_all(gates, axes):
    net = Net(Value("input", UNEVEN))
    gate = net.input
    for number, op in enumerate(gates):
        gate = net.add(f"gate{number}", op, gate)
    graph = net.graph("n", [net.add("scale", ops.Mul(), net.input, gate)])
    x = image(graph, 2)
    np.testing.assert_allclose(outputs(graph, Ruled(graph), x), x * x.max(axes, keepdims=True), rtol=1e-6)


# --- batch and metadata ------------------------------------------------------


def test_a_symbolic_batch_takes_any_number_of_images():
    graph = GRAPHS["tiny"]
    running = session(model_bytes(graph, SeededWeights(graph)))
    assert running.get_inputs()[0].shape == ["N", 1, 8, 8]
    assert running.get_outputs()[0].shape == ["N", 3]
    x = image(graph, 5)
    together = running.run(None, {"input": x})[0]
    alone = np.concatenate([running.run(None, {"input": x[i : i + 1]})[0] for i in range(5)])
    assert difference(together, alone) < 1e-6


def test_a_fixed_batch_takes_that_many_images_and_no_others():
    graph = GRAPHS["tiny"]
    running = session(model_bytes(graph, SeededWeights(graph), WriterOptions(batch=3)))
    assert running.get_inputs()[0].shape == [3, 1, 8, 8]
    assert running.get_outputs()[0].shape == [3, 3]
    assert running.run(None, {"input": image(graph, 3)})[0].shape == (3, 3)
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument):
        running.run(None, {"input": image(graph, 2)})


def test_metadata_and_producer_are_kept_and_sorted():
    options = OPTIONS["all"]
    model = onnx.load_from_string(model_bytes(EVERY_OP, SeededWeights(EVERY_OP), options))
    assert [(p.key, p.value) for p in model.metadata_props] == sorted(options.metadata.items())
    assert (model.producer_name, model.producer_version) == ("resnet-gen", "1.2")
    assert model.graph.name == "every_op"


def test_a_file_states_what_it_will_be():
    file = OnnxFile(GRAPHS["tiny"], SeededWeights(GRAPHS["tiny"]), WriterOptions())
    model = ModelProto.FromString(b"".join(file.chunks()))
    assert file.nbytes == sum(len(t.raw_data) for t in model.graph.initializer)
    assert file.ir_version == model.ir_version


# --- external data -----------------------------------------------------------


def external(folder, graph, weights, **options):
    """The model with its weights beside it."""
    file = OnnxFile(graph, weights, WriterOptions(external_above=0, **options))
    assert file.needs_external_data
    (folder / "m.onnx.data").write_bytes(b"".join(file.external_chunks()))
    (folder / "m.onnx").write_bytes(b"".join(file.chunks("m.onnx.data")))
    return folder / "m.onnx"


def places(path):
    """Offset and length of each tensor that lies in the external file."""
    model = onnx.load(path, load_external_data=False)
    found = {}
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            entries = {e.key: e.value for e in tensor.external_data}
            assert entries.pop("location") == "m.onnx.data"
            assert not tensor.HasField("raw_data")
            found[tensor.name] = int(entries["offset"]), int(entries["length"])
    return found


@pytest.mark.parametrize("name", GRAPHS)
def test_weights_beside_the_model_give_the_same_outputs(name, tmp_path):
    graph = GRAPHS[name]
    path = external(tmp_path, graph, SeededWeights(graph))
    onnx.checker.check_model(str(path), full_check=True)
    x = image(graph, 2)
    inside, beside = (session(m).run(None, {"input": x}) for m in (model_bytes(graph, SeededWeights(graph)), path))
    assert len(inside) == len(graph.outputs)
    for wanted, found in zip(inside, beside, strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", GRAPHS)
def test_external_tensors_are_the_weights_page_aligned_and_apart(name, tmp_path):
    graph = GRAPHS[name]
    path = external(tmp_path, graph, SeededWeights(graph))
    found = places(path)
    assert list(found) == list(graph.used())
    ends = [0, *(offset + length for offset, length in found.values())]
    assert all(offset % 4096 == 0 and offset >= end for (offset, _), end in zip(found.values(), ends, strict=False))
    assert (tmp_path / "m.onnx.data").stat().st_size == ends[-1]
    assert path.stat().st_size < 64 * 1024


def test_external_data_loaded_into_the_model_is_the_inline_model(tmp_path):
    graph = GRAPHS["tiny"]
    model = onnx.load(external(tmp_path, graph, SeededWeights(graph)))
    for tensor in model.graph.initializer:
        tensor.ClearField("data_location")
    assert model == onnx.load_from_string(model_bytes(graph, SeededWeights(graph)))


def test_only_models_beyond_the_limit_keep_their_weights_beside_them():
    graph = GRAPHS["tiny"]
    size = len(model_bytes(graph, SeededWeights(graph)))
    large = OnnxFile(graph, SeededWeights(graph), WriterOptions(external_above=size - 1))
    small = OnnxFile(graph, SeededWeights(graph), WriterOptions(external_above=size + 256 * len(large.initializers)))
    assert large.needs_external_data
    assert not small.needs_external_data


def test_a_model_beyond_two_gigabytes_needs_external_data():
    few, many = (network("resnet18", f"head.classes={n}") for n in (1000, 1_100_000))
    assert not OnnxFile(few, SeededWeights(few), WriterOptions()).needs_external_data
    assert OnnxFile(many, SeededWeights(many), WriterOptions()).needs_external_data


# --- float16 -----------------------------------------------------------------


def test_weights_beyond_float16_are_refused_by_name():
    graph = GRAPHS["half"]
    with pytest.raises(Refused, match=r"'head\.fc\.bias' has values beyond float16"):
        model_bytes(graph, Ruled(graph, {"head.fc.bias": 70_000.0}))


def test_weights_at_the_edge_of_float16_are_kept():
    graph = GRAPHS["half"]
    model = onnx.load_from_string(model_bytes(graph, Ruled(graph, {"head.fc.bias": 65_504.0})))
    (bias,) = [t for t in model.graph.initializer if t.name == "head.fc.bias"]
    assert (numpy_helper.to_array(bias) == 65_504.0).all()


@pytest.mark.parametrize("step", [fold_batch_norm, linear_as_conv])
def test_passes_can_be_streamed_too(step):
    graph, weights = step(network(TINY), SeededWeights(network(TINY)))
    data = model_bytes(graph, weights)
    assert ModelProto.FromString(data).SerializeToString(deterministic=True) == data


def test_a_fault_in_the_weights_ends_the_stream():
    class Broken(SeededWeights):
        def rows(self, name, start, stop):
            if name == "head.fc.weight":
                raise OSError("unreadable")
            return super().rows(name, start, stop)

    graph = network(TINY)
    stream = OnnxFile(graph, Broken(graph), WriterOptions()).chunks()
    with pytest.raises(OSError, match="unreadable"):
        b"".join(stream)


@pytest.mark.parametrize("opset", OPSETS)
def test_each_opset_goes_with_the_ir_version_that_brought_it(opset):
    assert IR_OF_OPSET[opset] == onnx.helper.find_min_ir_version_for([onnx.helper.make_opsetid("", opset)])


def test_no_opset_is_left_out_or_unknown_to_onnx():
    assert list(IR_OF_OPSET) == list(OPSETS)
    assert onnx.defs.onnx_opset_version() >= NEWEST_OPSET


@pytest.mark.skipif(
    tuple(map(int, onnxruntime.__version__.split(".")[:2])) < (1, 31),
    reason="the newest opset that is written is the newest that ONNX Runtime 1.31 loads",
)
def test_the_newest_opset_loads_in_the_runtime():
    graph = GRAPHS["every op"]
    x = image(graph)
    newest = model_bytes(graph, Ruled(graph), WriterOptions(opset=NEWEST_OPSET))
    assert difference(run(newest, x), outputs(graph, Ruled(graph), x)) < 1e-6


@pytest.mark.parametrize("value", [0.1, -2.0, 0, 1, -1, 2**40, "constant", "ü" * 90, [], [3], [0, 300, -1]])
def test_attributes_are_what_onnx_writes(value):
    ours = messages.node("n", "Op", ["a", ""], ["b"], {"key": value, "a": 1})
    wanted = onnx.helper.make_node("Op", ["a", ""], ["b"], "n", a=1)
    kind = onnx.AttributeProto.INTS if value == [] else None
    wanted.attribute.append(onnx.helper.make_attribute("key", value, attr_type=kind))
    assert ours == onnx.GraphProto(node=[wanted]).SerializeToString(deterministic=True)


def test_element_types_are_those_of_onnx():
    assert messages.INT64 == TensorProto.INT64
    for name, number in messages.ELEMENT_OF.items():
        assert onnx.helper.tensor_dtype_to_np_dtype(number) == element_type(name)
    assert set(messages.ELEMENT_OF) == set(ops.DType.__args__)


@pytest.mark.parametrize(
    ("to", "zero", "least", "most"), [("int8", 0, -128, 127), ("uint8", 0, 0, 255), ("uint8", 128, 0, 255)]
)
def test_eight_bits_round_to_the_nearest_even_and_saturate(to, zero, least, most):
    net = Net(Value("input", (1, 1, 6)))
    small = net.add("quantize", ops.Quantize(to, 0.5, zero), net.input)
    graph = net.graph("pair", [net.add("dequantize", ops.Dequantize("float32", 0.5, zero), small)])
    x = np.asarray([[[[0.25, 0.75, -0.25, 1.1, 1e4, -1e4]]]], np.float32)
    wanted = (np.clip(np.rint(x / 0.5) + zero, least, most) - zero) * 0.5
    np.testing.assert_array_equal(run(model_bytes(graph, SeededWeights(graph)), x), wanted)


def test_zeros_that_pad_an_average_count_and_those_beyond_the_map_do_not():
    """ONNX has 0 and 1 for it; runtimes take other numbers for either."""
    net = Net(Value("input", (4, 12, 12)))
    graph = net.graph("pooled", [net.add("padded", ops.AvgPool(3, 1, 1), net.input)])
    (node,) = onnx.load_from_string(model_bytes(graph, SeededWeights(graph))).graph.node
    found = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    assert found == {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [1, 1, 1, 1], "count_include_pad": 1}
