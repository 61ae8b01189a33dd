"""A file with pixels before its network and classes behind it, imported: its spec builds a file with the same."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from resnet_gen.build.build import write_model
from resnet_gen.build.request import Request
from resnet_gen.graph.surrounding_terms import list_differences, simplify_surroundings
from resnet_gen.infer.recovery import recover_spec
from resnet_gen.onnx.reading.surroundings.file import read_inner_model
from tests.compare.test_against_served import BYTES, EVERY, REQUESTS
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
