"""Weights from a safetensors file, memory-mapped."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from resnet_gen.problems import refuse
from resnet_gen.weights.formats import arrays

CODES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    arrays.COUNTED.name: "I64",
}
"""What the format calls each element type that is read and written."""
_NAMES = {code: name for name, code in CODES.items()}
_HEADER, _HEADER_EACH = 2 << 20, 16
"""Bytes of a header, and of how many bytes of the file each is one more; a thousand tensors take 100,000."""
_LENGTH = struct.Struct("<Q")


def read(path: Path, *, counters: bool = False) -> dict[str, arrays.MappedTensor]:
    """The tensors of a safetensors file; raises `Refused` if it is damaged."""
    where = str(path)
    try:
        data = arrays.map_file(path)
        begin = _check_header(data, where)
        with safe_open(path, framework="numpy") as file:
            names = [name for name in file.keys() if not arrays.is_left_out(name, counters)]  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise refuse(f"damaged safetensors file: {error}", where) from None
    header = json.loads(data[_LENGTH.size : begin].tobytes())  # which safe_open found in order, offsets and all
    arrays.check_number(len(names), len(data), where)
    return {name: _tensor(name, header[name], data, begin, where) for name in names}


def _check_header(data: arrays.Bytes, where: str) -> int:
    """Where the header ends; raises `Refused` for one that is out of proportion, before anything parses it."""
    (length,) = _LENGTH.unpack(data[: _LENGTH.size].tobytes())
    if length > (most := _HEADER + len(data) // _HEADER_EACH):
        raise refuse(f"damaged safetensors file: its header is more than {most:,} bytes long", where)
    return int(_LENGTH.size + length)


def _tensor(name: str, entry: dict[str, Any], data: arrays.Bytes, begin: int, where: str) -> arrays.MappedTensor:
    called = _NAMES.get(entry["dtype"], "")
    if not arrays.holds_numbers(name, called):
        raise refuse(f"'{name}' holds {entry['dtype']}, not floating-point numbers", where)
    arrays.check_sides(name, len(entry["shape"]), where)
    dtype, shape = arrays.DTYPES.get(called, arrays.COUNTED), tuple(entry["shape"])
    return arrays.MappedTensor(data, begin + entry["data_offsets"][0], dtype, shape, arrays.strides(shape))
