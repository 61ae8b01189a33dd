"""Files of every kind that ask for much with few bytes, and a trivial one of each kind to compare them with.

A maker writes its file into a folder; all are found by their names, `KIND.NAME`.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import socket
import struct
import subprocess
import zipfile
import zlib
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper
from PIL import Image

from resnet_gen.project.lock import COUNTS, VERSION
from resnet_gen.system.resources import targets_folder

BOMBS = {}
"""What writes each file: a function of a folder, which gives the file's path."""
FIXTURES = Path(__file__).parents[1] / "fixtures" / "checkpoints"


def bomb(kind, name=None):
    """Keep a maker under its kind and name."""

    def keep(make):
        BOMBS[f"{kind}.{name or make.__name__}"] = make
        return make

    return keep


def put(folder, name, data):
    """Write a file of these bytes or this text, or of what a function makes: large ones only when they are wanted."""
    data = data() if callable(data) else data
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def simple(kind, name, file, data):
    """A file of just that data."""
    bomb(kind, name)(lambda folder: put(folder, file, data))


# --- PyTorch -----------------------------------------------------------------


def pth(folder, pickled, storages=(), compression=zipfile.ZIP_DEFLATED):
    path = folder / "w.pth"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(zipfile.ZipInfo("archive/data.pkl"), pickled, compression)
        for key, data in storages:
            archive.writestr(f"archive/data/{key}", data, zipfile.ZIP_STORED)
    return path


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


ORDERED = b"ccollections\nOrderedDict\n"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


def storage(key="0", size=1):
    return (
        b"("
        + text("storage")
        + b"ctorch\nFloatStorage\n"
        + text(key)
        + text("cpu")
        + pickle.dumps(size, 2)[2:-1]
        + b"tQ"
    )


def pickled(name, make):
    """A pickle in a zip file, deflated; and by itself, as the legacy format has it."""
    bomb("weights", f"{name}.pth")(lambda folder: pth(folder, make()))
    head = b"".join(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {}))
    bomb("weights", f"{name}.legacy")(lambda folder: put(folder, "w.pt", head + make() + pickle.dumps([], 2)))


N = 60_000
pickled(
    "tuples of one list",
    lambda: b"\x80\x02" + ORDERED + b"(](" + b"]q\x00(" + b"K\x01" * N + b"e" + b"h\x00" * N + b"etR.",
)
pickled(
    "lists of one pair list",
    lambda: (
        b"\x80\x02]q\x01("
        + b"".join(b"M" + struct.pack("<H", i) + b"N\x86" for i in range(50_000))
        + b"e0]("
        + (ORDERED + b"h\x01\x85R") * 3000
        + b"e."
    ),
)
pickled(
    "tensors of one shape",
    lambda: (
        b"\x80\x02("
        + b"K\x01" * 100_000
        + b"tq\x010]("
        + (REBUILD + b"(" + storage() + b"K\x00h\x01h\x01\x89NtR") * 8000
        + b"e."
    ),
)
pickled(
    "named tensors of one shape",
    lambda: (
        b"\x80\x02("
        + b"K\x01" * 100_000
        + b"tq\x010}("
        + b"".join(text(str(i)) + REBUILD + b"(" + storage() + b"K\x00h\x01h\x01\x89NtR" for i in range(4000))
        + b"u."
    ),
)


def huge_sides(count):
    big = b"\x8b" + struct.pack("<i", 2_000_000) + b"\x7f" * 2_000_000
    shape = b"(" + big + b"q\x05" + b"K\x00" * (count % 2) + b"h\x05" * 29 + b"tq\x01"
    return (
        b"\x80\x02" + ORDERED + b")R(" + text("a") + REBUILD + b"(" + storage() + b"K\x00" + shape + b"h\x01\x89NtRu."
    )


pickled("huge sides and none", lambda: huge_sides(1))
pickled("huge sides", lambda: huge_sides(2))
pickled(
    "marks of one dict",
    lambda: (
        b"\x80\x02}q\x02("
        + b"".join(text(f"m{i}") + b"\x88" for i in range(20_000))
        + b"u0(K\x01tq\x010]("
        + (REBUILD + b"(" + storage() + b"K\x00h\x01h\x01\x89Nh\x02tR") * 5000
        + b"e."
    ),
)
for code, what in {
    b"N": "nones",
    b"]": "lists",
    b"}": "dicts",
    b"(": "marks",
    b"]\x94": "memoized lists",
    b"}\x94": "memoized dicts",
    b")\x85": "tuples",
    b"N0": "nones taken off",
    b"K\x07": "numbers",
    b"G12345678": "floats",
    b"\x8a\x081234567x": "long numbers",
    b"X\x02\x00\x00\x00\xc3\xa9": "texts",
    b"2": "duplicates",
}.items():
    for many in (400_000, 2_000_000, 60_000_000):  # below and above the bytes that a pickle may have
        pickled(f"{many:,} {what}", lambda code=code, many=many: b"\x80\x04]" + code * (many // len(code)) + b".")
pickled("dicts of one pair", lambda: b"\x80\x02](" + b"}K\x01Ns" * 500_000 + b"e.")
pickled("ordered dicts", lambda: b"\x80\x02" + ORDERED + b"q\x000](" + b"h\x00)R" * 300_000 + b"e.")
pickled(
    "tensors",
    lambda: b"\x80\x02" + REBUILD + b"q\x000(" + storage() + b"K\x00)))Ntq\x010](" + b"h\x00h\x01R" * 300_000 + b"e.",
)
pickled("storages", lambda: b"\x80\x02](" + b"".join(storage(str(i)) for i in range(60_000)) + b"e.")
pickled(
    "keys of one hash",
    lambda: b"\x80\x02}(" + b"".join(pickle.dumps(i * (2**61 - 1), 2)[2:-1] + b"N" for i in range(1, 60_000)) + b"u.",
)
pickled(
    "one long text",
    lambda: b"\x80\x02X" + struct.pack("<I", 50_000_000) + "\U0001f600".encode() + b"a" * 49_999_996 + b".",
)
pickled(
    "many memo places",
    lambda: b"\x80\x02N" + b"".join(b"r" + struct.pack("<I", i * 65_537 % 2**32) for i in range(400_000)) + b".",
)
pickled("a stated length", lambda: b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b".")
pickled("a stated frame", lambda: b"\x80\x04\x95" + struct.pack("<Q", 1 << 40) + b"N.")
pickled("a line without end", lambda: b"\x80\x02c" + b"a" * 50_000_000)
pickled("a number of many digits", lambda: b"\x80\x02L" + b"9" * 3_000_000 + b"L\n.")
pickled(
    "names of tensors",
    lambda: (
        b"\x80\x02}("
        + text("a")
        + REBUILD
        + b"("
        + storage()
        + b"K\x00(K\x01th\x00" * 0
        + b"K\x00(K\x01tq\x07h\x07\x89NtRq\x05"
        + b"".join(text(f"t{i}") + b"h\x05" for i in range(120_000))
        + b"u."
    ),
)
pickled("nested", lambda: b"\x80\x02" + b"]" * 1_000_000 + b"a" * 999_999 + b".")
simple("weights", "zip of empty names", "w.npz", lambda: many_members(400_000))


def many_members(count):
    """A zip file that lists one member many times."""
    local = b"PK\3\4" + bytes(26)
    entry = b"PK\1\2" + bytes(42)
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count % 65536, count % 65536, len(entry) * count, len(local), 0)
    return local + entry * count + end


# --- NumPy -------------------------------------------------------------------


def npy(header, version=1):
    data = header if isinstance(header, bytes) else header.encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(data)) + data


def described(shape, descr="<f4", fortran=False):
    return f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n"


