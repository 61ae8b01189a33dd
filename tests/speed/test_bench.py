"""`bench` on the command line: real models, short times."""

import io
import json
import sys
from importlib import import_module

import numpy as np
import pytest

from resnet_gen.build import models
from resnet_gen.build.build import build
from tests.fixtures import fake_gpu
from tests.helpers.onnx_runs import TINY
from tests.helpers.restrained import on_the_whole_processor

FIGURES = ["runs", "p50_ms", "p90_ms", "p99_ms", "mean_ms", "images_per_second"]
CHECKPOINT = TINY.with_name("float32.safetensors")
QUICK = ("--repeat", "2")


@pytest.fixture
def model(cli, tmp_path):
    """The ONNX file of a small network."""
    cli("build", "cifar-resnet20", "-o", tmp_path)
    return tmp_path / "cifar-resnet20.onnx"


def needs(library):
    return pytest.importorskip(library, reason=f"{library} is not installed", exc_type=ImportError)


# --- figures ----------------------------------------------------------------


def test_a_spec_is_measured_at_each_batch(cli):
    code, out, err = cli("bench", "cifar-resnet20", "--batch", "8,1", "--repeat", "30")
    assert (code, err) == (0, "")
    title, image, _, head, *rows = out.splitlines()
    assert title.startswith("cifar-resnet20 on onnxruntime 1.")
    assert image == "images of 3x32x32"
    assert head.split() == ["batch", "runs", "p50", "ms", "p90", "ms", "p99", "ms", "mean", "ms", "images/s"]
    figures = [[float(word.replace(",", "")) for word in row.split()] for row in rows]
    assert [row[:2] for row in figures] == [[1, 30], [8, 30]]
    for batch, _, p50, p90, p99, mean, speed in figures:
        assert 0 < p50 <= p90 <= p99
        assert speed == pytest.approx(1000 * batch / mean, rel=0.01)


def test_seconds_bound_a_measurement(cli):
    found = json.loads(cli("bench", "cifar-resnet20", "--seconds", "0.2", "--format", "json")[1])
    (timing,) = found["results"][0]["timings"]
    assert 0.1 < timing["runs"] * timing["mean_ms"] / 1000 < 1


