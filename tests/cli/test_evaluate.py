"""`evaluate` on the command line: a trained network on the digits that it has not seen."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from sklearn import metrics
from sklearn.datasets import load_sample_images

import resnet_gen
from resnet_gen.cli import image_progress
from resnet_gen.cli.evaluate_report import FORMATS
from resnet_gen.engine.evaluation.comparison import Agreement, Change
from resnet_gen.engine.evaluation.evaluation import BrokenPicture, Evaluation, ModelEvaluation
from resnet_gen.engine.evaluation.statistics import Proportion
from resnet_gen.engine.evaluation.tally import Tally
from resnet_gen.engine.image import read_image
from resnet_gen.language.spec import Input
from resnet_gen.problems import Refused
from tests.accuracy.digits import SPEC, every_third, raw, split, write_test_part
from tests.accuracy.measured import VARIANTS, WEIGHTS, emitted, scores
from tests.accuracy.test_accuracy import CORRECT
from tests.helpers.onnx_runs import TINY


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The test part as class folders of pictures, as a table of them, and as arrays."""
    folder = tmp_path_factory.mktemp("digits")
    pixels, labels = raw()
    rows = ["file,label"]
    for at in np.flatnonzero(every_third(labels)):
        path = folder / "val" / f"digit {labels[at]}" / f"{at:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.rint(pixels[at] * (255 / 16)).astype(np.uint8)).save(path)
        rows.append(f"{path.relative_to(folder).as_posix()},{labels[at]}")
    (folder / "val.csv").write_text("\n".join(rows))
    write_test_part(folder / "val.npz")
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The network in float32 and in eight bits."""
    folder = tmp_path_factory.mktemp("models")
    return [emitted(folder / name, **VARIANTS[name]) for name in ("fp32", "int8, for TensorRT")]


def evaluated(cli, *words):
    code, out, err = cli("evaluate", *words, "--format", "json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_pictures_give_what_pytorch_counted(data, cli):
    found = evaluated(cli, SPEC, "--weights", WEIGHTS, "--data", data / "val")
    (model,) = found["models"]
    assert model["top1"]["right"] == CORRECT
    assert (found["images"], found["total"], model["outputs"]) == (596, 596, 10)


@pytest.mark.parametrize("limit", [60, pytest.param(596, marks=pytest.mark.long)])
def test_a_table_of_the_same_images_gives_the_same(limit, data, files, cli):
    first, second = (evaluated(cli, files[0], "--data", data / of, "--limit", limit) for of in ("val", "val.csv"))
    assert [model["confusion"] for model in first["models"]] == [model["confusion"] for model in second["models"]]
    assert first["models"][0]["top1"] == second["models"][0]["top1"]


def test_the_figures_are_those_that_scikit_learn_makes_of_the_scores(data, files, cli):
    found = evaluated(cli, files[0], "--data", data / "val.npz", "--batch", 7)
    (model,), labels, said = found["models"], split()[1].labels, scores(files[0], split()[1].images)
    predicted = said.argmax(1)
    assert model["top1"]["part"] == pytest.approx(metrics.accuracy_score(labels, predicted), abs=1e-6)
    assert model["top5"]["part"] == pytest.approx(metrics.top_k_accuracy_score(labels, said, k=5), abs=1e-6)
    assert model["mean_recall"] == pytest.approx(metrics.balanced_accuracy_score(labels, predicted), abs=1e-6)
    matrix = np.zeros((10, 10), int)
    for pair in model["confusion"]:
        matrix[pair["label"], pair["predicted"]] = pair["images"]
    for each in model["per_class"]:
        matrix[each["class"], each["class"]] = each["right"]
    np.testing.assert_array_equal(matrix, metrics.confusion_matrix(labels, predicted))


def test_two_models_are_compared(data, files, cli):
    words = ("--against", files[1], "--changes", 1000, "--limit", 150)
    found = evaluated(cli, files[0], "--data", data / "val.npz", *words)
    at = np.arange(150) * 596 // 150
    labels = split()[1].labels[at]
    one, two = (scores(file, split()[1].images[at]) for file in files)
    both, (first, second) = found["comparison"], (one.argmax(1), two.argmax(1))
    assert both["same"]["images"] == (first == second).sum()
    assert both["lost"] == ((first == labels) & (second != labels)).sum()
    assert both["gained"] == ((first != labels) & (second == labels)).sum()
    wanted = 10 * np.log10((one.astype(float) ** 2).sum() / ((one.astype(float) - two) ** 2).sum())
    assert both["signal_to_noise_db"] == pytest.approx(wanted, abs=1)  # as ONNX Runtime's own kernels round
    assert len(both["changes"]) == 150 - both["same"]["images"]


def test_from_python_the_figures_are_the_same(data, files, cli):
    found = evaluated(cli, files[0], "--data", data / "val.npz", "--limit", 60)
    same = resnet_gen.evaluate(files[0], data / "val.npz", limit=60)
    assert same.models[0].accuracy.top1.number == found["models"][0]["top1"]["right"]
    assert len(same.models[0].accuracy.confusions) == len(found["models"][0]["confusion"])


def test_from_python_a_file_stands_beside_a_spec_with_its_weights(data, files, cli):
    """As on the command line, where weights are the specs': a file has its own."""
    both = resnet_gen.evaluate("resnet8-digits", data / "val.npz", files[0], weights=WEIGHTS, limit=20)
    assert both.agreement.decibels > 100
    found = resnet_gen.bench("resnet8-digits", files[0], weights=WEIGHTS, seconds=0.01, repeat=1)
    assert len(found.timings) == 2
    with pytest.raises(Refused, match="an ONNX file has its own shape and weights"):
        resnet_gen.evaluate(files[0], data / "val.npz", files[0], weights=WEIGHTS)


