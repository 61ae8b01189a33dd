"""The examples: what they refuse everywhere, and where torch is installed the whole way, with its figures."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
DIGITS, FINETUNE = ROOT / "examples" / "digits", ROOT / "examples" / "finetune"
ROW = re.compile(r"\| (?P<step>[^|]+) \| (?P<right>\d+) of (?P<images>\d+) \| (?P<top1>\d+\.\d\d) % \|")
FP32 = ["PyTorch, FP32", "ONNX Runtime, FP32", "OpenVINO, FP32"]
INT8 = ["ONNX Runtime, INT8", "OpenVINO, INT8"]


def run(script, *arguments, python=()):
    """Run an example as one does: exit code, stdout, stderr."""
    command = [sys.executable, *python, str(script), *map(str, arguments)]
    paths = {**os.environ, "PYTHONPATH": str(ROOT)}  # torch may live where this package is not installed
    done = subprocess.run(command, cwd=ROOT, env=paths, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def without_torch(tmp_path):
    """Words for Python that let `import torch` fail, as where it is not installed."""
    code = (
        "import importlib.util as u, pathlib, runpy, sys\n"
        "real = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'torch' else real(name, *rest)\n"
        "sys.modules['torch'] = None\n"
        "sys.argv = sys.argv[1:]\n"
        "sys.path.insert(0, str(pathlib.Path(sys.argv[0]).parent))\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    path = tmp_path / "without_torch.py"
    path.write_text(code, encoding="utf-8")
    return [str(path)]


def loaded(path):
    """An example's script as a module."""
    found = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def table(text):
    """Step to (right, images, top-1 as printed) of each row of a printed table."""
    return {m["step"]: (int(m["right"]), int(m["images"]), m["top1"]) for m in ROW.finditer(text)}


def photos(folder, classes=2, images=6, size=40):
    """Class folders of pictures, each class of a brightness of its own."""
    generator = np.random.default_rng(0)
    for label in range(classes):
        inner = folder / f"class{label}"
        inner.mkdir(parents=True)
        for number in range(images):
            pixels = generator.integers(0, 120, (size, size, 3)) + 130 * (label % 2)
            Image.fromarray(pixels.astype(np.uint8)).save(inner / f"{number}.png")
    return folder


def checkpoint(path, *settings, spec="resnet18"):
    """Weights of a spec, drawn from a seed, in a file."""
    from resnet_gen.language.load import load
    from resnet_gen.language.lower import lower
    from resnet_gen.weights.initialization import SeededWeights

    graph = lower(load(spec, settings))
    drawn = SeededWeights(graph, 0)
    np.savez(path, **{name: drawn.rows(name, 0, (*tensor.shape, 1)[0]) for name, tensor in graph.state().items()})
    return path


@pytest.mark.parametrize("script", [DIGITS / "digits.py", FINETUNE / "finetune.py", FINETUNE / "stand_in.py"])
def test_help_needs_no_torch(script, without_torch):
    code, out, _ = run(script, "--help", python=without_torch)
    assert code == 0
    assert "Usage:" in out


def test_digits_says_that_torch_is_missing(tmp_path, without_torch):
    code, out, err = run(DIGITS / "digits.py", "-o", tmp_path / "out", python=without_torch)
    assert (code, out) == (2, "")
    assert err == "error: torch is not installed\nhint: pip install '.[examples]'\n"
    assert not (tmp_path / "out").exists()


def test_the_split_is_that_of_the_page_on_accuracy():
    pytest.importorskip("sklearn", reason="scikit-learn, whose digits they are, is not installed")
    from tests.accuracy.digits import split

    for ours, theirs in zip(loaded(DIGITS / "digits.py").data(), split(), strict=True):
        np.testing.assert_array_equal(ours.images, theirs.images)
        np.testing.assert_array_equal(ours.labels, theirs.labels)


def test_what_misses_a_promise_is_named():
    digits = loaded(DIGITS / "digits.py")

    def rows(fp32, int8):
        return [digits.Row("PyTorch, FP32", fp32, 1000), digits.Row("OpenVINO, INT8", int8, 1000)]

    assert digits.missed(rows(980, 975)) == []
    assert digits.missed(rows(979, 979)) == ["PyTorch, FP32: 97.90 %, at least 98.00 % wanted"]
    assert digits.missed(rows(991, 985)) == ["OpenVINO, INT8: 98.50 %, at least 98.60 % wanted"]


def test_the_spec_of_the_example_verifies(cli):
    code, _, err = cli("verify", loaded(DIGITS / "digits.py").SPEC)
    assert (code, err) == (0, "1 spec, 0 findings\n")


