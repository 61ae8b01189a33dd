"""`verify --against` of files of which one thing was changed, with ONNX Runtime as the witness.

Whatever is accepted can be loaded, and computes what the spec with its weights computes, within what rounding
explains.
"""

import random
import re

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from safetensors.numpy import save_file

from resnet_gen import emit_onnx
from resnet_gen.compare.against.model import compare_model, read_model
from resnet_gen.graph.counts import count
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.problems import Refused
from resnet_gen.verify.subject import Subject
from resnet_gen.weights.initialization import SeededWeights
from tests.helpers.onnx_runs import difference, session
from tests.helpers.whole_tensors import whole

STAGES = "stages: {depths: [1, 1], widths: [4, 8], block: basic}\n"
SPECS = {
    "plain": STAGES,
    "gated": STAGES.replace("basic", "basic, attention: {kind: se, rd_ratio: 0.5}") + "activation: silu\n",
    "gelu": STAGES.replace("basic", "bottleneck") + "activation: gelu\n",
    "mish": STAGES.replace("basic", "preact_basic") + "activation: mish\n",
    "swish": STAGES + "activation: hard_swish\n",
    "leaky": STAGES + "activation: {kind: leaky_relu, slope: 0.1}\n",
    "standardized": STAGES + "norm: {kind: group, groups: 2}\nweight_standardization: 1.0e-6\n",
}
"""Networks of a few layers, with every way in which activations are spelled out."""
HEAD = """\
name: {name}
input: {{channels: 2, size: 12}}
stem: {{kind: conv3x3, width: 4}}
head: {{kind: linear, classes: 3}}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A network by its name and how it is built: its spec, its weights, and its file."""
    folder, known = tmp_path_factory.mktemp("changed"), {}

    def make(name, how):
        if (name, how) not in known:
            known[name, how] = _made(folder / f"{name}-{how}", name, how)
        return known[name, how]

    return make


def _made(folder, name, how):
    folder.mkdir()
    spec, weights = folder / f"{name}.yaml", folder / "weights.safetensors"
    spec.write_text(HEAD.format(name=name) + SPECS[name])
    graph = lower(load(str(spec)))
    rng = np.random.default_rng(5)
    numbers = {key: whole(SeededWeights(graph, 1), key, t.shape) for key, t in graph.state().items()}
    for key, array in numbers.items():  # norms that do something, as those of a trained network
        if key.endswith("running_var"):
            numbers[key] = rng.uniform(0.2, 3, array.shape).astype(np.float32)
        elif array.ndim == 1:
            numbers[key] = (array + rng.normal(0, 0.3, array.shape)).astype(np.float32)
    save_file(numbers, weights)
    return spec, weights, emit_onnx(str(spec), folder / f"{name}.onnx", weights=weights, **HOW[how])


HOW = {
    "kept": {},
    "folded": {"fold": True},
    "half": {"precision": "fp16"},
    "eight": {"precision": "int8", "calibration": "random", "placement": "cpu"},
}
PRECISION = {"fp16": "half", "bf16": "bf16", "int8": "eight", "fp8": "fp8"}
ALIKE = {"kept": 1e-4, "folded": 1e-4, "half": 2e-2, "bf16": 5e-2, "eight": 0.1, "fp8": 0.3}
"""What outputs may differ by, over the largest: rounding, in eight bits of weights too."""


# --- changes -------------------------------------------------------------------


def tensors(model, kind):
    return [t for t in model.graph.initializer if numpy_helper.to_array(t).dtype.kind in kind and t.dims]


def put(tensor, array):
    tensor.CopyFrom(numpy_helper.from_array(np.asarray(array), tensor.name))


def number_one(draw, model):
    """One number of one tensor."""
    tensor = draw.choice(tensors(model, "f"))
    array = numpy_helper.to_array(tensor).copy()
    place = tuple(draw.randrange(n) for n in array.shape)
    largest = float(np.abs(array).max())
    array[place] = draw.choice(
        [array[place] + largest, -array[place], 0, array[place] * 1.1, 10 * largest, np.inf, np.nan]
    )
    put(tensor, array)


def number_all(draw, model):
    tensor = draw.choice(tensors(model, "f"))
    array = numpy_helper.to_array(tensor)
    put(tensor, draw.choice([array * array.dtype.type(1.05), array[::-1].copy(), -array]))


def number_small(draw, model):
    """All but the largest numbers of a tensor, which hides them from whoever looks at the largest alone."""
    tensor = draw.choice(tensors(model, "f"))
    array = numpy_helper.to_array(tensor).copy()
    array[np.abs(array) < np.abs(array).max() / 10] *= 3
    put(tensor, array)


def number_code(draw, model):
    """A code of a weight in eight bits."""
    held = [t for t in tensors(model, "i") if t.data_type == onnx.TensorProto.INT8 and len(t.dims) > 1]
    if held:
        tensor = draw.choice(held)
        array = numpy_helper.to_array(tensor).copy()
        place = tuple(draw.randrange(n) for n in array.shape)
        array[place] += 40 if array[place] < 0 else -40
        put(tensor, array)


