"""A file with pixels before its network and classes behind it, imported: its spec builds a file with the same."""

import itertools
import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from resnet_gen import emit_onnx
from resnet_gen.build.build import write_model
from resnet_gen.build.request import Request
from resnet_gen.graph.surrounding_terms import list_differences, simplify_surroundings
from resnet_gen.infer.network_files import read_network_file
from resnet_gen.infer.recovery import recover_spec
from resnet_gen.onnx.metadata_keys import LABELS_KEY
from resnet_gen.onnx.reading.surroundings.file import read_inner_model
from resnet_gen.problems import Problem
from tests.compare.test_against_served import BYTES, EVERY, REQUESTS, compare
from tests.helpers.served import load_served
from tests.helpers.surroundings import Around, normalized


def named(around):
    """What is around a network, and the names of what comes out; the last stage's map is all that `none` outputs."""
    outputs = (
        replace(o, source="", names=tuple(n.replace("features", "stage1") for n in o.names)) for o in around.outputs
    )
    return replace(around, outputs=tuple(outputs))


def import_and_build(path):
    """What is around the file that the imported spec builds, and what the import says."""
    found = recover_spec(path)
    again = path.with_name("again.onnx")
    write_model(found.loaded, Request(), again)
    return read_inner_model(again).surroundings, found


def check(path, settings, request=REQUESTS["fp32"], more=()):
    write_model(load_served(*settings, more=more), request, path)
    around, found = import_and_build(path)
    assert named(simplify_surroundings(around)) == named(simplify_surroundings(read_inner_model(path).surroundings))
    return found


def settings_of(case):
    return [f"{key}={value}" for key, value in zip(("type", "layout", "order", "size", "outputs"), case, strict=True)]


@pytest.mark.parametrize("case", EVERY[5::43], ids="-".join)
def test_the_imported_spec_builds_the_same_around(case, tmp_path):
    found = check(tmp_path / "m.onnx", settings_of(case))
    assert found.loaded.spec.serve
    assert any(line.startswith("serve: ") for line in found.account)


def test_maps_may_stand_behind_scores(tmp_path):
    """Outputs of a network have an order of their own; that of the file is what `serve` says."""
    found = check(tmp_path / "m.onnx", ("outputs=[logits, top2, stage1]",))
    assert found.loaded.spec.serve.outputs == ("logits", "top2", "stage1")
    assert found.loaded.spec.outputs == ("stage1",)


@pytest.mark.long
@pytest.mark.parametrize("case", EVERY, ids="-".join)
def test_so_it_does_of_every_file(case, tmp_path):
    check(tmp_path / "m.onnx", settings_of(case))


def test_so_it_does_of_a_file_whose_first_layer_reads_bytes(tmp_path):
    check(tmp_path / "m.onnx", ("order=BGR", "outputs=[top2]"), REQUESTS["int8 for a CPU"], BYTES)


def test_what_another_tool_put_around_is_in_the_spec_too(tmp_path):
    path = normalized(tmp_path / "m.onnx", reverse=True)
    around, found = import_and_build(path)
    assert not [*list_differences(around, read_inner_model(path).surroundings)]
    assert found.loaded.spec.serve.order == "BGR"


OTHERS = {
    "halves": lambda: (
        Around(TensorProto.FLOAT16).step("Cast", to=TensorProto.FLOAT).step("Transpose", perm=[0, 3, 1, 2])
    ),
    "channels moved and no more": lambda: Around(TensorProto.FLOAT).step("Transpose", perm=[0, 3, 1, 2]),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_a_spec_has_no_words_for_is_said(name, tmp_path):
    path = OTHERS[name]().write(tmp_path / "m.onnx")
    found = recover_spec(path)
    assert found.loaded.spec.serve is None
    assert any(line.startswith("not carried: around the network") for line in found.account)


def test_the_best_by_scores_that_are_no_probabilities_are_not_carried(tmp_path):
    path = tmp_path / "m.onnx"
    write_model(load_served("outputs=[top2]"), Request(), path)
    model = onnx.load(path)
    model.graph.initializer.append(numpy_helper.from_array(np.asarray([2], np.int64), "two"))
    del model.graph.node[-3:], model.graph.output[:]
    model.graph.node.append(helper.make_node("TopK", ["logits", "two"], ["best", "which"], axis=1))
    model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in ("best", "which"))
    onnx.save(onnx.shape_inference.infer_shapes(model), path)
    found = recover_spec(path)
    assert found.loaded.spec.serve is None
    assert any("by logits" in line for line in found.account)