def npz(members, compression=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return out.getvalue()


@cache
def long_header(length):
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w", force_zip64=True) as member,
    ):
        member.write(b"\x93NUMPY\2\0" + struct.pack("<I", length - 1))
        for _ in range(length >> 24):
            member.write(b" " * (1 << 24))
    return out.getvalue()


def zeros(shape, count):
    data = npy(described(shape)) + bytes(4 * count)
    return npz([("fc.weight.npy", data)])


ARRAYS = {
    "a long header": lambda: long_header(1 << 30),
    "a header of brackets": lambda: npz([("x.npy", npy("(" * 9000 + ")" * 900))]),
    "many odd headers": lambda: npz(
        [
            (f"{i}.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1, " * 3000 + ")}\n"))
            for i in range(3000)
        ]
    ),
    "many members": lambda: npz(
        [(f"{i}.npy", npy(described("(1,)")) + bytes(4)) for i in range(60_000)], zipfile.ZIP_STORED
    ),
    "members within limits": lambda: npz([(f"{i}.npy", npy(described("(1,)")) + bytes(4)) for i in range(19_000)]),
    "zeros": lambda: zeros("(25000000,)", 25_000_000),
    "zeros in rows": lambda: zeros("(3, 16)", 48) + b"",
    "many zeros": lambda: npz([(f"{i}.npy", npy(described("(2000000,)")) + bytes(8_000_000)) for i in range(60)]),
    "many sides": lambda: npz([("x.npy", npy(described("(" + "1," * 3000 + ")")) + bytes(4))]),
    "huge sides": lambda: npz([("x.npy", npy(described("(" + "9" * 4000 + ",)")))]),
    "sides that are true": lambda: npz([("head.fc.weight.npy", npy(described("(True, 3)", fortran=True)) + bytes(12))]),
    "a claim of terabytes": lambda: npz([("head.fc.bias.npy", npy(described("(1000000000000,)")) + bytes(12))]),
    "a type of many bytes": lambda: npz([("x.npy", npy(described("(3,)", "<U99999999")))]),
    "bzip2": lambda: npz([("x.npy", npy(described("(3,)")) + bytes(50_000_000))], zipfile.ZIP_BZIP2),
    "lzma": lambda: npz([("x.npy", npy(described("(3,)")) + bytes(50_000_000))], zipfile.ZIP_LZMA),
}
for _name, _make in ARRAYS.items():
    simple("weights", f"{_name}.npz", "w.npz", _make)
    simple("calibration", f"{_name}.npz", "images.npz", _make)
