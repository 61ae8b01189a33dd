"""ONNX Runtime's own static quantization, as its documentation has it for x86: the other side."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """The images of an .npz, one at a time."""

    def __init__(self, path: str) -> None:
        self._images: Iterator[Any] = iter(np.load(path)["images"])

    def get_next(self) -> dict[str, Any] | None:
        image = next(self._images, None)
        return None if image is None else {"input": image[None]}


def main(model: str, images: str, path: str, reduce_range: str) -> None:
    """Quantize the file `model` with the images: Q/DQ, unsigned activations, weights an output channel each."""
    quantize_static(
        model,
        path,
        _Reader(images),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        reduce_range=reduce_range == "7",
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
