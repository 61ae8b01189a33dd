"""Precision and devices as somebody at the command line meets them."""

import json
import os

import numpy as np
import onnx
import pytest
from PIL import Image

from resnet_gen.build import build_notes
from tests.helpers.onnx_runs import TINY

OTHERS = "others are files (docs/targets.md)"


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        Image.fromarray(rng.integers(0, 256, (10, 12), np.uint8)).save(folder / f"{i}.png")
    return folder


def types(path):
    """Element types of a file's input, outputs and weights."""
    graph = onnx.load(path).graph
    name = onnx.helper.tensor_dtype_to_np_dtype
    values = [name(v.type.tensor_type.elem_type).name for v in (*graph.input, *graph.output)]
    return values, {name(t.data_type).name for t in graph.initializer if t.name.endswith(".weight")}


def test_int8_for_cpus_from_a_folder_of_pictures(cli, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(build_notes, "sums_saturate", lambda: True)
    out = tmp_path / "out"
    code, printed, said = cli("build", TINY, "--for", "cpu", "--calibration", photos, "-o", out)
    assert code == 0
    assert printed.split() == [f"{out}/tiny.{end}" for end in ("onnx", "quantization.json", "manifest.json")]
    assert "tiny: signal to noise of logits " in said
    assert "tiny: costliest layers: " in said
    assert "warning: tiny: this CPU has no VNNI: ONNX Runtime saturates sums of 8-bit products here\n" in said
    assert "hint: for such CPUs, build --for cpu-avx2, or with --reduce-range\n" in said
    assert "accuracy means nothing" not in said
    manifest = json.loads((out / "tiny.manifest.json").read_text())
    assert (manifest["device"], manifest["precision"], manifest["compute"]) == ("cpu", "int8", "float32")
    assert manifest["quantization"]["calibration"]["images"] == 3
    assert types(out / "tiny.onnx") == (["float32", "float32"], {"int8"})
    again = cli("build", TINY, "--for", "cpu", "--calibration", photos, "-o", out, "--check")
    assert (again[0], again[1]) == (0, "")


def test_seven_bits_are_not_warned_of_and_random_images_are(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(build_notes, "sums_saturate", lambda: True)
    _, _, said = cli("build", TINY, "--for", "cpu-avx2", "--calibration", "random", "-o", tmp_path)
    assert "VNNI" not in said
    assert "calibrated with random images: its accuracy means nothing" in said


@pytest.mark.parametrize(
    ("options", "values", "weights"),
    [
        ((), ["float32", "float32"], {"float32"}),
        (("--precision", "fp16"), ["float32", "float32"], {"float16"}),
        (("--precision", "fp16", "--io", "typed"), ["float16", "float16"], {"float16"}),
        (("--precision", "bf16", "--io", "typed"), ["bfloat16", "bfloat16"], {"bfloat16"}),
        (("--precision", "int8", "--qdq", "tensorrt", "--rest", "fp16"), ["float32", "float32"], {"int8", "float16"}),
        (("--precision", "fp8", "--io", "typed"), ["float16", "float16"], {"float8_e4m3fn", "float16"}),
        (("--for", "xavier-nx", "--precision", "int8", "--target", "onnx"), ["float32", "float32"], {"float32"}),
    ],
)
def test_types_stand_in_the_file(cli, tmp_path, options, values, weights):
    if {"int8", "fp8"} & set(options):
        options = (*options, "--calibration", "random")
    assert cli("build", TINY, *options, "-o", tmp_path)[0] == 0
    assert types(tmp_path / "tiny.onnx") == (values, weights)


def test_a_device_of_one_s_own(cli, tmp_path):
    (tmp_path / "board.yaml").write_text(
        "name: board\ntitle: A board\narchitecture: Ampere\ncompute_capability: '8.7'\ntensorrt: '10.3'\n"
        "engine: in-place\nopset: 18\nprecisions: [fp32, fp16, int8]\nrefuses: {fp8: too old, bf16: too old}\n"
        "tensor_cores: true\nsource: me\n"
    )
    board = tmp_path / "board.yaml"
    options = ("--precision", "int8", "--rest", "fp16", "--calibration", "random")
    code, _, said = cli("build", TINY, "--for", board, *options, "-o", tmp_path / "out")
    assert (code, said) == (2, "error: --for board: reads ONNX opsets up to 18\nhint: --precision int8 needs 19\n")
    assert not (tmp_path / "out").exists()
    assert cli("build", TINY, "--for", board, "-o", tmp_path / "out")[0] == 0
    assert json.loads((tmp_path / "out" / "tiny.manifest.json").read_text())["precision"] == "fp16"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--for", "jetson-nanno"),
            f"error: there is no target 'jetson-nanno'\nhint: did you mean 'jetson-nano'? {OTHERS}\n",
        ),
        (
            ("--for", "t4", "--precision", "fp8", "--calibration", "random"),
            "error: --for t4: not in FP8: FP8 came with compute capability 8.9, and this is 7.5\n"
            "hint: it has fp32, fp16, int8\n",
        ),
        (
            ("--for", "cpu", "--precision", "int8", "--calibration", "nowhere"),
            "nowhere: error: there is no such file or folder\n"
            "hint: --calibration takes a folder of pictures, an .npz file or 'random'\n",
        ),
        (
            ("--precision", "bf16", "--opset", "17"),
            "error: opset 17 cannot carry a network of these element types\nhint: the lowest that can is 22\n",
        ),
        (
            ("--shapes", "input:1x3x224x224"),
            "error: shapes of Nx3x224x224 were asked for, and tiny takes Nx1x8x8\n"
            "hint: --input SIDE, or --set input.channels=N, changes what it takes\n",
        ),
        (
            ("--min-shapes", "1x1x8x8", "--opt-shapes", "2x1x8x8", "--max-shapes", "2x1x9x9"),
            "error: --batch: a range means nothing for target 'onnx'\nhint: it is for engines, bundles and triton\n",
        ),
        (
            ("--shapes", "1x1x8x8", "--batch", "1"),
            "error: --batch and shapes both say how large a batch is\nhint: leave one of them away\n",
        ),
        (
            ("--for", "t4", "--target", "report"),
            "error: --for means nothing for target 'report'\nhint: it has neither weights nor types\n",
        ),
        (("--percentile", "99"), "error: --percentile means nothing without --calibration\n"),
        (
            ("--for", "cpu", "--calibration", "random", "--calibration-method", "minmax", "--percentile", "99"),
            "error: --percentile means nothing for --calibration-method minmax\n",
        ),
        (
            ("--precision", "fp16", "--calibration", "random", "--percentile", "99"),
            "error: --percentile means nothing for --precision fp16\nhint: it is for int8 and fp8\n",
        ),
        (
            ("--precision", "fp16", "--calibration", "random", "--calibration-method", "minmax"),
            "error: --calibration-method means nothing for --precision fp16\nhint: it is for int8 and fp8\n",
        ),
        (
            ("--for", "l4", "--precision", "fp8", "--calibration", "random", "--reduce-range"),
            "error: --reduce-range means nothing for --precision fp8\nhint: it is for the integers of int8\n",
        ),
        (("--for", "cpu", "--sm", "89"), "error: --for cpu: no engine is built there\nhint: leave out --sm\n"),
        (
            ("--target", "report", "--precision", "fp16"),
            "error: --precision means nothing for target 'report'\nhint: it has neither weights nor types\n",
        ),
    ],
)
def test_bad_input_is_refused_in_words_and_nothing_is_written(cli, tmp_path, options, message):
    assert cli("build", TINY, *options, "-o", tmp_path / "out") == (2, "", message)
    assert not (tmp_path / "out").exists()


