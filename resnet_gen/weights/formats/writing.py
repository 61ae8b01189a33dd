"""Tensors as the bytes of a file: safetensors, .npz or PyTorch's; the same tensors, the same bytes."""

from __future__ import annotations

import io
import json
import math
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.lib.format as npy
import numpy.typing as npt

from resnet_gen.ops import Shape
from resnet_gen.problems import refuse
from resnet_gen.weights.base import Weights, row_ranges
from resnet_gen.weights.formats.arrays import strides
from resnet_gen.weights.formats.pickle import STORAGES
from resnet_gen.weights.formats.safetensors import CODES


@dataclass(frozen=True)
class TensorData:
    """A tensor to be written: shape, element type, and what gives its bytes in order, a few megabytes at a time."""

    shape: Shape
    dtype: np.dtype[Any]
    chunks: Callable[[], Iterator[bytes]]

    @property
    def nbytes(self) -> int:
        """Bytes that its values take."""
        return math.prod(self.shape) * self.dtype.itemsize


Tensors: TypeAlias = Mapping[str, TensorData]


def tensor_data(shape: Shape, dtype: np.dtype[Any], load: Callable[[], npt.NDArray[Any]]) -> TensorData:
    """A tensor whose values `load` gives whole, of this shape and type."""

    def chunks() -> Iterator[bytes]:
        values = load()
        if not shape:
            yield values.tobytes()
        for start, stop in row_ranges(shape) if shape else ():
            yield values[start:stop].tobytes()

    return TensorData(shape, dtype, chunks)


def from_weights(shapes: Mapping[str, Shape], weights: Weights) -> dict[str, TensorData]:
    """A set of weights as float32 tensors to be written."""

    def chunks(name: str, shape: Shape) -> Iterator[bytes]:
        for start, stop in row_ranges(shape):
            yield np.ascontiguousarray(weights.rows(name, start, stop), "<f4").tobytes()

    return {name: TensorData(shape, np.dtype("<f4"), partial(chunks, name, shape)) for name, shape in shapes.items()}


def safetensors(tensors: Tensors) -> Iterator[bytes]:
    """A safetensors file: the widest element types first, so that every tensor is aligned to its own."""
    ordered = sorted(tensors.items(), key=lambda named: -named[1].dtype.itemsize)
    header: dict[str, object] = {}
    offset = 0
    for name, tensor in ordered:
        end = offset + tensor.nbytes
        header[name] = {"dtype": CODES[tensor.dtype.name], "shape": tensor.shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for _, tensor in ordered:
        yield from tensor.chunks()


def npz(tensors: Tensors) -> Iterator[bytes]:
    """NumPy's archive of arrays, uncompressed; raises `Refused` for bfloat16, which it has not."""
    return _zip_members((f"{name}.npy", _npy(name, tensor)) for name, tensor in tensors.items())


def _npy(name: str, tensor: TensorData) -> Iterator[bytes]:
    if tensor.dtype.name == "bfloat16":
        raise refuse(f"'{name}' is bfloat16, which .npz cannot hold", hint="write .safetensors or .pth")
    header = io.BytesIO()
    settings = {"descr": tensor.dtype.str, "fortran_order": False, "shape": tensor.shape}
    npy.write_array_header_1_0(header, settings)
    yield header.getvalue()
    yield from tensor.chunks()


def pytorch(tensors: Tensors) -> Iterator[bytes]:
    """A state dict as torch.save writes it since 1.6: a zip file of a pickle and a storage for each tensor."""
    members: list[tuple[str, Iterable[bytes]]] = [
        ("data.pkl", [_pickle_tensors(tensors)]),
        ("byteorder", [b"little"]),
        *((f"data/{number}", tensor.chunks()) for number, tensor in enumerate(tensors.values())),
        ("version", [b"3\n"]),
    ]
    return _zip_members((f"archive/{name}", chunks) for name, chunks in members)


_KINDS = {dtype: storage for storage, dtype in STORAGES.items()}


def _pickle_tensors(tensors: Tensors) -> bytes:
    """The pickle of an `OrderedDict` of tensors, each the whole of a storage of its own."""
    out = [b"\x80\x02ccollections\nOrderedDict\n)R("]
    for key, (name, tensor) in enumerate(tensors.items()):
        storage = _text("storage") + f"ctorch\n{_KINDS[tensor.dtype.name]}\n".encode() + _text(str(key))
        storage += _text("cpu") + _number(math.prod(tensor.shape))
        place = b"((" + storage + b"tQ" + _number(0) + _numbers(tensor.shape) + _numbers(strides(tensor.shape))
        out.append(
            _text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n" + place + b"\x89ccollections\nOrderedDict\n)RtR"
        )
    return b"".join([*out, b"u."])


def _text(value: str) -> bytes:
    data = value.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(data)) + data


def _number(value: int) -> bytes:
    return pickle.dumps(value, 2)[2:-1]  # without the protocol before it and the stop behind


def _numbers(values: Iterable[int]) -> bytes:
    return b"(" + b"".join(map(_number, values)) + b"t"


class _Pipe(io.RawIOBase):
    """Takes what is written and hands it on; the zip file that is written into it cannot go back."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._waiting.append(bytes(data))
        return len(data)

    def drain(self) -> list[bytes]:
        """What was written since the last time."""
        waiting, self._waiting = self._waiting, []
        return waiting


def _zip_members(members: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[bytes]:
    """An uncompressed zip file; every member of it could be larger than 4 GB."""
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:
        for name, chunks in members:
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as member:
                for chunk in chunks:
                    member.write(chunk)
                    yield from pipe.drain()
    yield from pipe.drain()


FORMATS: dict[str, Callable[[Tensors], Iterator[bytes]]] = {
    ".safetensors": safetensors,
    ".npz": npz,
    ".pth": pytorch,
    ".pt": pytorch,
}
"""What writes a file of each suffix."""
