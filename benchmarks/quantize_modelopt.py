"""NVIDIA's Model Optimizer, which quantizes ONNX files for TensorRT: another side."""

from __future__ import annotations

import sys

import numpy as np
from modelopt.onnx.quantization import quantize


def main(model: str, images: str, path: str) -> None:
    """Quantize the file `model` with the images by its default method, what is left in float32 as ours is."""
    quantize(
        model,
        quantize_mode="int8",
        calibration_data=np.load(images)["images"],
        calibration_method="entropy",
        calibration_eps=["cpu"],
        high_precision_dtype="fp32",
        output_path=path,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
