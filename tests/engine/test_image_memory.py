"""What decoders take is counted: the largest pictures of each kind keep within the limits of every reader."""

import io
import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnet_gen.engine.image import SmallerPictureWarning, read_image
from resnet_gen.language.spec import Input
from resnet_gen.problems import Refused

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, sys, warnings
from pathlib import Path
from PIL import Image
from resnet_gen.engine.image import read_image
from resnet_gen.language.spec import Input
from tests.readers.measure import faults, taken
warnings.simplefilter("ignore")
Image.init()
trivial, path = map(Path, sys.argv[1:3])
said = path.with_name("said")
least, got = (taken(lambda: read_image(each, Input(channels=int(sys.argv[3]), size=(64, 64))), path.parent, said)
              for each in (trivial, path))
print(json.dumps([got.code, faults(got, path.stat().st_size, least)]))
"""
"""Takes a picture's measure in a process whose memory nothing was freed in."""
KINDS = {
    "JPEG": ("RGB", {"quality": 1}),
    "JPEG in grey": ("L", {"quality": 1}),
    "JPEG of inks": ("CMYK", {"quality": 1}),
    "JPEG progressive": ("RGB", {"quality": 1, "progressive": True}),
    "JPEG progressive in full": ("RGB", {"quality": 1, "progressive": True, "subsampling": 0}),
    "JPEG progressive in grey": ("L", {"quality": 1, "progressive": True}),
    "JPEG progressive of inks": ("CMYK", {"quality": 1, "progressive": True}),
    "PNG": ("RGB", {}),
    "PNG in grey": ("L", {}),
    "PNG with a palette": ("P", {}),
    "PNG with alpha": ("RGBA", {}),
    "PNG of two frames": ("RGBA", {"save_all": True, "disposal": 1}),
    "WEBP": ("RGB", {}),
    "WEBP without loss": ("RGB", {"lossless": True}),
    "WEBP with alpha": ("RGBA", {}),
    "WEBP with alpha without loss": ("RGBA", {"lossless": True}),
    "WEBP of two frames": ("RGB", {"save_all": True}),
    "GIF": ("P", {}),
    "GIF of two frames": ("P", {"save_all": True, "disposal": 2}),
    "TIFF in strips": ("RGB", {"compression": "tiff_deflate"}),
    "TIFF in one strip": ("RGB", {"compression": "tiff_deflate", "strip_size": 1 << 30}),
    "TIFF of JPEG in one strip": ("RGB", {"compression": "jpeg", "strip_size": 1 << 30}),
    "TIFF of LZMA in one strip": ("RGB", {"compression": "lzma", "strip_size": 1 << 30}),
    "TIFF in black and white": ("1", {"compression": "group4"}),
    "BMP": ("L", {}),
    "PPM": ("RGB", {}),
}
"""Each kind of picture: its mode and how it is saved; the first word is the format."""


def of_one_colour(folder, kind, side):
    mode, options = KINDS[kind]
    more = {"append_images": [Image.new(mode, (side, side), 255)]} if "save_all" in options else {}
    path = folder / f"{side}"
    Image.new(mode, (side, side)).save(path, kind.partition(" ")[0], **options, **more)
    return path


def read(path, channels=3):
    """Whether a picture is read, and whether whole."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            read_image(path, Input(channels=channels, size=(64, 64)))
        except Refused:
            return False, False
    return True, not any(one.category is SmallerPictureWarning for one in told)


SIDES = [round(1_250 * 1.08**power) for power in range(32)]


def largest(folder, kind, channels, *, whole):
    """The largest square of these sides that is read, whole or, as JPEGs are, smaller."""
    least, most = 0, len(SIDES)
    while most - least > 1:
        middle = (least + most) // 2
        if read(of_one_colour(folder, kind, SIDES[middle]), channels)[whole]:
            least = middle
        else:
            most = middle
    return of_one_colour(folder, kind, SIDES[least])


def check(path, trivial, channels=3):
    command = [sys.executable, "-c", PROGRAM, str(trivial), str(path), str(channels)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [0, []]


CASES = [(kind, True, 3) for kind in KINDS]
CASES += [(kind, False, 3) for kind in KINDS if kind.startswith("JPEG")]
CASES += [(kind, True, 1) for kind in ("JPEG of inks", "PNG in grey", "WEBP", "GIF of two frames")]
CASES += [(kind, True, 4) for kind in ("JPEG", "PNG with alpha", "WEBP", "WEBP with alpha")]


@pytest.mark.long
@pytest.mark.parametrize(("kind", "whole", "channels"), CASES)
def test_the_largest_picture_that_is_read_keeps_within_the_limits(tmp_path, kind, whole, channels):
    check(largest(tmp_path, kind, channels, whole=whole), of_one_colour(tmp_path, kind, 16), channels)


def photo(width, height, format, **options):
    """A picture without an even place, about as large as a photo's file."""
    noise = np.random.default_rng(0).integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC).save(out, format, **options)
    return out.getvalue()


@pytest.mark.long
@pytest.mark.parametrize(
    ("least", "width", "height", "format", "options"),
    [
        (2.0, 4_000, 3_000, "JPEG", {"quality": 85}),
        (2.0, 4_000, 3_000, "JPEG", {"quality": 85, "progressive": True}),
        (8.0, 6_000, 4_000, "JPEG", {"quality": 95}),
        (8.0, 6_000, 4_000, "JPEG", {"quality": 95, "progressive": True}),
        (0.2, 2_000, 2_000, "WEBP", {"quality": 60}),
        (5.0, 4_000, 3_000, "PNG", {"compress_level": 1}),
        (5.0, 4_000, 3_000, "TIFF", {"compression": "tiff_lzw"}),
    ],
)
def test_pictures_of_ordinary_use_are_read_within_the_limits(tmp_path, least, width, height, format, options):
    path, trivial = tmp_path / "photo", tmp_path / "trivial"
    path.write_bytes(photo(width, height, format, **options))
    assert path.stat().st_size > least * 1_000_000
    trivial.write_bytes(photo(16, 16, format, **options))
    check(path, trivial)
    exif = Image.Exif()
    exif[0x0112] = 6
    path.write_bytes(photo(width, height, format, **options, exif=exif))
    assert read(path)[0]
