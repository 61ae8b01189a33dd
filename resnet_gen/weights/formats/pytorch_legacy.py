"""Weights from a PyTorch checkpoint in the format before 1.6: pickles, then raw storages."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import IO, Any

import numpy as np

from resnet_gen.problems import refuse
from resnet_gen.system.files import open_regular_file
from resnet_gen.weights.formats.arrays import MappedTensor, map_file
from resnet_gen.weights.formats.pickle import Budget, Storage, StorageBytes, load, place_tensor, state_dict

_MAGIC = 0x1950A86A20F9469CFC6C


def read(path: Path, *, counters: bool = False) -> dict[str, MappedTensor]:
    """The tensors of the state dict in `path`, memory-mapped; raises `Refused` if damaged or unsafe."""
    where = str(path)
    data = map_file(path)
    budget = Budget(len(data))
    with open_regular_file(path) as stream:
        magic, _ = load(stream, where, budget)
        if magic != _MAGIC:
            raise refuse("a pickle, but not a PyTorch checkpoint", where)
        load(stream, where, budget)  # the protocol's version
        load(stream, where, budget)  # the sizes of C types on the machine that saved it
        saved, storages = load(stream, where, budget)
        tensors = state_dict(saved, where, len(data), counters=counters)
        keys, _ = load(stream, where, budget)
        places = _storages(stream, keys, storages, where)
    none = StorageBytes(0, 0)
    return {n: place_tensor(n, t, places.get(t.storage.key, none), data, where) for n, t in tensors.items()}


def _storages(stream: IO[bytes], keys: Any, storages: dict[str, Storage], where: str) -> dict[str, StorageBytes]:
    """Where each storage lies, by key: the state dict's and all others."""
    if not isinstance(keys, list) or not all(isinstance(key, str) and key in storages for key in keys):
        raise refuse("damaged PyTorch checkpoint: no list of its storages", where)
    end = os.fstat(stream.fileno()).st_size
    places: dict[str, StorageBytes] = {}
    for key in keys:
        header = stream.read(8)
        if len(header) < 8:
            raise refuse(f"truncated: the storage '{key}' is missing", where)
        (count,) = struct.unpack("<q", header)
        start = stream.tell()
        stop = start + count * np.dtype(storages[key].dtype).itemsize
        if not start <= stop <= end:
            raise refuse(f"truncated: the storage '{key}' reaches past the end of the file", where)
        places[key] = StorageBytes(start, stop - start)
        stream.seek(stop)
    return places
