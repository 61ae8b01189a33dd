"""Weights from a PyTorch checkpoint in the zip format (torch.save since 1.6)."""

from __future__ import annotations

import io
import zipfile
import zlib
from functools import cache, partial
from pathlib import Path
from typing import IO

from resnet_gen.problems import refuse
from resnet_gen.system.files import open_regular_file
from resnet_gen.weights.formats.archive import ZIP_ERRORS, open_archive, payload, unpack_member
from resnet_gen.weights.formats.arrays import Bytes, MappedTensor, map_file
from resnet_gen.weights.formats.pickle import Budget, StorageBytes, load, place_tensor, state_dict

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
            pickled = _read_small_member(stream, members[root + _PICKLE], budget.bytes.left, where)
            saved, _ = load(io.BytesIO(pickled), where, budget)
            tensors = state_dict(saved, where, len(data), counters=counters)
            _check_byte_order(stream, members.get(f"{root}/byteorder"), where)
            places: dict[str, StorageBytes] = {}
            found = {}
            for name, tensor in tensors.items():
                key = tensor.storage.key
                if key not in places:
                    places[key] = _storage(name, members.get(f"{root}/data/{key}"), data, stream, where)
                found[name] = place_tensor(name, tensor, places[key], data, where)
            return found
    except ZIP_ERRORS as error:
        raise refuse(f"damaged PyTorch checkpoint: {error}", where) from None


def _root(members: dict[str, zipfile.ZipInfo], where: str) -> str:
    for name in members:
        if name.endswith(_PICKLE):
            return name.removesuffix(_PICKLE)
    hint = "TorchScript archives and other zip files hold no state dict"
    raise refuse("a zip file, but not a PyTorch checkpoint", where, hint)


def _check_byte_order(stream: IO[bytes], info: zipfile.ZipInfo | None, where: str) -> None:
    if info and _read_small_member(stream, info, _LONGEST_ORDER, where) != b"little":
        raise refuse("saved on a big-endian machine", where)


def _read_small_member(stream: IO[bytes], info: zipfile.ZipInfo, most: int, where: str) -> bytes:
    """A member that is held in memory; what unpacks to more than a state dict needs is refused unread."""
    if info.file_size > most:
        raise refuse(f"'{info.filename}' is more than {most:,} bytes long", where)
    return b"".join(unpack_member(stream, info))


def _storage(name: str, info: zipfile.ZipInfo | None, data: Bytes, stream: IO[bytes], where: str) -> StorageBytes:
    """The storage of the tensor `name`, which is to be a member of the archive."""
    if info is None or info.compress_type != zipfile.ZIP_STORED:
        raise refuse(f"the storage of '{name}' is missing or compressed", where)
    start = payload(stream, info)
    return StorageBytes(start, info.file_size, cache(partial(_check_sum, data, start, info, where)))


def _check_sum(data: Bytes, start: int, info: zipfile.ZipInfo, where: str) -> None:
    """Refuse a storage whose bytes are not those that were written; a sum of 0 was never worked out."""
    total, end = 0, start + info.file_size
    for at in range(start, end if info.CRC else start, _PIECE):
        total = zlib.crc32(data[at : min(at + _PIECE, end)].data, total)
    if total != info.CRC:
        raise refuse(f"damaged PyTorch checkpoint: the checksum of '{info.filename}' is wrong", where)
