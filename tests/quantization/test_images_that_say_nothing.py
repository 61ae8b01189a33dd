"""Images to calibrate with from which no range of a real one follows: refused, or told."""

import re
import warnings

import numpy as np
import pytest
from PIL import Image

from resnet_gen import emit_onnx, load_spec
from resnet_gen.problems import Refused
from resnet_gen.quantization.quantizer import FewImagesWarning
from tests.helpers.onnx_runs import TINY

SETTINGS = ("input.channels=3", "input.size=[6, 8]")
DRAW = np.random.default_rng(0).standard_normal((3, 3, 6, 8)).astype(np.float32)
COLOURS = DRAW[..., :1, :1] + np.zeros_like(DRAW)
ONE_COLOUR = "each of the images to calibrate with is of one colour\nhint: scales for real ones cannot follow from them"
KINDS = [("int8", "cpu"), ("int8", "tensorrt"), ("fp8", "tensorrt")]


def written(folder, images):
    """Images as a folder of pictures where they are of eight bits, else as an .npz."""
    if images.dtype != np.uint8:
        np.savez(folder / "x.npz", images=images)
        return folder / "x.npz"
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}.png")
    return folder


def built(images, *settings, kind=("int8", "cpu")):
    """What a build in eight bits warns of, but for their number."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        precision, placement = kind
        loaded = load_spec(TINY, [*SETTINGS, *settings])
        emit_onnx(loaded, precision=precision, placement=placement, calibration=str(images))
    return [str(warning.message) for warning in caught if warning.category is not FewImagesWarning]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", [0, 1, 124, 255])
def test_pictures_of_one_colour_each_are_refused(tmp_path, level, kind):
    even = np.stack([np.full((9, 9, 3), max(0, level - n), np.uint8) for n in range(3)])
    with pytest.raises(Refused, match=re.escape(ONE_COLOUR)):
        built(written(tmp_path, even), kind=kind)
    even[2, 4, 4] ^= 64
    assert built(written(tmp_path, even), kind=kind) == []


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_and_arrays_of_it(tmp_path, scale):
    with pytest.raises(Refused, match=re.escape(ONE_COLOUR)):
        built(written(tmp_path, COLOURS * np.float32(scale)))
    even = COLOURS.copy()
    even[-1, -1, -1, -1] += 1
    assert built(written(tmp_path, even)) == []


def test_a_network_of_one_pixel_is_calibrated_with_colours(tmp_path):
    assert built(written(tmp_path, COLOURS[..., :1, :1]), "input.size=1") == []


@pytest.mark.parametrize("normalization", [(), ("input.mean=[0.5, 0.5, 0.5]", "input.std=[0.1, 0.2, 0.3]")])
@pytest.mark.parametrize("factor", [1e-30, 1e-6, 1e-2, 0.5, 1.0, 4.0, 255.0, 65535.0])
def test_arrays_that_are_not_normalized_as_pictures_are_told(tmp_path, factor, normalization):
    """Compared with the darkest and the brightest picture, normalized as the image is here."""
    images = DRAW.clip(-2, 2) * np.float32(factor)
    mean, std = load_spec(TINY, [*SETTINGS, *normalization]).spec.input.normalization
    widest = max(abs((end - m) / s) for end in (0, 1) for m, s in zip(mean, std, strict=True))
    reach = float(np.abs(images).max())
    said = built(written(tmp_path, images), *normalization)
    if widest / 16 <= reach <= widest * 16:
        assert said == []
    else:
        words = f"the images to calibrate with reach {reach:.3g}, and pictures reach {widest:.3g} as the spec's input"
        assert said == [f"{words} normalizes them"]


def test_noise_is_no_picture(tmp_path):
    assert built("random", "input.std=[0.0001, 0.0001, 0.0001]") == []
