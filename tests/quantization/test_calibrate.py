"""Calibration: what images give, how ranges follow, and what each layer loses."""

import io
import json
import math
import warnings
import zipfile
from functools import lru_cache

import numpy as np
import pytest
from PIL import Image

from resnet_gen.build.build import build
from resnet_gen.build.request import Request
from resnet_gen.engine.image import SmallerPictureWarning, read_image
from resnet_gen.engine.signal_power import CEILING, SignalPower
from resnet_gen.graph import Net, Value
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.language.spec import Input
from resnet_gen.ops import Activation, Conv, MaxPool, Quantize
from resnet_gen.ops.precision import METHODS, Calibration, QuantizationChoice
from resnet_gen.problems import Refused
from resnet_gen.quantization import precision_error
from resnet_gen.quantization.calibration import calibrate
from resnet_gen.quantization.calibration.activations import split_batches
from resnet_gen.quantization.calibration.image_content import ImageContent
from resnet_gen.quantization.calibration.images import ImageArchive, ImageFolder, RandomImages, open_images
from resnet_gen.quantization.calibration.observers import _LEVELS, _STEP, _measure_divergence, make_observer
from resnet_gen.quantization.placement import CPU_INT8, TENSORRT_INT8, place, quantize
from resnet_gen.quantization.precision_error import PrecisionComparison
from resnet_gen.quantization.quantizer import _shift_biases, quantize_network
from resnet_gen.quantization.signal_to_noise import FirstImages, count_agreeing, find_bias_corrections, measure
from resnet_gen.weights.base import DerivedWeights
from resnet_gen.weights.folding import fold_batch_norm
from resnet_gen.weights.initialization import SeededWeights
from tests.helpers.onnx_runs import TINY, Ruled, network

GREY = Input(channels=1, size=(8, 8), crop=1.0)
COLOUR = Input(channels=3, size=(8, 6), crop=1.0)


# --- observers --------------------------------------------------------------------


def seen(method, *batches, percentile=99.0):
    watching = make_observer(method, percentile)
    for batch in batches:
        watching.see(np.asarray(batch, np.float32))
    return watching.range()


