"""Lists of integers that nodes read, where these are known."""

from __future__ import annotations

from typing import Any


def read_list(surgeon: Any, tensor: Any) -> list[int] | None:
    """A list of integers in a constant, or in a Constant's node."""
    if isinstance(tensor, surgeon.Constant):
        values = tensor.values
    elif len(tensor.inputs) == 1 and tensor.inputs[0].op == "Constant" and "value" in tensor.inputs[0].attrs:
        values = tensor.inputs[0].attrs["value"].values
    else:
        return None
    return [int(n) for n in values.reshape(-1)] if values.dtype.kind in "iu" and values.size < 16 else None
