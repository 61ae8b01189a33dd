"""What reads each kind of file, as functions of its path; all that they load is loaded with this module."""

from __future__ import annotations

import importlib
from itertools import islice
from pathlib import Path

import PIL.Image

import resnet_gen.cli
from resnet_gen.engine.evaluation.class_names import read_class_names
from resnet_gen.engine.evaluation.labelled_images import BrokenImage, ReadImage
from resnet_gen.engine.evaluation.sources import open_labelled_images
from resnet_gen.engine.file_serving import ImageForm
from resnet_gen.engine.image import read_image
from resnet_gen.language.spec import Input
from resnet_gen.problems import Refused
from resnet_gen.quantization.calibration.images import open_images

SPEC = str(Path(__file__).parents[1] / "fixtures" / "checkpoints" / "tiny.yaml")
"""The network that files are compared with."""
CHECKPOINT = SPEC.replace("tiny.yaml", "zip_float32.pt")
PIXELS = Input(size=(32, 32))


def command(*words):
    """A command of the package; `{}` among its words is the path, `{folder}` its folder, `{above}` the next."""

    def run(path):
        resnet_gen.cli.main([word.format(path, folder=path.parent, above=path.parent.parent) for word in words])

    return run


def _named(*words):
    """A command one of whose words, `{}`, is what the file holds: a shell may hand over any bytes but zeros."""

    def run(path):
        word = path.read_bytes().replace(b"\0", b"").decode(errors="surrogateescape")
        resnet_gen.cli.main([word if each == "{}" else each for each in words])

    return run


def _refusing(read):
    """A function of the package, which ends as its command does."""

    def run(path):
        try:
            read(path)
        except Refused as refused:
            print(refused)
            raise SystemExit(2) from None

    return run


def _calibrate(path):
    chosen = open_images(str(path), PIXELS, 8)
    chosen.entry()
    for image in chosen:
        assert image.shape == PIXELS.shape


def _look_at_labels(path):
    images = open_labelled_images(str(path))
    for image in islice(images.walk([ImageForm(PIXELS)]), 8):
        assert isinstance(image, (ReadImage, BrokenImage))


READERS = {
    "weights show": command("weights", "show", "{}"),
    "weights convert": command("weights", "convert", SPEC, "{}", "-o", "{folder}/converted.npz", "--force"),
    "import": command("import", "{}"),
    "count": command("count", "{}"),
    "build": command("build", SPEC, "--weights", "{}", "-o", "{folder}/built", "--force"),
    "diff": command("diff", SPEC, "{}"),
    "against": command("verify", SPEC, "--no-config", "--against", "{}"),
    "verify": command("verify", "{}", "--no-config"),
    "show": command("show", "{}"),
    "project": command("verify", "cifar-resnet20", "--config", "{}"),
    "builds": command("build", "--dry-run", "--config", "{}"),
    "found project": command("verify", "cifar-resnet20"),
    "lock": command("lock", "--check", "--no-config", "--lock", "{}"),
    "manifest": command("check-engine", "{folder}/m.onnx"),
    "profile": command("profile", "{}", "--spec", "cifar-resnet20", "--for", "t4"),
    "wrap manifest": command("check-engine", "{folder}/m.onnx"),
    "wrap": command("wrap", "{}", "-o", "{folder}/wrapped.onnx", "--outputs", "top1", "--no-proof", "--force"),
    "device": command("predict", "cifar-resnet20", "--for", "{}"),
    "revision": command("diff", "HEAD:./spec.yaml", "cifar-resnet20"),
    "account": command("weights", "convert", SPEC, CHECKPOINT, "-o", "{above}/converted.npz", "--force"),
    "half written": command("diff", SPEC, "{above}/m.onnx"),
    "spec by name": _named("show", "--", "{}"),
    "setting": _named("show", "cifar-resnet20", "--set", "{}"),
    "device by name": _named("predict", "cifar-resnet20", "--for", "{}"),
    "revision by name": _named("diff", "--", "{}", "cifar-resnet20"),
    "labels": command("show", "cifar-resnet20", "--set", "head.classes=3", "--set", "serve.labels={}"),
    "calibration": _refusing(_calibrate),
    "labelled images": _refusing(_look_at_labels),
    "class names": _refusing(read_class_names),
    "picture": _refusing(lambda path: read_image(path, PIXELS)),
}
KINDS = {
    "weights": ("weights show", "weights convert", "import", "build"),
    "onnx": ("import", "diff", "against", "count", "wrap"),
    "spec": ("verify", "show", "diff"),
    "project": ("project", "builds"),
    "pyproject": ("found project",),
    "lock": ("lock",),
    "manifest": ("manifest",),
    "wrap manifest": ("wrap manifest",),
    "device": ("device",),
    "profile": ("profile",),
    "revision": ("revision",),
    "journal": ("half written", "account"),
    "word": ("spec by name", "setting", "device by name", "revision by name"),
    "labels": ("labels",),
    "calibration": ("calibration",),
    "labelled": ("labelled images",),
    "classes": ("class names",),
    "picture": ("picture",),
}
"""The readers of each kind of file."""


def load_all():
    """Import what commands import when they run, so that it is not measured."""
    for path in sorted(Path(resnet_gen.cli.__file__).parents[1].rglob("*.py")):
        parts = path.relative_to(Path(resnet_gen.cli.__file__).parents[2]).with_suffix("").parts
        if parts[-1] not in ("__main__", "pytest_plugin") and "tensorrt" not in path.name:
            importlib.import_module(".".join(parts).removesuffix(".__init__"))
    importlib.import_module("onnx.shape_inference")
    PIL.Image.init()
