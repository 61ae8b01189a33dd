"""Changes to bytes of a format, after which what is read first of them still holds.

Lengths and sums are made anew, so that a change reaches what lies behind them. Each takes the bytes, a random number
generator and a function that changes bytes in any way; what is not of the format is changed as bytes.
"""

from __future__ import annotations

import io
import json
import pickletools
import random
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import TypeAlias

from tests.readers.bombs import varint

Anyhow: TypeAlias = Callable[[bytes], bytes]
Change: TypeAlias = Callable[[bytes, random.Random, Anyhow], bytes]
NUMBERS = (0, 1, -1, 2, 255, 256, 1 << 15, (1 << 31) - 1, -(1 << 31), 1 << 32, (1 << 63) - 1, -(1 << 63), 1 << 80)
SCALARS = (
    *("", "~", "true", "[]", "{}", "[[]]", "a: b", "&a", "*a", "!!int x", "<<", "|", "'", '"', "#", "---", "..."),
    *(
        ".nan",
        ".inf",
        "1e400",
        "-0",
        "0x10",
        "1_0",
        "9" * 41,
        "1.5",
        "'\u200b'",
        '"\\uD800"',
        "\x1b",
        "\u2028",
        "é" * 9,
    ),
    *("resnet18", "[1, 1]", "[a, b]", "{kind: se}", "{a: 1}", "'''", "[", "]", "{", "}", "=", "1979-05-27", "inf"),
)
"""Values of texts that readers stumble over, in YAML and TOML."""


def anyhow(rng):
    """A function that changes bytes: flips, cuts, repeats, inserts, and puts odd numbers where lengths may be."""
    return lambda data: rng.choice(_WAYS)(bytearray(data), rng)


def _flip(data, rng):
    for _ in range(rng.choice((1, 1, 2, 8))):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _cut(data, rng):
    return bytes(data[: rng.randrange(len(data) + 1)])


def _leave_out(data, rng):
    start = rng.randrange(len(data) + 1)
    del data[start : start + rng.choice((1, 2, 4, 16, 100))]
    return bytes(data)


def _repeat(data, rng):
    start, length = rng.randrange(len(data) + 1), rng.choice((1, 4, 20, 100))
    return bytes(data[:start] + data[start : start + length] * rng.choice((2, 3, 30)) + data[start + length :])


def _insert(data, rng):
    start = rng.randrange(len(data) + 1)
    return bytes(data[:start] + rng.randbytes(rng.choice((1, 2, 4, 16))) + data[start:])


def _renumber(data, rng):
    size, order = rng.choice((1, 2, 4, 8)), rng.choice(("little", "big"))
    start = rng.randrange(max(1, len(data) - size))
    data[start : start + size] = (rng.choice(NUMBERS) % (1 << 8 * size)).to_bytes(size, order)
    return bytes(data)


_WAYS = (_flip, _flip, _cut, _leave_out, _repeat, _insert, _renumber)


def _or_anyhow(change):
    """The change, and any other where the bytes are not of its format."""

    def either(data, rng, anyhow, *more):
        try:
            return change(data, rng, anyhow, *more)
        except Exception:  # whatever libraries make of what is not of the format
            return anyhow(data)

    return either


def _one(parts, rng, change):
    """A list with one of its parts changed, left out, repeated, or in another place."""
    parts = list(parts)
    at, how = rng.randrange(len(parts)), rng.randrange(8)
    if how == 0:
        del parts[at]
    elif how == 1:
        parts.insert(rng.randrange(len(parts) + 1), parts[at])
    elif how == 2:
        parts[at:at] = [parts[at]] * rng.choice((2, 20))
    elif how == 3:
        other = rng.randrange(len(parts))
        parts[at], parts[other] = parts[other], parts[at]
    else:
        parts[at] = change(parts[at])
    return parts


# --- zip files ---------------------------------------------------------------


def _zipped(data, rng, change):
    """A zip file with one of its members changed."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found = [(info, archive.read(info)) for info in archive.infolist()]
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as archive:
        warnings.simplefilter("ignore")  # of two members with one name
        for info, content in _one(found, rng, lambda member: (member[0], change(member[0].filename, member[1]))):
            archive.writestr(zipfile.ZipInfo(info.filename), content, info.compress_type)
    return out.getvalue()


@_or_anyhow
def members(data, rng, anyhow):
    """An .npz file with an array changed."""
    return _zipped(data, rng, lambda _, content: anyhow(content))


@_or_anyhow
def pytorch(data, rng, anyhow):
    """A PyTorch checkpoint with its pickle, or another member, changed."""
    return _zipped(data, rng, lambda name, held: pickles(held, rng, anyhow) if name.endswith(".pkl") else anyhow(held))


@_or_anyhow
def pickles(data, rng, anyhow):
    """Pickles one after the other with an instruction of one of them changed, or what lies behind them."""
    starts, stream = [], io.BytesIO(data)
    with suppress(Exception):  # at the end, or at the numbers of a legacy file
        while True:
            starts.extend(place for _, _, place in pickletools.genops(stream))
    parts = [data[start:stop] for start, stop in pairwise([*starts, len(data)])]
    return b"".join(_one(parts, rng, anyhow))


# --- safetensors, PNG and other chunks, protobuf -----------------------------


@_or_anyhow
def safetensors(data, rng, anyhow):
    """A safetensors file with its header changed, and the header's length with it."""
    (length,) = struct.unpack("<Q", data[:8])
    header = data[8 : 8 + length]
    changed = json_values(header, rng, anyhow)
    return struct.pack("<Q", len(changed)) + changed + data[8 + length :]


