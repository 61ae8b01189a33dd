"""NNCF, the quantizer that OpenVINO's documentation names: another side, in OpenVINO's own format or as ONNX."""

from __future__ import annotations

import sys
from typing import Any

import nncf
import numpy as np
import onnx
import openvino


def main(model: str, images: str, path: str) -> None:
    """Quantize the file `model` with the images, for CPUs, by the preset that favours speed; `path` says the format."""
    given = [image[None] for image in np.load(images)["images"]]
    if path.endswith(".onnx"):
        onnx.save(_quantize(onnx.load(model), [{"input": image} for image in given]), path)
    else:
        openvino.save_model(_quantize(openvino.Core().read_model(model), given), path, compress_to_fp16=False)


def _quantize(model: Any, images: list[Any]) -> Any:
    return nncf.quantize(
        model,
        nncf.Dataset(images),
        preset=nncf.QuantizationPreset.PERFORMANCE,
        subset_size=len(images),
        target_device=nncf.TargetDevice.CPU,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