def number_scale(draw, model):
    """A scale, of weights or of an activation."""
    held = [t for t in model.graph.initializer if "scale" in t.name]
    if held:
        tensor = draw.choice(held)
        array = numpy_helper.to_array(tensor)
        put(tensor, array * array.dtype.type(draw.choice([1e-6, 0.01, 1.2, 5, 1e6, -1, 0, np.nan])))


def number_bias(draw, model):
    """A bias of a layer, in whatever type, moved by a part of its largest number, or all of it."""
    tensor = draw.choice([t for t in model.graph.initializer if t.name.endswith(".bias")])
    array = numpy_helper.to_array(tensor)
    by = np.abs(array.astype(np.float64)).max() * draw.choice([-2, -0.5, 0.3, 0.1, 0.01, 1, 30])
    moved = array + (by if draw.random() < 0.5 else by * (np.arange(array.size) == draw.randrange(array.size)))
    whole = array.dtype.kind == "i"
    put(tensor, np.clip(np.rint(moved), -(2**31), 2**31 - 1).astype(np.int32) if whole else moved.astype(array.dtype))


def number_zero(draw, model):
    held = [t for t in model.graph.initializer if "zero_point" in t.name]
    if held:
        tensor = draw.choice(held)
        array = numpy_helper.to_array(tensor)
        put(tensor, np.full_like(array, draw.choice([1, 50, 100])))


def number_constant(draw, model):
    """A number that is no weight: of an activation that is spelled out, of a shape."""
    held = [
        t for t in model.graph.initializer if np.prod(t.dims) <= 4 and "scale" not in t.name and "zero" not in t.name
    ]
    if held:
        tensor = draw.choice(held)
        array = numpy_helper.to_array(tensor)
        put(tensor, (array * draw.choice([0.5, 1.01, -1, 2]) + draw.choice([0, 0, 0.01, 1])).astype(array.dtype))


def structure_attribute(draw, model):
    held = [(n, a) for n in model.graph.node for a in n.attribute if a.type in (1, 2, 7)]
    _, attribute = draw.choice(held)
    if attribute.type == 1:
        attribute.f = draw.choice([attribute.f * 1.5, 0.0, 1.0])
    elif attribute.type == 2:
        attribute.i = draw.choice([attribute.i + 1, 0, 2])
    else:
        place = draw.randrange(len(attribute.ints))
        attribute.ints[place] = draw.choice([0, 1, 2, 3])


def structure_attribute_twice(draw, model):
    node = draw.choice([n for n in model.graph.node if n.attribute])
    node.attribute.append(draw.choice(list(node.attribute)))


def structure_attribute_more(draw, model):
    node = draw.choice([n for n in model.graph.node if n.op_type in ("Conv", "MaxPool", "Gemm", "Flatten")])
    more = {
        "auto_pad": draw.choice(["VALID", "SAME_UPPER", "SAME_LOWER"]),
        "alpha": 0.5,
        "axis": 0,
        "dilations": [2, 2],
    }
    name = draw.choice(list(more))
    if name not in [a.name for a in node.attribute]:
        node.attribute.append(helper.make_attribute(name, more[name]))


def structure_attribute_less(draw, model):
    node = draw.choice([n for n in model.graph.node if n.attribute])
    node.attribute.remove(draw.choice(list(node.attribute)))


OTHER = {
    "Relu": ["Sigmoid", "Identity", "LeakyRelu", "Abs", "HardSwish", "Neg"], "Add": ["Mul", "Sub", "Max"],
    "Mul": ["Add", "Div"], "MaxPool": ["AveragePool"], "GlobalAveragePool": ["GlobalMaxPool"],
    "Sigmoid": ["Tanh", "HardSigmoid", "Relu"], "Erf": ["Tanh"], "Tanh": ["Erf"], "Softplus": ["Relu", "Exp"],
    "Clip": ["Max"], "Div": ["Mul"], "HardSigmoid": ["Sigmoid"], "HardSwish": ["Relu"],
}  # fmt: skip


def structure_operator(draw, model):
    node = draw.choice([n for n in model.graph.node if n.op_type in OTHER])
    node.op_type = draw.choice(OTHER[node.op_type])


def structure_operands(draw, model):
    """One operand taken from elsewhere, or two that change their places."""
    node = draw.choice([n for n in model.graph.node if len(n.input) > 1])
    if draw.random() < 0.5:
        node.input[0], node.input[1] = node.input[1], node.input[0]
    else:
        made = [name for n in model.graph.node for name in n.output if n is not node]
        node.input[draw.randrange(len(node.input))] = draw.choice(made)


def structure_without_a_node(draw, model):
    node = draw.choice(list(model.graph.node))
    for other in model.graph.node:
        for place, name in enumerate(other.input):
            if name == node.output[0]:
                other.input[place] = node.input[0]
    if node.output[0] != model.graph.output[0].name:
        model.graph.node.remove(node)


def inserted(model, place, build):
    """Nodes put behind one node, by a function of the names before and behind."""
    name = model.graph.node[place].output[0]
    model.graph.node[place].output[0] = "before"
    for offset, node in enumerate(build("before", name)):
        model.graph.node.insert(place + 1 + offset, node)


