"""Weights from a PyTorch checkpoint in the zip format (torch.save since 1.6)."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np

from resnet_gen.problems import refuse
from resnet_gen.weights.arrays import COUNTED, DTYPES, ZIP_ERRORS, InFile
from resnet_gen.weights.unpickle import Strided, check_layout, load, state_dict

MOST_HELD = 1 << 27
"""Bytes of the pickle that lists the tensors; a thousand tensors take about 200,000."""

_LOCAL_HEADER = struct.Struct("<4s22xHH")


def read(path: Path, *, counters: bool = False) -> dict[str, InFile]:
    """The tensors of the state dict in `path`, memory-mapped; raises `Refused` if damaged or unsafe."""
    where = str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            root = _root(archive, where)
            saved, _ = load(io.BytesIO(_small(archive, f"{root}/data.pkl", where)), where)
            tensors = state_dict(saved, where, counters=counters)
            _check_byte_order(archive, root, where)
            members = {info.filename: info for info in archive.infolist()}
        data = np.memmap(path, np.uint8, "r")
        return {n: _located(n, t, members, root, data, where) for n, t in tensors.items()}
    except (*ZIP_ERRORS, struct.error) as error:
        raise refuse(f"damaged PyTorch checkpoint: {error}", where) from None


def _root(archive: zipfile.ZipFile, where: str) -> str:
    for name in archive.namelist():
        if name.endswith("/data.pkl"):
            return name.removesuffix("/data.pkl")
    hint = "TorchScript archives and other zip files hold no state dict"
    raise refuse("a zip file, but not a PyTorch checkpoint", where, hint)


def _check_byte_order(archive: zipfile.ZipFile, root: str, where: str) -> None:
    name = f"{root}/byteorder"
    if name in archive.namelist() and _small(archive, name, where) != b"little":
        raise refuse("saved on a big-endian machine", where)


def _small(archive: zipfile.ZipFile, name: str, where: str) -> bytes:
    """A member that is held in memory; what unpacks to more than a state dict needs is refused unread."""
    if archive.getinfo(name).file_size > MOST_HELD:
        raise refuse(f"'{name}' is more than {MOST_HELD:,} bytes long", where)
    return archive.read(name)


def _located(
    name: str,
    tensor: Strided,
    members: dict[str, zipfile.ZipInfo],
    root: str,
    data: np.memmap[tuple[int, ...], np.dtype[np.uint8]],
    where: str,
) -> InFile:
    info = members.get(f"{root}/data/{tensor.storage.key}")
    if info is None or info.compress_type != zipfile.ZIP_STORED:
        raise refuse(f"the storage of '{name}' is missing or compressed", where)
    dtype = DTYPES.get(tensor.storage.dtype, COUNTED)
    size = dtype.itemsize
    check_layout(name, tensor, min(info.file_size // size, tensor.storage.size), where)
    start = _payload(data, info.header_offset)
    if start + info.file_size > len(data):
        raise refuse(f"the storage of '{name}' reaches past the end of the file", where)
    return InFile(data, start + tensor.offset * size, dtype, tensor.shape, tensor.strides)


def _payload(data: np.memmap[tuple[int, ...], np.dtype[np.uint8]], header: int) -> int:
    """Where a stored member's bytes begin: after its local header, whose lengths may differ."""
    _, name, extra = _LOCAL_HEADER.unpack(data[header : header + _LOCAL_HEADER.size].tobytes())
    return int(header + _LOCAL_HEADER.size + name + extra)
