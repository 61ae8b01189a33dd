"""Weights from a safetensors file, memory-mapped."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from resnet_gen.problems import refuse
from resnet_gen.weights.arrays import COUNTED, DTYPES, InFile, holds_numbers, left_out, strides

CODES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    COUNTED.name: "I64",
}
"""What the format calls each element type that is read and written."""
_NAMES = {code: name for name, code in CODES.items()}
_LENGTH = struct.Struct("<Q")


def read(path: Path, *, counters: bool = False) -> dict[str, InFile]:
    """The tensors of a safetensors file; raises `Refused` if it is damaged."""
    try:
        with safe_open(path, framework="numpy") as file:
            names = [name for name in file.keys() if not left_out(name, counters)]  # noqa: SIM118
        data = np.memmap(path, np.uint8, "r")
    except (SafetensorError, OSError) as error:
        raise refuse(f"damaged safetensors file: {error}", str(path)) from None
    begin = _LENGTH.size + _LENGTH.unpack(data[: _LENGTH.size].tobytes())[0]
    header = json.loads(data[_LENGTH.size : begin].tobytes())  # which safe_open found in order, offsets and all
    return {name: _tensor(name, header[name], data, begin, path) for name in names}


def _tensor(
    name: str, entry: dict[str, Any], data: np.memmap[Any, np.dtype[np.uint8]], begin: int, path: Path
) -> InFile:
    called = _NAMES.get(entry["dtype"], "")
    if not holds_numbers(name, called):
        raise refuse(f"'{name}' holds {entry['dtype']}, not floating-point numbers", str(path))
    dtype, shape = DTYPES.get(called, COUNTED), tuple(entry["shape"])
    return InFile(data, begin + entry["data_offsets"][0], dtype, shape, strides(shape))
