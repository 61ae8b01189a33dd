"""Zip files of tensors, read as what anybody may have made: a short list of members, unpacked in pieces."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, cast

from resnet_gen.problems import shorten, visible
from resnet_gen.system.files import open_regular_file

ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, ValueError, RuntimeError)
"""What is raised about damaged, misnamed, encrypted or oddly compressed archives."""
_LISTED, _LISTED_EACH = 2 << 20, 1 / 16
"""Bytes of the list of members, and how many more for each byte of the file; a thousand tensors take 80,000."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What NumPy and PyTorch write; others unpack without measure."""
_ENCRYPTED = 1
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_PIECE = 1 << 20


@contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """A zip file whose members are few enough to be listed, each stored or deflated."""
    with open_regular_file(path) as stream:
        guarded = _GuardedStream(stream)
        with zipfile.ZipFile(cast("IO[bytes]", guarded)) as archive:
            guarded.most = None
            names: set[str] = set()
            for info in archive.infolist():
                if info.filename in names:  # which of the two is meant, others may think otherwise
                    raise zipfile.BadZipFile(f"two members are called '{shorten(visible(info.filename))}'")
                names.add(info.filename)
                if info.compress_type not in _METHODS:
                    raise zipfile.BadZipFile(f"compression by method {info.compress_type}")
            yield archive


class _GuardedStream:
    """A file of which at most so many bytes are read at once: `zipfile` reads the whole list of members."""

    def __init__(self, stream: BufferedReader) -> None:
        self._stream = stream
        self.seek, self.tell, self.seekable = stream.seek, stream.tell, stream.seekable
        self.most: int | None = _LISTED + int(_LISTED_EACH * os.fstat(stream.fileno()).st_size)

    def read(self, size: int = -1) -> bytes:
        """As a file does."""
        if self.most is not None and size > self.most:
            raise zipfile.BadZipFile("it lists more members than a network has tensors")
        return self._stream.read(size)


def payload(stream: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Where a member's bytes begin: after its local header, whose lengths may differ from those listed."""
    if info.flag_bits & _ENCRYPTED:
        raise zipfile.BadZipFile("it is encrypted")
    stream.seek(info.header_offset)
    magic, name, extra = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
    if magic != b"PK\3\4":
        raise zipfile.BadZipFile("a member is not where the list has it")
    return int(info.header_offset + _LOCAL_HEADER.size + name + extra)


def read_beginning(stream: IO[bytes], info: zipfile.ZipInfo, most: int) -> bytes:
    """The first bytes of a member."""
    stream.seek(payload(stream, info))
    packed = stream.read(min(info.compress_size, 2 * most))
    return _inflater().decompress(packed, most) if info.compress_type else packed[:most]


def unpack_member(stream: IO[bytes], info: zipfile.ZipInfo) -> Iterator[bytes]:
    """The bytes of a member in pieces; raises one of `ZIP_ERRORS` in the end if they are not those that were packed.

    A sum of 0 is one that was never made: PyTorch leaves it out on request.
    """
    stream.seek(payload(stream, info))
    size = total = 0
    for piece in (
        _read_inflated(stream, info.compress_size) if info.compress_type else _read_stored(stream, info.compress_size)
    ):
        size, total = size + len(piece), zlib.crc32(piece, total)
        if size > info.file_size:
            break
        yield piece
    if size != info.file_size or total != info.CRC != 0:
        raise zipfile.BadZipFile("its length or its checksum is wrong")


def _read_stored(stream: IO[bytes], left: int) -> Iterator[bytes]:
    while piece := stream.read(min(left, _PIECE)):
        left -= len(piece)
        yield piece


def _read_inflated(stream: IO[bytes], left: int) -> Iterator[bytes]:
    inflater = _inflater()
    for packed in _read_stored(stream, left):
        while packed:
            yield inflater.decompress(packed, _PIECE)
            packed = inflater.unconsumed_tail
    yield inflater.flush()


def _inflater() -> zlib._Decompress:
    return zlib.decompressobj(-zlib.MAX_WBITS)