TWO_STAGES = ("stages.depths=[1, 1]", "stages.widths=[4, 4]", "stages.strides=[1, 1]")


@pytest.mark.parametrize("outputs", ["[stage1, embedding]", "[embedding, stage1]", "[embedding]"])
def test_an_embedding_beside_maps_is_carried(outputs, tmp_path):
    found = check(tmp_path / "m.onnx", (f"outputs={outputs}",), more=TWO_STAGES)
    assert "embedding" in found.loaded.spec.serve.outputs


def test_an_embedding_that_is_not_carried_is_named(tmp_path):
    """Of halves, which a spec does not take."""
    path = tmp_path / "m.onnx"
    write_model(load_served("outputs=[stage1, embedding]", more=TWO_STAGES), Request(), path)
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    onnx.save(model, path)
    found = recover_spec(path)
    assert found.loaded.spec.serve is None
    assert any(line.startswith("not carried: the file outputs the embedding 'embedding'") for line in found.account)


def scale_to_length_one(path, name, *, beside):
    """The file, which outputs one of its vectors at length 1, with or without what it output before."""
    model = onnx.load(path)
    model.graph.node.append(helper.make_node("LpNormalization", [name], ["unit"], axis=1, p=2))
    if not beside:
        del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("unit", TensorProto.FLOAT, None))
    del model.metadata_props[:]
    onnx.save(onnx.shape_inference.infer_shapes(model), path)


@pytest.mark.parametrize("beside", [False, True])
def test_a_vector_that_no_spec_calls_the_embedding_is_not_carried(beside, tmp_path):
    """What the last layer makes, where `serve` has what it reads."""
    path = tmp_path / "m.onnx"
    write_model(load_served("outputs=[logits]"), Request(), path)
    scale_to_length_one(path, "logits", beside=beside)
    found = recover_spec(path)
    assert found.loaded.spec.serve is None
    assert any("the embedding 'logits' at length 1" in line for line in found.account)
    assert compare(found.loaded, path) == []


def test_a_vector_that_the_spec_calls_the_embedding_is_carried(tmp_path):
    path = tmp_path / "m.onnx"
    write_model(load_served("outputs=[logits, embedding]"), Request(), path)
    scale_to_length_one(path, "embedding", beside=True)
    found = recover_spec(path)
    assert found.loaded.spec.serve.outputs == ("logits", "embedding", "normalized_embedding")
    assert compare(found.loaded, path) == []


def outputs_of(*words):
    """Every order of one, two or three of them, as `serve.outputs`."""
    return [f"[{', '.join(each)}]" for many in (1, 2, 3) for each in itertools.permutations(words, many)]


@pytest.mark.parametrize("own", ["features", "stage1"])
@pytest.mark.parametrize("name", ["fp32", "fp16"])
def test_maps_and_vectors_of_a_backbone_are_told_apart(own, name, tmp_path):
    """One map may be an output, be averaged and be divided by its length: it is averaged once."""
    path, more = tmp_path / "m.onnx", ["head=none"]
    for outputs in outputs_of(own, "embedding", "normalized_embedding"):
        loaded = load_served(f"outputs={outputs}", more=more)
        write_model(loaded, REQUESTS[name], path)
        assert compare(loaded, path) == []
        assert compare(recover_spec(path).loaded, path) == []
        pools = [node for node in onnx.load(path).graph.node if node.op_type == "GlobalAveragePool"]
        assert len(pools) == ("embedding" in outputs)