simple(
    "calibration",
    "images of zeros.npz",
    "images.npz",
    lambda: npz([("images.npy", npy(described("(30000, 3, 32, 32)")) + bytes(30_000 * 12_288 // 8))]),
)


_PIXELS = npy(described("(4, 32, 32, 3)", "|u1")) + bytes(4 * 3072)


def labelled(labels, images=_PIXELS):
    return npz([("images.npy", images), ("labels.npy", labels)])


LABELLED = {
    "labels of zeros": lambda: labelled(npy(described("(30000000,)", "|u1")) + bytes(30_000_000)),
    "many images of zeros": lambda: labelled(
        npy(described("(60000,)", "|u1")) + bytes(60_000),
        npy(described("(60000, 32, 32, 3)", "|u1")) + bytes(60_000 * 3072),
    ),
    "a claim of terabytes": lambda: labelled(npy(described("(1000000000000,)"))),
    "labels of many bytes": lambda: labelled(npy(described("(4,)", "<U99999999"))),
    "a header of brackets": lambda: labelled(npy("(" * 9000 + ")" * 900)),
    "labels and many members": lambda: npz(
        [(f"{i}.npy", npy(described("(1,)")) + bytes(4)) for i in range(60_000)], zipfile.ZIP_STORED
    ),
}
for _name, _make in LABELLED.items():
    simple("labelled", f"{_name}.npz", "images.npz", _make)
TABLES = {
    "many rows": lambda: b"".join(b"%x,1\n" % i for i in range(1_500_000)),
    "too many rows": lambda: b"".join(b"%x,1\n" % i for i in range(2_500_000)),
    "rows of one file": lambda: b"a,1\n" * 3_000_000,
    "a label of many digits": lambda: b"a," + b"1" * 65_000 + b"x\n",
    "many labels": lambda: b"".join(b"%x,c%x\n" % (i, i) for i in range(1_000_000)),
    "a line without end": lambda: b"a" * 60_000_000,
    "a quote without end": lambda: b'"' + b"a\n" * 20_000_000,
    "quotes": lambda: b'"' + b'""' * 20_000_000,
    "one wide letter": lambda: "\U0001f600,".encode() + b"a" * 60_000_000,
    "many cells": lambda: b"," * 30_000_000,
    "empty lines": lambda: b"\n" * 20_000_000,
    "null bytes": lambda: bytes(20_000_000),
}
for _name, _make in TABLES.items():
    simple("labelled", f"{_name}.csv", "images.csv", _make)
for _name, _data in {
    "names of one word": lambda: b"a\n" * 4_000_000,
    "many names": lambda: b"".join(b"%x\n" % i for i in range(1_000_000)),
    "a long name": lambda: b"a" * 8_000_000,
    "empty lines": lambda: b"\n" * 8_000_000,
    "a wide name": lambda: "\U0001f600".encode() * 2_000_000,
    "words": lambda: b"a " * 4_000_000,
    "synsets": lambda: b"".join(b"n%08d x\n" % (99_999 - i) for i in range(100_000)),
}.items():
    simple("classes", _name, "classes.txt", _data)


# --- safetensors -------------------------------------------------------------


def safetensors(header, data=b"\0" * 4):
    encoded = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(encoded)) + encoded + data


def empties(count):
    return {f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(count)}


TENSORS = {
    "20,000 sides": lambda: safetensors({"a": {"dtype": "F32", "shape": [1] * 20_000, "data_offsets": [0, 4]}}),
    "100,000 sides": lambda: safetensors({"a": {"dtype": "F32", "shape": [1] * 100_000, "data_offsets": [0, 4]}}),
    "300,000 empty tensors": lambda: safetensors(empties(300_000), b""),
    "20,000 empty tensors": lambda: safetensors(empties(20_000), b""),
    "brackets": lambda: safetensors(b'{"a":' + b"[" * 2_000_000),
    "many lists": lambda: safetensors(b'{"a":[' + b"[]," * 600_000 + b"[]]}"),
    "metadata": lambda: safetensors({"__metadata__": {f"k{i}": "" for i in range(120_000)}}, b""),
    "a long text": lambda: safetensors({"__metadata__": {"a": "\U0001f600" + "a" * 40_000_000}}, b""),
    "a claim of gigabytes": lambda: struct.pack("<Q", 1 << 40) + b"{}",
    "one name twice": lambda: safetensors(
        b"{" + b",".join(b'"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' for _ in range(30_000)) + b"}", b""
    ),
    "a huge number": lambda: safetensors(
        b'{"a":{"dtype":"F32","shape":[' + b"9" * 2_000_000 + b'],"data_offsets":[0,0]}}', b""
    ),
}
for _name, _make in TENSORS.items():
    simple("weights", f"{_name}.safetensors", "w.safetensors", _make)


# --- pictures ----------------------------------------------------------------


def png(width, height, kind=2, chunks=(), rows=None):
    """A PNG of this size, black throughout; `rows` of them are there."""
    row = 1 + -(-width * {0: 1, 2: 3, 3: 1, 6: 4}[kind])
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(bytes(row)) for _ in range(height if rows is None else rows)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    palette = [(b"PLTE", bytes(768))] if kind == 3 else []
    parts = [(b"IHDR", head), *palette, *chunks, (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def saved(picture, format, **options):
    out = io.BytesIO()
    picture.save(out, format, **options)
    return out.getvalue()


def progressive(scans, side=4096):
    """A progressive JPEG with one of its passes many times."""
    data = saved(Image.new("L", (side, side), 99), "JPEG", progressive=True)
    first = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    second = data.index(b"\xff", first + 2)
    while data[second + 1] == 0:
        second = data.index(b"\xff", second + 1)
    return data[:second] + data[first:second] * scans + data[second:]


def repeated(side, scans):
    """A progressive JPEG in colour whose last pass, of few bytes, is repeated until there are so many."""
    data = saved(Image.new("RGB", (side, side), (200, 30, 60)), "JPEG", quality=1, progressive=True, subsampling=0)
    last = data[data.rfind(b"\xff\xc4", 0, data.rfind(b"\xff\xda")) : -2]
    return data[:-2] + last * (scans - data.count(b"\xff\xda")) + data[-2:]


def with_parts(part, count):
    """A JPEG of 16x16 with so many parts before its pixels."""
    data = saved(Image.new("L", (16, 16)), "JPEG")
    return data[:2] + part * count + data[2:]


def shown_anew(side):
    """A GIF whose first frame, of which nothing is there, leaves the background behind."""
    whole = gif(side, side).replace(struct.pack("<HHHHB", 0, 0, 1, 1, 0), struct.pack("<HHHHB", 0, 0, side, side, 0))
    return whole.replace(b",", b"!\xf9\4\x08\0\0\0\0,", 1)


def runs(side, bits, rows):
    """A BMP of runs."""
    head = struct.pack("<HHIIiiHHI", 0, 0, 54 + (4 << bits), 40, side, side, 1, bits, {8: 1, 4: 2}[bits])
    return b"BM" + bytes(4) + head + bytes(20) + bytes(4 << bits) + rows


def gif(width, height, frames=1):
    """A GIF whose screen is of this size, with frames of one pixel."""
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2D\1\0"
    return screen + frame * frames + b";"


def tiff(entries, data=b""):
    """A TIFF of one directory: (tag, type, count, value or offset); `data` stand behind it."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries)) + body + bytes(4) + data


def plain_tiff(width, height, *more, rows=None):
    base = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (277, 3, 1, 1),
        (278, 4, 1, rows or height),
        (279, 4, 1, 4),
    ]
    tags = {entry[0] for entry in more}
    return tiff(sorted([entry for entry in base if entry[0] not in tags] + list(more)), bytes(64))


def long_tags(tag, kind, count):
    size = {3: 2, 4: 4}[kind] * count
    offset = 8 + 2 + 12 * 9 + 4 + 12 * (tag not in (258, 273, 277, 279))
    whole = plain_tiff(8, 8, (tag, kind, count, offset))
    return whole[:offset] + os.urandom(0) + (b"\x34\x12" * (size // 2))


PICTURES = {
    "png of 65535x65535": lambda: png(65_535, 65_535, 0, rows=8),
    "png of 13000x13000": lambda: png(13_000, 13_000),
    "png of 9000x9000": lambda: png(9_000, 9_000),
    "png of 4000x3000": lambda: png(4_000, 3_000),
    "png of 5000x4000 with alpha": lambda: png(5_000, 4_000, 6),
    "png of 8000x6000 with a palette": lambda: png(8_000, 6_000, 3),
    "png of 7000x7000 grey": lambda: png(7_000, 7_000, 0),
    "png of texts": lambda: png(
        2_000, 2_000, 2, [(b"zTXt", b"k%d\0\0" % i + zlib.compress(bytes(1 << 20), 9)) for i in range(60)]
    ),
    "png of many texts": lambda: png(16, 16, 2, [(b"tEXt", b"k%d\0a" % i) for i in range(200_000)]),
    "png of a profile": lambda: png(16, 16, 2, [(b"iCCP", b"k\0\0" + zlib.compress(bytes(1 << 26), 9))]),
    "png of many chunks": lambda: png(16, 16, 2, [(b"abCd", b"")] * 300_000),
    "jpeg of 65500x65500": lambda: saved(Image.new("L", (16, 16)), "JPEG").replace(
        struct.pack(">HH", 16, 16), struct.pack(">HH", 65_500, 65_500), 1
    ),
    "jpeg of 7000x7000": lambda: saved(Image.new("RGB", (7_000, 7_000)), "JPEG"),
    "jpeg of 12000x9000": lambda: saved(Image.new("RGB", (12_000, 9_000)), "JPEG"),
    "jpeg of 20 passes": lambda: progressive(20, 1024),
    "jpeg of 30,000 passes": lambda: progressive(30_000),
    "jpeg of 250 passes over 9000x9000": lambda: repeated(9_000, 250),
    "jpeg of 120 passes over 2000x2000": lambda: repeated(2_000, 120),
    "progressive jpeg of 13300x13300": lambda: repeated(13_300, 10),
    "progressive jpeg of 9000x9000": lambda: repeated(9_000, 10),
    "progressive jpeg of 3400x3400": lambda: repeated(3_400, 10),
    "progressive jpeg of 3200x3200": lambda: repeated(3_200, 10),
    "jpeg of comments": lambda: with_parts(b"\xff\xfe\0\2", 2_000_000),
    "jpeg of fill bytes": lambda: with_parts(b"\xff", 20_000_000),
    "jpeg of much EXIF": lambda: with_parts(b"\xff\xe1" + struct.pack(">H", 65_002) + b"Exif\0\0" + bytes(64_994), 900),
    "gif of 13000x13000 shown anew": lambda: shown_anew(13_000),
    "gif of 3200x3200 shown anew": lambda: shown_anew(3_200),
    "gif of empty comments": lambda: gif(8, 8).replace(b",", b"!\xfe\0" * 5_000_000 + b",", 1),
    "gif of 65535x65535": lambda: gif(65_535, 65_535),
    "gif of 7000x7000": lambda: gif(7_000, 7_000),
    "gif of 100,000 frames": lambda: gif(64, 64, 100_000),
    "bmp of 60000x60000": lambda: (
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 0, 0, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0)
    ),
    "bmp of runs": lambda: (
        b"BM"
        + struct.pack("<IHHIIiiHHIIiiII", 0, 0, 0, 1078, 40, 6_000, 6_000, 1, 8, 1, 0, 0, 0, 256, 0)
        + bytes(1024)
        + b"\xff\1" * 150_000
        + b"\0\1"
    ),
    "bmp of ends of lines": lambda: runs(3_600, 8, b"\1\0\0\0" * 3_600),
    "bmp of runs of half bytes": lambda: runs(3_600, 4, b"\xff\0" * 54_000),
    "bmp of runs of nothing": lambda: runs(1_700, 8, b"\0\2\0\0" * 5_000_000),
    "ppm up to 254": lambda: b"P6 2000 2000 254 " + bytes(12_000_000),
    "ppm of 60000x60000": lambda: b"P6 60000 60000 255 ",
    "ppm in letters": lambda: b"P3 3000 2000 255 " + b"1 " * 6_000_000,
    "ppm of a long number": lambda: b"P6 " + b"1" * 20_000_000,
    "ppm of a long comment": lambda: b"P6 #" + b"1" * 20_000_000,
    "tiff of 60000x60000": lambda: plain_tiff(60_000, 60_000),
    "tiff of one huge tile": lambda: plain_tiff(
        8, 8, (322, 4, 1, 30_000), (323, 4, 1, 30_000), (324, 4, 1, 8), (325, 4, 1, 4), (259, 3, 1, 5)
    ),
    "tiff of tiles of one stated side": lambda: plain_tiff(8, 8, (322, 4, 1, 0x0F00_0000), (259, 3, 1, 5)),
    "tiff of tiles of the other side": lambda: plain_tiff(8, 8, (323, 4, 1, 0x0F00_0000), (259, 3, 1, 5)),
    "tiff of tiles of many samples": lambda: plain_tiff(
        8, 8, (277, 3, 1, 60_000), (322, 4, 1, 4_096), (323, 4, 1, 4_096), (259, 3, 1, 5)
    ),
    "tiff of huge strips": lambda: plain_tiff(4_000, 8, (259, 3, 1, 5), rows=1 << 30),
    "tiff of 4,000,000 bits": lambda: long_tags(258, 3, 4_000_000),
    "tiff of 4,000,000 strips": lambda: long_tags(273, 4, 4_000_000),
    "tiff of deflated zeros": lambda: saved(Image.new("RGB", (9_000, 9_000)), "TIFF", compression="tiff_adobe_deflate"),
    "tiff of 4000 directories": lambda: many_pages(4_000),
    "webp of 16383x16383": lambda: saved(Image.new("RGB", (16, 16)), "WEBP").replace(
        struct.pack("<HH", 16, 16), struct.pack("<HH", 16_383, 16_383), 1
    ),
    "webp of 8000x8000": lambda: saved(Image.new("RGB", (8_000, 8_000)), "WEBP"),
    "webp of 3400x3400 without loss": lambda: saved(Image.new("RGB", (3_400, 3_400)), "WEBP", lossless=True),
    "webp of 3400x3400": lambda: saved(Image.new("RGB", (3_400, 3_400)), "WEBP"),
    "webp of 2500x2500 with alpha": lambda: saved(Image.new("RGBA", (2_500, 2_500)), "WEBP", lossless=True),
    "webp of 1980x1980": lambda: saved(Image.new("RGB", (1_980, 1_980)), "WEBP"),
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n",
    "icon": lambda: saved(Image.new("RGB", (16, 16)), "ICO"),
    "random bytes": lambda: np.random.default_rng(1).bytes(100_000),
}


def many_pages(count):
    out = io.BytesIO()
    pages = [Image.new("L", (8, 8))] * count
    pages[0].save(out, "TIFF", save_all=True, append_images=pages[1:])
    return out.getvalue()


for _name, _make in PICTURES.items():
    simple("picture", _name, "p.png", _make)


# --- texts -------------------------------------------------------------------

HEAD = "name: x\nextends: resnet18\n"
CHANGES = "name: x\nextends: resnet18\nstages: {depths: [1, 1, 1, 1]}\n"


def placed(override, count, blocks):
    """A deep network with so many overrides, by the number of the last block that they are for."""
    overrides = ", ".join(override.format(i) for i in range(2, count + 2))
    return deep(blocks).replace("strides: [1, 1]", f"strides: [1, 1], overrides: {{{overrides}}}")


def deep(blocks):
    """A network of so many bottleneck blocks, most of them just below or above what is allowed."""
    halves = f"[{blocks // 2}, {blocks - blocks // 2}]"
    stages = f"stages: {{depths: {halves}, widths: [8, 8], strides: [1, 1]}}"
    return f"name: x\nextends: resnet50\n{stages}\nhead: {{classes: 9}}\n"


YAML = {
    "aliases": lambda: (
        "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10))
    ),
    "ids of one comment": lambda: (
        "name: a\nextends: cifar-resnet20\n# resnet-gen: ignore[" + ", ".join(["claim"] * 120_000) + "] x\n"
    ),
    "comments": lambda: "name: a\nextends: cifar-resnet20\n" + "# resnet-gen: ignore[claim] x\n" * 30_000,
    "brackets": lambda: "a: " + "[" * 500_000,
    "braces": lambda: "a: " + "{a: " * 200_000,
    "closed brackets": lambda: "a: " + "[" * 30_000 + "]" * 30_000,
    "indentation": lambda: "".join(" " * i + f"k{i}:\n" for i in range(1_000)),
    "dashes": lambda: "a: \n" + "- " * 400_000,
    "question marks": lambda: "? " * 400_000,
    "a long text": lambda: "name: " + "a" * 1_000_000,
    "a long key": lambda: "a" * 1_000_000 + ": 1",
    "many keys": lambda: HEAD + "".join(f"k{i}: 1\n" for i in range(75_000)),
    "many keys in claims": lambda: HEAD + "claims:\n" + "".join(f"  k{i}: 1\n" for i in range(75_000)),
    "many values": lambda: HEAD + "stages: {depths: [" + "1," * 99_000 + "]}",
    "values of wrong types": lambda: HEAD + "stages: {depths: [" + "x," * 99_000 + "]}",
    "many overrides": lambda: (
        CHANGES + "overrides:\n" + "".join(f"  - {{block: {i}, kind: y}}\n" for i in range(24_000))
    ),
    "empty overrides": lambda: CHANGES + "overrides: {" + ", ".join(f"stage{i}: {{}}" for i in range(9_000)) + "}",
    "overrides of parts": lambda: (
        CHANGES + "overrides: {" + ", ".join(f"stage{i}: {{block: {{kind: x}}}}" for i in range(6_000)) + "}"
    ),
    "lists for texts": lambda: HEAD + "outputs: [" + "[]," * 19_000 + "]",
    "mappings for texts": lambda: HEAD + "parts: [" + "{}," * 19_000 + "]",
    "claims of lists": lambda: HEAD + "claims: {" + ",".join(f"k{i}: []" for i in range(19_000)) + "}",
    "many outputs": lambda: HEAD + "outputs: [" + ", ".join(f"stage{i}" for i in range(90_000)) + "]",
    "many parts": lambda: HEAD + "parts: [" + ", ".join(f"p{i}.py" for i in range(80_000)) + "]",
    "many comments": lambda: HEAD + "# resnet-gen: ignore\n" * 45_000,
    "many ignores": lambda: HEAD + "# resnet-gen: ignore=x\n" * 40_000,
    "a long line": lambda: HEAD + "claims: {" + ", ".join(f"k{i}: 1" for i in range(70_000)) + "}",
    "one key many times": lambda: HEAD + "a: 1\n" * 150_000,
    "long numbers": lambda: HEAD + "a: " + "9" * 900_000,
    "escapes": lambda: 'name: "' + "\\u0041" * 170_000 + '"',
    "folded": lambda: "name: >\n" + " a\n\n" * 200_000,
    "quotes": lambda: "name: '" + "''" * 500_000 + "'",
    "documents": lambda: "---\n" * 250_000,
    "directives": lambda: "%YAML 1.1\n" * 100_000,
    "tags": lambda: "a: " + "!" * 900_000,
    "anchors": lambda: "".join(f"a{i}: &a{i} 1\n" for i in range(60_000)),
    "blank": lambda: " " * 1_000_000,
    "newlines": lambda: "\n" * 1_000_000,
    "carriage returns": lambda: "\r" * 1_000_000,
    "null bytes": lambda: "\0" * 1_000_000,
    "wide letters": lambda: "name: " + "\U0001f600" * 250_000,
    "merge keys": "a: {<<: {<<: {<<: 1}}}\n",
    "depths": lambda: HEAD + "stages: {depths: [8000, 8000]}",
    "depths in each stage": lambda: HEAD + "stages: {depths: [8192, 1, 1, 1]}",
    **{f"{n:,} blocks": deep(n) for n in (1_000, 1_490, 2_000, 8_192)},
    "exceptions by name": lambda: f"{deep(1_490)}quantization: {{keep: [{', '.join(['layer1.*conv*'] * 999)}]}}\n",
    "exceptions by place": lambda: f"{deep(1_490)}quantization: {{keep: [{', '.join(['stage1-2'] * 60)}]}}\n",
    "places of overrides": lambda: placed("stage1.block{}: {{shortcut: projection}}", 700, 1_490),
    "overrides of one block": lambda: placed("stage1.block1-{}: {{shortcut: projection}}", 600, 1_490),
    "faults in a long line": lambda: placed("stage1.block1-{}: {{activation: relu}}", 6_000, 32),
    "overrides of few blocks": lambda: placed("stage1.block1-{}: {{shortcut: projection}}", 6_000, 32),
    "overrides on one wide line": lambda: (
        placed(" " * 90 + "stage1.block1-{}: {{shortcut: projection}}", 6_000, 4) + "title: \U0001f600\n"
    ),
    "claims at 200 sizes": lambda: (
        deep(1_490)
        + "claims:\n"
        + "".join(f"  - {{what: macs, value: 1, size: {i}, source: a}}\n" for i in range(224, 424))
    ),
    "64 latencies": lambda: (
        deep(1_490)
        + "budgets:\n  latency:\n"
        + "".join(f"    - {{target: a100, batch: {i}, max: 1}}\n" for i in range(1, 65))
    ),
    "64 file sizes": lambda: (
        deep(1_490)
        + "budgets:\n  onnx_size:\n"
        + "".join(f"    - {{precision: {p}, max: {i} MB}}\n" for i in range(1, 33) for p in ("fp32", "bf16"))
    ),
    "huge widths": lambda: HEAD + "stages: {widths: [1000000000, 1000000000, 1000000000, 1000000000]}",
    "an own parent": "name: x\nextends: ./spec.yaml\n",
    "the largest": lambda: HEAD + "title: " + "a" * 1_048_000,
    "too large": lambda: HEAD + "title: " + "a" * 40_000_000,
    "binary": lambda: bytes(range(256)) * 4_000,
    "not unicode": lambda: HEAD.encode() + b"\xff" * 1_000_000,
    "a scan": lambda: "".join(f"k{i}: [\n" for i in range(5_000)),
    "simple keys": lambda: "a\n" * 300_000,
    "flow keys": lambda: "{" + "a," * 400_000 + "}",
    "pairs in a list": lambda: "a: [" + "a: b," * 150_000 + "]",
}
for _name, _text in YAML.items():
    for _kind in ("spec", "device"):
        simple(_kind, _name, "spec.yaml", _text)

TOML = {
    "brackets": lambda: "a = " + "[" * 500_000,
    "braces": lambda: "a = " + "{a=" * 300_000,
    "closed brackets": lambda: "a = " + "[" * 10_000 + "]" * 10_000,
    "tables": lambda: "".join(f"[t{i}]\n" for i in range(100_000)),
    "arrays of tables": lambda: "[[t]]\n" * 150_000,
    "deep tables": lambda: "".join(f"[{'.'.join('abcdefghijklmnopqrstuvwxyz')}.k{i}]\n" for i in range(15_000)),
    "dotted keys": lambda: "".join(f"{'.'.join('abcdefghijklmnopqrstuvwxyz')}.k{i} = 1\n" for i in range(15_000)),
    "a long key": lambda: "a." * 500_000 + "a = 1",
    "many keys": lambda: "".join(f"k{i} = 1\n" for i in range(100_000)),
    "one key many times": lambda: "a = 1\n" * 150_000,
    "a long text": lambda: 'a = "' + "a" * 1_000_000 + '"',
    "an open text": lambda: 'a = """' + '"' * 2 + "a" * 1_000_000,
    "escapes": lambda: 'a = "' + "\\u0041" * 170_000 + '"',
    "quotes": lambda: "a = '''" + "''a" * 300_000,
    "many values": lambda: "a = [" + "1," * 400_000 + "]",
    "values in lines": lambda: "a = [\n" + "1,\n" * 300_000 + "]",
    "inline tables": lambda: "a = [" + "{}," * 300_000 + "]",
    "a long number": lambda: "a = " + "9" * 1_000_000,
    "dates": lambda: "a = [" + "1979-05-27T07:32:00Z," * 45_000 + "]",
    "comments": lambda: "#\n" * 500_000,
    "blank": lambda: " " * 1_000_000,
    "newlines": lambda: "\n" * 1_000_000,
    "carriage returns": lambda: "\r" * 1_000_000,
    "quoted keys": lambda: "".join(f'"\\u0041{i}" = 1\n' for i in range(60_000)),
    "marks of a merge": lambda: "<<<<<<< " * 120_000,
    "many specs": lambda: "specs = [" + ", ".join(f'"s{i}.yaml"' for i in range(70_000)) + "]",
    "many patterns": lambda: "specs = [" + ", ".join(f'"**/*{i}*/**"' for i in range(50_000)) + "]",
    "a pattern of stars": lambda: 'specs = ["' + "**/" * 300_000 + 'x"]',
    "one pattern of stars": lambda: 'specs = ["' + "*a" * 400_000 + '"]',
    "many budgets": lambda: "".join(f"[[budgets]]\nspecs = ['x{i}']\nparams = 1\n" for i in range(20_000)),
    "many builds": lambda: "".join(f"[builds.b{i}]\nspecs = ['resnet18']\n" for i in range(20_000)),
    "builds multiplied": lambda: "".join(
        f"[builds.b{i}]\nspecs = ['resnet18', 'resnet34']\nprecisions = ['fp32', 'fp16', 'bf16']\n"
        "targets = ['onnx', 'triton', 'tensorrt']\ndevices = ['a100', 'h100', 'h200', 'b200', 'l4', 'l40s']\n"
        for i in range(100)
    ),
    "builds of many names": lambda: "".join(
        f"[builds.b{i}]\nspecs = [" + "'resnet18', " * 300 + "]\n" for i in range(100)
    ),
    "a folder of placeholders": lambda: "[builds.b]\nspecs = ['resnet18']\nfolder = '" + "{spec}" * 160 + "'\n",
    "a thousand builds": lambda: (
        "[builds]\n"
        + "".join(
            f"b{i} = {{specs = ['resnet18', 'resnet34', 'resnet50', 'resnet101', 'resnet152'], "
            "targets = ['onnx', 'triton']}\n"
            for i in range(100)
        )
    ),
    "settings without end": lambda: "[builds.b]\nspecs = ['resnet18']\nset = {a = '" + "x" * 900_000 + "'}\n",
    "labels without end": lambda: "[builds.b]\nspecs = ['resnet18']\nserve = {labels = [" + "'x', " * 180_000 + "]}\n",
    "served in ways without end": lambda: "[builds.b]\nspecs = ['resnet18']\nserve = [" + "{}, " * 200_000 + "]\n",
    "served in a thousand ways": lambda: "".join(
        f"[builds.b{i}]\nspecs = ['resnet18']\nserve = ["
        + "".join(f"{{outputs = ['top{k}']}}, " for k in range(1, 101))
        + "]\n"
        for i in range(10)
    ),
    "many ignores": lambda: "ignore = [" + ", ".join(f'"r{i}"' for i in range(80_000)) + "]",
    "too large": lambda: "a = '" + "a" * 40_000_000 + "'",
    "binary": lambda: bytes(range(256)) * 4_000,
}
LOCKED = f"version = {VERSION}\n"


def whole_network(number, spec="x.yaml"):
    counts = "".join(f"{name} = 1\n" for name in COUNTS)
    head = f"[networks.n{number}]\nspec = '{spec}'\nsettings = {{}}\ninput = [1]\noutputs = {{a = [1]}}\n"
    return f"{head}{counts}hash = '{'0' * 64}'\nstages = {{}}\n"


def below(head, make):
    """The text or bytes that a function makes, below a first line."""

    def whole():
        made = make()
        return head.encode() + (made if isinstance(made, bytes) else made.encode())

    return whole


for _name, _make in TOML.items():
    simple("project", _name, "resnet-gen.toml", _make)
    simple("lock", _name, "resnet-gen.lock", below(LOCKED, _make))
    simple("pyproject", _name, "pyproject.toml", below("[tool.resnet-gen]\n", _make))
LOCKS = {
    "many networks": lambda: "".join(f"[networks.n{i}]\nspec = 'resnet18'\n" for i in range(20_000)),
    "stages without end": lambda: "[networks.a]\n" + "".join(f"stages.s{i} = {{}}\n" for i in range(39_000)),
    "shapes without end": lambda: "[networks.a]\ninput = [" + "-1," * 39_000 + "]\n",
    "whole networks": lambda: "".join(whole_network(i) for i in range(2_500)),
    "whole networks of one spec": lambda: "".join(whole_network(i, "resnet152") for i in range(2_500)),
    "four megabytes of keys": lambda: "".join(f"k{i} = 1\n" for i in range(330_000)),
    "four megabytes of lists": lambda: "[networks.a]\ninput = [" + "1," * 2_000_000 + "]\n",
    "many megabytes": lambda: "".join(f"k{i} = 1\n" for i in range(3_000_000)),
}
for _name, _make in LOCKS.items():
    simple("lock", _name, "resnet-gen.lock", lambda make=_make: LOCKED + make())


@bomb("pyproject")
def endless(folder):
    """A link to a device that never ends, in the working folder and in the one above."""
    (folder / "inner").mkdir()
    (folder / "pyproject.toml").symlink_to("/dev/zero")
    (folder / "inner" / "pyproject.toml").symlink_to("/dev/zero")
    return folder / "inner" / "pyproject.toml"


MANIFESTS = {
    "brackets": lambda: "[" * 1_000_000,
    "closed brackets": lambda: "[" * 50_000 + "]" * 50_000,
    "many lists": lambda: "[" + "[]," * 600_000 + "[]]",
    "many keys": lambda: "{" + ",".join(f'"k{i}":1' for i in range(150_000)) + "}",
    "many files": lambda: '{"files":{' + ",".join(f'"f{i}":"{i}"' for i in range(100_000)) + "}}",
    "a long number": lambda: "9" * 2_000_000,
    "a long text": lambda: '"' + "a" * 2_000_000 + '"',
    "escapes": lambda: '"' + "\\ud83d\\ude00" * 150_000 + '"',
    "blank": lambda: " " * 2_000_000,
    "many megabytes": lambda: "[" + "[]," * 20_000_000 + "[]]",
    "not unicode": lambda: b"\xff" * 1_000_000,
}


def manifest(text, name="m.manifest.json"):
    def make(folder):
        put(folder, "m.onnx", b"model")
        return put(folder, name, text)

    return make


def wrap_manifest(text):
    return manifest(text, "m.wrap.json")


for _name, _text in MANIFESTS.items():
    bomb("manifest", _name)(manifest(_text))
    bomb("wrap manifest", _name)(wrap_manifest(_text))


# --- profiles of an engine's layers ------------------------------------------

LAYER = '{"name": "%s", "averageMs": 1}'


def profile_of(*layers):
    return '[{"count": 1}, ' + ", ".join(layers) + "]"


PROFILES = {
    "lists in lists": lambda: "[" * 4_000_000,
    "too large": lambda: profile_of(LAYER % ("a" * 5_000_000)),
    "a name of many nodes": lambda: profile_of(LAYER % " + ".join(["conv1"] * 400_000)),
    "many names of many nodes": lambda: profile_of(*[LAYER % " + ".join(["layer1.0.conv1"] * 50)] * 4_000),
    "many layers": lambda: profile_of(*[LAYER % "conv1"] * 100_000),
    "many ranges": lambda: profile_of(*[LAYER % "{ForeignNode[conv1...fc]}"] * 19_000),
    "brackets": lambda: profile_of(LAYER % ("PWN(" * 900_000)),
    "dots": lambda: profile_of(LAYER % ("." * 90_000), LAYER % ("..." * 90_000)),
    "ranges of dots": lambda: profile_of(*[LAYER % ("{ForeignNode[" + "." * 99_000)] * 40),
    "metadata": lambda: json.dumps({"Layers": [{"Name": "a", "Metadata": "[ONNX Layer: " * 300_000}]}),
    "metadata of many layers": lambda: json.dumps(
        {"Layers": [{"Name": "a", "Metadata": "[ONNX Layer: " * 7_600}] * 99}
    ),
    "metadata without an end": lambda: json.dumps(
        {"Layers": [{"Name": "a", "Metadata": "[ONNX Layer: a |" * 6_000}] * 99}
    ),
    "numbers": lambda: profile_of('{"name": "a", "averageMs": 1' + "0" * 3_000_000 + "}"),
    "events": lambda: json.dumps([{"cat": "Node", "name": f"{i}_kernel_time", "dur": 1} for i in range(60_000)]),
    "ends of names": lambda: json.dumps(
        [{"cat": "Node", "name": f"{'_nchwc' * 16_000}{i}x_kernel_time", "dur": 1} for i in range(60)]
    ),
}
for _name, _text in PROFILES.items():
    simple("profile", _name, "p.json", _text)


# --- what a run that died tells the next one ---------------------------------

STAGED = ".resnet-gen.died"


def journal(text):
    """The account of a run that was about to make `m.onnx` appear."""

    def make(folder):
        staged = folder / STAGED
        staged.mkdir()
        put(folder, "m.onnx", reshaped("m.onnx.data"))
        put(folder, "m.onnx.data", bytes(256))
        put(staged, "m.onnx.data", bytes(256))
        begun = put(staged, ".lock~", b"").lstat().st_ctime_ns
        told = text() if callable(text) else text
        told = told if isinstance(told, bytes) else told.encode()
        return put(staged, ".journal~", told.replace(b"{", b'{"begun": %d, ' % begun, 1))

    return make


ACCOUNT = '{"places": [], "entries": [%s], "folders": [%s]}'
JOURNALS = {
    "brackets": lambda: "[" * 1_000_000,
    "closed brackets": lambda: '{"places":' + "[" * 50_000 + "]" * 50_000 + "}",
    "many files": lambda: ACCOUNT % (", ".join(f'[0, "f{i}", "{i}", "nothing"]' for i in range(90_000)), ""),
    "many folders": lambda: ACCOUNT % ("", ", ".join(f'[0, "f{i}"]' for i in range(150_000))),
    "many places": lambda: '{"entries": [], "folders": [], "places": [' + ", ".join(['".."'] * 300_000) + "]}",
    "deep paths": lambda: ACCOUNT % (", ".join(['[0, "' + "a/" * 1_900 + 'b", "", "moved"]'] * 900), ""),
    "a long name": lambda: ACCOUNT % ('[0, "' + "a" * 2_000_000 + '", "", "moved"]', ""),
    "a long number": lambda: ACCOUNT % ("[" + "9" * 2_000_000 + ', "a", "", "moved"]', ""),
    "too long": lambda: " " * 30_000_000,
    "not unicode": lambda: b"\xff" * 1_000_000,
}
for _name, _text in JOURNALS.items():
    bomb("journal", _name)(journal(_text))

# --- words of a command ------------------------------------------------------

WORDS = {
    "a long name": lambda: "a" * 100_000,
    "dots": lambda: "." * 100_000,
    "dots of a setting": lambda: "a." * 50_000 + "a=1",
    "slashes": lambda: "/" * 100_000,
    "folders": lambda: "a/" * 50_000,
    "a path up": lambda: "../" * 30_000,
    "commas": lambda: "," * 100_000,
    "colons": lambda: "HEAD" + ":" * 100_000,
    "carets": lambda: "HEAD" + "^" * 100_000 + ":./x.yaml",
    "brackets": lambda: "stages=" + "[" * 99_000,
    "braces": lambda: "stages=" + "{a: " * 25_000,
    "closed brackets": lambda: "stages.depths=" + "[" * 40_000 + "]" * 40_000,
    "many values": lambda: "stages.depths=[" + "1," * 49_000 + "]",
    "values of wrong types": lambda: "stages.depths=[" + "x," * 49_000 + "]",
    "aliases": lambda: "stages={a: &a [x, x], " + ", ".join(f"b{i}: [*a, *a]" for i in range(5_000)) + "}",
    "a long number": lambda: "input.size=" + "9" * 99_000,
    "a huge network": "stages.depths=[8192, 8192, 8192, 8192]",
    "equals signs": lambda: "=" * 100_000,
    "no text": lambda: b"\xff" * 100_000,
    "wide letters": lambda: "\U0001f600" * 25_000,
    "line breaks": lambda: "\n" * 100_000,
}
for _name, _text in WORDS.items():
    simple("word", _name, "word", _text)

# --- labels of classes --------------------------------------------------------

LABELS = {
    "one long line": lambda: "a" * 1_000_000,
    "many of one letter": lambda: "a\n" * 500_000,
    "many": lambda: "".join(f"class {i}\n" for i in range(80_000)),
    "blank lines": lambda: "\n" * 1_000_000,
    "carriage returns": lambda: "\r" * 1_000_000,
    "escapes": lambda: "\x1b[2J\n" * 200_000,
    "too large": lambda: "a\n" * 20_000_000,
    "not unicode": lambda: b"\xff" * 1_000_000,
    "zeros": lambda: bytes(1_000_000),
}
for _name, _text in LABELS.items():
    simple("labels", _name, "labels.txt", _text)

# --- revisions of git --------------------------------------------------------


def revision(files):
    def make(folder):
        for name, data in files().items():
            put(folder, name, data)
        git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b", "-c", "gc.auto=0"]
        for words in (["init", "-q"], ["add", "-f", "."], ["commit", "-q", "-m", "a"]):
            subprocess.run([*git, *words], check=True, capture_output=True)
        return folder / "spec.yaml"

    return make


REVISIONS = {
    "a chain": lambda: {
        "spec.yaml": "name: x\nextends: s1.yaml\n",
        **{f"s{i}.yaml": f"name: x{i}\nextends: s{i + 1}.yaml\n" for i in range(1, 1_100)},
    },
    "many parts": lambda: {
        "spec.yaml": HEAD + "parts: [" + ", ".join(f"p{i}.py" for i in range(3_000)) + "]\n",
        **{f"p{i}.py": "" for i in range(3_000)},
    },
    "a large spec": lambda: {"spec.yaml": HEAD + "title: " + "a" * 30_000_000},
    "many keys": lambda: {"spec.yaml": YAML["many keys"]},
    "circle": lambda: {"spec.yaml": "name: x\nextends: other.yaml\n", "other.yaml": "name: y\nextends: spec.yaml\n"},
}
for _name, _files in REVISIONS.items():
    bomb("revision", _name)(revision(_files))


# --- ONNX --------------------------------------------------------------------


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number, body):
    """A field of a protobuf message that has a length."""
    return varint(number << 3 | 2) + varint(len(body)) + body


def model(graph, *more):
    """A model of opset 13 whose graph is these bytes."""
    return b"\x08\x08" + field(8, b"\x10\x0d") + field(7, graph) + b"".join(more)


def ends():
    """The input and the output of a graph."""
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 8, 8])
    return field(11, value.SerializeToString()) + field(
        12, helper.make_tensor_value_info("y", TensorProto.FLOAT, None).SerializeToString()
    )


def node(kind="Relu", inputs=("x",), outputs=("y",), extra=b""):
    return field(
        1,
        b"".join(field(1, name.encode()) for name in inputs)
        + b"".join(field(2, name.encode()) for name in outputs)
        + field(4, kind.encode())
        + extra,
    )


def chain(count, kind="Relu", operands=()):
    names = ["x", *(f"v{i}" for i in range(1, count)), "y"]
    return model(b"".join(node(kind, (names[i], *operands), (names[i + 1],)) for i in range(count)) + ends())


def tensor(name, dims, data=b"", kind=1, extra=b""):
    raw = field(9, data) if data else b""
    return field(
        5,
        b"".join(b"\x08" + varint(side) for side in dims)
        + b"\x10"
        + bytes([kind])
        + field(8, name.encode())
        + raw
        + extra,
    )


def external(location, length=None, offset=None):
    """Fields of a tensor whose numbers are to be elsewhere."""
    entries = {
        "location": location,
        **({"length": str(length)} if length else {}),
        **({"offset": str(offset)} if offset else {}),
    }
    return b"".join(field(13, field(1, k.encode()) + field(2, v.encode())) for k, v in entries.items()) + b"\x70\x01"


def nested(depth, number=6):
    """Graphs inside the attributes of one another."""
    body = b""
    for _ in range(depth):
        body = field(1, field(4, b"If") + field(5, field(1, b"then_branch") + field(number, body) + b"\xa0\x01\x05"))
        if len(body) > 4_000_000:
            break
    return model(body + ends())


def doubling(count):
    names = ["x", *(f"v{i}" for i in range(1, count)), "y"]
    return model(
        b"".join(
            node("Concat", (a, a), (b,), field(5, field(1, b"axis") + b"\x18\x01\xa0\x01\x02"))
            for a, b in pairwise(names)
        )
        + ends()
    )


def adding(count):
    names = ["x", *(f"v{i}" for i in range(1, count)), "y"]
    return model(b"".join(node("Add", (a, a), (b,)) for a, b in pairwise(names)) + ends())


def convs(count):
    names = ["x", *(f"v{i}" for i in range(1, count)), "y"]
    nodes = b"".join(node("Conv", (names[i], f"w{i}"), (names[i + 1],)) for i in range(count))
    return model(nodes + b"".join(tensor(f"w{i}", (1, 1, 1, 1), bytes(4)) for i in range(count)) + ends())


def calls(depth):
    """Functions that call one another twice."""
    functions = b"".join(
        field(
            25,
            field(1, f"f{i}".encode())
            + field(4, b"x")
            + field(5, b"y")
            + (
                field(7, field(1, b"x") + field(2, b"m") + field(4, f"f{i + 1}".encode()) + field(7, b"own"))
                + field(7, field(1, b"m") + field(2, b"y") + field(4, f"f{i + 1}".encode()) + field(7, b"own"))
                if i < depth
                else field(7, field(1, b"x") + field(2, b"y") + field(4, b"Relu"))
            )
            + field(9, b"\x10\x0d")
            + field(10, b"own"),
        )
        for i in range(depth + 1)
    )
    return model(node("f0", extra=field(7, b"own")) + ends(), functions, field(8, field(1, b"own") + b"\x10\x01"))


ONNX = {
    "30,000 nodes": lambda: chain(30_000),
    "100,000 nodes": lambda: chain(100_000),
    "30,000 nodes of no known kind": lambda: chain(30_000, "Nothing"),
    "10,000 convolutions": lambda: convs(10_000),
    "10,000 additions of a constant": lambda: chain(10_000, "Add", ("c",)).replace(ends(), ends()),
    "600,000 empty nodes": lambda: model(b"\x0a\x00" * 600_000 + ends()),
    "20,000,000 empty nodes": lambda: model(b"\x0a\x00" * 20_000_000 + ends()),
    "5,000,000 empty attributes": lambda: model(node(extra=b"\x2a\x00" * 5_000_000) + ends()),
    "300,000 empty attributes": lambda: model(node(extra=b"\x2a\x00" * 300_000) + ends()),
    "5,000,000 empty names": lambda: model(node(extra=b"\x0a\x00" * 5_000_000) + ends()),
    "5,000,000 empty outputs": lambda: model(node() + ends() + b"\x62\x00" * 5_000_000),
    "5,000,000 empty initializers": lambda: model(node() + ends() + b"\x2a\x00" * 5_000_000),
    "5,000,000 values": lambda: model(node() + ends() + b"\x6a\x00" * 5_000_000),
    "5,000,000 metadata": lambda: model(node() + ends(), b"\x72\x00" * 5_000_000),
    "5,000,000 functions": lambda: model(node() + ends(), b"\xca\x01\x00" * 3_000_000),
    "5,000,000 opsets": lambda: model(node() + ends(), b"\x42\x00" * 5_000_000),
    "5,000,000 graphs": lambda: model(node() + ends(), b"\x3a\x00" * 5_000_000),
    "5,000,000 unknown fields": lambda: model(node() + ends(), b"\xfa\x3f\x00" * 3_000_000),
    "numbers of one byte": lambda: model(
        node() + ends() + tensor("w", (20_000_000,), kind=7, extra=field(7, b"\1" * 20_000_000))
    ),
    "numbers of an attribute": lambda: model(
        node(extra=field(5, field(1, b"a") + field(8, b"\1" * 20_000_000) + b"\xa0\x01\x07")) + ends()
    ),
    "floats in their own field": lambda: model(
        node() + ends() + tensor("w", (5_000_000,), extra=field(4, bytes(20_000_000)))
    ),
    "one dimension many times": lambda: model(node() + ends() + tensor("w", (1,) * 2_000_000)),
    "a tensor of terabytes": lambda: model(node("Add", ("x", "w")) + ends() + tensor("w", (1 << 20, 1 << 20))),
    "a tensor of 2^62": lambda: model(
        node("Add", ("x", "w")) + ends() + tensor("w", (1 << 62, 1 << 62), extra=external("w.bin"))
    ),
    "a constant of gigabytes": lambda: model(
        node("ConstantOfShape", ("s",), ("c",))
        + node("Add", ("x", "c"))
        + tensor("s", (4,), struct.pack("<4q", 1, 64, 4096, 4096), 7)
        + ends()
    ),
    "an expansion": lambda: model(
        node("Expand", ("s1", "s"), ("c",))
        + node("Add", ("x", "c"))
        + tensor("s1", (1,), bytes(4))
        + tensor("s", (4,), struct.pack("<4q", 1, 64, 4096, 4096), 7)
        + ends()
    ),
    "a range": lambda: model(
        node("Range", ("a", "b", "c"), ("r",))
        + node("Add", ("x", "r"))
        + tensor("a", (), struct.pack("<q", 0), 7)
        + tensor("b", (), struct.pack("<q", 1 << 33), 7)
        + tensor("c", (), struct.pack("<q", 1), 7)
        + ends()
    ),
    "tiles": lambda: model(
        b"".join(node("Tile", (f"t{i}", "r"), (f"t{i + 1}",)) for i in range(40))
        + node("Add", ("x", "t40"))
        + tensor("t0", (2, 2), bytes(16))
        + tensor("r", (2,), struct.pack("<2q", 2, 2), 7)
        + ends()
    ),
    "concatenations": lambda: doubling(60),
    "additions of itself": lambda: adding(5_000),
    "graphs in graphs": lambda: nested(3_000),
    "graphs in graphs, 90 deep": lambda: nested(90),
    "functions that call twice": lambda: calls(40),
    "a long name": lambda: model(node(outputs=("y" * 5_000_000,)) + ends()),
    "a long kind": lambda: model(node("R" * 5_000_000) + ends()),
    "names that are no text": lambda: model(node("Relu").replace(b"Relu", b"\xff\xff\xff\xff") + ends()),
    "many inputs": lambda: model(node("Sum", [f"i{i}" for i in range(200_000)]) + ends()),
    "one output of many": lambda: model(node("Split", ("x",), [f"o{i}" for i in range(200_000)]) + ends()),
    "random bytes": lambda: np.random.default_rng(2).bytes(1_000_000),
    "zeros": lambda: bytes(30_000_000),
    "empty": lambda: b"",
    "documentation": lambda: model(node() + ends(), field(6, b"a" * 30_000_000)),
}
for _name, _make in ONNX.items():
    simple("onnx", _name, "m.onnx", _make)


def added(location):
    """A model of a sum with numbers that lie in another file."""
    return model(node("Add", ("x", "w")) + ends() + tensor("w", (1, 1, 8, 8), extra=external(location, 256)))


def reshaped(location):
    """A model whose shapes lie in another file, which is read to know what the model is."""
    return model(node("Reshape", ("x", "s")) + ends() + tensor("s", (32,), kind=7, extra=external(location, 256)))


def beside(name, link):
    """Models whose numbers are to lie in something that is no file."""

    def maker(text):
        def make(folder):
            link(folder / "w.bin")
            return put(folder, "m.onnx", text("w.bin"))

        return make

    bomb("onnx", f"numbers in {name}")(maker(added))
    bomb("onnx", f"shapes in {name}")(maker(reshaped))


beside("a pipe", os.mkfifo)
beside("a device", lambda path: path.symlink_to("/dev/zero"))
beside("a folder", Path.mkdir)
beside("a short file", lambda path: path.write_bytes(b"a"))
beside("no file", lambda path: None)


# --- what is no file, under each kind's name ---------------------------------

NAMES = {
    "weights": "w.pth",
    "onnx": "m.onnx",
    "spec": "spec.yaml",
    "project": "resnet-gen.toml",
    "pyproject": "pyproject.toml",
    "lock": "resnet-gen.lock",
    "manifest": "m.manifest.json",
    "wrap manifest": "m.wrap.json",
    "device": "device.yaml",
    "profile": "p.json",
    "labels": "labels.txt",
    "calibration": "images.npz",
    "labelled": "images.csv",
    "classes": "classes.txt",
    "picture": "p.png",
}


def listening(path):
    """A socket, bound by a short path: theirs are limited to a hundred characters."""
    here = os.open(".", os.O_RDONLY)
    os.chdir(path.parent)
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.fchdir(here)
        os.close(here)


def linked(path):
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


SPECIAL = {
    "a pipe": os.mkfifo,
    "a link to a pipe": linked,
    "a link to an endless device": lambda path: path.symlink_to("/dev/zero"),
    "a link to an empty device": lambda path: path.symlink_to("/dev/null"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a socket": listening,
    "a folder": Path.mkdir,
}


def special(kind, file, make):
    def put_it(folder):
        if kind.endswith("manifest"):
            put(folder, "m.onnx", b"model")
        make(folder / file)
        return folder / file

    return put_it


for _kind, _file in NAMES.items():
    for _name, _make in SPECIAL.items():
        bomb(_kind, _name)(special(_kind, _file, _make))

# --- a trivial file of each kind ---------------------------------------------

TRIVIAL = {
    "weights": lambda folder: Path(shutil.copy(FIXTURES / "zip_float32.pt", folder)),
    "onnx": lambda folder: put(folder, "m.onnx", chain(1)),
    "spec": lambda folder: put(folder, "spec.yaml", CHANGES),
    "project": lambda folder: put(folder, "resnet-gen.toml", "ignore = []\n"),
    "pyproject": lambda folder: put(folder, "pyproject.toml", "[tool.resnet-gen]\nignore = []\n"),
    "lock": lambda folder: put(folder, "resnet-gen.lock", LOCKED),
    "manifest": manifest("{}"),
    "wrap manifest": wrap_manifest("{}"),
    "device": lambda folder: Path(shutil.copy(targets_folder() / "a100.yaml", folder)),
    "profile": lambda folder: put(folder, "p.json", profile_of(LAYER % "conv1")),
    "revision": revision(lambda: {"spec.yaml": CHANGES}),
    "journal": journal(ACCOUNT % ("", "")),
    "word": lambda folder: put(folder, "word", "cifar-resnet20"),
    "labels": lambda folder: put(folder, "labels.txt", "a\nb\nc\n"),
    "calibration": lambda folder: put(
        folder, "images.npz", npz([("images.npy", npy(described("(1, 3, 32, 32)")) + bytes(12_288))])
    ),
    "labelled": lambda folder: put(folder, "images.npz", labelled(npy(described("(4,)", "|u1")) + bytes(4))),
    "classes": lambda folder: put(folder, "classes.txt", "cat\ndog\n"),
    "picture": lambda folder: put(folder, "p.png", png(64, 64)),
}
"""What a file of each kind takes that asks for nothing."""
