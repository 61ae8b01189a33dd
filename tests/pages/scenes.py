"""What lies in the folder in which the commands of a page run, and what happens between two of them.

A scene is called with the working folder before the command that it stands for; that of a page, before its first.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.weights.formats.writing import FORMATS, from_weights
from resnet_gen.weights.initialization import SeededWeights
from tests.accuracy.digits import write_calibration, write_test_part
from tests.fixtures.make_exports import ARCHIVE
from tests.helpers.against_files import DIGITS, build, engine_beside
from tests.pages.shown import ROOT, blocks

GIT = ["git", "-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false"]
FOUR = ("mine", "other", "small", "wide")
PROJECT = 'specs = ["nets/*.yaml"]\n'


def blocks_of(page: str, kind: str) -> list[str]:
    """The texts of a page's blocks of one kind."""
    return [block.text for block in blocks(page) if block.kind == kind]


def copy(*names: str) -> None:
    """Files and folders of this project at the same place in the working folder."""
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, name)


def drawn(spec: str, name: str, *settings: str) -> None:
    """A file of a spec's weights, drawn from a seed, in the format that its name tells."""
    graph = lower(load(spec, settings))
    tensors = from_weights({n: t.shape for n, t in graph.state().items()}, SeededWeights(graph))
    Path(name).write_bytes(b"".join(FORMATS[Path(name).suffix](tensors)))


def exported(name: str, called: str) -> None:
    """What PyTorch's exporter wrote of a network, without its weights' numbers."""
    with tarfile.open(ARCHIVE) as archive:
        Path(called).write_bytes(archive.extractfile(name).read())


