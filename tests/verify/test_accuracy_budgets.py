"""Budgets of accuracy: held with `--evaluate`, at the line that states them, and told of without."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

import resnet_gen
from resnet_gen.language.budgets import AccuracyBudget
from resnet_gen.ops.precision import PLACEMENTS
from resnet_gen.problems import Refused
from resnet_gen.verify import accuracy
from tests.accuracy.digits import split, write_calibration, write_test_part
from tests.accuracy.measured import WEIGHTS, correct, emitted, predictions
from tests.engine.test_labelled_images import picture

RIGHT, IMAGES = 591, 596
FEW = 50
OF_FEW = f"0.9000 ({FEW - (IMAGES - RIGHT)} of {FEW})"
SPEC = "name: net\nextends: resnet8-digits\nbudgets:\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The digits, all and a few: the five that the network is wrong about, and as many more as make `FEW`."""
    folder = tmp_path_factory.mktemp("data")
    write_test_part(folder / "digits.npz")
    images, labels = split()[1]
    model = emitted(tmp_path_factory.mktemp("model") / "out")
    chosen = np.argsort(predictions(model, images) == labels, kind="stable")[:FEW]
    np.savez(folder / "few.npz", images=images[chosen], labels=labels[chosen])
    return folder


@pytest.fixture
def project(data, tmp_path, monkeypatch):
    """A folder with the data and the weights of the digits, that is its own project."""
    shutil.copytree(data, tmp_path, dirs_exist_ok=True)
    shutil.copy(WEIGHTS, tmp_path / "w.safetensors")
    (tmp_path / "resnet-gen.toml").write_text('specs = ["net.yaml"]\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stated(project, *budgets):
    """A spec with these budgets of accuracy, one a line."""
    lines = [f"    - {{data: digits.npz, weights: w.safetensors, {budget}}}\n" for budget in budgets]
    (project / "net.yaml").write_text(f"{SPEC}  accuracy:\n{''.join(lines)}")
    return "net.yaml"


def found(cli, *words):
    code, out, err = cli("verify", *words, "--format", "json")
    return code, json.loads(out), err


def test_a_budget_holds_at_its_bound_and_not_beyond(project, cli):
    stated(project, f"min: {RIGHT / IMAGES!r}", f"min: {float(np.nextafter(RIGHT / IMAGES, 1))!r}", "min: 0.9917")
    code, findings, err = found(cli, "net.yaml", "--evaluate")
    assert (code, [finding["line"] for finding in findings]) == (1, [6, 7])
    assert findings[1]["message"] == (
        "accuracy (fp32): 0.9916 (591 of 596), under the budget of 0.9917 by 8.9e-05 (digits.npz)"
    )
    assert (findings[1]["column"], findings[1]["rule"]) == (55, "budget")
    note = "note: accuracy (fp32): 0.9916 (591 of 596), 95 % interval 0.9805 to 0.9964 (digits.npz)"
    assert err.count(note) == 3
    assert "fp32's" not in err


def test_what_several_budgets_ask_for_is_evaluated_once(project, cli, monkeypatch):
    """Those of other bounds alone share it; other images, precisions and whether FP32 is needed make another."""
    real, seen = accuracy.evaluate_models, []

    def evaluate_models(models, *more):
        seen.append(len(models))
        return real(models, *more)

    monkeypatch.setattr(accuracy, "evaluate_models", evaluate_models)
    budgets = ("min: 0.5", "min: 0.6", "min: 0.5, limit: 8", "precision: fp16, min: 0.1")
    stated(project, *budgets, "precision: fp16, min: 0.1, drop_from_fp32: 0.9")
    path = project / "net.yaml"
    path.write_text(path.read_text().replace("digits.npz", "few.npz"))
    assert found(cli, "net.yaml", "--evaluate")[:2] == (0, [])
    assert seen == [1, 1, 1, 2]


def test_without_evaluate_it_is_said_that_nothing_was_looked_at_and_nothing_is_read(project, cli):
    for name in ("digits.npz", "w.safetensors"):
        (project / name).unlink()
    stated(project, "min: 1.0", "min: 1.0")
    code, findings, err = found(cli, "net.yaml")
    assert (code, findings) == (0, [])
    assert "net.yaml:4:3: note: accuracy was not evaluated (2 budgets): --evaluate does\n" in err
    assert resnet_gen.verify("net.yaml") == ()
    code, out, _ = cli("verify", "net.yaml")
    assert out.startswith("ok     net: 0 claims\n")


def test_what_was_evaluated_is_counted_among_what_was_compared(project, cli):
    stated(project, "min: 0.9, limit: 9")
    assert cli("verify", "net.yaml", "--evaluate")[1].startswith("ok     net: 0 claims, 1 budget of accuracy\n")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_drop_from_fp32_is_that_of_the_same_images(project, cli):
    """Eight bits of a calibration that shows nothing but noise: what they lose is found by another run."""
    rng = np.random.default_rng(0)
    np.savez(project / "noise.npz", images=(rng.standard_normal((32, 1, 8, 8)) / 40).astype(np.float32))
    eight = "precision: int8, calibration: noise.npz"
    stated(project, f"{eight}, drop_from_fp32: 0.001", "drop_from_fp32: 0.0")
    code, (finding,), err = found(cli, "net.yaml", "--evaluate")
    assert (code, finding["line"]) == (1, 5)
    resnet_gen.build("net.yaml", "built", weights="w.safetensors", precision="int8", placement="cpu",
                     calibration="noise.npz")  # fmt: skip
    right = correct(project / "built" / "net.onnx")
    assert right < RIGHT
    drop = (RIGHT - right) / IMAGES
    assert f"({right} of 596), {drop:.4f} less than fp32's 0.9916 (591 of 596), over the budget" in finding["message"]
    assert "'drop_from_fp32' holds by itself: fp32 is what is evaluated" in err


@pytest.mark.parametrize("precision", ["fp16", "int8", "fp8", pytest.param("bf16", marks=pytest.mark.long)])
def test_every_precision_is_evaluated(precision, project, cli):
    if precision == "bf16":
        pytest.importorskip("openvino", exc_type=ImportError)
    write_calibration(project / "c.npz", 101)
    images = ", calibration: c.npz" if precision in ("int8", "fp8") else ""
    stated(project, f"precision: {precision}{images}, min: 0.95, limit: 100")
    code, findings, err = found(cli, "net.yaml", "--evaluate")
    assert (code, findings) == (0, [])
    assert f"note: accuracy ({precision}): 0.9" in err
    assert "(digits.npz, 100 of 596 images)" in err


def test_eight_bits_are_run_as_they_are_written_and_others_as_runtimes_have_them(project, cli, monkeypatch):
    real, asked = accuracy.open_request, []

    def open_request(loaded, request, runtime, tuning, where):
        asked.append((request.precision, tuning.as_written))
        return real(loaded, request, runtime, tuning, where)

    monkeypatch.setattr(accuracy, "open_request", open_request)
    write_calibration(project / "c.npz", 101)
    stated(project, "precision: int8, calibration: c.npz, drop_from_fp32: 0.5, limit: 20")
    assert found(cli, "net.yaml", "--evaluate")[0] == 0
    assert sorted(asked) == [("fp32", False), ("int8", True)]


@pytest.mark.parametrize(
    "serve",
    [
        "{}", "{outputs: [top3]}", "{type: float32, layout: NCHW}", "{size: any, outputs: [embedding]}",
        "{layout: NCHW, outputs: [probabilities]}",
    ],
)  # fmt: skip
def test_a_network_that_is_served_is_evaluated_as_the_same_network(serve, project, cli):
    """Its file normalizes pixels itself, and may output no scores: neither is to make another figure, or none."""
    path = stated(project, "min: 0.9")
    text = (project / path).read_text().replace("digits.npz", "few.npz")
    (project / path).write_text(f"{text}serve: {serve}\n")
    code, findings, err = found(cli, path, "--evaluate")
    assert (code, findings) == (0, [])
    assert f"accuracy (fp32): {OF_FEW}" in err


def test_a_project_s_budget_is_held_for_its_networks(project, cli):
    (project / "net.yaml").write_text("name: net\nextends: resnet8-digits\n")
    budget = 'accuracy = {data = "digits.npz", weights = "w.safetensors", min = 0.995}'
    (project / "resnet-gen.toml").write_text(f'specs = ["net.yaml"]\n[budgets."n*"]\n{budget}\n')
    code, (finding,), _ = found(cli, "--evaluate")
    assert (code, finding["file"], finding["line"]) == (1, "resnet-gen.toml", 3)
    assert finding["message"].startswith("net: accuracy (fp32): 0.9916 (591 of 596), under the budget of 0.995 by ")
    assert "resnet-gen.toml:3:1: note: net: accuracy was not evaluated (1 budget)" in cli("verify")[2]


def test_weights_of_the_command_line_stand_in_where_a_budget_names_none(project, cli):
    (project / "net.yaml").write_text(f"{SPEC}  accuracy: {{data: few.npz, min: 0.9}}\n")
    assert cli("verify", "net.yaml", "--evaluate", "--weights", "w.safetensors")[0] == 0
    assert resnet_gen.verify("net.yaml", evaluate=True, weights="w.safetensors") == ()
    code, _, err = cli("verify", "net.yaml", "--evaluate")
    assert code == 2
    assert err.startswith("net.yaml:4:20: error: accuracy (fp32): of which weights?\n")
    code, _, err = cli("verify", "net.yaml", "resnet18", "--evaluate", "--weights", "w.safetensors")
    assert (code, err.partition("\n")[0]) == (2, "error: --weights: they are one spec's")


@pytest.mark.parametrize("key", ["data", "weights", "classes_file", "calibration"])
@pytest.mark.parametrize("way", ["name", "absolute", "link"])
def test_no_path_leads_out_of_the_project(key, way, project, cli, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "digits.npz"
    shutil.copy(project / "digits.npz", outside)
    (project / "link.npz").symlink_to(outside)
    place = {"name": f"../../{outside.parent.name}/digits.npz", "absolute": str(outside), "link": "link.npz"}[way]
    keys = {"data": "digits.npz", "weights": "w.safetensors", "min": 0.5, key: place}
    if key == "calibration":
        keys |= {"precision": "int8"}
    (project / "net.yaml").write_text(f"{SPEC}  accuracy: {json.dumps(keys)}\n")
    code, _, err = cli("verify", "net.yaml", "--evaluate")
    assert code == 2
    assert f"error: {key}: leads out of the project's folder\n" in err


def test_no_image_leads_out_of_the_project(project, cli, tmp_path_factory):
    """By a link in a class folder, or by a line of a table; whoever names a folder to `evaluate` may."""
    outside = picture(tmp_path_factory.mktemp("outside") / "x.png", mode="L")
    for digit in range(10):
        picture(project / "d" / str(digit) / "x.png", mode="L")
    (project / "d" / "3" / "y.png").symlink_to(outside)
    (project / "t.csv").write_text(f"{outside},0\n")
    for data in ("d", "t.csv"):
        budget = f"{{data: {data}, weights: w.safetensors, min: 0.0}}"
        (project / "net.yaml").write_text(f"{SPEC}  accuracy: {budget}\n")
        code, _, err = cli("verify", "net.yaml", "--evaluate")
        assert code == 2
        named = os.path.relpath(outside) if data == "t.csv" else "d/3/y.png"
        assert f"error: data: '{named}': leads out of the project's folder\n" in err
        assert "--skip-broken" not in err  # which is no option of `verify`
        assert cli("evaluate", "resnet8-digits", "--weights", WEIGHTS, "--data", data)[0] == 0


def test_no_image_to_calibrate_with_leads_out_of_the_project(project, cli, tmp_path_factory):
    photo = project / "photos" / "a" / "x.png"
    photo.parent.mkdir(parents=True)
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(photo)
    keys = "data: few.npz, weights: w.safetensors, precision: int8, calibration: photos, min: 0.0"
    (project / "net.yaml").write_text(f"{SPEC}  accuracy: {{{keys}}}\n")
    photo.with_name("z.png").symlink_to("x.png")  # one of its own may be a link
    assert cli("verify", "net.yaml", "--evaluate")[0] == 0
    outside = picture(tmp_path_factory.mktemp("outside") / "x.png", mode="L")
    photo.with_name("y.png").symlink_to(outside)
    code, _, err = cli("verify", "net.yaml", "--evaluate")
    assert code == 2
    assert "error: calibration: 'photos/a/y.png': leads out of the project's folder\n" in err


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ("data: none.npz", "none.npz: there is no such file or folder"),
        ("weights: none.pth", "none.pth: cannot be read"),
        ("data: net.yaml", "net.yaml: neither a folder nor a .csv or .npz file"),
        ("classes_file: names.txt", "names.txt: there is no such file"),
        ("precision: int8, calibration: none", "none: there is no such file or folder"),
        ("precision: int8, calibration: one", "one: one image is not enough to calibrate with"),
    ],
)  # fmt: skip
def test_what_cannot_be_evaluated_is_refused_at_the_budget(budget, words, project, cli):
    keys = dict(
        part.split(": ") for part in f"data: digits.npz, weights: w.safetensors, min: 0.5, {budget}".split(", ")
    )
    text = ", ".join(f"{key}: {value}" for key, value in keys.items())
    (project / "net.yaml").write_text(f"{SPEC}  accuracy: {{{text}}}\n")
    picture(project / "one" / "x.png", mode="L")
    code, _, err = cli("verify", "net.yaml", "--evaluate")
    assert code == 2
    assert "--calibration" not in err  # which is no option of `verify`
    line = (project / "net.yaml").read_text().splitlines()[3]
    place = budget.split(": ")[-2].split(", ")[-1]
    assert err.startswith(f"net.yaml:4:{line.index(f'{place}: ') + len(place) + 3}: error: ")
    assert words in err
    assert "^" in err


