"""Files with pixels before their network and classes behind it: read, they are what was asked for, and no other."""

import itertools
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from resnet_gen.build.build import write_model
from resnet_gen.build.request import Request
from resnet_gen.compare.against.model import compare_model, read_model
from resnet_gen.compare.difference.sides import load_side, make_side
from resnet_gen.compare.surroundings import compare_surroundings
from resnet_gen.graph.counts import count
from resnet_gen.graph.surrounding_terms import simplify_surroundings
from resnet_gen.language.lower import lower
from resnet_gen.language.surroundings_statement import read_statement
from resnet_gen.onnx.metadata_keys import SERVE_KEY
from resnet_gen.onnx.reading import read
from resnet_gen.onnx.reading.surroundings.file import read_inner_model
from resnet_gen.verify.subject import Subject
from tests.helpers.served import eight_bits, load_served

TYPES, LAYOUTS, ORDERS, SIZES = ("uint8", "float32"), ("NHWC", "NCHW"), ("RGB", "BGR"), ("fixed", "any")
OUTPUTS = (
    "[]",
    "[probabilities, top2]",
    "[logits, top1]",
    "[top2]",
    "[probabilities]",
    "[embedding, normalized_embedding, logits]",
    "[stage1, top1]",
    "[embedding]",
    "[normalized_embedding, stage1]",
)
EVERY = tuple(itertools.product(TYPES, LAYOUTS, ORDERS, SIZES, OUTPUTS))


REQUESTS = {
    "fp32": Request(),
    "folded": Request(fold=True),
    "fp16": Request(precision="fp16"),
    "int8 for a CPU": eight_bits("cpu"),
    "int8 for TensorRT": eight_bits("tensorrt"),
}
BYTES = ("input.mean=[0, 0, 0]", "input.std=[1, 1, 1]")
"""With these, pixels are their own eight bits."""


def subject_of(loaded):
    graph = lower(loaded)
    return Subject(loaded, graph, count(graph))


def compare(loaded, path):
    """What `verify SPEC --against FILE` finds."""
    found = compare_model(path, read_model(path), None, subject_of(loaded))
    return [*found.layers, *found.shapes, *found.surroundings]


def without_sources(around):
    """What is around a network, whatever its tensors are called."""
    return simplify_surroundings(replace(around, outputs=tuple(replace(each, source="") for each in around.outputs)))


def check_file(loaded, request, path):
    write_model(loaded, request, path)
    said = {entry.key: entry.value for entry in onnx.load(path, load_external_data=False).metadata_props}
    stated = without_sources(read_statement(said[SERVE_KEY]))
    assert without_sources(read_inner_model(path).surroundings) == stated
    assert without_sources(read(path).surroundings) == stated
    assert compare(loaded, path) == []


def check(tmp_path, request, dtype, layout, order, size, outputs, more=()):
    settings = (f"type={dtype}", f"layout={layout}", f"order={order}", f"size={size}", f"outputs={outputs}")
    check_file(load_served(*settings, more=more), REQUESTS[request], tmp_path / "m.onnx")


@pytest.mark.parametrize("case", EVERY[::17], ids="-".join)
def test_a_file_is_read_as_what_it_was_built_for(case, tmp_path):
    check(tmp_path, "fp32", *case)


@pytest.mark.parametrize("request_", [each for each in REQUESTS if each != "fp32"])
@pytest.mark.parametrize("size", SIZES)
def test_so_it_is_in_each_precision(request_, size, tmp_path):
    outputs = "[stage1, embedding, normalized_embedding, logits, probabilities, top2]"
    check(tmp_path, request_, "uint8", "NHWC", "BGR", size, outputs)


@pytest.mark.parametrize("size", SIZES)
def test_so_it_is_where_the_first_layer_reads_bytes(size, tmp_path):
    check(tmp_path, "int8 for a CPU", "uint8", "NHWC", "BGR", size, "[probabilities, top2]", BYTES)


@pytest.mark.parametrize("outputs", ["[]", "[probabilities]", "[embedding]", "[top2]"])
def test_so_it_is_where_nothing_has_to_be_put_before_the_network(outputs, tmp_path):
    check(tmp_path, "fp32", "float32", "NCHW", "RGB", "fixed", outputs, BYTES)


@pytest.mark.long
@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize("case", EVERY, ids="-".join)
def test_so_it_is_however_it_is_built(request_, case, tmp_path):
    for more in ((), BYTES) if request_ == "int8 for a CPU" else ((),):
        check(tmp_path, request_, *case, more)