def test_min_max_covers_all_that_was_seen():
    assert seen("minmax", [0.5, -1, 2], [3, 0]) == (-1.0, 3.0)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_always_zero_has_a_range_of_zero(method):
    assert seen(method, np.zeros(10), np.zeros(10)) == (0.0, 0.0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("part", [10, 900, 5000])
def test_images_of_nothing_count_as_zeros_whenever_they_come(method, part):
    """So that a percentile of all is one of them too."""
    zeros, others = np.zeros(part), np.random.default_rng(0).standard_normal(50_000)
    whole = seen(method, np.concatenate([others, zeros]), percentile=60.0)
    assert seen(method, zeros, others, percentile=60.0) == pytest.approx(whole, rel=2e-3)
    assert seen(method, others, zeros, percentile=60.0) == pytest.approx(whole, rel=2e-3)


@pytest.mark.parametrize("name", ["nan", "inf", "-inf"])
def test_one_number_that_is_none_is_enough(name):
    fine, bad = np.ones(3), np.array([1, float(name), 1])
    assert precision_error._are_finite({"a": fine, "b": fine})
    for outputs in ({"a": fine, "b": bad}, {"a": bad, "b": fine}, {"a": bad}):
        assert not precision_error._are_finite(outputs)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_below_zero_is_covered_where_nothing_is(method):
    found = seen(method, np.linspace(0, 5, 5000))
    assert found.least == 0
    assert 4 < found.most <= 5.01


def test_a_percentile_leaves_out_that_part_of_the_magnitudes():
    values = np.arange(1, 10_001) / 10_000 * np.where(np.arange(10_000) % 2, 1, -1)
    for percentile in (90.0, 99.0, 100.0):
        least, most = seen("percentile", values, percentile=percentile)
        assert most == pytest.approx(percentile / 100, abs=1e-3)
        assert least == pytest.approx(-percentile / 100, abs=1e-3)


def test_a_percentile_does_not_depend_on_how_the_images_come():
    values = np.random.default_rng(0).standard_normal(40_000).astype(np.float32)
    values.sort()
    whole = seen("percentile", values)
    parts = seen("percentile", *np.split(values, 8))  # the greatest come last, so that the bins have to widen
    assert parts.most == pytest.approx(whole.most, rel=0.01)
    wanted = np.percentile(np.abs(values), 99)
    assert whole.most == pytest.approx(wanted, rel=0.01)


def test_entropy_leaves_out_the_few_that_would_cost_the_many():
    rng = np.random.default_rng(0)
    bulk, outliers = rng.standard_normal(200_000), np.full(3, 100.0)
    found = seen("entropy", np.concatenate([bulk, outliers]))
    assert 3 < found.most < 12
    even = seen("entropy", rng.uniform(-1, 1, 200_000))
    assert even.most > 0.95


def divergence(seen, reach, levels=128):
    """Kullback and Leibler's of what is seen, clipped, from the same in levels: place by place, as it is defined."""
    wanted = list(seen[:reach])
    wanted[-1] += sum(seen[reach:])
    given = [0.0] * reach
    for level in range(levels):
        places = [i for i in range(reach) if i * levels // reach == level and seen[i] > 0]
        for i in places:
            given[i] = sum(seen[j] for j in places) / len(places)
    both = [i for i in range(reach) if wanted[i] > 0 and given[i] > 0]
    if not both:
        return np.inf
    p, q = ([x / sum(values) for x in values] for values in (wanted, given))
    lost = sum(p[i] for i in range(reach) if wanted[i] > 0 and i not in both)
    return sum(p[i] * np.log(p[i] / q[i]) for i in both) + 20 * lost


@pytest.mark.parametrize("filled", [0.02, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("reach", [128, 144, 300, 512])
def test_entropy_weighs_a_range_by_its_divergence_from_what_was_seen(filled, reach):
    """Of histograms with gaps, too, in which places of no value get none and what falls into a gap counts as lost."""
    rng = np.random.default_rng(reach)
    bins = rng.integers(1, 200, 512) * (rng.random(512) < filled) * 1.0
    assert _measure_divergence(bins, reach) == pytest.approx(divergence(list(bins), reach), rel=1e-9)


@pytest.mark.parametrize("place", [None, 200, 511])
def test_entropy_takes_no_range_in_which_nothing_was_seen(place):
    bins = np.zeros(512)
    if place is not None:
        bins[place] = 5.0
    assert _measure_divergence(bins, 128) == float("inf")


@pytest.mark.parametrize("place", range(_LEVELS - 1, 2047, _STEP))
def test_entropy_covers_all_of_what_is_too_little_for_a_distribution(place):
    """Of two values the less lost nothing alone: the greater counted there."""
    values = np.array([0, 0, (place + 0.5) / 2048, 1.0])
    assert seen("entropy", values) == seen("minmax", values)


def test_entropy_covers_the_few_values_that_lie_beyond_a_gap():
    """Clipped, they would fall where nothing was seen, and nothing in eight bits stands for them."""
    found = seen("entropy", np.tile(np.linspace(0.01, 0.1, 50), 40), np.full(1000, 1.0))
    assert found.most == pytest.approx(1.0)


# --- images -----------------------------------------------------------------------


def pictures(folder, count=3, size=(8, 8), mode="L"):
    rng = np.random.default_rng(0)
    folder.mkdir(exist_ok=True, parents=True)
    for i in range(count):
        pixels = rng.integers(0, 256, (*size, 3) if mode == "RGB" else size, np.uint8)
        Image.fromarray(pixels, mode=None).save(folder / f"{i}.png")
    return folder


def refused(source, to=GREY, most=512):
    with pytest.raises(Refused) as caught:
        list(open_images(str(source), to, most))
    return str(caught.value)


def test_a_folder_gives_its_pictures_as_run_would_read_them(tmp_path):
    pictures(tmp_path / "a")
    (tmp_path / "labels.txt").write_text("0\n")
    found = open_images(str(tmp_path), GREY, 512)
    assert isinstance(found, ImageFolder)
    assert len(found) == 3
    for got, path in zip(found, sorted((tmp_path / "a").iterdir()), strict=True):
        np.testing.assert_array_equal(got, read_image(path, GREY)[0])


def test_hidden_pictures_and_folders_are_left_out(tmp_path):
    folder = tmp_path / ".photos"
    for name in ("a", "b/c", ".thumbnails", "b/.hidden/d"):
        pictures(folder / name)
    (folder / "a" / "._0.png").write_bytes(b"what a file system keeps beside a picture")
    found = open_images(str(folder), GREY, 512)
    assert sorted({path.parent.relative_to(folder).as_posix() for path in found.paths}) == ["a", "b/c"]
    assert len(list(found)) == 6


def test_of_too_many_pictures_some_are_taken_evenly(tmp_path):
    for label in "abcd":
        pictures(tmp_path / label, 5)
    found = open_images(str(tmp_path), GREY, 4)
    assert [p.parent.name for p in found.paths] == list("abcd")


def test_the_entry_of_a_folder_changes_with_any_picture(tmp_path):
    pictures(tmp_path)
    before = open_images(str(tmp_path), GREY, 512).entry()
    assert before == open_images(str(tmp_path), GREY, 512).entry()
    Image.new("L", (8, 8)).save(tmp_path / "1.png")
    after = open_images(str(tmp_path), GREY, 512).entry()
    assert before["sha256"] != after["sha256"]
    assert {**before, "sha256": ""} == {**after, "sha256": ""} == {"source": "folder", "images": 3, "sha256": ""}


def test_every_broken_picture_is_named(tmp_path):
    pictures(tmp_path)
    for name in ("0.png", "2.png"):
        (tmp_path / name).write_bytes(b"not a picture")
    assert refused(tmp_path) == (
        f"{tmp_path}/0.png: error: not a picture\n{tmp_path}/2.png: error: not a picture\n"
        "hint: JPEG, PNG, WebP, BMP, GIF, TIFF and PPM are read"
    )


@pytest.mark.parametrize("source", ["", "none"])
def test_what_is_not_there_is_refused_with_what_could_be(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = f"{source}: " if source else ""
    assert refused(source) == (
        f"{place}error: there is no such file or folder\n"
        "hint: --calibration takes a folder of pictures, an .npz file or 'random'"
    )


def test_one_picture_is_no_calibration(tmp_path):
    (tmp_path / "a.png").write_bytes(b"a picture")
    assert refused(tmp_path / "a.png") == (
        f"{tmp_path}/a.png: error: not an .npz file of images: File is not a zip file\n"
        "hint: --calibration takes a folder of pictures, an .npz file or 'random'"
    )


@pytest.mark.parametrize("number", [9, 10, 11, 30])
def test_of_very_many_broken_pictures_some_are_named(number, tmp_path):
    pictures(tmp_path, number)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:40])
    *named, hint = refused(tmp_path).partition("\nerror: and ")[0].splitlines()
    assert (len(named), hint) == (min(number, 10), "hint: JPEG, PNG, WebP, BMP, GIF, TIFF and PPM are read")
    more = [line for line in refused(tmp_path).splitlines() if line.startswith("error: and ")]
    assert more == ([f"error: and {number - 10} more"] if number > 10 else [])


def test_a_folder_without_pictures_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("")
    assert "no pictures in this folder\nhint: it looks for .bmp, .gif" in refused(tmp_path)
    assert "there is no such file or folder" in refused(tmp_path / "none")


def test_an_npz_gives_floats_as_they_are_and_bytes_as_pictures(tmp_path):
    rng = np.random.default_rng(0)
    floats = rng.standard_normal((5, 3, 8, 6), np.float32)
    np.savez(tmp_path / "f.npz", floats)
    np.savez_compressed(tmp_path / "d.npz", images=floats.astype(np.float64), labels=np.arange(5))
    for name in ("f.npz", "d.npz"):
        found = open_images(str(tmp_path / name), COLOUR, 4)
        assert isinstance(found, ImageArchive)
        assert len(found) == 4
        np.testing.assert_array_equal(np.stack(list(found)), floats[:4])
        assert all(image.dtype == np.float32 for image in found)
    pixels = rng.integers(0, 256, (2, 8, 6, 3), np.uint8)
    np.savez(tmp_path / "u.npz", pixels)
    Image.fromarray(pixels[1]).save(tmp_path / "one.png")
    np.testing.assert_array_equal(
        list(open_images(str(tmp_path / "u.npz"), COLOUR, 9))[1], read_image(tmp_path / "one.png", COLOUR)[0]
    )


def test_grey_bytes_may_have_no_channels(tmp_path):
    """As `evaluate` takes them; of images in colour they are refused."""
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8), np.uint8)
    np.savez(tmp_path / "two.npz", pixels)
    np.savez(tmp_path / "three.npz", pixels[..., None])
    two, three = (list(open_images(str(tmp_path / f"{name}.npz"), GREY, 9)) for name in ("two", "three"))
    assert two[0].shape == (1, 8, 8)
    np.testing.assert_array_equal(two, three)
    assert "uint8 3x8x8, not images" in refused(tmp_path / "two.npz", COLOUR)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.zeros((2, 3, 8, 8), np.float32)}, "its array is float32 2x3x8x8, not images for this network"),
        ({"x": np.zeros((2, 3, 8, 6), np.int64)}, "its array is int64 2x3x8x6"),
        ({"x": np.zeros((2, 3, 8, 6), np.uint8)}, "its array is uint8 2x3x8x6"),
        ({"x": np.asfortranarray(np.zeros((2, 3, 8, 6), np.float32))}, "not images for this network"),
        ({"x": np.zeros((0, 3, 8, 6), np.float32)}, "its array has no images"),
        ({"x": np.zeros(()), "y": np.zeros(())}, "holds 2 arrays\nhint: call the one to use 'images'"),
        ({}, "holds 0 arrays"),
        ({"x": np.asarray([{}, None], object)}, "it holds Python objects"),
        ({"x": np.float32(1)}, "its array is float32"),
    ],
)
def test_an_npz_of_something_else_is_refused(arrays, words, tmp_path):
    np.savez(tmp_path / "x.npz", **arrays)
    message = refused(tmp_path / "x.npz", COLOUR)
    assert message.startswith(f"{tmp_path}/x.npz: error: ")
    assert words in message


