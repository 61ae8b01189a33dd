"""`verify --against` where an activation is quantized in another shape or order, by several scales, or in a function.

Eight bits that cover nothing of what they are of make every number zero, wherever they stand.
"""

from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_static

from resnet_gen import emit_onnx, load_spec
from resnet_gen.compare.against.model import compare_model, read_model
from resnet_gen.graph.counts import count
from resnet_gen.language.lower import lower
from resnet_gen.verify.subject import Subject

SIDE, FILTERS, RIGHT = 8, 16, 0.05


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A network with SiLU, its weights and its file."""
    folder = tmp_path_factory.mktemp("silu")
    loaded = load_spec("cifar-resnet20", {"input": {"size": SIDE}, "activation": "silu"})
    rng = np.random.default_rng(1)
    drawn = {name: _drawn(tensor, rng) for name, tensor in lower(loaded).state().items()}
    np.savez(folder / "w.npz", **drawn)
    return loaded, folder / "w.npz", emit_onnx(loaded, folder / "n.onnx", weights=folder / "w.npz")


def _drawn(tensor, rng):
    if tensor.fill is None:
        return rng.normal(0, np.prod(tensor.shape[1:]) ** -0.5, tensor.shape).astype(np.float32)
    return np.full(tensor.shape, tensor.fill, np.float32)


@pytest.fixture
def held(built, tmp_path):
    """What is said of the file once it is changed."""
    loaded, weights, file = built
    graph = lower(loaded)

    def hold(change):
        model = onnx.load(file)
        change(model)
        onnx.save(model, tmp_path / "n.onnx")
        path = tmp_path / "n.onnx"
        return compare_model(path, read_model(path), weights, Subject(loaded, graph, count(graph)))

    return hold


def constant(model, values, dtype):
    name = f"constant{len(model.graph.initializer)}"
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(values, dtype), name))
    return name


def quantized(model, read, scale, zero=0, dtype=np.int8, **along):
    """The nodes that quantize a tensor and undo it."""
    names = constant(model, scale, np.float32), constant(model, zero, dtype)
    made = f"{read}.codes", f"{read}.quantized"
    return [
        helper.make_node("QuantizeLinear", [read, *names], [made[0]], **along),
        helper.make_node("DequantizeLinear", [made[0], *names], [made[1]], **along),
    ]


def insert(model, index, nodes, operand=0):
    """Have a node read what the last of some nodes makes; what they read is there."""
    reader = model.graph.node[index]
    for place, node in enumerate(nodes):
        model.graph.node.insert(index + place, node)
    reader.input[operand] = nodes[-1].output[0]


def conv(model, nth=3):
    """The place of a convolution, and what it reads."""
    index = [i for i, node in enumerate(model.graph.node) if node.op_type == "Conv"][nth]
    return index, model.graph.node[index].input[0]


def as_it_is(model, scale):
    index, read = conv(model)
    insert(model, index, quantized(model, read, scale))


def reshaped(model, scale, there=(0, FILTERS * SIDE * SIDE), back=(0, FILTERS, SIDE, SIDE)):
    index, read = conv(model)
    first = helper.make_node("Reshape", [read, constant(model, there, np.int64)], ["there"])
    both = quantized(model, "there", scale)
    last = helper.make_node("Reshape", [both[-1].output[0], constant(model, back, np.int64)], ["back"])
    insert(model, index, [first, *both, last])


def unsqueezed(model, scale):
    index, read = conv(model)
    axes = constant(model, [2], np.int64)
    both = quantized(model, "there", scale)
    ends = (helper.make_node(kind, [of, axes], [to]) for kind, of, to in (
        ("Unsqueeze", read, "there"), ("Squeeze", both[-1].output[0], "back")
    ))  # fmt: skip
    insert(model, index, [next(ends), *both, next(ends)])


def transposed(model, scale):
    index, read = conv(model)
    both = quantized(model, "there", scale)
    first = helper.make_node("Transpose", [read], ["there"], perm=[0, 2, 3, 1])
    last = helper.make_node("Transpose", [both[-1].output[0]], ["back"], perm=[0, 3, 1, 2])
    insert(model, index, [first, *both, last])


def padded(model, scale):
    index, read = conv(model)
    (pads,) = (a for a in model.graph.node[index].attribute if a.name == "pads")
    pads.ints[:] = [0, 0, 0, 0]
    wide = constant(model, [0, 0, 1, 1, 0, 0, 1, 1], np.int64)
    insert(model, index, [helper.make_node("Pad", [read, wide], ["wide"]), *quantized(model, "wide", scale)])


def inside_a_function(model, scale):
    index = [i for i, node in enumerate(model.graph.node) if node.op_type == "Mul"][3]
    node = model.graph.node[index]
    gates = {n.output[0] for n in model.graph.node if n.op_type == "Sigmoid"}
    (operand,) = (place for place, name in enumerate(node.input) if name in gates)
    insert(model, index, quantized(model, node.input[operand], scale / 4), operand)


def logits_as_a_map(model, scale):
    last, wanted = model.graph.node[-1], model.graph.output[0].name
    last.output[0] = "scores"
    first = helper.make_node("Reshape", ["scores", constant(model, [0, 10, 1], np.int64)], ["there"])
    both = quantized(model, "there", scale / 300)
    shape = constant(model, [0, 10], np.int64)
    model.graph.node.extend([first, *both, helper.make_node("Reshape", [both[-1].output[0], shape], [wanted])])


WAYS = (as_it_is, reshaped, unsqueezed, transposed, padded, inside_a_function, logits_as_a_map)


@pytest.mark.parametrize("way", WAYS)
def test_codes_are_compared_whatever_their_activation_looks_like(way, held):
    right = held(lambda model: way(model, RIGHT))
    assert (right.layers, right.weights) == ((), ())
    assert right.ranged.startswith("ranges of activations ")
    assert right.left == ()
    for scale in (1e-9, RIGHT / 1000, RIGHT * 1000):
        assert "the codes of " in held(lambda model, scale=scale: way(model, scale)).layers[0]


@pytest.mark.parametrize("axis", [1, 2, 3])
@pytest.mark.parametrize("scale", [1e-9, RIGHT * 1e4])
@pytest.mark.parametrize("others", [False, True])
def test_each_of_several_scales_is_compared(axis, scale, others, held):
    """One that is right hides no other."""

    def change(model, scale=scale):
        index, read = conv(model)
        scales = np.full((0, FILTERS, SIDE, SIDE)[axis], scale if others else RIGHT)
        scales[1] = RIGHT if others else scale
        insert(model, index, quantized(model, read, scales, np.zeros(len(scales)), axis=axis))

    assert held(lambda model: change(model, RIGHT * 1.5)).layers == ()
    assert "the codes of " in held(change).layers[0]


@pytest.mark.parametrize("many", [1, 8, 15])
def test_zero_points_that_cut_off_a_part_of_the_channels_are_a_difference(many, held):
    def change(model):
        index, read = conv(model)
        zeros = np.where(np.arange(FILTERS) < many, 0, 128)
        insert(model, index, quantized(model, read, np.full(FILTERS, RIGHT), zeros, np.uint8, axis=1))

    assert "its zero points cut off what is below zero in a part of what it reads" in held(change).layers[0]


THEIRS = {
    "by default": {},
    "a scale for each filter": {"per_channel": True},
    "integers with a sign": {"activation_type": QuantType.QInt8, "extra_options": {"ActivationSymmetric": True}},
}
"""Ways of ONNX Runtime's own quantizer, which takes ReLUs away where codes cut off as they do."""