def test_a_budget_without_a_bound_or_with_keys_that_mean_nothing_is_refused():
    for keys in ({}, {"min": 98.5}, {"min": -0.1}, {"drop_from_fp32": 2}, {"min": 0.5, "precision": "int8"},
                 {"min": 0.5, "calibration": "x"}, {"min": 0.5, "qdq": "cpu"}, {"min": 0.5, "limit": 0},
                 {"min": 0.5, "precision": "fp8", "calibration": "x", "qdq": "cpu"},
                 {"min": 0.5, "precision": "bf16", "runtime": "onnxruntime"},
                 *({"min": 0.5, "precision": "int8", "calibration": "x", "runtime": "tensorrt", "qdq": placement}
                   for placement in PLACEMENTS if placement != "tensorrt")):  # fmt: skip
        with pytest.raises(ValueError, match="AccuracyBudget"):
            AccuracyBudget.model_validate({"data": "d", **keys})


PART = """\
from typing import Literal

from resnet_gen.ops import Activation
from resnet_gen.parts.base import ActivationPart


class Mine(ActivationPart):
    \"\"\"A ReLU of one's own.\"\"\"

    kind: Literal["mine"] = "mine"
    function = "relu"

    def build(self, net, name, x):
        return net.add(name, Activation("relu"), x)
"""


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_network_of_parts_of_one_s_own_is_evaluated_where_they_run_and_gives_signs_of_life(project, cli, monkeypatch):
    (project / "mine.py").write_text(PART)
    more = "parts: [mine.py]\nactivation: mine\n"
    budget = "accuracy: {data: few.npz, weights: w.safetensors, min: 1.0}"
    (project / "net.yaml").write_text(f"{more}{SPEC}  {budget}\n")
    code, (finding,), err = found(cli, "net.yaml", "--evaluate", "--parts-patience", "20")
    assert (code, finding["line"]) == (1, 6)
    assert f"note: accuracy (fp32): {OF_FEW}" in err
    said = []
    monkeypatch.setattr(accuracy, "_SILENCE", 0.0)
    monkeypatch.setattr(accuracy, "give_notice", said.append)
    assert len(resnet_gen.verify("net.yaml", evaluate=True)) == 1
    assert said == [""] * -(-FEW // 8)


def test_from_python_it_is_the_same(project):
    stated(project, "min: 0.995")
    (finding,) = resnet_gen.verify("net.yaml", evaluate=True)
    assert finding.rule == "budget"
    (project / "digits.npz").unlink()
    with pytest.raises(Refused, match="there is no such file or folder"):
        resnet_gen.verify("net.yaml", evaluate=True)
