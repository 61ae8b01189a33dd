"""NNCF, the quantizer that OpenVINO's documentation names: another side. It writes OpenVINO's own format."""

from __future__ import annotations

import sys

import nncf
import numpy as np
import openvino


def main(model: str, images: str, path: str) -> None:
    """Quantize the file `model` with the images, for CPUs, by the preset that favours speed."""
    given = np.load(images)["images"]
    found = nncf.quantize(
        openvino.Core().read_model(model),
        nncf.Dataset([image[None] for image in given]),
        preset=nncf.QuantizationPreset.PERFORMANCE,
        subset_size=len(given),
        target_device=nncf.TargetDevice.CPU,
    )
    openvino.save_model(found, path, compress_to_fp16=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
