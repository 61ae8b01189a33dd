"""PyTorch's pickles, read without calling anything that they name.

A pickle is a program that names functions to call. This reader knows the few
names that a state dict is made of and gives each a harmless meaning of its own;
any other name is refused, by name, before anything happens.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from dataclasses import dataclass
from typing import IO, Any

from resnet_gen.ops import Shape
from resnet_gen.problems import refuse
from resnet_gen.weights.arrays import DTYPES

_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}


@dataclass(frozen=True)
class StorageType:
    """Stands for `torch.FloatStorage` and its like."""

    dtype: str


@dataclass(frozen=True)
class Storage:
    """Stands for a storage: its key in the file, element type and number of elements."""

    key: str
    dtype: str
    size: int


@dataclass(frozen=True)
class Strided:
    """Stands for a tensor: a view of a storage."""

    storage: Storage
    offset: int
    shape: Shape
    strides: Shape


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> Strided:
    if not isinstance(storage, Storage):
        raise pickle.UnpicklingError("a tensor without a storage")
    return Strided(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


def _parameter(data: Any, *rest: Any) -> Any:
    return data


_KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    **{("torch", name): StorageType(dtype) for name, dtype in _STORAGES.items()},
}


class _Reader(pickle.Unpickler):
    def __init__(self, stream: IO[bytes], where: str) -> None:
        super().__init__(stream, encoding="utf-8")
        self._where = where

    def find_class(self, module: str, name: str) -> Any:
        known = _KNOWN.get((module, name))
        if known is None:
            hint = "save the state dict alone: torch.save(model.state_dict(), ...), or as safetensors"
            raise refuse(f"would execute '{module}.{name}'; not read", self._where, hint)
        return known

    def persistent_load(self, pid: Any) -> Storage:
        match pid:
            case ("storage", StorageType(dtype=dtype), key, _, size, *_):
                return Storage(str(key), dtype, int(size))
        raise pickle.UnpicklingError("an unknown persistent id")


def load(stream: IO[bytes], where: str) -> Any:
    """The next pickle of the stream; raises `Refused` if it names anything unknown or is damaged."""
    try:
        return _Reader(stream, where).load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError,
            OverflowError, MemoryError, RecursionError, UnicodeDecodeError) as error:  # fmt: skip
        raise refuse(f"damaged PyTorch checkpoint: {error or type(error).__name__}", where) from None


def state_dict(data: Any, where: str) -> dict[str, Strided]:
    """The state dict in what a checkpoint holds: itself, or under `state_dict` or `model`."""
    for key in ("state_dict", "model"):
        if isinstance(data, dict) and isinstance(data.get(key), dict):
            data = data[key]
    if not isinstance(data, dict) or not all(isinstance(k, str) for k in data):
        raise refuse("not a state dict: no tensors by name", where)
    bad = [name for name, tensor in data.items() if not isinstance(tensor, Strided)]
    if bad:
        raise refuse(f"'{bad[0]}' is not a tensor", where, "save the state dict alone")
    return {name: t for name, t in data.items() if not name.endswith("num_batches_tracked")}


def check_layout(name: str, tensor: Strided, available: int, where: str) -> None:
    """Refuse what is not a contiguous floating-point tensor inside its storage."""
    contiguous, step = [], 1
    for side in reversed(tensor.shape):
        contiguous.append(step)
        step *= side
    if tensor.storage.dtype not in DTYPES:
        raise refuse(f"'{name}' holds {tensor.storage.dtype}, not floating-point numbers", where)
    needed = [s for s, side in zip(reversed(tensor.strides), reversed(tensor.shape), strict=True) if side > 1]
    wanted = [s for s, side in zip(contiguous, reversed(tensor.shape), strict=True) if side > 1]
    if needed != wanted:
        raise refuse(f"'{name}' is not contiguous", where, "call .contiguous() before saving")
    if tensor.offset < 0 or min(tensor.shape, default=1) < 0 or (tensor.offset + step) > available:
        raise refuse(f"'{name}' reaches past the end of its storage", where)