def photos() -> None:
    """A folder of pictures: eight parts of one."""
    Path("photos").mkdir()
    with Image.open(ROOT / "docs/pictures/sample.png") as picture:
        width, height = picture.size
        for number in range(8):
            left, top = number % 4 * (width // 8), number // 4 * (height // 4)
            picture.crop((left, top, left + width // 2, top + height // 2)).save(f"photos/{number}.png")


def emptied() -> None:
    """Nothing in the working folder."""
    for path in Path().iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def commit(files: Mapping[str, str]) -> None:
    """A repository of these files in the working folder, all in one commit."""
    for name, text in files.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "networks"]):
        subprocess.run([*GIT, *words], check=True, capture_output=True)


def changed(name: str, old: str, new: str) -> None:
    """A change of a file."""
    text = Path(name).read_text(encoding="utf-8")
    assert old in text
    Path(name).write_text(text.replace(old, new), encoding="utf-8")


def against() -> None:
    exported("torchvision.resnet18.legacy.13.open.onnx", "exported.onnx")


def against_digits() -> None:
    shutil.copy(DIGITS, DIGITS.name)
    write_calibration(Path("digits.npz"))
    options = ["--weights", DIGITS.name, "--precision", "int8", "--for", "cpu", "--calibration", "digits.npz"]
    build("resnet8-digits", Path("build"), *options)


def against_engine() -> None:
    engine_beside(build("resnet18", Path("engine"), "--precision", "fp16", "--no-compare"))


def repository() -> None:
    """A project of four networks in a commit, then one more, and attention in another, which is over its budget."""
    emptied()
    project = {"resnet-gen.toml": f"{PROJECT}[budgets.mine]\nparams = {{max = 26000000}}\n"}
    commit(project | {f"nets/{name}.yaml": f"name: {name}\nextends: resnet50\n" for name in FOUR})
    Path("nets/fresh.yaml").write_text("name: fresh\nextends: resnet18\n", encoding="utf-8")
    changed("nets/mine.yaml", "resnet50\n", "resnet50\nstages: {attention: se}\n")
    Path("pytest.ini").write_text(*blocks_of("docs/ci.md", "ini"), encoding="utf-8")


def looser() -> None:
    """Another project, whose only network then promises less."""
    emptied()
    claims = "claims:\n  - {what: layers, value: 18, source: us}\n"
    spec = f"name: mine\nextends: resnet18\ninput: {{crop: 0.9}}\n{claims}budgets: {{params: {{max: 12000000}}}}\n"
    commit({"resnet-gen.toml": PROJECT, "nets/mine.yaml": spec})
    changed("nets/mine.yaml", claims, "")
    changed("nets/mine.yaml", "12000000", "999000000")
    changed("nets/mine.yaml", "0.9", "0.95")
    changed("resnet-gen.toml", PROJECT, PROJECT + 'ignore = ["claim"]\n')


def benched() -> None:
    shutil.copy(build("resnet50", Path("build")), "exported.onnx")


def evaluated() -> None:
    """The images that no training has seen, those to calibrate with, the weights, and the spec of the page."""
    shutil.copy(DIGITS, DIGITS.name)
    write_test_part(Path("digits.npz"))
    write_calibration(Path("images.npz"))
    Path("digits.yaml").write_text(blocks_of("docs/evaluate.md", "yaml")[0], encoding="utf-8")
    Path("resnet-gen.toml").touch()


def evaluated_int8() -> None:
    """The network in eight bits."""
    options = ["--weights", DIGITS.name, "--precision", "int8", "--for", "cpu", "--calibration", "images.npz"]
    build("resnet8-digits", Path("int8"), *options)


def evaluated_builds() -> None:
    """The project of the page, and its network without budgets."""
    Path("digits.yaml").write_text("name: digits\nextends: resnet8-digits\n", encoding="utf-8")
    Path("resnet-gen.toml").write_text(blocks_of("docs/evaluate.md", "toml")[0], encoding="utf-8")


def engines() -> None:
    shutil.copy(DIGITS, DIGITS.name)
    build("resnet50", Path("build"), "--precision", "fp16", "--target", "tensorrt-rtx", "--sm", "86,89", "--no-compare")


def contracts() -> None:
    """The two specs and the project file of the page."""
    Path("networks").mkdir()
    for spec in blocks_of("docs/contracts.md", "yaml"):
        name = spec.splitlines()[0].removeprefix("name: ")
        Path(f"networks/{name}.yaml").write_text(spec, encoding="utf-8")
    Path("resnet-gen.toml").write_text(blocks_of("docs/contracts.md", "toml")[0], encoding="utf-8")


def contracts_changed() -> None:
    """The lock is the page's; then both specs change as it says."""
    assert blocks_of("docs/contracts.md", "toml")[1] in Path("resnet-gen.lock").read_text(encoding="utf-8")
    changed("networks/detector.yaml", "output_stride: 16", "output_stride: 16, block: {stride_on: conv1}")
    changed("networks/classifier.yaml", "name: classifier", "name: classifier\nnorm: {kind: batch, eps: 0.001}")


def imported() -> None:
    exported("timm.seresnet50.legacy.15.fixed.onnx", "seresnet50.onnx")
    exported("torchvision.mobilenet_v2.legacy.17.fixed.onnx", "mobilenet_v2.onnx")


def verified() -> None:
    Path("my-network.yaml").write_text(blocks_of("docs/verify.md", "yaml")[0], encoding="utf-8")


def served() -> None:
    """A picture, and the labels of ten classes."""
    copy("docs/pictures/sample.png")
    shutil.move("docs/pictures/sample.png", "sample.png")
    digits = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    Path("digits.txt").write_text("\n".join(digits), encoding="utf-8")


def weights() -> None:
    Path("attack.pth").write_bytes(b"\x80\x02cposix\nsystem\n.")
    for spec, name in {"regnet_y_400mf": "tv.pth", "resnet18": "resnet18.pth", "seresnet50": "se.pth"}.items():
        drawn(spec, name)
    state = lower(load("resnet18")).state()
    tensors = {("head." if name.startswith("fc.") else "backbone.") + name: t.shape for name, t in state.items()}
    np.savez_compressed("mmpretrain.npz", **{name: np.zeros(shape, np.float32) for name, shape in tensors.items()})


def projects() -> None:
    """The spec, the project file, the pictures and the weights of the page."""
    for folder in ("nets", "weights"):
        Path(folder).mkdir()
    Path("nets/gate.yaml").write_text(blocks_of("docs/projects.md", "yaml")[0], encoding="utf-8")
    Path("resnet-gen.toml").write_text(blocks_of("docs/projects.md", "toml")[0], encoding="utf-8")
    drawn("nets/gate.yaml", "weights/gate.safetensors")
    photos()


SCENES: dict[str, Callable[[], object]] = {
    "README.md": lambda: copy(
        "tests/accuracy/resnet8-digits.safetensors", "examples/digits/three.png", "docs/pictures"
    ),
    "docs/against.md": against,
    "docs/bench.md": benched,
    "docs/engines.md": engines,
    "docs/evaluate.md": evaluated,
    "docs/ci.md": repository,
    "docs/contracts.md": contracts,
    "docs/generate.md": lambda: drawn("resnet50", "resnet50.safetensors"),
    "docs/import.md": imported,
    "docs/precision.md": photos,
    "docs/projects.md": projects,
    "docs/reading.md": imported,
    "docs/serve.md": served,
    "docs/verify.md": verified,
    "docs/weights.md": weights,
}
OF_DIGITS = "resnet8-digits --weights resnet8-digits.safetensors --data digits.npz"
INT8 = "--against build/resnet8-digits.onnx --weights resnet8-digits.safetensors"
BETWEEN: dict[tuple[str, str], Callable[[], object]] = {
    ("README.md", "resnet-gen show my-network.yaml"): lambda: changed(
        "my-network.yaml", "block: basic", "block: botleneck"
    ),
    ("docs/against.md", f"resnet-gen verify resnet8-digits {INT8}"): against_digits,
    ("docs/against.md", "resnet-gen verify resnet18 --against engine/resnet18.fp16.sm86.engine"): against_engine,
    ("docs/ci.md", "resnet-gen review --base main"): looser,
    ("docs/ci.md", "pytest nets -q"): repository,
    ("docs/contracts.md", "resnet-gen lock --check"): contracts_changed,
    ("docs/evaluate.md", f"resnet-gen evaluate {OF_DIGITS} --against int8/resnet8-digits.onnx"): evaluated_int8,
    ("docs/evaluate.md", "resnet-gen build"): evaluated_builds,
    ("docs/diff.md", "resnet-gen diff resnet50 build/resnet50.onnx"): lambda: build(
        "resnet50", Path("build"), "--fold-bn"
    ),
}