def test_a_broken_picture_is_named_and_nothing_is_written(cli, photos, tmp_path):
    (photos / "1.png").write_bytes((photos / "1.png").read_bytes()[:50])
    code, out, said = cli("build", TINY, "--for", "cpu", "--calibration", photos, "-o", tmp_path / "out")
    assert (code, out) == (2, "")
    assert said.startswith(f"{photos}/1.png: error: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--shapes", "input:2x1x8x8"),
        ("--shapes", "input:[2,1,8,8]"),
        ("--shapes", "2x1x8x8"),
        ("--batch", "2"),
    ],
)
def test_trtexec_s_shapes_and_polygraphy_s_are_a_batch(cli, tmp_path, options):
    assert cli("build", TINY, *options, "-o", tmp_path)[0] == 0
    dims = onnx.load(tmp_path / "tiny.onnx").graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_value for d in dims] == [2, 1, 8, 8]


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros((2, 1, 8, 8), np.float32), "the images to calibrate with are all zero"),
        (np.full((2, 1, 8, 8), np.nan, np.float32), "the images to calibrate with hold numbers that are not finite"),
    ],
)
def test_images_that_say_nothing_are_refused(cli, tmp_path, pixels, words):
    np.savez(tmp_path / "x.npz", pixels)
    code, out, said = cli("build", TINY, "--for", "cpu", "--calibration", tmp_path / "x.npz", "-o", tmp_path / "out")
    assert (code, out) == (2, "")
    assert words in said
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore:the images to calibrate with reach")
@pytest.mark.parametrize("method", ["minmax", "percentile", "entropy"])
def test_images_of_hardly_anything_are_calibrated_with(cli, tmp_path, method):
    tiny = np.random.default_rng(0).standard_normal((2, 1, 8, 8)).astype(np.float32) * np.float32(1e-38)
    np.savez(tmp_path / "x.npz", tiny)
    options = ("--calibration", tmp_path / "x.npz", "--calibration-method", method, "-o", tmp_path / "out")
    assert cli("build", TINY, "--for", "cpu", *options)[0] == 0


