"""Pictures of any size that a file resizes and crops in its graph, as `run --image` does with Pillow."""

import json
from functools import cache

import numpy as np
import onnx
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from resnet_gen.build.build import build, model_bytes
from resnet_gen.build.request import BuildBatch, Request
from resnet_gen.engine.image import _resize_and_crop, normalize_pixels
from resnet_gen.graph import Graph, Node, Value
from resnet_gen.language.load import load
from resnet_gen.ops.serving import ResizeAndCrop, find_resized_sides
from tests.helpers import onnx_runs
from tests.helpers.onnx_runs import TINY, run_named
from tests.helpers.served import COLOURS, SET_COLOURS, SIDE, load_served

SIZES = [(40, 27), (41, 29), (31, 77), (100, 33), (17, 17), (SIDE, SIDE), (18, 18), (7, 5), (1, 1), (1, 30), (51, 52)]


@cache
def pictures():
    """Photographs and noise of awkward sizes."""
    photo = Image.fromarray(load_sample_images().images[0])
    random = np.random.default_rng(0)
    return [
        picture
        for size in SIZES
        for picture in (photo.resize(size), Image.fromarray(random.integers(0, 256, (*size[::-1], 3), np.uint8)))
    ]


def resized(size, crop):
    """What the graph makes of pictures of any size, as a function of one."""
    session = onnx_runs.session(made_alone(size, crop))
    return lambda pixels: session.run(None, {"input": pixels.transpose(2, 0, 1)[None]})[0][0].transpose(1, 2, 0)


@pytest.mark.parametrize(("size", "crop"), [((SIDE, SIDE), 0.875), ((12, 20), 1.0), ((SIDE, SIDE), 0.95)])
def test_pictures_of_any_size_are_resized_and_cropped_as_pillow_does(size, crop):
    """Within two of 255 steps: each rounds between rows and columns, and Pillow begins with either by the size."""
    taken = load_served(more=(f"input.size=[{size[0]}, {size[1]}]", f"input.crop={crop}")).spec.input
    resize, largest, off = resized(size, crop), 0, []
    for picture in pictures():
        found, own = resize(np.asarray(picture)), np.asarray(_resize_and_crop(picture, taken))
        apart = np.abs(found.astype(int) - own)
        largest = max(largest, apart.max())
        off.append((apart > 0).mean())
    assert largest <= 2
    assert np.mean(off) < 0.1


def any_size(pixels):
    """The logits of a file for pictures of any size, as ONNX Runtime rewrites it."""
    return onnx_runs.Session(model_bytes(load_served("size=any"), Request()), optimized=True).run(pixels[None])[0]


def test_a_file_for_any_size_classifies_as_a_picture_that_is_read():
    bare = model_bytes(load(str(TINY), COLOURS), Request())
    taken = load_served().spec.input
    for photo in load_sample_images().images:
        picture = Image.fromarray(photo)
        own = run_named(bare, normalize_pixels(_resize_and_crop(picture, taken), taken))["logits"][0]
        found = any_size(photo)
        assert found.argmax() == own.argmax()
        assert np.abs(found - own).max() < 0.01 * np.abs(own).max()


def test_a_crop_that_is_off_by_one_pixel_is_noticed():
    model = onnx.load_from_string(model_bytes(load_served("size=any"), Request()))
    photo = np.random.default_rng(0).integers(0, 256, (1, 24, 24, 3), np.uint8)
    own = run_named(model.SerializeToString(), photo)["logits"]
    one = onnx.numpy_helper.from_array(np.asarray([1], np.int64), "one")
    (place,) = [i for i, node in enumerate(model.graph.node) if node.name == "serve.resize.first"]
    model.graph.node[place].output[0] = "right"
    model.graph.node.insert(place + 1, onnx.helper.make_node("Sub", ["right", "one"], ["serve.resize.first"]))
    model.graph.initializer.append(one)
    moved = run_named(model.SerializeToString(), photo)["logits"]
    assert np.abs(moved - own).max() > 0.01 * np.abs(own).max()


def made_alone(size, crop, dtype="uint8"):
    """A file of nothing but what resizes and crops."""
    given, made = Value("input", (3, 0, 0), dtype), Value("made", (3, *size), dtype)
    node = Node("made", "made", ResizeAndCrop(size, crop, whole=dtype == "uint8"), (given,), made)
    return onnx_runs.model_bytes(Graph("resize", given, (node,), (made,)), None)


