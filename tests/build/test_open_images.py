"""Files whose height and width are open, run and measured at the size of the network inside."""

import json

import numpy as np
import pytest
from PIL import Image

import resnet_gen
from tests.helpers.surroundings import small_file


def measured(cli, *models):
    """The shape of a batch of two that `bench` makes, and its refusal where there is one."""
    first, *others = models
    against = [word for other in others for word in ("--against", other)]
    code, out, err = cli("bench", first, *against, "--batch", "2", "--repeat", "1", "--format", "json")
    return (json.loads(out)["results"][0]["shape"], "") if code == 0 else (code, err)


@pytest.fixture
def emit(tmp_path):
    """Writes a file of the network, served as `serve` says, and returns its path."""
    paths = (tmp_path / f"{number}.onnx" for number in range(9))
    spec = resnet_gen.load_spec("cifar-resnet20", {"input.size": [16, 24], "stages.depths": [1, 1, 1]})
    return lambda serve=None, **options: resnet_gen.emit_onnx(spec, next(paths), serve=serve, **options)


@pytest.mark.parametrize(
    ("serve", "options", "image"),
    [
        (None, {"symbolic_size": True}, [3, 16, 24]),
        ({"layout": "NCHW"}, {"symbolic_size": True}, [3, 16, 24]),
        ({"size": "any"}, {}, [16, 24, 3]),
        ({"size": "any", "layout": "NCHW", "outputs": ["top1"]}, {}, [3, 16, 24]),
    ],
)
def test_an_open_image_is_measured_at_the_network_s_own_size(serve, options, image, cli, emit):
    path = emit(serve, **options)
    assert measured(cli, path) == ([2, *image], "")
    assert resnet_gen.bench(path, batch=3, seconds=None, repeat=1).shape == (3, *image)


def test_two_models_are_measured_at_the_size_that_one_of_them_states(cli, emit):
    pictures = emit({"size": "any", "type": "float32", "layout": "NHWC"})
    assert measured(cli, pictures, emit()) == ([2, 3, 16, 24], "")
    assert measured(cli, pictures, emit({"size": "any"})) == ([2, 16, 24, 3], "")


def test_images_of_other_layouts_are_not_one_shape(cli, emit):
    code, err = measured(cli, emit({"size": "any"}), emit({"layout": "NCHW"}, symbolic_size=True))
    assert (code, "its input is no image of a fixed size" in err) == (2, True)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_a_file_without_a_spec_is_run_at_the_size_that_its_graph_makes(layout, cli, tmp_path, monkeypatch):
    """So are pictures made its own size and no other, whichever side of them is the longer."""
    pytest.importorskip("onnx_graphsurgeon")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.onnx").write_bytes(small_file())
    words = ("--input-type", "uint8", "--layout", layout, "--mean", "imagenet", "--any-size", "--crop", "0.75")
    assert cli("wrap", "small.onnx", "-o", "any.onnx", *words)[0] == 0
    image = [3, 8, 8] if layout == "NCHW" else [8, 8, 3]
    assert measured(cli, "any.onnx") == ([2, *image], "")
    pixels = np.random.default_rng(0).integers(0, 256, (30, 11, 3), np.uint8)
    Image.fromarray(pixels).save("p.png")
    code, out, err = cli("run", "any.onnx", "--image", "p.png", "--format", "json")
    assert (code, "it normalizes pictures itself" in err, json.loads(out)["input"]) == (0, True, "p.png")
    given = pixels if layout == "NHWC" else pixels.transpose(2, 0, 1)
    (logits,) = resnet_gen.run("any.onnx", given[None]).values()
    scores = {entry["class"]: entry["score"] for entry in json.loads(out)["top"]}
    assert scores == pytest.approx({int(c): float(s) for c, s in enumerate(logits[0]) if c in scores}, abs=1e-5)
    code, out, _ = cli("run", "any.onnx", "--format", "json")
    assert (code, len(json.loads(out)["top"])) == (0, 5)
    for name in ("a", "b", "c", "d", "e"):
        (tmp_path / "data" / name).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "data" / name / "p.png")
    code, out, _ = cli("evaluate", "any.onnx", "--data", "data", "--format", "json")
    notes = ["any.onnx: carries no spec; it normalizes pictures itself"]
    assert (code, json.loads(out)["notes"][:1], json.loads(out)["models"][0]["top1"]["right"]) == (0, notes, 1)