def test_a_runtime_alone_makes_a_second_model(data, files, cli):
    pytest.importorskip("openvino", exc_type=ImportError)
    words = ("--against-backend", "openvino", "--limit", 50)
    found = evaluated(cli, files[0], "--data", data / "val.npz", *words)
    assert [model["runtime"]["library"] for model in found["models"]] == ["onnxruntime", "openvino"]
    assert found["comparison"]["same"]["images"] == 50
    assert found["notes"] == ["50 of 596 images, evenly spaced"]


def test_a_file_without_a_spec_is_fed_as_the_other_or_as_imagenet_s(data, files, cli, tmp_path):
    model = onnx.load(files[0])
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "bare.onnx")
    words = ("--data", data / "val", "--limit", 40)
    both = evaluated(cli, files[0], *words, "--against", tmp_path / "bare.onnx")
    assert both["comparison"]["signal_to_noise_db"] > 100
    where = f"{tmp_path / 'bare.onnx'}: carries no spec"
    assert f"{where}; the other model's preprocessing is taken" in both["notes"]
    alone = evaluated(cli, tmp_path / "bare.onnx", *words)
    assert f"{where}; ImageNet's preprocessing is assumed" in alone["notes"]


def test_drawn_weights_are_told(data, cli):
    code, _, err = cli("evaluate", SPEC, "--data", data / "val.npz", "--limit", 9)
    assert code == 0
    assert err == f"{SPEC}: weights are drawn from seed 0: what it gets right is chance\n"


def test_a_file_of_names_that_has_another_order_is_wrong_for_the_network(data, files, cli, tmp_path):
    (tmp_path / "names.txt").write_text("".join(f"digit {9 - n}\n" for n in range(10)))
    words = ("--classes-file", tmp_path / "names.txt", "--limit", 40)
    found = evaluated(cli, files[0], "--data", data / "val", *words)
    assert found["models"][0]["top1"]["right"] < 4
    assert found["classes"][0] == "digit 9"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--against-backend", "openvino", "--precision-hint", "f16", "--seed", "1"), "has its own shape and weights"),
        (("--precision-hint", "f16"), "--precision-hint means something for openvino alone"),
        (("--changes", "3"), "--changes means nothing without a second model"),
        (("--weights", "w.pth"), "has its own shape and weights"), (("--batch", "0"), "'--batch': 0 is not in"),
        (("--limit", "0"), "'--limit': 0 is not in"), (("--output", "val.npz"), "val.npz"),
        (("--classes-file", "none.txt"), "there is no such file"), (("--data", ""), "there is no such file or folder"),
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused(words, message, data, files, cli, monkeypatch):
    monkeypatch.chdir(data)
    before = (data / "val.npz").read_bytes()
    code, out, err = cli("evaluate", files[0], "--data", "val.npz", *words)
    assert (code, out) == (2, "")
    assert message in err
    assert (data / "val.npz").read_bytes() == before


def test_a_network_of_other_classes_or_of_maps_is_refused(data, cli):
    code, _, err = cli("evaluate", TINY, "--input", 8, "--set", "input.channels=1", "--data", data / "val")
    assert code == 2
    assert f"{data / 'val'}: error: 10 classes, and" in err


def test_figures_go_to_a_file(data, files, cli, tmp_path):
    output = tmp_path / "report.md"
    words = ("--data", data / "val.npz", "--format", "markdown", "-o", output)
    assert cli("evaluate", files[0], *words) == (0, f"{output}\n", "")
    assert "| A | top-1 | 591 of 596 | 99.16 % | 98.05 to 99.64 % |" in output.read_text()