def test_one_network_on_two_runtimes_puts_out_the_same(cli):
    needs("openvino")
    command = ("bench", "cifar-resnet20", "--against-backend", "openvino", "--batch", "1,4", "--threads", "1")
    code, out, err = cli(*command, *QUICK, "--format", "json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert [m["runtime"]["library"] for m in found["models"]] == ["onnxruntime", "openvino"]
    assert [m["runtime"]["threads"] for m in found["models"]] == ["1", "1"]
    assert [m["input"] for m in found["models"]] == [{"name": "input", "type": "float32"}] * 2
    for result, batch in zip(found["results"], (1, 4), strict=True):
        assert result["shape"] == [batch, 3, 32, 32]
        assert [list(t) for t in result["timings"]] == [FIGURES] * 2
        assert result["ratio"]["blocks"] == 2
        assert result["ratio"]["quartiles"][0] <= result["ratio"]["median"] <= result["ratio"]["quartiles"][1]
        same = result["outputs"]
        assert same["largest_difference"] < 5e-5 * same["largest_value"]
        assert (same["top1_agreeing"], same["images"]) == (batch, batch)


def test_another_network_is_noticed_by_its_outputs(cli, model):
    code, out, _ = cli("bench", model, "--against", "cifar-resnet20", "--seed", "1", "--batch", "16", *QUICK)
    assert code == 0
    first, second = out.splitlines()[:2]
    assert first.startswith(f"A  {model} on onnxruntime")
    assert second.startswith("B  cifar-resnet20 on onnxruntime")
    speed, outputs = out.splitlines()[-2:]
    assert speed.startswith("batch 16: A is ")
    assert " times as fast as B (quartiles of 2 blocks " in speed
    words = outputs.split()
    largest, scale = float(words[3].rstrip(",")), float(words[6].rstrip(";"))
    assert largest > 0.1 * scale
    agreeing, images = int(words[-3]), int(words[-1])
    assert images == 16
    assert agreeing < 16


def test_settings_and_seed_change_what_is_measured(cli, model):
    same = ("bench", model, "--against", "cifar-resnet20", *QUICK, "--format", "json")

    def found(*more):
        return json.loads(cli(*same, *more)[1])["results"][0]["outputs"]

    assert found()["largest_difference"] == 0
    assert found("--seed", "1")["largest_difference"] > 0.1
    assert found("--set", "head.classes=7") is None


def test_the_build_s_options_reach_the_build(cli, monkeypatch):
    asked = []
    monkeypatch.setattr(models, "build", lambda *given: asked.append(given[1]) or build(*given))
    code, _, _ = cli("bench", TINY, "--fold-bn", "--weights", CHECKPOINT, "--seed", "3", *QUICK)
    assert code == 0
    assert (asked[0].fold, asked[0].weights, asked[0].seed) == (True, CHECKPOINT, 3)


def test_outputs_that_cannot_be_compared_are_said_so(cli, model):
    out = cli("bench", model, "--against", "cifar-resnet20", "--set", "head.classes=7", *QUICK)[1]
    assert out.splitlines()[-1] == "  outputs: of different number or shape, so not compared"


def test_values_that_are_not_finite_are_null_in_json(cli, tmp_path):
    from resnet_gen.language.load import load
    from resnet_gen.language.lower import lower

    weights = {name: np.zeros(t.shape, np.float32) for name, t in lower(load(str(TINY))).state().items()}
    weights["head.fc.bias"][:] = [1, 3e38, 2]
    weights["stem.norm.bias"][:] = 2
    weights["head.fc.weight"][1] = 3e38
    np.savez(tmp_path / "w.npz", **weights)
    command = ("bench", TINY, "--against", TINY, "--weights", tmp_path / "w.npz", *QUICK, "--format", "json")
    outputs = json.loads(cli(*command)[1])["results"][0]["outputs"]
    assert outputs["largest_difference"] is None
    assert outputs["largest_value"] is None


@pytest.mark.parametrize("shape", ["2x3x32x32", "input:2x3x32x32", "input:[2,3,32,32]"])
def test_a_shape_in_place_of_a_batch(cli, model, shape):
    out = cli("bench", model, "--shapes", shape, *QUICK, "--format", "json")[1]
    assert json.loads(out)["results"][0]["shape"] == [2, 3, 32, 32]


def test_a_model_of_a_fixed_batch_is_measured_at_it_and_at_no_other(cli, tmp_path):
    cli("build", TINY, "--batch", "2", "-o", tmp_path)
    model = tmp_path / "tiny.onnx"
    assert json.loads(cli("bench", model, *QUICK, "--format", "json")[1])["results"][0]["shape"] == [2, 1, 8, 8]
    found = cli("bench", model, "--batch", "3")
    assert found == (2, "", f"{model}: error: takes 2x1x8x8, not 3x1x8x8\n")


@on_the_whole_processor
def test_a_precision_that_the_processor_lacks_is_told(cli, model):
    needs("openvino")
    code, out, err = cli("bench", model, "--backend", "openvino", "--precision-hint", "bf16", *QUICK)
    assert code == 0
    used = out.splitlines()[0].split(", ")[1].removeprefix("computed in ")
    assert err == ("" if used == "bf16" else f"{model}: openvino computes in {used} on this processor\n")


def test_run_takes_a_runtime_too(cli, model):
    needs("openvino")
    both = [json.loads(cli("run", model, *more, "--format", "json")[1]) for more in ((), ("--backend", "openvino"))]
    a, b = ([(entry["class"], round(entry["score"], 4)) for entry in found["top"]] for found in both)
    assert [c for c, _ in a] == [c for c, _ in b]
    np.testing.assert_allclose([s for _, s in a], [s for _, s in b], atol=2e-4)


def test_an_engine_is_measured_on_the_gpu(cli, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", fake_gpu)
    monkeypatch.setattr("resnet_gen.engine.tensorrt_run._load_bindings", lambda: fake_gpu)
    path = tmp_path / "net.engine"
    path.write_bytes(fake_gpu.engine_bytes())
    code, out, _ = cli("bench", path, "--backend", "tensorrt", "--batch", "1,4", *QUICK, "--format", "json")
    assert code == 0
    assert [r["shape"] for r in json.loads(out)["results"]] == [[1, 3, 4, 4], [4, 3, 4, 4]]
    code, out, err = cli("bench", path, "--backend", "tensorrt", "--batch", "8")
    assert (code, out) == (2, "")
    assert "its profile goes from 1x3x4x4 to 4x3x4x4, and 8x3x4x4 lies outside" in err
    assert "hint: build it with another --batch" in err


# --- files ------------------------------------------------------------------


def test_figures_and_picture_go_to_files_whose_paths_are_printed(cli, model, tmp_path):
    needs("matplotlib")
    figures, picture = tmp_path / "figures.json", tmp_path / "picture.svg"
    command = ("bench", model, *QUICK, "--format", "json", "-o", figures, "--plot", picture)
    assert cli(*command) == (0, f"{figures}\n{picture}\n", "")
    assert json.loads(figures.read_text())["models"][0]["model"] == str(model)
    text = picture.read_text()
    assert text.startswith("<?xml")
    for words in ("latency of a batch, ms", "throughput, images/s", "batch size (images of 3x32x32)", "p50", "p99"):
        assert words in text, words


def test_a_picture_beside_figures_on_stdout_is_told_on_stderr(cli, model, tmp_path):
    needs("matplotlib")
    picture = tmp_path / "picture.PNG"
    code, out, err = cli(
        "bench", model, "--against", model, "--batch", "1,2", *QUICK, "--format", "json", "--plot", picture
    )
    assert (code, err) == (0, f"{picture}\n")
    assert len(json.loads(out)["results"]) == 2
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_one_measurement_gives_the_same_picture_twice():
    needs("matplotlib")
    from resnet_gen.speed.benchmark import Result, Timing
    from resnet_gen.speed.plot import draw

    results = [
        Result((n, 3, 4, 4), (Timing(n, ((0.01 * n, 0.02 * n),)), Timing(n, ((0.03, 5.0),))), None) for n in (1, 9)
    ]
    first, again = (draw(["one", "two"], results, ".svg") for _ in range(2))
    assert first == again
    assert b"<dc:date>" not in first
    assert draw(["one"], [Result(r.shape, r.timings[:1], None) for r in results], ".svg") != first


def test_a_terminal_sees_a_bar(cli, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert cli("bench", TINY, "--batch", "1,2", *QUICK)[0] == 0
    assert "batch 2" in sys.stderr.getvalue()


# --- refusals ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nope.onnx"], "nope.onnx: error: there is no such file"),
        (["nope.engine"], "nope.engine: error: there is no such file"),
        (["nope"], "there is no spec 'nope'"),
        ([TINY, "--against", "nope.onnx"], "nope.onnx: error: there is no such file"),
        (["nope.onnx", "--fold-bn"], "an ONNX file has its own shape and weights"),
        (["nope.engine", "--set", "input.size=8"], "an engine has its own shape and weights"),
        (
            ["nope.onnx", "--seed", "0"],
            "nope.onnx: error: an ONNX file has its own shape and weights\nhint: run the spec instead\n",
        ),
        (["nope.onnx", "--against", "nope.engine", "--seed", "3"], "an ONNX file has its own shape and weights"),
        ([TINY, "-o", ""], "Error: Invalid value for '-o' / '--output': an empty text is no path.\n"),
        ([TINY, "--plot", ""], "Error: Invalid value for '--plot': an empty text is no path.\n"),
        ([TINY, "--batch", "0,1"], "--batch: '0,1' is not a list of batch sizes\nhint: write --batch 1,8"),
        ([TINY, "--batch", "5000"], "--batch: '5000' is not a list of batch sizes"),
        ([TINY, "--batch", ""], "--batch: '' is not a list of batch sizes"),
        ([TINY, "--batch", "1", "--shapes", "1x1x8x8"], "--batch and --shapes both say"),
        (
            [TINY, "--shapes", "input=1"],
            "--shapes: 'input=1' is not a shape\nhint: write input:1x3x224x224, or input:[",
        ),
        ([TINY, "--shapes", "x:1x1x8x8"], "there is no input 'x'\nhint: it is 'input'"),
        ([TINY, "--shapes", "1x1x8x8,input:2x1x8x8"], "--shapes: two shapes for one input"),
        ([TINY, "--shapes", "1x1x8"], "takes ?x1x8x8, not 1x1x8"),
        ([TINY, "--shapes", "99999999x1x8x8"], "an input of 99999999x1x8x8 is larger than any"),
        ([TINY, "--against", "resnet18"], "takes ?x3x224x224, not 1x1x8x8"),
        ([TINY, "--backend", "nope"], "'nope' is not one of 'onnxruntime', 'openvino', 'tensorrt-rtx', 'tensorrt'"),
        ([TINY, "--precision-hint", "bf16"], "--precision-hint means something for openvino alone"),
        ([TINY, "--backend", "tensorrt", "--threads", "2"], "--threads means nothing for tensorrt"),
        ([TINY, "--plot", "a.pdf"], "a.pdf: error: a picture is an .svg or a .png file"),
        ([TINY, "-o", "no/such/a.json"], "no/such: error: cannot be written: there is no such folder"),
        ([TINY, "-o", "."], ".: error: cannot be written: a folder has this name"),
        ([TINY, "--seconds", "0"], "0.0 is not in the range"),
    ],
    ids=lambda v: " ".join(map(str, v[1:])) if isinstance(v, list) else "",
)
def test_what_cannot_be_measured_is_refused(cli, arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = cli("bench", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_model_is_refused(cli, tmp_path):
    path = tmp_path / "a.onnx"
    path.write_text("text")
    code, out, err = cli("bench", path)
    assert (code, out) == (2, "")
    assert err.startswith(f"{path}: error: ONNX Runtime declines it: ")


def test_a_plot_without_its_library_is_refused_before_anything_is_measured(cli, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, out, err = cli("bench", TINY, "--plot", tmp_path / "a.svg")
    assert (code, out) == (2, "")
    assert "matplotlib cannot be loaded" in err
    assert "hint: pip install 'resnet-gen[plot]'" in err


def test_figures_and_picture_in_one_file_are_refused(cli, tmp_path):
    needs("matplotlib")
    code, _, err = cli("bench", TINY, "--plot", tmp_path / "a.svg", "-o", tmp_path / "a.svg")
    assert code == 2
    assert "--output and --plot name one file" in err


def test_a_missing_runtime_is_refused_with_how_to_install_it(cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    code, out, err = cli("bench", TINY, "--backend", "openvino")
    assert (code, out) == (2, "")
    assert "hint: pip install 'resnet-gen[openvino]'" in err


def test_a_spec_is_not_built_in_vain_where_no_gpu_can_run_it(cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", fake_gpu)
    monkeypatch.setattr("resnet_gen.engine.tensorrt_run._load_bindings", lambda: fake_gpu)
    monkeypatch.setattr(fake_gpu.MODE, "driver", 35)
    monkeypatch.setattr(import_module("resnet_gen.build.models"), "build", lambda *_: pytest.fail("built"))
    code, out, err = cli("bench", TINY, "--backend", "tensorrt")
    assert (code, out) == (2, "")
    assert "no GPU can be used: CUDA driver version is insufficient" in err