def structure_another_node(draw, model):
    op_type = draw.choice(["Relu", "Neg", "Sigmoid", "Identity", "Abs", "Dropout", "Floor", "Softmax", "HardSwish"])
    place = draw.randrange(len(model.graph.node))
    inserted(model, place, lambda x, y: [helper.make_node(op_type, [x], [y])])


def structure_cast(draw, model):
    there = draw.choice([3, 6, 7, 9, 10, 11, 16, 17, 19])
    place = draw.randrange(len(model.graph.node))
    inserted(
        model,
        place,
        lambda x, y: [
            helper.make_node("Cast", [x], ["there"], to=there),
            helper.make_node("Cast", ["there"], [y], to=1),
        ],
    )


def structure_bump(draw, model):
    """A bump behind an operator, anywhere and of any width."""
    place = draw.randrange(len(model.graph.node))
    centre, width, height = draw.uniform(-3, 3), 10 ** draw.uniform(-6, 0), draw.uniform(-50, 50)
    numbers = {"centre": centre, "steep": -1 / width**2, "height": height}
    model.graph.initializer.extend(numpy_helper.from_array(np.float32(v), name) for name, v in numbers.items())
    inserted(
        model,
        place,
        lambda x, y: [
            helper.make_node("Sub", [x, "centre"], ["b1"]), helper.make_node("Mul", ["b1", "b1"], ["b2"]),
            helper.make_node("Mul", ["b2", "steep"], ["b3"]), helper.make_node("Exp", ["b3"], ["b4"]),
            helper.make_node("Mul", ["b4", "height"], ["b5"]), helper.make_node("Add", [x, "b5"], [y]),
        ],
    )  # fmt: skip


def structure_ends(draw, model):
    """The size of the batch or of the image, or the type of the input."""
    dims = model.graph.input[0].type.tensor_type.shape.dim
    dims[draw.randrange(4)].dim_value = draw.choice([1, 2, 12, 13])
    if draw.random() < 0.3:
        model.graph.input[0].type.tensor_type.elem_type = draw.choice([1, 10, 11])


def structure_order(draw, model):
    nodes = list(model.graph.node)
    at = draw.randrange(len(nodes) - 1)
    nodes[at], nodes[at + 1] = nodes[at + 1], nodes[at]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


CHANGES = [f for name, f in list(globals().items()) if name.startswith(("number_", "structure_"))]


# --- what is accepted ------------------------------------------------------------


def judged(network, change, seed):
    """Whether the changed file is accepted, by which words, and what ONNX Runtime says of both files."""
    spec, weights, file = network
    model = onnx.load(file)
    change(random.Random(seed), model)
    path = file.with_name("changed.onnx")
    path.write_bytes(model.SerializeToString())
    loaded = load(str(spec))
    graph = lower(loaded)
    try:
        held = compare_model(path, read_model(path), weights, Subject(loaded, graph, count(graph)))
    except Refused:
        return None
    if held.layers or held.shapes or held.weights:
        return None
    return held.words, path


def apart(path, file, words):
    """By how much two files differ in their outputs for images of several sizes."""
    alone = re.search(r"for batches of (\d+) alone", words)
    rng = np.random.default_rng(0)
    given = re.search(r"images given as (\w+)", words)
    x = rng.standard_normal((int(alone.group(1)) if alone else 6, 2, 12, 12)).astype(np.float32)
    one, other = session(path), session(file)

    def outputs(run, images):
        return run.run(None, {run.get_inputs()[0].name: images})[0]

    return max(
        difference(outputs(one, (x * size).astype(given.group(1) if given else "float32")), outputs(other, x * size))
        for size in (0.1, 1, 10)
    )


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", SPECS)
def test_the_file_itself_is_accepted(made, name, how):
    words, path = judged(made(name, how), lambda draw, model: None, 0)
    assert apart(path, made(name, how)[2], words) == 0


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_accepted_computes_the_same(made, change):
    for seed in range(0, 28, 2):
        name, how = list(SPECS)[seed % len(SPECS)], list(HOW)[seed // len(SPECS)]
        _holds(made(name, how), how, change, seed)


@pytest.mark.long
@pytest.mark.parametrize("change", CHANGES)
def test_what_is_accepted_computes_the_same_at_length(made, change):
    for seed in range(100, 220):
        name, how = list(SPECS)[seed % len(SPECS)], list(HOW)[seed // len(SPECS) % len(HOW)]
        _holds(made(name, how), how, change, seed)


def _holds(network, how, change, seed):
    accepted = judged(network, change, seed)
    if accepted is None:
        return
    words, path = accepted
    try:
        far = apart(path, network[2], words)
    except (RuntimeError, onnxruntime.capi.onnxruntime_pybind11_state.Fail) as error:
        raise AssertionError((change.__name__, seed, words)) from error
    rounded = next((form for precision, form in PRECISION.items() if f", {precision})" in words), how)
    assert far <= ALIKE[rounded], (change.__name__, seed, words)