@_or_anyhow
def json_values(data, rng, anyhow):
    """JSON with one of its values changed."""
    if not rng.randrange(4):
        return anyhow(data)
    return json.dumps(_changed(json.loads(data), rng), separators=(",", ":")).encode()


def _changed(value, rng):
    if isinstance(value, dict) and value and rng.randrange(6):
        items = _one(value.items(), rng, lambda item: rng.choice(((item[0], _changed(item[1], rng)), ("", item[1]))))
        return dict(items)
    if isinstance(value, list) and value and rng.randrange(6):
        return _one(value, rng, lambda each: _changed(each, rng))
    if isinstance(value, int) and rng.randrange(2):
        return rng.choice((value + 1, value - 1, -value, value * 4, *NUMBERS))
    return rng.choice((None, True, [], {}, "", "a/../b", "\0", "\ud800", "0" * 64, 1e300, [value], *NUMBERS))


@_or_anyhow
def chunks(data, rng, anyhow):
    """A PNG with a chunk changed, and its length and sum with it."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError("no PNG")
    found, at = [], 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        found.append(data[at + 4 : at + 8 + length])
        at += 12 + length
    parts = _one(found, rng, lambda part: _deflated(part, rng, anyhow))
    whole = (struct.pack(">I", max(0, len(p) - 4)) + p + struct.pack(">I", zlib.crc32(p)) for p in parts)
    return data[:8] + b"".join(whole)


def _deflated(part, rng, anyhow):
    """A chunk's bytes changed, or where they are packed the bytes in them."""
    if part[:4] == b"IDAT" and rng.randrange(2):
        return part[:4] + zlib.compress(anyhow(zlib.decompressobj().decompress(part[4:], 1 << 20)))
    return part[:4] + anyhow(part[4:]) if rng.randrange(8) else anyhow(part)


@_or_anyhow
def protobuf(data, rng, anyhow, depth=0):
    """A message with one of its fields changed, and the lengths of those around it with it."""
    fields = list(_fields(data))
    if not fields:
        raise ValueError("no message")

    def change(field):
        key, body = field
        if key & 7 == 2:
            inner = depth < 8 and rng.randrange(5)
            return key, protobuf(body, rng, anyhow, depth + 1) if inner else anyhow(body)
        if key & 7 == 0:
            return key, varint(rng.choice(NUMBERS) % (1 << 64)) if rng.randrange(3) else anyhow(body)[:10]
        return (key, anyhow(body)) if rng.randrange(4) else (rng.randrange(1 << 8), body)

    return b"".join(
        varint(key) + (varint(len(body)) if key & 7 == 2 else b"") + body for key, body in _one(fields, rng, change)
    )


def _fields(data):
    """(Key, bytes) of each field of a message; raises `ValueError` for bytes that are none."""
    at = 0
    while at < len(data):
        key, at = _number(data, at)
        kind, start = key & 7, at
        if kind == 2:
            length, start = _number(data, at)
            at = start + length
        elif kind == 0:
            _, at = _number(data, at)
        elif kind in (1, 5):
            at += {1: 8, 5: 4}[kind]
        if kind not in (0, 1, 2, 5) or at > len(data) or not key >> 3:
            raise ValueError("no message")
        yield key, data[start:at]


def _number(data, at):
    number = shift = 0
    while data[at] & 0x80:
        number, shift, at = number | (data[at] & 0x7F) << shift, shift + 7, at + 1
    return number | data[at] << shift, at + 1


# --- texts -------------------------------------------------------------------


def lines(data, rng, anyhow):
    """A text with one of its lines, or a word of it, changed."""
    if not data or not rng.randrange(4):
        return anyhow(data)
    return b"\n".join(_one(data.split(b"\n"), rng, lambda line: _line(line, rng, anyhow)))


def _line(line, rng, anyhow):
    words = line.split(b" ")
    new = rng.choice(SCALARS).encode("utf-8", "surrogatepass")
    how = rng.randrange(5)
    if how == 0:
        return anyhow(line)
    if how == 1:
        return b" " * rng.choice((1, 2, 4)) + line
    if how == 2:
        return line[: max(line.find(b":"), line.find(b"=")) + 1] + b" " + new
    return b" ".join(_one(words, rng, lambda word: new))
