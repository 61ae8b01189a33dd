"""Weights from a PyTorch checkpoint in the zip format (torch.save since 1.6)."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import IO, NamedTuple

from resnet_gen.problems import refuse
from resnet_gen.system.files import open_regular_file
from resnet_gen.weights.formats.archive import ZIP_ERRORS, open_archive, payload, unpack_member
from resnet_gen.weights.formats.arrays import COUNTED, DTYPES, Bytes, MappedTensor, map_file
from resnet_gen.weights.formats.pickle import Budget, StridedTensor, check_layout, load, state_dict

_PICKLE = "/data.pkl"
_LONGEST_ORDER = 16
"""Bytes of the member that says in which order the bytes of numbers are."""
_PIECE = 1 << 20


def read(path: Path, *, counters: bool = False) -> dict[str, MappedTensor]:
    """The tensors of the state dict in `path`, memory-mapped; raises `Refused` if damaged or unsafe."""
    where = str(path)
    try:
        with open_archive(path) as archive, open_regular_file(path) as stream:
            members = {info.filename: info for info in archive.infolist()}
            data, root = map_file(path), _root(members, where)
            budget = Budget(len(data))
            pickled = _small(stream, members[root + _PICKLE], budget.length, where)
            saved, _ = load(io.BytesIO(pickled), where, budget)
            tensors = state_dict(saved, where, len(data), counters=counters)
            _check_byte_order(stream, members.get(f"{root}/byteorder"), where)
            located = _Archive(members, f"{root}/data/", data, where).located
            return {name: located(name, tensor, stream) for name, tensor in tensors.items()}
    except ZIP_ERRORS as error:
        raise refuse(f"damaged PyTorch checkpoint: {error}", where) from None


def _root(members: dict[str, zipfile.ZipInfo], where: str) -> str:
    for name in members:
        if name.endswith(_PICKLE):
            return name.removesuffix(_PICKLE)
    hint = "TorchScript archives and other zip files hold no state dict"
    raise refuse("a zip file, but not a PyTorch checkpoint", where, hint)


def _check_byte_order(stream: IO[bytes], info: zipfile.ZipInfo | None, where: str) -> None:
    if info and _small(stream, info, _LONGEST_ORDER, where) != b"little":
        raise refuse("saved on a big-endian machine", where)


def _small(stream: IO[bytes], info: zipfile.ZipInfo, most: int, where: str) -> bytes:
    """A member that is held in memory; what unpacks to more than a state dict needs is refused unread."""
    if info.file_size > most:
        raise refuse(f"'{info.filename}' is more than {most:,} bytes long", where)
    return b"".join(unpack_member(stream, info))


class _Storage(NamedTuple):
    """Where a storage lies in the file, and what checks that its bytes are those that were written."""

    start: int
    size: int
    check_intact: Callable[[], None]


class _Archive:
    """The storages of an archive, each looked for once."""

    def __init__(self, members: Mapping[str, zipfile.ZipInfo], folder: str, data: Bytes, where: str) -> None:
        self._members, self._folder, self._data, self._where = members, folder, data, where
        self._known: dict[str, _Storage] = {}

    def located(self, name: str, tensor: StridedTensor, stream: IO[bytes]) -> MappedTensor:
        """A tensor where it lies; raises `Refused` if its storage does not hold it."""
        storage = self._storage(name, tensor.storage.key, stream)
        dtype = DTYPES.get(tensor.storage.dtype, COUNTED)
        check_layout(name, tensor, min(storage.size // dtype.itemsize, tensor.storage.size), self._where)
        if storage.start + storage.size > len(self._data):
            raise refuse(f"the storage of '{name}' reaches past the end of the file", self._where)
        offset = storage.start + tensor.offset * dtype.itemsize
        return MappedTensor(self._data, offset, dtype, tensor.shape, tensor.strides, storage.check_intact)

    def _storage(self, name: str, key: str, stream: IO[bytes]) -> _Storage:
        if key not in self._known:
            info = self._members.get(f"{self._folder}{key}")
            if info is None or info.compress_type != zipfile.ZIP_STORED:
                raise refuse(f"the storage of '{name}' is missing or compressed", self._where)
            start = payload(stream, info)
            check = cache(partial(_check_sum, self._data, start, info, self._where))
            self._known[key] = _Storage(start, info.file_size, check)
        return self._known[key]


def _check_sum(data: Bytes, start: int, info: zipfile.ZipInfo, where: str) -> None:
    """Refuse a storage whose bytes are not those that were written; a sum of 0 was never worked out."""
    total, end = 0, start + info.file_size
    for at in range(start, end if info.CRC else start, _PIECE):
        total = zlib.crc32(data[at : min(at + _PIECE, end)].data, total)
    if total != info.CRC:
        raise refuse(f"damaged PyTorch checkpoint: the checksum of '{info.filename}' is wrong", where)
