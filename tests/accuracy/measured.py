"""What an emitted resnet8-digits gets right of the test part, with the weights that `train.py` left.

`python -m tests.accuracy.measured` prints the table of docs/accuracy.md.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from resnet_gen.build import Request, build
from resnet_gen.load import load
from resnet_gen.weights.base import Array
from tests.accuracy.digits import SPEC, Labels, Part, split
from tests.onnx_runs import Session

HERE = Path(__file__).parent
WEIGHTS = HERE / f"{SPEC}.safetensors"
VARIANTS: dict[str, dict[str, Any]] = {
    "fp32": {},
    "fp32, batch norm folded": {"fold": True},
    "fp16": {"precision": "fp16"},
    "fp16, batch norm folded": {"precision": "fp16", "fold": True},
}
"""Ways of building the network: what a `Request` says beside the weights."""


def trained() -> dict[str, Any]:
    """What PyTorch said of the network when it was trained: see `train.save`."""
    said: dict[str, Any] = json.loads((HERE / f"{SPEC}.json").read_text(encoding="utf-8"))
    return said


def emitted(folder: Path, weights: Path | None = WEIGHTS, **options: Any) -> Path:
    """The ONNX file of the network, built into `folder`; `options` are those of a `Request`."""
    build(load(SPEC), Request(weights=weights, **options), folder)
    return folder / f"{SPEC}.onnx"


def scores(model: Path, images: Array, batch: int = 100) -> Array:
    """The ten scores of each image, computed in batches by the file as it is written."""
    running = Session(model)
    return np.concatenate([running.run(images[at : at + batch]) for at in range(0, len(images), batch)])


def predictions(model: Path, images: Array) -> Labels:
    """The digit that the network sees on each image."""
    return scores(model, images).argmax(1)


def correct(model: Path, part: Part | None = None) -> int:
    """How many images it gets right, of the test part unless told another."""
    part = part or split()[1]
    return int((predictions(model, part.images) == part.labels).sum())


def top1(model: Path, part: Part | None = None) -> float:
    """The same in percent."""
    part = part or split()[1]
    return 100 * correct(model, part) / len(part.labels)


def row(name: str, right: int, images: int) -> str:
    """A line of the table."""
    return f"| {name} | {right} of {images} | {100 * right / images:.2f} % |"


def main() -> None:
    """Build each variant and print what it gets right."""
    said = trained()
    print(row("PyTorch, fp32", said["correct"], said["images"]))
    for name, options in VARIANTS.items():
        with tempfile.TemporaryDirectory() as folder:
            print(row(f"ONNX, {name}", correct(emitted(Path(folder), **options)), said["images"]))


if __name__ == "__main__":
    main()
