"""Writes small files that are seeds of the corpus: `python -m tests.fuzz.seeds`.

They come from our own writers, from Pillow and from the files of `tests.readers.bombs` that are small.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

import resnet_gen.cli
from tests.fuzz.targets import CORPUS, TARGETS
from tests.readers import bombs
from tests.readers.commands import CHECKPOINT, SPEC

LARGEST = 2048
SUFFIXES = {"pth": ".pth", "legacy": ".legacy", "safetensors": ".safetensors", "npz": ".npz"}
"""How bombs of weights are called in each format."""


def keep(name, data):
    """Write a seed under the beginning of its hash."""
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)


def small_bombs():
    """(Target, bytes) of each bomb that is small, and of the trivial file of each kind."""
    for name, make in [*bombs.BOMBS.items(), *((f"{kind}.", make) for kind, make in bombs.TRIVIAL.items())]:
        kind, _, called = name.partition(".")
        with tempfile.TemporaryDirectory() as folder:
            path = make(Path(folder))
            ours = path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST
            data = path.read_bytes() if ours else b""
            for target in _targets(kind, called) if _unpacked(data) <= 8 * LARGEST else ():
                yield target, data


def _unpacked(data):
    """Bytes that a zip file unpacks to: what takes long is for the bombs' own test."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return len(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return sum(info.file_size for info in archive.infolist())


def _targets(kind, called):
    if kind == "weights":
        return [name for name, suffix in SUFFIXES.items() if called.endswith(suffix)]
    if kind == "labelled":
        return ["table" if called.endswith(".csv") else "labelled"]
    return [name for name, target in TARGETS.items() if target.kind == kind and name != "pictures"]


def pictures():
    """One small picture of each format, and some of other modes."""
    pixels = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    for form in ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"):
        yield bombs.saved(pixels, form)
    yield bombs.saved(pixels, "JPEG", progressive=True)
    yield bombs.saved(pixels.convert("CMYK"), "JPEG")
    yield bombs.saved(pixels.convert("RGBA"), "WEBP", lossless=True)
    yield bombs.saved(pixels, "TIFF", compression="tiff_lzw")
    for mode in ("1", "L", "P", "LA", "RGBA", "I;16"):
        picture = Image.new("I;16", (8, 8)) if mode == "I;16" else pixels.convert(mode)
        yield bombs.saved(picture, "PNG")
    turned = Image.Exif()
    turned[0x0112] = 6
    yield bombs.saved(pixels, "PNG", exif=turned)


def images():
    """Archives of images to calibrate with."""
    for data in (np.zeros((2, 3, 4, 4), np.uint8), np.zeros((1, 4, 4, 3)), np.asfortranarray(np.eye(4))):
        yield _packed({"images": data})


TABLES = (
    *(
        b"file,label\na.png,0\nb/c.png,1\n",
        b'a.png,cat\n"b, c.png","a ""dog"""\n',
        b"label,split,path\r\n3,val,x.png\r\n",
    ),
    *(
        b"a.png,0\na.png,0\n",
        "\ufeff\xe4\xf6\xfc.png,1\n".encode(),
        b'"a.png,0\n',
        b"a\0b,1\n,\n",
        b"../x.png,99999999999\n",
    ),
)
CLASSES = (
    *(b"cat\ndog\n", b"n01440764 tench, Tinca tinca\nn01443537 goldfish\n", b"a\n\nb\n", b"a\r\na\r\n"),
    "\u2028\x1b[31m\n".encode(),
)
"""Tables of labelled images, and names of classes, right and wrong."""


def labelled():
    """Archives of labelled images."""
    pixels, floats = np.zeros((4, 32, 32, 3), np.uint8), np.zeros((2, 3, 32, 32), np.float32)
    for images, labels in ((pixels, range(4)), (floats, range(2)), (pixels[:0], []), (pixels, [0, 1, 2**63 - 1, -1])):
        yield _packed({"images": images, "labels": np.array(labels, np.int64)})


def _packed(arrays):
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def written():
    """(Target, bytes) of what commands write of a small network."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spec = folder / "small.yaml"
        spec.write_text(Path(SPEC).read_text(encoding="utf-8").replace("4", "2"), encoding="utf-8")
        _run("build", str(spec), "-o", name)
        _run("lock", "cifar-resnet20", "--no-config", "--lock", f"{name}/lock")
        _run("weights", "convert", SPEC, CHECKPOINT, "-o", f"{name}/w.npz")
        files = {"onnx": "tiny.onnx", "manifest": "tiny.manifest.json", "lock": "lock"}
        for target, file in files.items():
            yield target, (folder / file).read_bytes()
        with np.load(folder / "w.npz") as tensors:
            yield "npz", _packed({key: np.zeros_like(tensors[key], np.float16) for key in tensors})


def _run(*words):
    try:
        resnet_gen.cli.main(words)
    except SystemExit as left:
        if left.code:
            raise


def main():
    """Write all of them."""
    for name, data in small_bombs():
        keep(name, data)
    for data in pictures():
        keep("picture", data)
        keep("pictures", data)
    for data in images():
        keep("calibration", data)
    for data in TABLES:
        keep("table", data)
    for data in CLASSES:
        keep("classes", data)
    for data in labelled():
        keep("labelled", data)
    for name, data in written():
        keep(name, data)


if __name__ == "__main__":
    main()
