"""Files with pixels before their network and classes behind it, in every command that takes a model."""

import json
import re
import shutil
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
from sklearn.datasets import load_digits

from resnet_gen.engine.evaluation.scoring import EvaluatedModel, _find_scores
from resnet_gen.engine.evaluation.tally import predict_classes
from resnet_gen.engine.file_serving import FileServing, ImageForm
from resnet_gen.graph.surroundings import ServedOutput
from resnet_gen.onnx.metadata_keys import LABELS_KEY
from resnet_gen.problems import Refused
from tests.helpers.against_files import DIGITS, build
from tests.helpers.onnx_runs import TINY
from tests.helpers.served import SET_COLOURS

SERVED = "[stage1, embedding, normalized_embedding, logits, probabilities, top2]"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The tiny network: alone, and served in two ways."""
    folder = tmp_path_factory.mktemp("files")
    spec = folder / "served.yaml"
    spec.write_text(
        f"name: served\nextends: {TINY}\ninput: {{channels: 3, size: 16}}\nhead: {{kind: linear, classes: 7}}\n"
        f"serve: {{outputs: {SERVED}, order: BGR}}\n"
    )
    build(str(TINY), folder / "plain", *SET_COLOURS)
    build(str(spec), folder / "out")
    build(str(spec), folder / "any", "--any-size", "--set", "serve.outputs=[logits]")
    return folder


@pytest.fixture
def here(files, tmp_path, monkeypatch):
    """The current folder, with those files."""
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_count_and_show_are_of_the_inside_and_say_what_is_around(cli, here):
    (own, found) = (json.loads(cli("count", f, "--format", "json")[1]) for f in ("plain/tiny.onnx", "out/served.onnx"))
    same = ("params", "buffers", "macs", "layers", "input")
    assert [own[key] for key in same] == [found[key] for key in same]
    assert own["around"] == []
    assert [line.split()[0] for line in found["around"]] == ["takes", "outputs"]
    code, _, err = cli("show", "out/served.onnx")
    assert code == 0
    assert "around the network, which alone is looked at, it takes uint8 NHWC BGR" in err


def test_diff_lists_what_is_around(cli, here):
    assert cli("diff", "served.yaml", "out/served.onnx")[0] == 0
    assert "names that differ" not in cli("diff", "served.yaml", "any/served.onnx")[1]
    for first in ("served.yaml", "out/served.onnx"):
        code, out, _ = cli("diff", first, "any/served.onnx", "--format", "json")
        changes = json.loads(out)["keys"]
        assert code == 1
        assert [change["key"] for change in changes] == ["around.size", "around.outputs"]
    assert cli("diff", "plain/tiny.onnx", "out/served.onnx")[0] == 1


def test_a_spec_that_serves_something_else_is_noticed_and_one_that_serves_nothing_is_told(cli, here):
    settings = ("--set", "serve.layout=NCHW", "--set", "serve.outputs=[top3]")
    code, out, _ = cli("verify", "served.yaml", *settings, "--against", "out/served.onnx")
    assert code == 1
    assert out.count("[against-surroundings]") == 2
    code, out, _ = cli("verify", TINY, *SET_COLOURS, "--against", "out/served.onnx")
    assert code == 0
    assert "takes uint8 NHWC BGR" in out
    code, out, _ = cli("verify", "served.yaml", "--against", "plain/tiny.onnx")
    assert code == 1
    assert "takes what the network takes, where the spec has uint8 NHWC BGR" in out


def test_wrap_edits_a_file_that_takes_pixels(cli, here):
    assert cli("wrap", "out/served.onnx", "-o", "w.onnx", "--rename", "logits=scores")[0] == 0
    assert cli("verify", "served.yaml", "--against", "w.onnx")[0] == 0
    assert cli("wrap", "any/served.onnx", "-o", "top.onnx", "--outputs", "top2", "--batch", "2")[0] == 0
    settings = ("--set", "serve.size=any", "--set", "serve.outputs=[top2]")
    assert cli("verify", "served.yaml", *settings, "--against", "top.onnx")[0] == 0
    assert cli("run", "top.onnx")[0] == 0
    assert cli("wrap", "out/served.onnx", "-o", "size.onnx", "--size", "32x24")[0] == 0
    assert onnxruntime.InferenceSession("size.onnx").get_inputs()[0].shape[1:] == [32, 24, 3]
    code, _, err = cli("wrap", "any/served.onnx", "-o", "no.onnx", "--size", "32x24")
    assert (code, "takes pictures of any size" in err) == (2, True)
    code, _, err = cli("wrap", "out/served.onnx", "-o", "no.onnx", "--input-type", "uint8", "--mean", "imagenet")
    assert (code, "takes uint8 NHWC BGR" in err) == (2, True)


def test_bench_lays_it_beside_the_network_alone(cli, here):
    options = ("--against", "plain/tiny.onnx", "--repeat", "1", "--set", "input.crop=1")
    for file in ("out/served.onnx", "any/served.onnx"):
        code, out, err = cli("bench", file, *options[:4])
        if file.startswith("any"):  # which keeps 0.875 of a picture
            assert (code, "compared with a network alone" in err) == (2, True)
        else:
            assert code == 0, err
    assert cli("build", "served.yaml", "--any-size", *options[4:], "--serve-outputs", "logits", "-o", "whole")[0] == 0
    code, out, _ = cli("bench", "whole/served.onnx", *options[:4])
    assert code == 0
    (difference,) = re.findall(r"largest difference ([^,]+),", out)
    assert float(difference) < 1e-5


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Some of scikit-learn's digits as bytes."""
    path, found = tmp_path_factory.mktemp("digits") / "digits.npz", load_digits()
    np.savez(path, images=np.rint(found.images[:200] * 255 / 16).astype(np.uint8), labels=found.target[:200])
    return path


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The network that was trained on them, alone."""
    return build("resnet8-digits", tmp_path_factory.mktemp("plain"), "--weights", DIGITS)


@pytest.mark.parametrize("words", ["logits", "normalized_embedding,probabilities,top1", "logits --any-size"])
def test_accuracy_is_that_of_the_network_alone(cli, tmp_path, monkeypatch, digits, plain, words):
    monkeypatch.chdir(tmp_path)
    options = ("--serve-outputs", *words.split(" "))
    assert cli("build", "resnet8-digits", "--weights", DIGITS, *options, "-o", "out")[0] == 0
    evaluate = ("evaluate", plain, "--data", digits, "--format", "json")
    code, out, _ = cli(*evaluate, "--against", "out/resnet8-digits.onnx")
    assert code == 0
    correct = [model["top1"]["right"] for model in json.loads(out)["models"]]
    assert correct[0] == correct[1] > 190


@pytest.mark.parametrize(
    ("kind", "best"),
    [("file", 6), ("spec", 3), *(pytest.param(*one, marks=pytest.mark.long) for one in (("file", 1), ("spec", 6)))],
)
def test_the_best_classes_alone_give_the_accuracy_of_the_scores_that_they_are_of(
    cli, tmp_path, monkeypatch, digits, plain, best, kind
):
    """In a file as in a spec; of fewer than five the five best are not known, and no signal is compared."""
    monkeypatch.chdir(tmp_path)
    served = f"serve={{outputs: [top{best}]}}"
    words = ("resnet8-digits", "--set", served, "--weights", DIGITS)
    if kind == "file":
        assert cli("build", *words, "-o", "out")[0] == 0
        words = ("out/resnet8-digits.onnx",)
    code, out, err = cli("evaluate", *words, "--data", digits, "--against", plain, "--format", "json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    named, scored = found["models"]
    assert (named["best"], named["outputs"], "best" in scored) == (best, 10, False)
    for key in ("top1", "confusion", "per_class"):
        assert named[key] == scored[key]
    assert named["top5"] == (scored["top5"] if best >= 5 else None)
    assert (found["comparison"]["same"]["images"], found["comparison"]["signal_to_noise_db"]) == (200, None)
    assert "signal to noise is not measured of the models: one names its best classes alone" in found["notes"]
    (note,) = [note for note in found["notes"] if "alone" in note and "signal" not in note]
    assert note.endswith("alone: top-5 is not known") == (best < 5)


def keep_output(path, name, *, dtype=None):
    """The file with one of its outputs alone, in another type where that is asked for."""
    model = onnx.load(path)
    (kept,) = [output for output in model.graph.output if output.name == name]
    if dtype is not None:
        model.graph.node.append(onnx.helper.make_node("Cast", [name], ["cast"], to=dtype))
        kept = onnx.helper.make_tensor_value_info("cast", dtype, ["N", 3])
    del model.graph.output[:], model.metadata_props[:]
    model.graph.output.append(kept)
    onnx.helper.set_model_props(model, {LABELS_KEY: json.dumps([f"digit {n}" for n in range(10)])})
    onnx.save(model, path)


@pytest.mark.parametrize("dtype", [None, onnx.TensorProto.FLOAT])
def test_numbers_of_the_best_classes_alone_are_enough(cli, tmp_path, monkeypatch, digits, plain, dtype):
    monkeypatch.chdir(tmp_path)
    assert cli("build", "resnet8-digits", "--weights", DIGITS, "--serve-outputs", "top3", "-o", "out")[0] == 0
    keep_output("out/resnet8-digits.onnx", "top3_indices", dtype=dtype)
    (tmp_path / "out/resnet8-digits.manifest.json").unlink()
    words = ("evaluate", "out/resnet8-digits.onnx", "--data", digits, "--against", plain, "--format", "json")
    code, out, err = cli(*words)
    assert (code, err) == (0, "")
    named, scored = json.loads(out)["models"]
    assert named["top1"] == scored["top1"]
    code, out, _ = cli("run", "out/resnet8-digits.onnx")
    assert code == 0
    assert len(re.findall(r"^class +\d  digit \d$", out, re.MULTILINE)) == 3


def test_scores_of_the_best_classes_alone_say_nothing_of_these(cli, tmp_path, monkeypatch, digits):
    monkeypatch.chdir(tmp_path)
    assert cli("build", "resnet8-digits", "--weights", DIGITS, "--serve-outputs", "top3", "-o", "out")[0] == 0
    keep_output("out/resnet8-digits.onnx", "top3_values")
    (tmp_path / "out/resnet8-digits.manifest.json").unlink()
    code, out, _ = cli("run", "out/resnet8-digits.onnx")
    assert (code, "class" in out) == (0, False)
    assert out.startswith("top3_values")
    code, out, err = cli("evaluate", "out/resnet8-digits.onnx", "--data", digits)
    assert (code, out) == (2, "")
    assert "outputs 'top3_values', and no score of each class" in err


def test_other_outputs_alone_are_no_scores_to_evaluate(cli, tmp_path, monkeypatch, digits):
    monkeypatch.chdir(tmp_path)
    assert cli("build", "resnet8-digits", "--weights", DIGITS, "--serve-outputs", "embedding", "-o", "out")[0] == 0
    code, out, err = cli("evaluate", "out/resnet8-digits.onnx", "--data", digits)
    assert (code, out) == (2, "")
    assert "outputs 'embedding', and no score of each class" in err


WRONG_BEST = {
    "of no number of classes": (None, np.array([[1, 0]]), "names its 2 best classes, and says nowhere of how many"),
    "of too many": (10**6, np.array([[1, 0]]), "of 1,000,000 classes, at most 100,000"),
    "beyond them": (12, np.array([[12, 0]]), "names what is none of its 12 classes"),
    "below them": (12, np.array([[0, -1]]), "names what is none of its 12 classes"),
    "of another number": (12, np.array([[0]]), "does not output the 2 best classes of 1 images"),
    "no indices": (12, np.array([[0.0, 1.0]]), "names what is none of its 12 classes"),
}


@pytest.mark.parametrize(("classes", "places", "words"), WRONG_BEST.values(), ids=WRONG_BEST)
def test_best_classes_that_are_none_are_refused(classes, places, words):
    """Whatever a file outputs under the names that it states."""
    best = ServedOutput("top_k", "logits", ("v", "i"), 2)
    model = EvaluatedModel(SimpleNamespace(where="m.onnx"), ImageForm(None, FileServing(None, (best,), (), classes)))
    with pytest.raises(Refused, match=words):
        _find_scores({"v": places.astype(float), "i": places}, 1, model)


def test_best_classes_of_values_that_are_not_finite_count_as_none():
    best = ServedOutput("top_k", "logits", ("v", "i"), 2)
    model = EvaluatedModel(SimpleNamespace(where="m.onnx"), ImageForm(None, FileServing(None, (best,), (), 4)))
    outputs = {"v": np.array([[1.0, np.nan], [0.5, 0.5]]), "i": np.array([[1, 0], [3, 2]])}
    scores = _find_scores(outputs, 2, model)
    assert predict_classes(scores).tolist() == [-1, 3]
    assert scores[1].tolist() == [0, 0, 1, 2]