def by_hand(pixels, size, crop):
    """The same in float64, pixel by pixel, of (C, H, W)."""
    sides = pixels.shape[1:]
    weights = []
    for own, resized, made in zip(sides, find_resized_sides(sides, size, crop), size, strict=True):
        middles = ((resized - made) // 2 + np.arange(made) + 0.5) * own / resized
        distance = np.abs(np.arange(own) + 0.5 - middles[:, None]) / max(own / resized, 1)
        triangle = np.maximum(1 - distance, 0)
        weights.append(triangle / triangle.sum(1, keepdims=True))
    return weights[0] @ pixels.astype(np.float64) @ weights[1].T


@pytest.mark.parametrize(("size", "crop"), [((SIDE, SIDE), 0.875), ((12, 20), 1.0)])
def test_floats_are_resized_without_rounding_as_in_float64(size, crop):
    session = onnx_runs.session(made_alone(size, crop, "float32"))
    for height, width in (*SIZES, (2000, 3), (3, 1500)):
        pixels = np.random.default_rng(0).random((3, height, width), np.float32)
        (found,) = session.run(None, {"input": pixels[None]})
        assert np.abs(found[0] - by_hand(pixels, size, crop)).max() <= 1e-6


@pytest.mark.parametrize(("side", "crop"), [(224, 0.96), (224, 1.0), (28, 5 / 6), (32, 0.875), (17, 0.3)])
def test_a_graph_computes_the_sides_in_whole_numbers_and_halves_go_to_even(side, crop):
    """Floats take some halves for less: of 24 x 63 at 700/3 a half is rounded down that even numbers lie above."""
    model = onnx.load_from_string(made_alone((side, side), crop))
    sides = onnx.helper.make_tensor_value_info("made.resized_sides", onnx.TensorProto.INT64, [2])
    model.graph.output.append(sides)
    session = onnx_runs.session(model.SerializeToString())
    for height, width in [
        (24, 63),
        (192, 201),
        (64, 33),
        *((h, w) for h in (1, 5, 48, 512) for w in (3, 63, 201, 999)),
    ]:
        (found,) = session.run(["made.resized_sides"], {"input": np.zeros((1, 3, height, width), np.uint8)})
        assert tuple(found) == find_resized_sides((height, width), (side, side), crop)
    assert find_resized_sides((24, 63), (224, 224), 0.96) == (233, 612)
    assert find_resized_sides((512, 333), (256, 256), 1.0) == (394, 256)
    assert find_resized_sides((512, 1025), (256, 256), 1.0) == (256, 512)


def test_openvino_makes_the_same_of_them():
    """Within a step, where a half is rounded; it would leave `Resize` unsmoothed."""
    openvino = pytest.importorskip("openvino", reason="openvino is not installed", exc_type=ImportError)
    core, model = openvino.Core(), made_alone((SIDE, SIDE), 0.875)
    other = core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    session, largest = onnx_runs.session(model), 0
    for picture in pictures():
        x = np.asarray(picture).transpose(2, 0, 1)[None]
        (found,) = other([x]).values()
        largest = max(largest, np.abs(found.astype(int) - session.run(None, {"input": x})[0]).max())
    assert largest <= 1


RANGE = ("--min-shapes", "1x16x16x3", "--opt-shapes", "1x30x40x3", "--max-shapes", "4x60x90x3")


def test_an_engine_takes_the_range_of_sizes_that_is_said(cli, tmp_path):
    words = ("build", TINY, *SET_COLOURS, "--any-size", "--no-compare", "-o", tmp_path, "--for", "h100")
    code, _, err = cli(*words)
    assert (code, "serve.size: an engine takes a range of sizes, and none is said" in err) == (2, True)
    wrong = [word.replace("60x90x3", "3x60x90").replace("30x40x3", "3x30x40") for word in RANGE]
    code, _, err = cli(*words, *[word.replace("16x16x3", "3x16x16") for word in wrong])
    assert (code, "shapes of Nx3xheightxwidth were asked for" in err) == (2, True)
    code, _, err = cli(*words, *[word.replace("16x16x3", "17x17x3") for word in RANGE])
    assert (code, "the first profile leaves out the network's own size, 16x16" in err) == (2, True)
    assert cli(*words, *RANGE)[0] == 0
    script = (tmp_path / "tiny.build.sh").read_text()
    for shape in ("minShapes=input:1x16x16x3", "maxShapes=input:4x60x90x3", "shapes=input:1x16x16x3"):
        assert f"--{shape} " in script
    manifest = json.loads((tmp_path / "tiny.manifest.json").read_text())
    assert manifest["inputs"]["input"]["shape"] == ["N", "height", "width", 3]
    assert manifest["bundle"]["options"]["profiles"]["value"] == [[[1, 16, 16], [1, 30, 40], [4, 60, 90]]]


def test_channels_that_stand_last_are_told_from_a_height(cli, tmp_path):
    """Of a range in which only the width varies, channels are the lesser of the two sides that do not."""
    words = ("build", TINY, *SET_COLOURS, "--any-size", "--no-compare", "--for", "h100", "-o", tmp_path)
    for layout, shape in (("NHWC", "1x16x{}x3"), ("NCHW", "1x3x16x{}")):
        steps = zip(("--min-shapes", "--opt-shapes", "--max-shapes"), (16, 20, 30), strict=True)
        sizes = [word for option, width in steps for word in (option, shape.format(width))]
        assert cli(*words, "--layout", layout, *sizes, "--force")[0] == 0


def test_pixels_with_their_channels_last_and_one_size_have_no_range(cli, tmp_path):
    words = ("build", TINY, *SET_COLOURS, "--serve", "--no-compare", "--for", "h100", "-o", tmp_path, *RANGE)
    code, _, err = cli(*words)
    assert (code, "pixels come as NHWC" in err) == (2, True)


def test_tensorrt_rtx_builds_what_resizes(tmp_path):
    pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx has no wheel for this system", exc_type=ImportError)
    engine = {"profiles": [[[1, 16, 16], [1, 30, 40], [2, 60, 90]]]}
    loaded = load(str(TINY), (*COLOURS, "serve={size: any, outputs: [top2]}", f"engine={json.dumps(engine)}"))
    *_, path, _ = build(loaded, Request("tensorrt-rtx", "fp32", (86,), batch=BuildBatch()), tmp_path, aside=False)
    assert path.stat().st_size > 0