HOSTILE = "\x1b[31m::error::|<b>@all\u202e\n"


def hostile(classes=25):
    """An evaluation whose every name is hostile; the second class is always taken for the next."""
    tally = Tally(classes)
    tally.add(np.roll(np.eye(classes), 1, axis=1), np.arange(classes))
    runtime = {"library": "echo", "version": "1"}
    model = ModelEvaluation(HOSTILE, runtime, tally.result(), 10.0, 1.0, 3)
    changes = (Change(HOSTILE, 0, 0, 1), Change("b", 1, 2, -1))
    agreement = Agreement(Proportion(5, 7), 4, 1, 0, 1, None, changes)
    broken = (BrokenPicture(HOSTILE, HOSTILE),)
    return Evaluation(HOSTILE, 9, 7, (HOSTILE,) * classes, (HOSTILE,), 1, broken, (model, model), agreement, 5.0, 8)


@pytest.mark.parametrize("form", FORMATS)
def test_names_of_anybody_are_text_alone(form):
    text = FORMATS[form](hostile())
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert not any(line.lstrip("- >*|").startswith("::error") for line in text.split("\n"))
    if form == "markdown":
        assert "<b>" not in text
        assert "@all" not in text
        rows = [line for line in text.split("\n") if line.startswith("| A")]
        assert {line.count("|") for line in rows} == {6, 5}
    if form == "json":
        assert json.loads(text)["classes"][0] == HOSTILE


def test_of_many_classes_the_worst_are_shown_and_the_rest_is_named():
    text = FORMATS["text"](hostile())
    assert "the 10 classes of lowest recall of 25; --format json has all" in text
    assert "8 of 9 images, evenly spaced" in text
    assert "1 image left out that cannot be read" in text
    assert "signal to noise is not measured of the models: one outputs probabilities, the other does not" in text
    assert "changed from A to B: 2 images\n" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["other", "b", *[r"\x1b[31m::error::|<b>@all\u202e\n"] * 2, "none"] in [
        [cell.replace("...", "") for cell in row] for row in rows
    ]


@pytest.mark.parametrize(
    ("limit", "words"),
    [(8, "1 run of up to 8 images, the first among them"), (9, "1 run of up to 8 images, the first left out")],
)
def test_what_is_timed_is_told(limit, words, data, files, cli):
    assert words in cli("evaluate", files[0], "--data", data / "val.npz", "--limit", limit)[1]


def test_a_terminal_gets_a_progress_bar(data, files, cli, monkeypatch):
    monkeypatch.setattr(image_progress.sys.stderr, "isatty", lambda: True, raising=False)
    with image_progress.show_image_progress() as progress:
        progress(1, 3)
        progress(3, 3)


def test_photographs_are_prepared_as_run_prepares_them_and_counted_as_scikit_learn_counts(cli, tmp_path):
    """Crops of scikit-learn's two photographs, by a file of anybody's that asks which is warmer."""
    labels, inputs = [], []
    for label, photograph in enumerate(load_sample_images().images):
        for at in range(0, 400, 20):
            path = tmp_path / "data" / f"{label}" / f"{at:03}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(photograph[at // 2 : at // 2 + 90, at : at + 70]).save(path)
            labels.append(label)
            inputs.append(read_image(path, Input(size=(32, 32)))[0])
    predicted = resnet_gen.run(warmer(tmp_path / "m.onnx"), np.stack(inputs))["scores"].argmax(1)
    words = ("--data", tmp_path / "data", "--format", "json", "--batch", 3)
    code, out, _ = cli("evaluate", tmp_path / "m.onnx", *words)
    (found,) = json.loads(out)["models"]
    assert code == 0
    assert found["top1"]["part"] == pytest.approx(metrics.accuracy_score(labels, predicted))
    matrix = metrics.confusion_matrix(labels, predicted)
    assert [each["right"] for each in found["per_class"]] == [matrix[0, 0], matrix[1, 1]]
    assert 0 < matrix[:, 1].sum() < 40


def warmer(path):
    """A file of two classes, that of more blue first, and of more red."""
    steps = [
        helper.make_node("GlobalAveragePool", ["image"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
    ]
    weights = numpy_helper.from_array(np.array([[-1, 1], [0, 0], [1, -1]], np.float32), "weights")
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ("N", 3, 32, 32))
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ("N", 2))
    graph = helper.make_graph(steps, "warmer", [image], [scores], [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path