def test_a_damaged_npz_is_refused(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK nothing")
    assert "not an .npz file of images" in refused(tmp_path / "a.npz", COLOUR)
    stream = io.BytesIO()
    np.save(stream, np.zeros((4, 3, 8, 6), np.float32))
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("images.npy", stream.getvalue()[:-500])
    assert "'images.npy' is damaged: it ends early" in refused(tmp_path / "b.npz", COLOUR)


def test_random_images_are_the_same_every_time():
    first, second = (np.stack(list(open_images("random", COLOUR, 5))) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (5, 3, 8, 6)
    assert open_images("random", COLOUR, 512).entry() == {"source": "random", "images": 8, "seed": 0}


# --- ranges of a network ------------------------------------------------------------


def test_the_ranges_are_those_that_the_network_really_has():
    net = Net(Value("input", (1, 4, 4)))
    y = net.add("conv", Conv(1, 1, bias=True), net.input)
    graph = net.graph("net", [net.add("relu", Activation("relu"), y)])
    weights = DerivedWeights(
        SeededWeights(graph),
        {
            "conv.weight": lambda base, start, stop: np.full((1, 1, 1, 1), -2.0, np.float32),
            "conv.bias": lambda base, start, stop: np.ones(1, np.float32),
        },
    )
    x = np.stack(list(RandomImages(Input(channels=1, size=(4, 4)), count=3)))
    values = (graph.input, *(n.output for n in graph.nodes))
    found = calibrate(
        graph, weights, values, RandomImages(Input(channels=1, size=(4, 4)), count=3), Calibration("", 9, "minmax")
    )
    assert found["input"] == pytest.approx((x.min(), x.max()))
    assert found["conv"] == pytest.approx((1 - 2 * x.max(), 1 - 2 * x.min()))
    assert found["relu"] == pytest.approx((max(0, 1 - 2 * x.max()), 1 - 2 * x.min()))


def test_what_is_seen_is_told_image_by_image():
    graph = network(TINY)
    told = []
    to = load(str(TINY)).spec.input
    calibrate(
        graph,
        SeededWeights(graph),
        [graph.input],
        RandomImages(to, count=70),
        Calibration(""),
        lambda *t: told.append(t),
    )
    assert told == [(32, 70), (64, 70), (70, 70)]


def test_a_network_that_overflows_cannot_be_calibrated():
    graph = network(TINY)
    weights = Ruled(graph, {"running_var": float("nan")})
    values = [n.output for n in graph.nodes][2:3]
    with pytest.raises(Refused, match="is not finite for some of the images"):
        calibrate(graph, weights, values, RandomImages(load(str(TINY)).spec.input, count=1), Calibration(""))


# --- what it costs ------------------------------------------------------------------


@lru_cache
def small(name="resnet18", style=TENSORRT_INT8, keep=()):
    loaded = load(name, ("input.size=32", "head.classes=10"))
    graph = network(name, "input.size=32", "head.classes=10")
    graph, weights = fold_batch_norm(graph, Ruled(graph))
    placement = place(graph, style, keep)
    given = RandomImages(loaded.spec.input, count=4)
    ranges = calibrate(graph, weights, placement.values, given, Calibration("", 4, "minmax"))
    return (graph, weights), quantize(graph, weights, placement, ranges, style, "float32"), given


def test_a_layer_quantized_badly_is_the_costliest_and_those_before_it_do_not_pay():
    exact, (graph, stored), given = small()
    good = {r.layer: r for r in measure(exact, (graph, stored), given).layers}

    def coarse(base, start, stop):
        return np.rint(stored.rows("layer2.0.conv1.weight", start, stop) / 16) * 16

    bad = {
        r.layer: r
        for r in measure(exact, (graph, DerivedWeights(stored, {"layer2.0.conv1.weight": coarse})), given).layers
    }
    assert min(bad.values(), key=lambda r: r.own).layer == "layer2.0.conv1"
    assert bad["layer2.0.conv1"].own < good["layer2.0.conv1"].own - 10
    for name in ("conv1", "layer1.1.conv2", "layer3.0.conv1"):
        assert bad[name].own == good[name].own
    assert bad["layer1.1.conv2"].total == good["layer1.1.conv2"].total
    assert bad["layer2.0.conv2"].total < good["layer2.0.conv2"].total - 3


def test_ratios_are_what_they_are_by_definition():
    exact, (graph, stored), given = small()
    noise = measure(exact, (graph, stored), given)
    assert [r.layer for r in noise.layers] == [n.name for n in graph.nodes if getattr(n.op, "stored", None)]
    assert noise.images == 4
    assert noise.layers[0].own == noise.layers[0].total  # nothing stands before the first
    assert all(15 < r.total <= r.own + 3 for r in noise.layers)
    assert 0 <= noise.agreement <= 1


def test_nothing_quantized_would_be_no_noise():
    exact, _, given = small()
    kept = frozenset(n.name for n in exact[0].nodes) - {"conv1"}
    _, (one, weights), _ = small(keep=kept)
    noise = measure(exact, (one, weights), given)
    assert [r.layer for r in noise.layers] == ["conv1"]
    assert noise.outputs["logits"] > 25
    same = measure(exact, (exact[0], exact[1]), given)
    assert same.outputs == {"logits": CEILING}
    assert same.agreement == 1


@pytest.mark.parametrize("most", [1, 3, 5])
def test_few_images_are_no_more_than_there_are(most):
    images = RandomImages(load("resnet8-digits").spec.input, count=3)
    few = FirstImages(images, most)
    assert len(few) == len(list(few)) == min(most, 3)
    assert few.entry() == images.entry()


@pytest.mark.parametrize(("exact", "found", "ratio"), [
    ([1, 0], [1, 0], CEILING), ([0, 0], [0, 0], CEILING), ([0, 0], [0, 1], -CEILING), ([10, 0], [10, 1], 20),
    ([1, 1], [2, 2], 0), ([1], [math.nan], -CEILING), ([1], [math.inf], -CEILING), ([math.inf], [1], -CEILING),
    ([math.inf], [math.inf], -CEILING), ([1e100], [1e100 * (1 + 1e-15)], CEILING),
])  # fmt: skip
def test_decibels_of_any_numbers_are_finite(exact, found, ratio):
    power = SignalPower()
    power.add(np.array(exact, np.float64), np.array(found, np.float64))
    assert power.decibels == pytest.approx(ratio)


@pytest.mark.parametrize("style", [TENSORRT_INT8, CPU_INT8], ids=["tensorrt", "cpu"])
def test_a_shift_of_the_biases_takes_the_mean_out_of_the_noise(style):
    exact, first, given = small(style=style)
    by = find_bias_corrections(exact, first, given)
    convs = {n.name for n in first[0].nodes if isinstance(n.op, Conv)}
    assert set(by) == convs
    assert all(np.abs(shift).max() > 0 for shift in by.values())
    ranges = calibrate(*exact, place(exact[0], style).values, given, Calibration("", 4, "minmax"))
    placement = place(exact[0], style)
    again = quantize(exact[0], _shift_biases(exact[1], by), placement, ranges, style, "float32")
    left = find_bias_corrections(exact, again, given)
    for name, shift in by.items():
        assert np.abs(left[name]).max() < 0.05 * np.abs(shift).max() + 1e-4, name
    before, after = (measure(exact, network_, given).outputs["logits"] for network_ in (first, again))
    assert after > before + 0.25


def test_what_has_no_bias_is_not_shifted():
    loaded = load("preact110", ("stages.depths=[1, 1, 1]",))
    graph = lower(loaded)
    exact = fold_batch_norm(graph, Ruled(graph))
    placement = place(exact[0], TENSORRT_INT8)
    given = RandomImages(loaded.spec.input, count=1)
    ranges = calibrate(*exact, placement.values, given, Calibration("", 4, "minmax"))
    quantized_ = quantize(*exact, placement, ranges, TENSORRT_INT8, "float32")
    convs = {n.name: n.op.bias for n in exact[0].nodes if isinstance(n.op, Conv)}
    assert set(find_bias_corrections(exact, quantized_, given)) == {name for name, bias in convs.items() if bias}
    assert not all(convs.values())


# --- the account --------------------------------------------------------------------


HOW = QuantizationChoice("int8", "cpu", "float32", Calibration("random", 4, "minmax"))


def test_the_account_tells_every_scale_and_every_ratio(tmp_path):
    build(load(str(TINY)), Request(precision="int8", quantizing=HOW), tmp_path)
    account = json.loads((tmp_path / "tiny.quantization.json").read_text())
    manifest = json.loads((tmp_path / "tiny.manifest.json").read_text())
    assert manifest["quantization"].items() <= account.items()
    assert manifest["quantization"]["calibration"] == {"source": "random", "images": 4, "seed": 0, "method": "minmax"}
    assert manifest["quantization"]["accuracy_is_meaningless"] is True
    assert "tiny.quantization.json" in manifest["files"]
    assert manifest["folded_batch_norm"] is True
    loaded = load(str(TINY))
    graph, weights = fold_batch_norm(network(TINY), SeededWeights(network(TINY)))
    new = quantize_network(graph, weights, loaded, HOW).graph
    scales = {n.inputs[0].name: n.op.scale for n in new.nodes if isinstance(n.op, Quantize)}
    assert {name: entry["scale"] for name, entry in account["activations"].items()} == scales
    assert list(account["noise"]) == [n.name for n in new.nodes if getattr(n.op, "stored", None)]
    assert set(account["costliest_db"]) <= set(account["noise"])


def test_images_make_the_accuracy_mean_something(tmp_path):
    folder = pictures(tmp_path / "images")
    how = HOW._replace(calibration=Calibration(str(folder), 2, "percentile", 99.5))
    build(load(str(TINY)), Request(precision="int8", quantizing=how), tmp_path / "out")
    entry = json.loads((tmp_path / "out" / "tiny.manifest.json").read_text())["quantization"]
    assert entry["accuracy_is_meaningless"] is False
    assert entry["calibration"].pop("sha256")
    assert entry["calibration"] == {"source": "folder", "images": 2, "method": "percentile", "percentile": 99.5}


def test_a_network_of_which_nothing_is_left_to_quantize_is_refused():
    loaded = load(str(TINY), ("quantization.keep=['*']",))
    graph, weights = fold_batch_norm(network(TINY), SeededWeights(network(TINY)))
    with pytest.raises(Refused, match=r"nothing is left to be quantized to INT8\nhint: see quantization.keep"):
        quantize_network(graph, weights, loaded, HOW)


@pytest.mark.parametrize(
    ("key", "kept"),
    [
        ("stem", ["conv1"]),
        ("layer1.*.conv2", ["layer1.0.conv2", "layer1.1.conv2"]),
        ("stage2.block1", ["layer2.0.conv1", "layer2.0.conv2", "layer2.0.downsample.0"]),
        ("stage3-4.block2", ["layer3.1.conv1", "layer3.1.conv2", "layer4.1.conv1", "layer4.1.conv2"]),
        ("head", ["fc"]),
    ],
)
def test_a_spec_keeps_layers_by_place_or_by_name(key, kept):
    settings = ("input.size=32", "stages.widths.first=16", f"quantization.keep=['{key}']")
    loaded = load("resnet18", settings)
    graph, weights = fold_batch_norm(network("resnet18", *settings), SeededWeights(network("resnet18", *settings)))
    new = quantize_network(graph, weights, loaded, HOW._replace(calibration=Calibration("random", 1))).graph
    left = [n.name for n in new.nodes if n.op.is_layer and not n.op.stored]
    assert left == kept


def test_an_exception_that_means_nothing_is_refused_whatever_is_built():
    with pytest.raises(Refused) as caught:
        network("resnet18", "quantization.keep=['layer1.0.cnv1']")
    assert str(caught.value) == (
        "--set:1:20: error: quantization.keep: nothing here is called 'layer1.0.cnv1'\n"
        "   1 | quantization.keep=['layer1.0.cnv1']\n"
        "                          ^^^^^^^^^^^^^^^\n"
        "hint: did you mean 'layer1.0.conv1'?"
    )


def test_cpu_placement_ends_every_convolution_in_integers():
    _, (graph, _), _ = small(style=CPU_INT8)
    readers = graph.consumers()
    quantized_values = {n.inputs[0].name for n in graph.nodes if isinstance(n.op, Quantize)}
    for node in graph.nodes:
        if isinstance(node.op, Conv):
            result = node.output.name
            while isinstance((after := readers[result][0]).op, Activation | MaxPool):
                result = after.output.name
            assert result in quantized_values


@pytest.mark.parametrize(("channels", "sizes"), [(1, [5]), (1 << 10, [1] * 5)])
def test_as_many_images_run_at_once_as_their_activations_may_take(channels, sizes):
    pictures = [np.zeros((3, 8, 8), np.float32)] * 5
    values = [Value("x", (channels, 1 << 8, 1 << 8))]
    assert [len(batch) for batch in split_batches(pictures, values)] == sizes


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [1e-20, 1e-3, 1e3])
def test_a_range_is_as_small_as_what_was_seen(method, size):
    values = np.linspace(-size, size, 10_001, dtype=np.float32)
    found = seen(method, values, percentile=100.0)
    assert found.most == pytest.approx(size, rel=0.1)
    assert found.least == pytest.approx(-size, rel=0.1)


@pytest.mark.parametrize("size", [1e-20, 1e-3, 1e3])
def test_rare_magnitudes_are_left_out_however_small_they_are(size):
    values = np.append(np.linspace(-size, size, 10_001, dtype=np.float32), np.float32(3 * size))
    assert seen("percentile", values, percentile=99.0).most == pytest.approx(size, rel=0.1)


def test_a_network_without_scores_agrees_for_no_image():
    maps = {"map": np.ones((4, 2, 3, 3), np.float32)}
    assert count_agreeing(maps, maps, [Value("map", (2, 3, 3))]) == 0
    rows = {"logits": np.eye(4, 5, dtype=np.float32)}
    assert count_agreeing(rows, rows, [Value("logits", (5,))]) == 4


@pytest.mark.parametrize("far", [16.0, 1 / 16])
def test_images_are_told_as_no_pictures_beyond_sixteen_times_what_those_reach(far):
    to = Input(size=(4, 4), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))  # whose pictures reach 1
    for beyond in (False, True):
        content = ImageContent()
        reach = np.nextafter(np.float32(far), np.float32(0 if far < 1 else 99)) if beyond else np.float32(far)
        content.see(np.linspace(-reach, reach / 2, 48, dtype=np.float32).reshape(1, 3, 4, 4))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            content.check(to)
        assert bool(caught) == beyond


def test_layers_beyond_and_near_the_end_of_a_types_range_are_told_apart():
    found = {"half": 32752.0, "above half": 32768.0, "the end": 65504.0, "beyond": 65536.0, "none": float("nan")}
    seen = PrecisionComparison(1, {}, None, True, False, found, 65504.0)
    assert set(seen.beyond) == {"beyond", "none"}
    assert set(seen.near) == {"above half", "the end"}


def test_pictures_that_are_read_smaller_are_no_news_to_whoever_calibrates(tmp_path, monkeypatch):
    def read(path, to):
        warnings.warn("smaller", SmallerPictureWarning, stacklevel=1)
        return np.zeros((1, 3, 4, 4), np.float32)

    pictures(tmp_path, 2)
    monkeypatch.setattr("resnet_gen.quantization.calibration.images.read_image", read)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(open_images(str(tmp_path), Input(size=(4, 4)), 512))) == 2