@pytest.mark.parametrize("way", THEIRS)
def test_files_of_onnx_runtime_s_quantizer_are_accepted_and_not_with_another_scale(way, tmp_path):
    loaded = load_spec("cifar-resnet20", {"input": {"size": SIDE}})
    rng = np.random.default_rng(2)
    np.savez(tmp_path / "w.npz", **{n: _drawn(tensor, rng) for n, tensor in lower(loaded).state().items()})
    file = emit_onnx(loaded, tmp_path / "n.onnx", weights=tmp_path / "w.npz", fold=True)
    images = iter([{"input": rng.standard_normal((1, 3, SIDE, SIDE), np.float32)} for _ in range(8)])
    quantize_static(file, tmp_path / "q.onnx", SimpleNamespace(get_next=lambda: next(images, None)), **THEIRS[way])
    subject = Subject(loaded, lower(loaded), count(lower(loaded)))
    answer = compare_model(tmp_path / "q.onnx", read_model(tmp_path / "q.onnx"), tmp_path / "w.npz", subject)
    assert (answer.layers, answer.weights, answer.shapes) == ((), (), ())
    model = onnx.load(tmp_path / "q.onnx")
    (scale,) = (t for t in model.graph.initializer if t.name == "layer2.0.relu2_scale")
    scale.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(scale) * np.float32(1 / 64), scale.name))
    onnx.save(model, tmp_path / "q.onnx")
    answer = compare_model(tmp_path / "q.onnx", read_model(tmp_path / "q.onnx"), tmp_path / "w.npz", subject)
    assert "the codes of 'layer2.0." in answer.layers[0]
