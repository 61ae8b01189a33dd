"""A set of weights as the bytes of a safetensors file, in runs of rows."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping

import numpy as np

from resnet_gen.ops import Shape
from resnet_gen.weights.base import Weights, runs

_ALIGNMENT = 8


def safetensors(shapes: Mapping[str, Shape], weights: Weights) -> Iterator[bytes]:
    """The file with these tensors as float32, in this order."""
    header: dict[str, object] = {}
    offset = 0
    for name, shape in shapes.items():
        end = offset + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    yield len(text).to_bytes(8, "little") + text
    for name, shape in shapes.items():
        for start, stop in runs(shape):
            yield np.ascontiguousarray(weights.rows(name, start, stop), "<f4").tobytes()
