"""`wrap`: files with pixels before them and classes behind them, cut, renamed, of another batch and size."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

import resnet_gen
from resnet_gen.build import wrap_proof
from resnet_gen.graph.surroundings import PixelInput
from resnet_gen.onnx.reading import read
from resnet_gen.onnx.reading.surroundings.file import read_inner_model
from resnet_gen.onnx.wrapping import editor
from resnet_gen.problems import Refused
from resnet_gen.system.digest import digest_file
from tests.helpers.onnx_runs import run_named
from tests.helpers.surroundings import SPEC, VECTOR, small_file

pytest.importorskip("onnx_graphsurgeon")
PIXELS = ("--input-type", "uint8", "--layout", "NHWC", "--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225")


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A small file without a spec in it, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(SPEC)
    path = tmp_path / "small.onnx"
    path.write_bytes(small_file())
    return path


def outputs(path, x):
    return run_named(path, x, optimized=True)


def pixels(many=2, size=8):
    return np.random.default_rng(3).integers(0, 256, (many, size, size, 3), np.uint8)


def test_an_embedding_is_found_before_scores_that_are_rounded(model, cli):
    """As quantizers leave them; other weights would need other scales, so classes are not replaced there."""
    found = onnx.load(model)
    (scores,) = found.graph.output
    (last,) = (node for node in found.graph.node if scores.name in node.output)
    last.output[0] = "exact"
    found.graph.initializer.extend([helper.make_tensor("s", TensorProto.FLOAT, [], [0.1]),
                                    helper.make_tensor("z", TensorProto.UINT8, [], [128])])  # fmt: skip
    found.graph.node.append(helper.make_node("QuantizeLinear", ["exact", "s", "z"], ["codes"]))
    found.graph.node.append(helper.make_node("DequantizeLinear", ["codes", "s", "z"], [scores.name]))
    onnx.save(found, "rounded.onnx")
    x, vectors = np.random.default_rng(0).random((2, 3, 8, 8), np.float32), []
    for name in (model, "rounded.onnx"):
        assert cli("wrap", name, "-o", "e.onnx", "--outputs", "embedding", "--force")[0] == 0
        vectors.append(outputs("e.onnx", x)["embedding"])
    np.testing.assert_array_equal(*vectors)
    code, _, err = cli("wrap", "rounded.onnx", "-o", "c.onnx", "--classes", "7")
    assert (code, "no last layer is found" in err) == (2, True)


def test_pixels_in_and_classes_out(model, cli, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("ant\nbee\ncat\ndog\nelk\n")
    more = ("--channel-order", "BGR", "--outputs", "logits,probabilities,top2,embedding,unit_embedding")
    code, out, err = cli("wrap", model, "-o", "served.onnx", *PIXELS, *more, "--labels", names)
    assert (code, out) == (0, "served.onnx\nserved.wrap.json\n")
    assert err.count("proved: ") == 6
    given = pixels()
    found = outputs("served.onnx", given)
    x = (given[..., ::-1].astype(np.float64) / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    logits = outputs(model, x.transpose(0, 3, 1, 2).astype(np.float32))["logits"]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    assert found["logits"] == pytest.approx(logits, abs=1e-5)
    assert found["probabilities"] == pytest.approx(probabilities, abs=1e-6)
    assert found["top2_indices"].tolist() == np.argsort(-logits, axis=1)[:, :2].tolist()
    assert found["top2_values"] == pytest.approx(-np.sort(-probabilities, axis=1)[:, :2], abs=1e-6)
    length = np.linalg.norm(found["embedding"], axis=1, keepdims=True)
    assert found["unit_embedding"] == pytest.approx(found["embedding"] / length, abs=1e-6)
    metadata = {entry.key: json.loads(entry.value) for entry in onnx.load("served.onnx").metadata_props}
    assert metadata["resnet_gen.labels"] == ["ant", "bee", "cat", "dog", "elk"]
    assert metadata["resnet_gen.wrap"][0] == "outputs logits, probabilities, top2, embedding, unit_embedding"
    onnx.checker.check_model("served.onnx", full_check=True)


def test_the_file_and_its_manifest_are_the_same_each_time(model, cli):
    for name in ("a.onnx", "b.onnx"):
        assert cli("wrap", model, "-o", name, *PIXELS, "--classes", 7, "--outputs", "top3")[0] == 0
    assert digest_file(model.with_name("a.onnx")) == digest_file(model.with_name("b.onnx"))
    told = json.loads(model.with_name("a.wrap.json").read_text())
    assert told["files"] == {"a.onnx": digest_file(model.with_name("a.onnx"))}
    assert told["of"] == {"file": "small.onnx", "sha256": digest_file(model)}
    assert told["asked"]["classes"] == 7
    assert told["proof"]["images"] == 2


@pytest.mark.parametrize(("layout", "order"), [("NCHW", "RGB"), ("NHWC", "BGR")])
def test_a_wrapped_file_is_seen_through(layout, order, model, cli):
    words = ("--layout", layout, "--channel-order", order, "--outputs", "probabilities,top2,unit_embedding")
    assert cli("wrap", model, "-o", "w.onnx", "--input-type", "uint8", "--mean", "imagenet", *words)[0] == 0
    found = read_inner_model(model.with_name("w.onnx")).surroundings
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    assert found.input == PixelInput("uint8", layout, order, 255.0, mean, std)
    assert [output.kind for output in found.outputs] == ["probabilities", "top_k", "embedding"]
    code, out, _ = cli("verify", "small.yaml", "--against", "w.onnx")
    assert code == 0
    assert f"takes uint8 {layout}" in out
    code, out, _ = cli("diff", "small.yaml", "w.onnx")
    assert (code, "the same architecture" in out) == (0, True)


@pytest.mark.long
def test_the_usual_mean_does_not_come_into_an_imported_spec(model, cli):
    assert cli("wrap", model, "-o", "w.onnx", *PIXELS, "--outputs", "top2,unit_embedding", "--no-proof")[0] == 0
    code, out, err = cli("import", "w.onnx", "--name", "small")
    assert code == 0
    assert "mean" not in out, "they are those that a spec has by itself"
    assert "input: mean and std are those of the file's graph" in err
    assert resnet_gen.diff(resnet_gen.parse_spec(out), resnet_gen.load_spec("small.yaml")).same


def test_another_mean_comes_into_an_imported_spec(model, cli):
    words = ("--mean", "0.5,0.4,0.3", "--std", "0.25", "--outputs", "top2")
    assert cli("wrap", model, "-o", "w.onnx", "--input-type", "uint8", *words)[0] == 0
    code, out, _ = cli("import", "w.onnx")
    spec = resnet_gen.parse_spec(out).spec
    assert (code, spec.input.mean, spec.input.std) == (0, (0.5, 0.4, 0.3), (0.25,) * 3)


FAULTS = {
    "a wrong mean": ("--mean", "0.4,0.456,0.406", "--std", "0.229,0.224,0.225"),
    "the mean in the order of other colours": ("--mean", "0.406,0.456,0.485", "--std", "0.225,0.224,0.229"),
    "no mean at all": ("--mean", "none"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_another_normalization_than_the_spec_s_is_found(fault, model, cli):
    assert cli("wrap", model, "-o", "w.onnx", "--input-type", "uint8", *FAULTS[fault])[0] == 0
    code, out, _ = cli("verify", "small.yaml", "--against", "w.onnx")
    assert (code, out.count("[against-surroundings]")) == (1, 1)
    assert ("colours in the other order" in out) == ("order" in fault)
    code, out, _ = cli("diff", "small.yaml", "w.onnx")
    assert (code, "input.mean" in out) == (1, True)


def test_what_two_files_have_around_one_network_is_compared(model, cli):
    assert cli("wrap", model, "-o", "a.onnx", *PIXELS, "--outputs", "probabilities,top2")[0] == 0
    assert cli("wrap", model, "-o", "b.onnx", *PIXELS, "--channel-order", "BGR", "--outputs", "top3")[0] == 0
    code, out, _ = cli("diff", "a.onnx", "b.onnx")
    assert code == 1
    assert "the same architecture" in out
    rows = [line.split() for line in out.splitlines() if line.startswith("around.")]
    assert [row[0] for row in rows] == ["around.order", "around.outputs"]
    assert rows[0][1:] == ["RGB", "->", "BGR"]
    assert cli("diff", "a.onnx", "a.onnx")[0] == 0


def test_a_spec_that_ends_in_a_softmax_is_that_of_a_wrapped_file(model, cli):
    assert cli("wrap", model, "-o", "w.onnx", *PIXELS, "--outputs", "probabilities")[0] == 0
    settings = ("--set", "head.softmax=true")
    assert cli("verify", "small.yaml", *settings, "--against", "w.onnx")[0] == 0
    assert cli("verify", "small.yaml", *settings, "--against", model)[0] == 1
    assert cli("diff", "small.yaml", "w.onnx", *settings)[0] == 0


def test_a_picture_gives_what_it_gives_the_network_alone(model, cli, tmp_path):
    Image.fromarray(pixels(1, 20)[0]).save(tmp_path / "p.png")
    assert cli("wrap", model, "-o", "w.onnx", *PIXELS, "--channel-order", "BGR", "--outputs", "logits,top2")[0] == 0
    alone, wrapped = (resnet_gen.run(name, tmp_path / "p.png") for name in ("small.onnx", "w.onnx"))
    assert wrapped["logits"] == pytest.approx(alone["logits"], abs=1e-6 * float(np.abs(alone["logits"]).max()))
    code, out, err = cli("run", "w.onnx", "--image", "p.png", "--top", 1)
    assert (code, f"class {alone['logits'].argmax():>5}" in out) == (0, True)
    assert "it normalizes pictures itself" in err
    raw = pixels(2)
    assert resnet_gen.run("w.onnx", raw)["logits"].shape == (2, 5)
    assert cli("bench", "w.onnx", "--against", "small.onnx", "--repeat", 1)[0] == 0


# --- cut, rename, resize -------------------------------------------------------------


def test_it_is_cut_at_both_ends(model, cli):
    assert cli("wrap", model, "-o", "c.onnx", "--cut", VECTOR, "--cut", "stem.act")[0] == 0
    found = onnx.load("c.onnx")
    assert [value.name for value in found.graph.output] == [VECTOR, "stem.act"]
    assert not [node for node in found.graph.node if node.op_type == "Gemm"]
    assert cli("wrap", model, "-o", "t.onnx", "--cut-input", "stem.act")[0] == 0
    found = onnx.load("t.onnx")
    assert [value.name for value in found.graph.input] == ["stem.act"]
    assert len(found.graph.node) == len(onnx.load(model).graph.node) - 3


def test_ends_are_renamed(model, cli):
    assert cli("wrap", model, "-o", "r.onnx", "--rename", "logits=scores", "--rename", "input=image")[0] == 0
    graph = onnx.load("r.onnx").graph
    assert [graph.input[0].name, graph.output[0].name] == ["image", "scores"]
    assert read(model.with_name("r.onnx")).graph.input.name == "image"


def test_a_batch_is_fixed_and_opened_again(model, cli):
    assert cli("wrap", model, "-o", "two.onnx", "--batch", 2)[0] == 0
    assert read(model.with_name("two.onnx")).batch == 2
    assert cli("wrap", "two.onnx", "-o", "any.onnx", "--batch", "open")[0] == 0
    assert read(model.with_name("any.onnx")).batch is None


def reshaping(path, dims):
    """The small network with a Reshape that states the batch."""
    found = onnx.load_from_string(small_file())
    (flatten,) = [node for node in found.graph.node if node.op_type == "Flatten"]
    flatten.op_type = "Reshape"
    del flatten.attribute[:]
    flatten.input.append("dims")
    found.graph.initializer.append(helper.make_tensor("dims", TensorProto.INT64, [len(dims)], dims))
    for value in (*found.graph.input, *found.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    path.write_bytes(found.SerializeToString())
    return path


@pytest.mark.parametrize("dims", [[1, -1], [1, 4]])
def test_a_batch_that_a_reshape_states_is_opened_there_too(dims, cli, model):
    reshaping(model, dims)
    code, _, err = cli("wrap", model, "-o", "any.onnx", "--batch", "open")
    assert (code, "1 lists of dimensions changed" in err) == (0, True)
    assert outputs("any.onnx", np.zeros((3, 3, 8, 8), np.float32))["logits"].shape == (3, 5)


def test_another_size_is_proved_or_refused(model, cli):
    assert cli("wrap", model, "-o", "s.onnx", "--size", "12x20")[0] == 0
    assert read(model.with_name("s.onnx")).graph.input.shape == (3, 12, 20)
    assert cli("wrap", model, "-o", "any.onnx", "--size", "open")[0] == 0
    assert outputs("any.onnx", np.zeros((1, 3, 30, 9), np.float32))["logits"].shape == (1, 5)
    found = onnx.load(model)
    found.graph.node[[n.op_type for n in found.graph.node].index("GlobalAveragePool")].CopyFrom(
        helper.make_node("AveragePool", ["stages.0.0.act2"], ["head.pool"], kernel_shape=[8, 8])
    )
    model.write_bytes(found.SerializeToString())
    code, _, err = cli("wrap", model, "-o", "no.onnx", "--size", "12x20")
    assert (code, "cannot be run" in err, model.with_name("no.onnx").exists()) == (2, True, False)


@pytest.mark.parametrize("start", ["zeros", "seeded"])
def test_the_last_layer_is_replaced(start, model, cli):
    code, _, err = cli("wrap", model, "-o", "n.onnx", "--classes", 9, "--start", start)
    assert (code, f"proved: '{VECTOR}'" in err, "are new" in err) == (0, True, True)
    found = outputs("n.onnx", np.ones((2, 3, 8, 8), np.float32))["logits"]
    assert found.shape == (2, 9)
    assert found.any() == (start == "seeded")
    code, out, _ = cli("diff", "small.yaml", "n.onnx")
    assert (code, "5 -> 9 classes" in out) == (1, True)


# --- the proof -----------------------------------------------------------------------


def test_a_wrong_mean_in_the_graph_is_noticed(model, cli, monkeypatch):
    kept = editor._list_sums
    monkeypatch.setattr(editor, "_list_sums", lambda pixels: [*kept(pixels)][:2])
    assert_nothing_is_written(cli("wrap", model, "-o", "w.onnx", *PIXELS), model)


def test_swapped_colours_in_the_graph_are_noticed(model, cli, monkeypatch):
    kept = editor.ModelEditor.add_pixels
    monkeypatch.setattr(
        editor.ModelEditor, "add_pixels", lambda self, found, name: kept(self, found.__class__(
            found.dtype, found.layout, "BGR", found.scale, found.mean, found.std), name)
    )  # fmt: skip
    assert_nothing_is_written(cli("wrap", model, "-o", "w.onnx", *PIXELS), model)


def test_wrong_classes_in_the_graph_are_noticed(model, cli, monkeypatch):
    kept = editor.ModelEditor.append_best
    monkeypatch.setattr(editor.ModelEditor, "append_best", lambda self, scores, k: kept(self, scores, k)[::-1])
    assert_nothing_is_written(cli("wrap", model, "-o", "w.onnx", "--outputs", "top2"), model)


def assert_nothing_is_written(done, model):
    code, out, err = done
    assert (code, out) == (2, "")
    assert "the wrapped file computes something else" in err
    assert sorted(path.name for path in model.parent.iterdir()) == ["small.onnx", "small.yaml"]


def test_equal_scores_may_stand_in_any_order():
    check = wrap_proof.OutputCheck("top_k", ("v", "i"), "s", 2, raw=True)
    found = {"v": np.ones((1, 2)), "i": np.array([[2, 0]])}
    assert [one.difference for one in wrap_proof._compare(check, {"s": np.ones((1, 3))}, found)] == [0, 0]


def test_what_cannot_be_run_is_written_without_a_proof_alone(model, cli):
    found = onnx.load(model)
    found.graph.node[2].domain = "of.nobody"
    found.opset_import.append(helper.make_opsetid("of.nobody", 1))
    model.write_bytes(found.SerializeToString())
    code, _, err = cli("wrap", model, "-o", "w.onnx", "--batch", 1)
    assert (code, "--no-proof" in err) == (2, True)
    code, _, err = cli("wrap", model, "-o", "w.onnx", "--batch", 1, "--no-proof")
    assert (code, "not proved" in err) == (0, True)
    assert json.loads(model.with_name("w.wrap.json").read_text())["proof"] is None


def test_a_wrapped_file_is_looked_at_by_its_manifest(model, cli):
    assert cli("wrap", model, "-o", "w.onnx", *PIXELS)[0] == 0
    code, out, _ = cli("check-engine", "w.onnx")
    assert (code, "ok       manifest: w.wrap.json names it, wrapped from 'small.onnx'" in out) == (0, True)
    model.with_name("w.onnx").write_bytes(model.read_bytes())
    assert cli("check-engine", "w.onnx")[0] == 1
    model.with_name("w.wrap.json").write_text("[]")
    code, _, err = cli("check-engine", "w.onnx")
    assert (code, "not the manifest of a wrapped file" in err) == (2, True)


# --- bad input -----------------------------------------------------------------------


REFUSED = {
    "nothing": ((), "nothing is to be done"),
    "no spec and no mean": (("--input-type", "uint8"), "it carries no spec that says how pixels are normalized"),
    "two means": (("--mean", "0.5,0.5", "--std", "0.5"), "--mean: 2 numbers for 3 channels"),
    "a mean alone": (("--mean", "0.5"), "--mean and --std belong together"),
    "no deviation": (("--mean", "0.5", "--std", "0,1,1"), "--std: a deviation is above 0"),
    "no numbers": (("--mean", "a,b,c", "--std", "1"), "--mean: 'a,b,c' is no list of numbers"),
    "an unknown output": (("--outputs", "top0"), "outputs: there is no 'top0'"),
    "an output twice": (("--outputs", "top2,top2"), "outputs: one is named twice"),
    "too many classes": (("--outputs", "top6"), "outputs: top6 is more than its 5 classes"),
    "an unknown tensor": (("--cut", "stem.akt"), "--cut: there is no tensor 'stem.akt'"),
    "a constant": (("--cut", "stem.conv.weight"), "--cut: 'stem.conv.weight' is a constant"),
    "the input as the end": (("--cut", "input"), "is the input itself"),
    "no map to begin at": (("--cut-input", "head.flatten"), "is no batch of maps"),
    "what is read around the cut": (("--cut-input", "stages.0.0.conv1"), "reads the old input, too"),
    "an unknown name": (("--rename", "logit=x"), "no input or output is called 'logit'"),
    "a name that is taken": (("--rename", "logits=stem.act"), "cannot be a name, or is taken"),
    "half a name": (("--rename", "logits="), "is not OLD=NEW"),
    "no batch": (("--batch", "0"), "--batch: '0' is not a whole number"),
    "the same batch": (("--batch", "open"), "--batch: it is open already"),
    "no size": (("--size", "8x"), ""),
    "classes of what is cut off": (("--classes", "3", "--cut", "stem.act"), "--classes means nothing beside --cut"),
    "the same classes": (("--classes", "5"), "--classes: it has 5 classes already"),
    "a start of nothing": (("--start", "zeros"), "--start and --seed mean nothing without --classes"),
    "a scale of bytes": ((*PIXELS, "--scale", "1"), "--scale 1 is of values from 0 to 1"),
    "labels of others": (("--labels", "two.txt"), "labels: 2 of them for 5 classes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused_and_nothing_written(name, model, cli):
    model.with_name("two.txt").write_text("ant\nbee\n")
    words, message = REFUSED[name]
    code, out, err = cli("wrap", model, "-o", "w.onnx", *words)
    assert (code, out, message in err) == (2, "", True), err
    assert not model.with_name("w.onnx").exists()


def test_places_are_checked_first(model, cli):
    assert "the command reads it" in cli("wrap", model, "-o", model, *PIXELS, "--force")[2]
    assert "wrap writes no '.pb'" in cli("wrap", model, "-o", "w.pb", *PIXELS)[2]
    model.with_name("w.wrap.json").write_text("mine")
    assert "exists already" in cli("wrap", model, "-o", "w.onnx", *PIXELS)[2]
    assert model.with_name("w.wrap.json").read_text() == "mine"
    assert cli("wrap", model, "-o", "w.onnx", *PIXELS, "--force")[0] == 0


def test_pixels_are_put_before_a_network_once(model, cli):
    assert cli("wrap", model, "-o", "w.onnx", *PIXELS)[0] == 0
    code, _, err = cli("wrap", "w.onnx", "-o", "again.onnx", *PIXELS)
    assert (code, "it takes uint8 NHWC" in err, "--cut-input" in err) == (2, True, True)
    assert cli("wrap", "w.onnx", "-o", "again.onnx", "--cut-input", "input", *PIXELS)[0] == 0


def test_weights_beside_the_file_come_into_it(model, cli, tmp_path):
    found = onnx.load(model)
    onnx.save(found, tmp_path / "split.onnx", save_as_external_data=True, location="split.data", size_threshold=0)
    assert cli("wrap", "split.onnx", "-o", "whole.onnx", *PIXELS)[0] == 0
    (tmp_path / "split.data").unlink()
    assert outputs("whole.onnx", pixels())["logits"].shape == (2, 5)
    code, _, err = cli("wrap", "split.onnx", "-o", "none.onnx", *PIXELS)
    assert (code, "split.data" in err) == (2, True)


def test_the_spec_in_a_file_says_how_pixels_are_normalized(model, tmp_path):
    (file,) = [path for path in resnet_gen.build("small.yaml", tmp_path / "built") if path.suffix == ".onnx"]
    made = resnet_gen.wrap(file, tmp_path / "w.onnx", input_type="uint8")
    assert read_inner_model(made.path).surroundings.input.mean == (0.485, 0.456, 0.406)
    cut = resnet_gen.wrap(file, tmp_path / "c.onnx", cuts=["stem.act"], proof=False)
    assert not [entry for entry in onnx.load(cut.path).metadata_props if entry.key.startswith("resnet_gen.spec")]


def test_arguments_are_checked(model):
    for options in ({"mean": [float("nan")], "std": [1]}, {"batch": "any"}, {"size": (1, 2, 3)}, {"labels": [""]}):
        with pytest.raises(Refused):
            resnet_gen.wrap(model, "w.onnx", **options)