LABELS = ["null", "a: b", "#", "1e3", "- x", "'", "tench, Tinca tinca"]


def test_labels_are_in_the_spec(tmp_path):
    found = check(tmp_path / "m.onnx", ("outputs=[top2]", f"labels={json.dumps(LABELS)}"))
    assert found.loaded.spec.labels == tuple(LABELS)
    assert "serve: 7 labels of classes" in found.account


@pytest.mark.parametrize(
    ("serve", "labels"),
    [(("outputs=[top2]",), LABELS[1:]), (("type=float32", "layout=NCHW", "outputs=[top2]"), LABELS)],
)
def test_labels_that_no_spec_can_have_are_told(serve, labels, tmp_path):
    """They are of other classes, or the graph does not normalize, so that the spec has no `serve`."""
    path = tmp_path / "m.onnx"
    write_model(load_served(*serve, more=BYTES), REQUESTS["fp32"], path)
    model = onnx.load(path)
    del model.metadata_props[:]
    helper.set_model_props(model, {LABELS_KEY: json.dumps(labels)})
    onnx.save(model, path)
    found = recover_spec(path)
    assert f"not carried: {len(labels)} labels of classes" in found.account
    assert found.loaded.spec.labels == ()


def test_programs_are_given_what_is_around_beside_a_parent_too(tmp_path):
    path = tmp_path / "m.onnx"
    write_model(
        load_served("outputs=[top2]", more=("input.mean=[0.1, 0.2, 0.3]", "input.std=[1, 1, 1]")), Request(), path
    )
    alone, beside = recover_spec(path), recover_spec(path, parent="resnet18")
    assert beside.data["spec"] == alone.data["spec"]
    assert alone.data["spec"]["input"]["mean"] == [0.1, 0.2, 0.3]
    assert alone.data["spec"]["serve"]["outputs"] == ["top2"]


def test_an_open_height_and_width_are_told(tmp_path):
    words = "not carried: height and width, which it leaves open: build --symbolic-size does"
    for open_size in (True, False):
        path = emit_onnx(load_served("layout=NCHW"), tmp_path / "m.onnx", symbolic_size=open_size)
        assert (words in recover_spec(path).account) == open_size
        lines = [*read_network_file(path).describe()]
        assert ("its height and width are open: looked at for images of 16x16" in lines) == open_size


@pytest.mark.parametrize("outputs", ["[logits, stage1]", "[stage1, logits]"])
def test_outputs_in_another_order_than_a_spec_can_have_are_refused_with_it(outputs, tmp_path):
    """Without pixels before the network no `serve` says in which order they come."""
    path, more = tmp_path / "m.onnx", ("input.mean=[0, 0, 0]", "input.std=[1, 1, 1]")
    write_model(load_served("type=float32", "layout=NCHW", f"outputs={outputs}", more=more), Request(), path)
    found = recover_spec(path)
    words = "; a spec's outputs are in the order in which they are made: 'stage1', 'logits'"
    assert isinstance(found, Problem) == (outputs == "[logits, stage1]")
    assert not isinstance(found, Problem) or found.hint.endswith(words)


@pytest.mark.parametrize("size", ["fixed", "any"])
@pytest.mark.parametrize("outputs", ["[logits, stage1]", "[top2, embedding, stage1, normalized_embedding]"])
def test_an_imported_spec_without_serve_is_that_of_its_file_in_any_order_of_outputs(outputs, size, tmp_path):
    """Pixels that nothing normalizes are none that a spec serves."""
    path, more = tmp_path / "m.onnx", ("input.mean=[0, 0, 0]", "input.std=[1, 1, 1]")
    loaded = load_served("type=float32", f"size={size}", f"outputs={outputs}", more=more)
    write_model(loaded, Request(), path)
    found = recover_spec(path).loaded
    assert found.spec.serve is None
    assert compare(found, path) == []