# --- files that are others -------------------------------------------------------

SPEC_LINES = ("order=RGB", "size=any", "outputs=[probabilities, top2, normalized_embedding]")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A file of those lines."""
    folder = tmp_path_factory.mktemp("served")
    write_model(load_served(*SPEC_LINES), Request(), folder / "m.onnx")
    return onnx.load(folder / "m.onnx")


@pytest.fixture
def model(built):
    """A copy to be changed."""
    copy = onnx.ModelProto()
    copy.CopyFrom(built)
    return copy


def change(model, name, values):
    """Another constant of that name."""
    place = next(i for i, tensor in enumerate(model.graph.initializer) if tensor.name == name)
    old = numpy_helper.to_array(model.graph.initializer[place])
    model.graph.initializer[place].CopyFrom(numpy_helper.from_array(np.asarray(values(old), old.dtype), name))


def find(model, name):
    return next(node for node in model.graph.node if node.name == name)


def reverse_colours(model):
    """Channels in the other order before the first node that casts them."""
    model.graph.initializer.append(numpy_helper.from_array(np.asarray([2, 1, 0], np.int64), "order"))
    first = find(model, "serve.channels_first")
    first.output[0] = "as_given"
    place = list(model.graph.node).index(first)
    turned = onnx.helper.make_node("Gather", ["as_given", "order"], ["serve.channels_first"], "turn", axis=1)
    model.graph.node.insert(place + 1, turned)


def scores_for_probabilities(model):
    """The values of the best classes are those of logits."""
    find(model, "serve.top2_values").input[0] = "logits"


def three_classes(model):
    change(model, "serve.top2_indices.k", lambda _: [3])
    del model.graph.value_info[:]
    for value in model.graph.output:
        if value.name.startswith("top2"):
            value.type.tensor_type.shape.dim[1].dim_value = 3


def set_attribute(model, name, place, value):
    find(model, name).attribute[place].i = value


def crop_more(model):
    """0.9 of a side instead of 0.875: of 16, 160 / 9 before the crop instead of 128 / 7."""
    change(model, "serve.resize.twice_before_crop", lambda _: [320, 320])
    change(model, "serve.resize.divisors", lambda _: [9, 9])


CHANGES = {
    "another mean": (lambda m: change(m, "serve.normalize.mean", lambda old: old + 0.01), ("input", "mean")),
    "mean and deviation exchanged": (
        lambda m: change(m, "serve.normalize.std", lambda old: old[::-1]),
        ("input", "mean"),
    ),
    "pixels of another range": (lambda m: change(m, "serve.normalize.scale", lambda _: 256.0), ("input", "mean")),
    "colours in the other order": (reverse_colours, ("serve", "order")),
    "another crop": (crop_more, ("input", "crop")),
    "another number of classes": (three_classes, ("serve", "outputs")),
    "no softmax": (scores_for_probabilities, ("serve", "outputs")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_file_with_something_else_around_it_is_a_finding_at_its_line(name, model, tmp_path):
    make, loc = CHANGES[name]
    make(model)
    path = tmp_path / "changed.onnx"
    onnx.save(model, path)
    found = compare_model(path, read_model(path), None, subject_of(load_served(*SPEC_LINES)))
    assert [where for where, _ in found.surroundings] == [loc]
    assert not found.layers
    assert not found.shapes


UNKNOWN = {
    "another length": lambda m: setattr(find(m, "serve.normalized_embedding.length"), "op_type", "ReduceL1"),
    "a crop off by a pixel": lambda m: change(m, "serve.resize.rows_middles", lambda old: old + 2),
    "weights of other numbers": lambda m: change(m, "serve.resize.two", lambda _: [3]),
    "no smoothing": lambda m: setattr(find(m, "serve.resize.larger"), "op_type", "Min"),
    "columns for rows": lambda m: change(m, "serve.resize.rows_and_columns", lambda _: [3, 2]),
    "another side that counts": lambda m: change(m, "serve.resize.columns_and_rows", lambda _: [2, 3]),
    "halves that go down": lambda m: setattr(find(m, "serve.resize.rounded"), "op_type", "Min"),
    "another size": lambda m: change(m, "serve.resize.twice_before_crop", lambda old: old * [1, 2]),
    "no rounding": lambda m: setattr(find(m, "serve.resize.whole_columns"), "op_type", "Ceil"),
    "rounding of thirds": lambda m: change(m, "serve.resize.half", lambda _: 0.3),
    "weights of 16 bits": lambda m: set_attribute(m, "serve.resize.rows_parts", 0, 10),
    "sums of the other axis": lambda m: change(m, "serve.resize.rows_axis", lambda _: [0]),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_steps_that_are_not_known_are_not_taken_for_others(name, model, tmp_path):
    UNKNOWN[name](model)
    path = tmp_path / "changed.onnx"
    onnx.save(model, path)
    around = read_inner_model(path).surroundings
    assert around.input is None or around.input.crop is None or "length" in name
    assert not any(each.normalized for each in around.outputs) or "length" not in name


def test_a_network_that_ends_in_a_softmax_is_known_without_it(tmp_path):
    more = ("head.softmax=true",)
    for outputs in ("[probabilities, top2]", "[logits, top2]", "[top2]"):
        check_file(load_served(f"outputs={outputs}", more=more), Request(), tmp_path / "m.onnx")


TWO_STAGES = ("stages.depths=[1, 1]", "stages.widths=[4, 4]", "stages.strides=[1, 1]")


def test_another_stage_of_the_same_shape_is_noticed(tmp_path):
    write_model(load_served("outputs=[stage1, top2]", more=TWO_STAGES), Request(), tmp_path / "m.onnx")
    assert compare(load_served("outputs=[stage1, top2]", more=TWO_STAGES), tmp_path / "m.onnx") == []
    assert compare(load_served("outputs=[stage2, top2]", more=TWO_STAGES), tmp_path / "m.onnx") != []


def test_outputs_in_another_order_are_noticed(tmp_path):
    write_model(load_served("outputs=[top2, embedding]"), Request(), tmp_path / "m.onnx")
    ((loc, words),) = compare(load_served("outputs=[embedding, top2]"), tmp_path / "m.onnx")
    assert loc == ("serve", "outputs")
    assert "outputs the best 2 classes, the embedding, where the spec has the embedding, the best 2 classes" in words


@pytest.mark.parametrize("part", ["values", "indices"])
def test_a_part_of_the_best_classes_alone_is_noticed(part, tmp_path):
    path = tmp_path / "m.onnx"
    write_model(load_served("outputs=[top2]"), Request(), path)
    model = onnx.load(path)
    kept = next(output for output in model.graph.output if output.name == f"top2_{part}")
    del model.graph.output[:], model.metadata_props[:]
    model.graph.output.append(kept)
    onnx.save(model, path)
    ((loc, words),) = compare(load_served("outputs=[top2]"), path)
    alone = {"values": "scores", "indices": "numbers"}[part]
    assert loc == ("serve", "outputs")
    assert f"their {alone} alone, where the spec has the best 2 classes" in words


NAMES = ("a", "b", "c", "d", "e", "f", "g")


def with_labels(*names):
    return load_served("outputs=[top1]", *([f"labels=[{', '.join(names)}]"] if names else []))


def test_labels_in_another_order_are_found(tmp_path):
    """All else is the same to the bit: whoever reads the labels takes classes for others."""
    wanted, path, swapped = with_labels(*NAMES), tmp_path / "n.onnx", tmp_path / "swapped.onnx"
    write_model(wanted, Request(), path)
    write_model(with_labels(*NAMES[:5], "g", "f"), Request(), swapped)
    assert compare(wanted, path) == []
    words = f"{swapped}: calls class 5 'g', the spec 'f', and 1 more"
    assert compare(wanted, swapped) == [(("serve", "labels"), words)]
    sides = [load_side(str(each)) for each in (path, swapped)]
    (change,) = compare_surroundings(*sides)
    assert (change.key, change.before, change.after) == ("around.labels", "class 5: f", "class 5: g, and 1 more")
    assert compare_surroundings(sides[0], sides[0]) == ()


def test_labels_that_a_file_does_not_state_are_said_not_to_be_compared(tmp_path):
    path = tmp_path / "n.onnx"
    write_model(with_labels(), Request(), path)
    found = compare_model(path, read_model(path), None, subject_of(with_labels(*NAMES)))
    assert (found.surroundings, "labels" in found.left) == ((), True)
    (change,) = compare_surroundings(load_side(str(path)), make_side("s", "spec", with_labels(*NAMES)))
    assert (change.key, change.before, change.after) == ("around.labels", None, "of 7 classes")