def test_the_readme_has_the_table_that_the_example_prints():
    page = (DIGITS / "README.md").read_text(encoding="utf-8")
    rows = table(page)
    assert list(rows) == [*FP32, *INT8]
    assert all(f"{100 * right / images:.2f}" == top1 and images == 596 for right, images, top1 in rows.values())
    digits = loaded(DIGITS / "digits.py")
    assert digits.missed([digits.Row(step, right, images) for step, (right, images, _) in rows.items()]) == []
    assert "| step | right | top-1 |\n|---|--:|--:|\n" in page


@pytest.mark.parametrize(
    ("break_it", "message", "hint"),
    [
        (lambda folder: None, "no folder", None),
        (lambda folder: folder.mkdir(), "no folder of a class in it", "images are expected as"),
        (lambda folder: photos(folder, classes=1), "1 folder of a class in it", "images are expected as"),
        (lambda folder: photos(folder, images=1), "1 image in it, where two are needed", None),
    ],
    ids=["absent", "empty", "one class", "one image"],
)
def test_finetune_refuses_folders_before_torch_is_asked_for(break_it, message, hint, tmp_path, without_torch):
    break_it(tmp_path / "photos")
    code, out, err = run(FINETUNE / "finetune.py", "resnet18", "x.pth", tmp_path / "photos", python=without_torch)
    assert (code, out) == (2, "")
    assert f"error: {message}\n" in err
    assert (hint or "") in err


def test_finetune_names_the_images_that_cannot_be_read(tmp_path, without_torch):
    folder = photos(tmp_path / "photos")
    for at in range(3):
        (folder / "class1" / f"{at}.png").write_bytes(b"no picture")
    weights = checkpoint(tmp_path / "ten.npz", "head.classes=10")
    arguments = ("resnet18", weights, folder, "-o", tmp_path / "out", "--set", "input.size=32")
    code, out, err = run(FINETUNE / "finetune.py", *arguments, python=without_torch)
    assert (code, out) == (2, "")
    assert err.count("error: not a picture") == 3
    assert "class1/2.png" in err


def test_finetune_refuses_a_checkpoint_of_another_network(tmp_path, without_torch):
    weights = checkpoint(tmp_path / "other.npz", spec="resnet34")
    arguments = ("resnet18", weights, photos(tmp_path / "photos"), "-o", tmp_path / "out")
    code, out, err = run(FINETUNE / "finetune.py", *arguments, python=without_torch)
    assert (code, out) == (2, "")
    assert "its names and shapes are those of 'resnet34'" in err


def test_finetune_says_that_torch_is_missing_when_all_else_is_well(tmp_path, without_torch):
    weights = checkpoint(tmp_path / "ten.npz", "head.classes=10")
    arguments = ("resnet18", weights, photos(tmp_path / "photos"), "-o", tmp_path / "out", "--set", "input.size=32")
    code, out, err = run(FINETUNE / "finetune.py", *arguments, python=without_torch)
    assert (code, out) == (2, "")
    assert "2 dropped, 2 initialized" in err
    assert err.endswith("error: torch is not installed\nhint: pip install '.[torch]'\n")


def test_finetune_writes_over_nothing_that_it_reads(tmp_path, without_torch):
    out = tmp_path / "out"
    out.mkdir()
    weights = checkpoint(tmp_path / "ten.npz", "head.classes=10").rename(out / "resnet18.safetensors")
    before = weights.read_bytes()
    arguments = ("resnet18", weights, photos(tmp_path / "photos"), "-o", out)
    code, _, err = run(FINETUNE / "finetune.py", *arguments, python=without_torch)
    assert code == 2
    assert err.startswith(f"{weights}: error: ")
    assert weights.read_bytes() == before


def needs(*libraries):
    """Skip, in words, where a library of the extra `examples` is missing."""
    for library in libraries:
        pytest.importorskip(library, reason=f"{library}, which the example needs, is not installed")


@pytest.mark.torch
@pytest.mark.long
def test_digits_goes_the_whole_way_and_keeps_its_promises(tmp_path):
    needs("torch", "sklearn")
    code, out, err = run(DIGITS / "digits.py", "-o", tmp_path)
    rows = table(out)
    assert code == 0, err
    assert list(rows) == (FP32 + INT8 if importlib.util.find_spec("openvino") else [FP32[0], FP32[1], INT8[0]])
    assert all(images == 596 and right / images >= 0.98 for right, images, _ in rows.values())
    fp32 = rows["PyTorch, FP32"][0]
    assert all(rows[step][0] == fp32 for step in FP32 if step in rows)
    assert all(fp32 - rows[step][0] < 3 for step in INT8 if step in rows)
    files = ["resnet8_digits.py", "fp32/resnet8-digits.onnx", "int8/resnet8-digits.quantization.json",
             "triton/resnet8-digits/config.pbtxt"]  # fmt: skip
    files += ["loss.png"] if importlib.util.find_spec("matplotlib") else []
    assert [name for name in files if not (tmp_path / name).is_file()] == []
    assert bool(list(tmp_path.glob("engine/*.engine"))) == bool(importlib.util.find_spec("tensorrt_rtx"))
    assert all(
        f"{name} is not installed: " in err
        for name in ("matplotlib", "openvino", "tensorrt_rtx")
        if not importlib.util.find_spec(name)
    )


