"""Images held out of the calibration: what eight bits cost is measured on images that no scale follows from."""

import json
import warnings

import numpy as np
import pytest
from PIL import Image

from resnet_gen.build.build import build
from resnet_gen.build.request import Request
from resnet_gen.cli import main
from resnet_gen.language.load import load
from resnet_gen.language.spec import Input
from resnet_gen.ops.precision import Calibration, QuantizationChoice
from resnet_gen.problems import Refused
from resnet_gen.quantization.calibration.images import split_images
from resnet_gen.quantization.quantizer import FewImagesWarning
from tests.helpers.onnx_runs import TINY

TO = Input(channels=1, size=(4, 4), crop=1.0)
CASES = [
    # images, --calibration-images, calibrated with, held out
    (1, 512, 1, 0), (3, 512, 3, 0), (4, 512, 3, 1), (8, 512, 6, 2), (31, 512, 24, 7), (32, 512, 24, 8),
    (100, 512, 92, 8), (3, 1, 1, 2), (9, 1, 1, 8), (90, 10, 10, 8), (14, 10, 10, 4), (10, 10, 8, 2),
]  # fmt: skip


def numbered(folder, count):
    """Pictures of one colour each, by which they are known again."""
    folder.mkdir()
    for number in range(count):
        Image.fromarray(np.full((4, 4), number, np.uint8)).save(folder / f"{number:03}.png")
    return folder


def archived(path, count):
    """The same as an array."""
    np.savez(path, np.arange(count, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 4, 4, 1), np.uint8))
    return path


def numbers(images):
    mean, std = (values[0] for values in TO.normalization)
    return [round((float(image[0, 0, 0]) * std + mean) * 255) for image in images or ()]


@pytest.mark.parametrize(("count", "most", "calibrating", "held"), CASES)
@pytest.mark.parametrize("kind", ["folder", "npz"])
def test_each_image_is_in_one_part_and_the_parts_are_the_same_every_time(
    tmp_path, kind, count, most, calibrating, held
):
    source = numbered(tmp_path / "x", count) if kind == "folder" else archived(tmp_path / "x.npz", count)
    first, second = (split_images(str(source), TO, most) for _ in range(2))
    found = numbers(first.calibrating), numbers(first.held_out)
    assert tuple(map(len, found)) == (calibrating, held) == (len(first.calibrating), len(first.held_out or ()))
    assert len({*found[0], *found[1]}) == calibrating + held
    assert found == (numbers(second.calibrating), numbers(second.held_out))
    assert found[0] == sorted(found[0])
    if held > 1:  # of a data set that is sorted by class, all classes are in it
        assert max(found[1]) - min(found[1]) >= (calibrating + held) * (held - 1) // held - 1
    assert first.measured is (first.held_out or first.calibrating)
    assert first.calibrating.entry()["images"] == calibrating


def test_a_part_of_an_archive_is_split_again(tmp_path):
    few = split_images(str(archived(tmp_path / "x.npz", 40)), TO, 512).held_out
    assert numbers(few.take([0, 3])) == [numbers(few)[0], numbers(few)[3]]


def test_random_images_stay_what_they_are():
    found = split_images("random", TO, 512)
    assert found.held_out is None
    assert len(found.measured) == 8


def drawn(path, count):
    shape = load(str(TINY)).spec.input.shape
    np.savez(path, np.random.default_rng(0).standard_normal((count, *shape)).astype(np.float32))
    return path


def built(folder, count, most=512):
    """The manifest's entry of a build with so many images, and what it warned of."""
    choice = Calibration(str(drawn(folder / "x.npz", count)), most)
    how = QuantizationChoice("int8", "cpu", "float32", choice)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FewImagesWarning)
        build(load(str(TINY)), Request(precision="int8", quantizing=how), folder / "out")
    entry = json.loads((folder / "out" / "tiny.manifest.json").read_text())["quantization"]
    return entry, [str(one.message) for one in caught if one.category is FewImagesWarning]


@pytest.mark.parametrize(("count", "most", "warned"), [(99, 512, True), (100, 512, False), (200, 99, True)])
def test_fewer_than_a_hundred_images_are_reported(tmp_path, count, most, warned):
    entry, said = built(tmp_path, count, most)
    number = entry["calibration"]["images"]
    words = f"tiny: calibrated with {number} images; ranges that follow from fewer than 100 may not hold for others"
    assert said == [words] * warned
    assert (entry["held_out_images"], entry["noise_images"]) == (8, 8)
    assert number == min(most, count - 8)


def test_the_error_is_that_of_the_images_held_out(tmp_path):
    """Held-out images of another kind than the rest have an error of their own."""
    shape = load(str(TINY)).spec.input.shape
    images = np.random.default_rng(0).standard_normal((40, *shape)).astype(np.float32)
    np.savez(tmp_path / "x.npz", images)
    how = QuantizationChoice("int8", "cpu", "float32", Calibration(str(tmp_path / "x.npz"), 512))
    ratios = []
    for factor, folder in ((1.0, "a"), (8.0, "b")):
        changed = images.copy()
        changed[[2, 7, 12, 17, 22, 27, 32, 37]] *= factor
        np.savez(tmp_path / "x.npz", changed)
        build(load(str(TINY)), Request(precision="int8", quantizing=how), tmp_path / folder)
        ratios.append(json.loads((tmp_path / folder / "tiny.quantization.json").read_text()))
    scales = [{name: one["scale"] for name, one in ratio["activations"].items()} for ratio in ratios]
    assert scales[0] == scales[1]
    first, second = (next(iter(ratio["signal_to_noise_db"].values())) for ratio in ratios)
    assert second < first - 6  # eight times as bright, they are clipped


def test_one_image_is_refused_unless_one_is_asked_for(tmp_path):
    with pytest.raises(Refused) as caught:
        built(tmp_path, 1)
    message = f"{tmp_path}/x.npz: error: one image is not enough to calibrate with"
    assert str(caught.value) == f"{message}\nhint: --calibration-images 1 takes it so"
    assert not (tmp_path / "out").exists()
    entry, said = built(tmp_path, 1, most=1)
    assert (entry["calibration"]["images"], entry["held_out_images"], entry["noise_images"]) == (1, 0, 1)
    assert len(said) == 1


@pytest.mark.parametrize(
    ("count", "more", "images"),
    [
        (40, (), "8 images held out of its calibration with 32 images"),
        (3, (), "3 images that it was calibrated with (too few to hold any out)"),
        (1, ("--calibration-images", "1"), "1 image that it was calibrated with (too few to hold any out)"),
        (0, (), "8 random images"),
    ],
)
def test_a_build_says_what_its_error_was_measured_on(tmp_path, capsys, count, more, images):
    source = str(drawn(tmp_path / "x.npz", count)) if count else "random"
    asked = ["build", str(TINY), "--precision", "int8", "--qdq", "cpu", "--calibration", source, *more]
    with pytest.raises(SystemExit) as end:
        main([*asked, "-o", str(tmp_path / "out")])
    assert not end.value.code
    line = capsys.readouterr().err.splitlines()[0]
    assert line.startswith("tiny: signal to noise of logits ")
    assert f" against FP32 on {images}; same best class for " in line
