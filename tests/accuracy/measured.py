"""What an emitted resnet8-digits gets right of the test part, with the weights that `train.py` left.

`python -m tests.accuracy.measured` prints the table of docs/accuracy.md.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from resnet_gen.build.build import build
from resnet_gen.build.request import Request
from resnet_gen.engine.runtimes import open_file
from resnet_gen.language.load import load
from resnet_gen.ops.precision import Calibration, Placement, QuantizationChoice
from resnet_gen.weights.base import Array
from tests.accuracy.digits import SPEC, Labels, Part, split, write_calibration
from tests.helpers.onnx_runs import Session

HERE = Path(__file__).parent
WEIGHTS = HERE / f"{SPEC}.safetensors"
TRAINING = "training images"
"""What a `Calibration` of `VARIANTS` takes; `emitted` writes them to a file."""


def eight(kind: Literal["int8", "fp8"], placement: Placement, **more: Any) -> dict[str, Any]:
    """Options of a network in eight bits."""
    compute = more.pop("compute", "float32")
    return {
        "precision": kind,
        "quantizing": QuantizationChoice(kind, placement, compute, Calibration(TRAINING, **more)),
    }


def seven_bits(options: dict[str, Any]) -> dict[str, Any]:
    """The same with weights of seven bits."""
    return {**options, "quantizing": options["quantizing"]._replace(reduce_range=True)}


VARIANTS: dict[str, dict[str, Any]] = {
    "fp32": {},
    "fp32, batch norm folded": {"fold": True},
    "fp16": {"precision": "fp16"},
    "fp16, batch norm folded": {"precision": "fp16", "fold": True},
    "bf16": {"precision": "bf16"},
    "int8, for CPUs": eight("int8", "cpu"),
    "int8, for CPUs without VNNI": seven_bits(eight("int8", "cpu")),
    "int8, for TensorRT": eight("int8", "tensorrt", compute="float16"),
    "int8, for TensorRT, min-max": eight("int8", "tensorrt", compute="float16", method="minmax"),
    "int8, for TensorRT, entropy": eight("int8", "tensorrt", compute="float16", method="entropy"),
    "fp8": eight("fp8", "tensorrt", compute="float16"),
}
"""Ways of building the network: what a `Request` says beside the weights."""


RUN_BY = {
    "bf16": ("openvino",),
    "int8, for CPUs without VNNI": ("", "onnxruntime", "openvino"),
    "int8, for CPUs": ("", "openvino"),
}
"""What runs a variant; "" is ONNX Runtime, the file as it is written, which every variant is without being named.

ONNX Runtime has no convolution in bfloat16, and what its own kernels make of
eight bits depends on the CPU (VNNI), so that no test can hold it.
"""


def trained() -> dict[str, Any]:
    """What PyTorch said of the network when it was trained: see `train.save`."""
    said: dict[str, Any] = json.loads((HERE / f"{SPEC}.json").read_text(encoding="utf-8"))
    return said


def emitted(folder: Path, weights: Path | None = WEIGHTS, **options: Any) -> Path:
    """The ONNX file of the network, built into `folder`; `options` are those of a `Request`."""
    if how := options.get("quantizing"):
        source = write_calibration(folder.parent / "calibration.npz")
        options["quantizing"] = how._replace(calibration=how.calibration._replace(source=str(source)))
    build(load(SPEC), Request(weights=weights, **options), folder)
    return folder / f"{SPEC}.onnx"


def scores(model: Path, images: Array, batch: int = 100, runtime: str = "") -> Array:
    """The ten scores of each image, computed in batches by the file as it is written, or by a runtime as it likes."""
    run = _running(model, runtime)
    return np.concatenate([run(images[at : at + batch]) for at in range(0, len(images), batch)])


def _running(model: Path, runtime: str) -> Callable[[Array], Array]:
    if not runtime:
        return Session(model).run
    runner = open_file(runtime, model)
    return lambda x: runner.run(x)["logits"]


def predictions(model: Path, images: Array, runtime: str = "") -> Labels:
    """The digit that the network sees on each image."""
    return scores(model, images, runtime=runtime).argmax(1)


def correct(model: Path, part: Part | None = None, runtime: str = "") -> int:
    """How many images it gets right, of the test part unless told another."""
    part = part or split()[1]
    return int((predictions(model, part.images, runtime) == part.labels).sum())


def top1(model: Path, part: Part | None = None, runtime: str = "") -> float:
    """The same in percent."""
    part = part or split()[1]
    return 100 * correct(model, part, runtime) / len(part.labels)


def row(name: str, right: int, images: int) -> str:
    """A line of the table."""
    return f"| {name} | {right} of {images} | {100 * right / images:.2f} % |"


def main() -> None:
    """Build each variant and print what it gets right."""
    said = trained()
    print(row("PyTorch, fp32", said["correct"], said["images"]))
    for name, options in VARIANTS.items():
        with tempfile.TemporaryDirectory() as folder:
            model = emitted(Path(folder) / "out", **options)
            for runtime in RUN_BY.get(name, ("",)):
                by = f" ({runtime})" if runtime else ""
                print(row(f"ONNX, {name}{by}", correct(model, runtime=runtime), said["images"]))


if __name__ == "__main__":
    main()
