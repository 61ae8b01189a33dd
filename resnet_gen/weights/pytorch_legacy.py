"""Weights from a PyTorch checkpoint in the format before 1.6: pickles, then raw storages."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO, Any

import numpy as np

from resnet_gen.problems import refuse
from resnet_gen.weights.arrays import DTYPES, InFile
from resnet_gen.weights.unpickle import Strided, check_layout, load, state_dict

_MAGIC = 0x1950A86A20F9469CFC6C
_SIZES = {"int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1, "bool": 1}


def read(path: Path) -> dict[str, InFile]:
    """The tensors of the state dict in `path`, memory-mapped; raises `Refused` if damaged or unsafe."""
    where = str(path)
    with path.open("rb") as stream:
        magic = load(stream, where)
        if magic != _MAGIC:
            raise refuse("a pickle, but not a PyTorch checkpoint", where)
        load(stream, where)  # the protocol's version
        load(stream, where)  # the sizes of C types on the machine that saved it
        tensors = state_dict(load(stream, where), where)
        keys = load(stream, where)
        places = _storages(stream, keys, tensors, where)
    data = np.memmap(path, np.uint8, "r")
    return {n: _located(n, t, places, data, where) for n, t in tensors.items()}


def _storages(stream: IO[bytes], keys: Any, tensors: dict[str, Strided], where: str) -> dict[str, tuple[int, int]]:
    """Offset in the file and number of elements of each storage, by key."""
    types = {t.storage.key: t.storage.dtype for t in tensors.values()}
    if not isinstance(keys, list):
        raise refuse("damaged PyTorch checkpoint: no list of storages", where)
    places: dict[str, tuple[int, int]] = {}
    for key in map(str, keys):
        header = stream.read(8)
        if len(header) < 8:
            raise refuse(f"truncated: the storage '{key}' is missing", where)
        (count,) = struct.unpack("<q", header)
        places[key] = (stream.tell(), count)
        stream.seek(max(0, count) * _element_size(types.get(key, "int64")), 1)
    return places


def _element_size(dtype: str) -> int:
    return DTYPES[dtype].itemsize if dtype in DTYPES else _SIZES[dtype]


def _located(
    name: str,
    tensor: Strided,
    places: dict[str, tuple[int, int]],
    data: np.memmap[tuple[int, ...], np.dtype[np.uint8]],
    where: str,
) -> InFile:
    start, count = places.get(tensor.storage.key, (0, 0))
    check_layout(name, tensor, count, where)
    dtype = DTYPES[tensor.storage.dtype]
    if start + count * dtype.itemsize > len(data):
        raise refuse(f"truncated: the storage of '{name}' reaches past the end of the file", where)
    return InFile(data, start + tensor.offset * dtype.itemsize, dtype, tensor.shape)