@pytest.mark.torch
@pytest.mark.long
def test_digits_exits_with_1_where_it_misses_them(tmp_path):
    needs("torch", "sklearn")
    code, out, err = run(DIGITS / "digits.py", "-o", tmp_path, "--epochs", 1)
    assert code == 1
    assert "missed: PyTorch, FP32: " in err
    assert table(out)["PyTorch, FP32"][0] < 0.98 * 596


@pytest.mark.torch
@pytest.mark.long
def test_finetune_learns_and_its_last_line_builds_what_it_trained(tmp_path, cli):
    needs("torch")
    from onnxruntime import InferenceSession

    from resnet_gen.engine.image import read_image
    from resnet_gen.language.load import load

    folder, settings = photos(tmp_path / "photos", images=10), ["input.size=32"]
    weights = checkpoint(tmp_path / "thousand.npz")
    arguments = ("resnet18", weights, folder, "-o", tmp_path / "out", "--set", *settings, "--epochs", 6, "--freeze", 1)
    code, out, err = run(FINETUNE / "finetune.py", *arguments, "--batch", 8)
    assert code == 0, err
    rows = table(out)
    assert rows["after"] == (4, 4, "100.00")
    line = shlex.split(out.splitlines()[-1])
    assert line[:3] == ["resnet-gen", "build", "resnet18"]
    at = line.index("--target")
    code, _, _ = cli(*line[1:at], "-o", tmp_path / "onnx")
    assert code == 0
    session = InferenceSession(tmp_path / "onnx" / "resnet18.onnx")
    to = load("resnet18", settings).spec.input
    held = [folder / f"class{label}" / f"{number}.png" for label in (0, 1) for number in (1, 6)]
    images = np.concatenate([read_image(path, to) for path in held])
    assert list(session.run(None, {"input": images})[0].argmax(1)) == [0, 0, 1, 1]
    assert (tmp_path / "out" / "classes.txt").read_text(encoding="utf-8") == "class0\nclass1\n"


@pytest.mark.torch
@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_finetune_takes_what_the_libraries_save(library, tmp_path):
    needs("torch")
    from tests.reference import make_counters

    make_counters.prepared()  # before torchvision is imported
    reason = f"{library}, whose checkpoint it is, is not installed"
    made = pytest.importorskip(library, reason=reason, exc_type=ImportError)
    import torch

    torch.manual_seed(0)
    model = made.models.resnet18() if library == "torchvision" else made.create_model("resnet18")
    torch.save(model.state_dict(), tmp_path / "resnet18.pth")
    arguments = ("resnet18", tmp_path / "resnet18.pth", photos(tmp_path / "photos"), "-o", tmp_path / "out")
    code, out, err = run(FINETUNE / "finetune.py", *arguments, "--set", "input.size=32", "--epochs", 0)
    assert code == 0, err
    assert table(out)["before"] == table(out)["after"]
    from safetensors.torch import load_file

    kept = load_file(tmp_path / "out" / "resnet18.safetensors")
    assert kept["fc.weight"].shape == (2, 512)
    assert all(torch.equal(kept[name], tensor) for name, tensor in model.state_dict().items() if "fc." not in name)


@pytest.mark.torch
def test_frozen_layers_and_their_statistics_stay_as_they_were():
    needs("torch")
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 2)).eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    finetune = loaded(FINETUNE / "finetune.py")
    images, labels = np.random.default_rng(0).random((8, 1, 8, 8), np.float32), np.array([0, 1] * 4)
    changed = []
    for frozen in (1, 0):
        finetune.train(model, images, labels, finetune.Settings(1, frozen, 4, 0.1, flip=True))
        changed.append({name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])})
    assert changed[0] == {"3.weight", "3.bias"}
    assert changed[1] == set(before)


@pytest.mark.torch
def test_an_image_is_moved_by_little_and_mirrored_by_chance():
    needs("torch")
    import torch

    torch.manual_seed(0)
    finetune = loaded(FINETUNE / "finetune.py")
    ramp = torch.arange(32.0).expand(64, 1, 32, 32)
    moved, mirrored = finetune.varied(ramp, flip=False), finetune.varied(ramp, flip=True)
    assert (moved - ramp).abs().max() <= 2
    falling = mirrored[:, 0, 0, 0] > mirrored[:, 0, 0, -1]
    assert 16 < falling.sum() < 48
