"""scikit-learn's digits: 1797 grey images of 8 x 8 pixels, in a training and a test part that never change.

Of each class every third image, in the data's own order, is for testing; the
others are for training, and for whatever is chosen: epochs, and INT8's ranges.

`python -m tests.accuracy.digits calibration.npz` writes images to calibrate with.
"""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from resnet_gen.language.load import load
from resnet_gen.weights.base import Array

SPEC = "resnet8-digits"
WHITE = 16
"""The largest value of a pixel."""

Labels = npt.NDArray[np.int64]


class Part(NamedTuple):
    """Images as the network takes them, float32 (N, 1, 8, 8), and the digit on each."""

    images: Array
    labels: Labels


def every_third(labels: Labels) -> npt.NDArray[np.bool_]:
    """Which of these are every third of their class."""
    chosen = np.zeros(len(labels), bool)
    for digit in range(10):
        chosen[np.flatnonzero(labels == digit)[2::3]] = True
    return chosen


@cache
def raw() -> tuple[npt.NDArray[np.uint8], Labels]:
    """All pixels, 0..16, and digits, as scikit-learn carries them; nothing is downloaded."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return data.images.astype(np.uint8), data.target.astype(np.int64)


def digest() -> str:
    """SHA-256 of all pixels and digits: the figures hold for these."""
    pixels, labels = raw()
    return hashlib.sha256(pixels.tobytes() + labels.astype(np.uint8).tobytes()).hexdigest()


def normalized(pixels: npt.NDArray[np.uint8]) -> Array:
    """Pixels of 0..16 as the spec's input says: (value - mean) / std of values in 0..1."""
    mean, std = (np.asarray(values, np.float32) for values in load(SPEC).spec.input.normalization)
    return ((pixels[:, None].astype(np.float32) / WHITE - mean) / std).astype(np.float32)


@cache
def split() -> tuple[Part, Part]:
    """The training part and the test part."""
    pixels, labels = raw()
    images, test = normalized(pixels), every_third(labels)
    return Part(images[~test], labels[~test]), Part(images[test], labels[test])


def calibration(count: int = 256) -> Array:
    """Images of the training part, evenly spread over it."""
    images = split()[0].images
    return images[np.arange(count) * len(images) // count]


def write_calibration(path: Path, count: int = 256) -> Path:
    """Write `calibration(count)` as `images` of an .npz, the same bytes each time."""
    with path.open("wb") as stream:
        np.savez(stream, images=calibration(count))
    return path


def write_test_part(path: Path) -> None:
    """Write the test part as `images` and `labels` of an .npz."""
    test = split()[1]
    np.savez(path, images=test.images, labels=test.labels)


def write_picture(path: Path, digit: int = 3, rank: int = 3, side: int = 16) -> Path:
    """Write one image of the test part, each pixel `side` by `side` large, as people see it."""
    from PIL import Image

    pixels, labels = raw()
    index = np.flatnonzero(every_third(labels) & (labels == digit))[rank]
    grey = np.rint(pixels[index] * (255 / WHITE)).astype(np.uint8)
    Image.fromarray(np.kron(grey, np.ones((side, side), np.uint8))).save(path)
    return path


if __name__ == "__main__":
    print(write_calibration(Path(sys.argv[1])))