@pytest.mark.parametrize("option", ["--percentile", "--seconds"])
def test_what_is_no_number_is_no_number_in_a_range(cli, tmp_path, option):
    command = ("bench", TINY) if option == "--seconds" else ("build", TINY, "--for", "cpu", "--calibration", "random")
    code, out, said = cli(*command, option, "nan")
    assert (code, out) == (2, "")
    assert "nan is not a number" in said


@pytest.mark.parametrize("name", ["tiny.onnx", "tiny.manifest.json"])
def test_a_pipe_in_a_file_s_place_is_refused_at_once(cli, tmp_path, name):
    os.mkfifo(tmp_path / name)
    code, out, said = cli("build", TINY, "-o", tmp_path)
    assert (code, out) == (2, "")
    assert f"{tmp_path}/{name}: error: is in the way: not a file" in said


def test_files_beside_a_model_that_were_not_built_here_stay(cli, tmp_path):
    (tmp_path / "tiny").mkdir()
    settings = tmp_path / "tiny" / "config.pbtxt"
    settings.write_text("mine")
    code, _, said = cli("build", TINY, "--target", "triton", "-o", tmp_path)
    assert code == 2
    assert f"{settings}: error: exists and has no manifest: not built here" in said
    assert settings.read_text() == "mine"
    assert [p.name for p in (tmp_path / "tiny").iterdir()] == ["config.pbtxt"]
    assert cli("build", TINY, "--target", "triton", "-o", tmp_path, "--force")[0] == 0


@pytest.mark.parametrize("key", ["stage0", "stage00.block1", "stage1.block0"])
def test_no_place_has_the_number_zero(cli, key):
    code, _, said = cli("show", TINY, "--set", f"quantization.keep=[{key}]")
    assert code == 2
    assert f"quantization.keep: nothing here is called '{key}'" in said


def test_a_model_is_held_against_a_device(cli, tmp_path):
    assert cli("build", TINY, "--precision", "fp8", "--calibration", "random", "-o", tmp_path)[0] == 0
    for device, code, words in (
        ("jetson-nano", 1, "jetson-nano is not for FP8: "),
        ("l4", 0, "fp8 in opset 19, which l4 runs and reads"),
    ):
        found = cli("check-engine", tmp_path / "tiny.onnx", "--for", device)
        assert found[0] == code
        assert words in found[1]


def test_a_device_s_title_is_one_line_since_scripts_carry_it(cli, tmp_path):
    board = tmp_path / "board.yaml"
    board.write_text(
        'name: board\ntitle: "a\\ntouch pwned\\n"\narchitecture: Ampere\ncompute_capability: "8.7"\n'
        'tensorrt: "10.3"\nengine: in-place\nopset: 20\nprecisions: [fp32]\ntensor_cores: true\nsource: me\n'
        "refuses: {fp16: no, bf16: no, int8: no, fp8: no}\n"
    )
    code, _, said = cli("build", TINY, "--for", board, "-o", tmp_path / "out")
    assert code == 2
    assert "title: a text of more than one line" in said
