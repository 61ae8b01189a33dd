"""Weights from files: every format, and everything that can be wrong with one."""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import struct
import subprocess
import sys
import warnings
import zipfile
from collections import OrderedDict
from itertools import permutations
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from resnet_gen.language.load import load
from resnet_gen.language.lower import lower, without_outputs
from resnet_gen.problems import Refused
from resnet_gen.system.resources import references_folder
from resnet_gen.weights import checkpoint
from tests.fixtures.checkpoints.make import DTYPES, HERE, STATE
from tests.helpers.onnx_runs import TINY, network
from tests.helpers.shipped import published, shipped
from tests.reference import weights_rule

NUMPY = {**{name: np.dtype(name) for name in DTYPES[:3]}, "bfloat16": np.dtype(ml_dtypes.bfloat16)}
FORMATS = ("npz", "safetensors", "zip", "legacy")
BOTH = ("zip", "legacy")


def values(dtype="float32"):
    """The tensors behind every checkpoint, as they come back from files that hold `dtype`."""
    drawn = {name: weights_rule.tensor(name, shape) for name, shape in STATE.items()}
    return {name: tensor.astype(NUMPY[dtype]).astype(np.float32) for name, tensor in drawn.items()}


GRAPH = network(TINY)


def read_all(path):
    """Every value of the file, as a build would read it."""
    tensors = checkpoint.read(path)
    weights = checkpoint.match_state_dict(GRAPH, tensors, path)
    return {name: weights.rows(name, 0, tensor.shape[0]) for name, tensor in tensors.items()}


def refusal(path):
    with pytest.raises(Refused) as caught:
        read_all(path)
    assert all(str(path) == problem.where for problem in caught.value.problems)
    return str(caught.value)


def assert_same(found, wanted):
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], tensor, err_msg=name)


# --- files of our own making, so that any of them can be made wrong ----------


def torch_pickle(tensors, dtype="Float", sizes=None):
    """The pickle of a state dict; `sizes` overrides what a storage is said to hold."""
    out = [b"\x80\x02ccollections\nOrderedDict\n)R("]
    for key, (name, tensor) in enumerate(tensors.items()):
        size = (sizes or {}).get(name, tensor.size)
        strides = [s // tensor.itemsize for s in tensor.strides]
        pid = (
            text("storage") + b"ctorch\n" + dtype.encode() + b"Storage\n" + text(str(key)) + text("cpu") + number(size)
        )
        place = b"(" + pid + b"tQ" + number(0) + numbers(tensor.shape) + numbers(strides)
        hooks = b"\x89ccollections\nOrderedDict\n)Rt"
        out.append(text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(" + place + hooks + b"R")
    return b"".join([*out, b"u."])


def one_tensor(name, shape):
    """The pickle of a state dict of one tensor that has a storage of 4 elements; each of its strides fits."""
    strides = [math.prod(shape[at + 1 :]) for at in range(len(shape))]
    pickled = torch_pickle({"one": np.zeros(4, np.float32)})
    pickled = pickled.replace(numbers((4,)) + numbers((1,)), numbers(shape) + numbers(strides))
    return pickled.replace(text("one"), text(name))


def text(value):
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def number(value):
    return pickle.dumps(int(value), 2)[2:-1]


def numbers(many):
    return b"(" + b"".join(map(number, many)) + b"t"


def zip_file(path, pickled, storages, compression=zipfile.ZIP_STORED, **members):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", members.get("byteorder", "little"))
        for key, data in enumerate(storages):
            archive.writestr(f"archive/data/{key}", data)
    return path


def legacy_file(path, pickled, storages, keys=None, size=4):
    keys = pickle.dumps([str(n) for n in range(len(storages))] if keys is None else keys, 2)
    head = [pickle.dumps(0x1950A86A20F9469CFC6C, 2), pickle.dumps(1001, 2), pickle.dumps({"little_endian": True}, 2)]
    data = [struct.pack("<q", len(storage) // size) + storage for storage in storages]
    path.write_bytes(b"".join([*head, pickled, keys, *data]))
    return path


MAKERS = {"zip": zip_file, "legacy": legacy_file}


SAFETENSORS = {"float64": "F64", "float32": "F32", "float16": "F16", "bool": "BOOL", "complex64": "C64"}


def safetensors_file(tensors):
    """A file as the format's page describes it; the library writes fewer types, the older it is."""
    if "complex64" not in {tensor.dtype.name for tensor in tensors.values()}:
        return safetensors.numpy.save(tensors)
    header, place = {}, 0
    for name, tensor in tensors.items():
        kind = SAFETENSORS[tensor.dtype.name]
        header[name] = {"dtype": kind, "shape": tensor.shape, "data_offsets": [place, place := place + tensor.nbytes]}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(tensor.tobytes() for tensor in tensors.values())


def saved(kind, path, tensors):
    """`tensors` in a file of this kind."""
    if kind == "npz":
        with path.open("wb") as stream:
            np.savez(stream, **tensors)
    elif kind == "safetensors":
        path.write_bytes(safetensors_file(tensors))
    else:
        MAKERS[kind](path, torch_pickle(tensors), [tensor.tobytes() for tensor in tensors.values()])
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights"


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_gives_the_values_back(kind, path):
    assert_same(read_all(saved(kind, path, values())), values())


@pytest.mark.parametrize("kind", FORMATS)
def test_any_run_of_rows_is_that_slice_of_the_tensor(kind, path):
    tensors = checkpoint.read(saved(kind, path, values()))
    for name, tensor in values().items():
        for start in range(len(tensor)):
            for stop in range(start + 1, len(tensor) + 1):
                np.testing.assert_array_equal(tensors[name].rows(start, stop), tensor[start:stop])


# --- what torch and safetensors write ----------------------------------------


def test_the_checkpoints_hold_the_weights_of_the_tiny_network():
    assert {n: t.shape for n, t in GRAPH.state().items()} == STATE


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("file", ["zip_{}.pt", "legacy_{}.pt", "{}.safetensors"])
def test_element_types_that_torch_writes_are_read(file, dtype):
    assert_same(read_all(HERE / file.format(dtype)), values(dtype))


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("what", ["parameters", "views", "training", "model"])
def test_what_scripts_save_with_torch_is_read(kind, what):
    """Parameters; views of one storage; a training checkpoint whose optimizer has storages of other types; nested."""
    assert_same(read_all(HERE / f"{kind}_{what}.pt"), values())


def test_torch_with_the_newest_pickle_protocol_is_read():
    assert_same(read_all(HERE / "zip_protocol5.pt"), values())


@pytest.mark.parametrize("kind", BOTH)
def test_tensors_that_torch_keeps_in_another_order_are_read(kind):
    """As `.t()` and `memory_format=torch.channels_last` leave them."""
    assert_same(read_all(HERE / f"{kind}_transposed.pt"), values())


@pytest.mark.parametrize("kind", BOTH)
def test_every_order_of_the_sides_is_read_in_rows(kind, path):
    whole = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    orders = {json.dumps(order): np.asarray(whole.transpose(order), order="C") for order in permutations(range(4))}
    tensors = {name: kept.transpose(np.argsort(json.loads(name))) for name, kept in orders.items()}
    MAKERS[kind](path, torch_pickle(tensors), [kept.tobytes() for kept in orders.values()])
    found = checkpoint.read(path)
    for name in orders:
        for start, stop in ((0, 2), (1, 2), (0, 1)):
            np.testing.assert_array_equal(found[name].rows(start, stop), whole[start:stop], err_msg=name)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("integers", "'head.fc.bias' holds int64, not floating-point numbers"),
        ("module", "would execute 'torch.nn.modules.linear.Linear'; not read"),
    ],
)
def test_what_torch_writes_and_no_state_dict_holds_is_refused(kind, what, message):
    assert message in refusal(HERE / f"{kind}_{what}.pt")


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pt", ".jpg", ""])
@pytest.mark.parametrize("kind", FORMATS)
def test_the_format_is_told_by_the_content_not_the_name(kind, suffix, tmp_path):
    assert_same(read_all(saved(kind, tmp_path / f"weights{suffix}", values())), values())


@pytest.mark.parametrize("length", [0x4B50, 0x2180], ids=["begins like a zip file", "begins like a pickle"])
def test_safetensors_whose_length_looks_like_another_format_are_read(length, path):
    saved("safetensors", path, values())
    data = path.read_bytes()
    (old,) = struct.unpack("<Q", data[:8])
    header = data[8 : 8 + old].rstrip() + b" " * (length - len(data[8 : 8 + old].rstrip()))
    path.write_bytes(struct.pack("<Q", length) + header + data[8 + old :])
    assert_same(read_all(path), values())


def test_npz_compressed_fortran_ordered_and_of_other_byte_order_are_read(path):
    tensors = {name: np.asfortranarray(tensor.astype(">f8")) for name, tensor in values().items()}
    with path.open("wb") as stream:
        np.savez_compressed(stream, **tensors)
    assert_same(read_all(path), values())


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_was_replaced_is_read_anew(kind, path):
    read_all(saved(kind, path, values()))
    other = {name: tensor + 1 for name, tensor in values().items()}
    assert_same(read_all(saved(kind, path, other)), other)


# --- tensors that do not fit -------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_every_tensor_that_does_not_fit_is_named(kind, path):
    tensors = values()
    del tensors["head.fc.bias"], tensors["stem.norm.running_var"]
    tensors["head.fc.weight"] = np.zeros((4, 3), np.float32)
    tensors["stages.0.0.norm1.bias"] = np.zeros(5, np.float32)
    tensors["head.extra.weight"] = np.zeros(2, np.float32)
    lines = sorted(line.split("error: ")[1] for line in refusal(saved(kind, path, tensors)).splitlines())
    assert lines == [
        "'head.extra.weight' belongs to no layer of 'tiny'",
        "'head.fc.bias' is missing: 3 is needed",
        "'head.fc.weight' is 4x3, not 3x4",
        "'stages.0.0.norm1.bias' is 5, not 4",
        "'stem.norm.running_var' is missing: 4 is needed",
    ]


def test_of_many_misfits_the_first_are_named_and_the_rest_counted(path):
    with pytest.raises(Refused) as caught:
        checkpoint.match_state_dict(network("resnet50"), checkpoint.read(saved("npz", path, values())), path)
    messages = [problem.message for problem in caught.value.problems]
    assert messages[:4] == [
        "'conv1.weight' is missing: 64x3x7x7 is needed",
        f"'{next(iter(STATE))}' belongs to no layer of 'resnet50'",
        "'bn1.weight' is missing: 64 is needed",
        f"'{list(STATE)[1]}' belongs to no layer of 'resnet50'",
    ]
    wrong = len(network("resnet50").state()) + len(STATE)
    assert len(messages) == 11
    assert messages[-1] == f"and {wrong - 10} more: {wrong} differences in all"


@pytest.mark.parametrize("kind", FORMATS)
def test_a_scalar_in_place_of_a_vector_is_refused(kind, path):
    message = "'head.fc.bias' is a scalar, not 3"
    assert message in refusal(saved(kind, path, {**values(), "head.fc.bias": np.zeros((), np.float32)}))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", FORMATS)
def test_values_that_are_not_finite_are_handed_on_and_warned_of_once(kind, bad, path):
    tensors = {**values(), "head.fc.bias": np.array([0, bad, 0], np.float32)}
    tensors["stem.conv.weight"] = np.full_like(tensors["stem.conv.weight"], bad)
    with pytest.warns(UserWarning, match="not finite") as caught:
        found = read_all(saved(kind, path, tensors))
    message = f"{path}: 2 tensors with values that are not finite: 'stem.conv.weight', 'head.fc.bias'"
    assert [str(warning.message) for warning in caught] == [message]
    assert_same(found, tensors)


def test_of_many_tensors_that_are_not_finite_ten_are_named(path):
    tensors = {name: np.full_like(tensor, np.nan) for name, tensor in values().items()}
    assert len(tensors) > 11
    with pytest.warns(UserWarning, match=f"{len(tensors)} tensors with values that are not finite") as caught:
        read_all(saved("npz", path, tensors))
    named = ", ".join(f"'{name}'" for name in list(tensors)[:10])
    assert str(caught[0].message).endswith(f": {named} and {len(tensors) - 10} more")


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_float64_beyond_float32_is_refused(kind, path):
    tensors = {**values(), "head.fc.bias": np.array([0, 1e300, 0])}
    assert "'head.fc.bias' has values beyond float32" in refusal(saved(kind, path, tensors))


@pytest.mark.parametrize("dtype", ["int64", "int8", "bool", "complex64"])
@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_tensors_of_other_types_are_refused(kind, dtype, path):
    message = refusal(saved(kind, path, {**values(), "head.fc.bias": np.zeros(3, dtype)}))
    if "InvalidHeader" in message:  # safetensors before 0.7 has no complex numbers
        assert (kind, dtype) == ("safetensors", "complex64")
        return
    assert "'head.fc.bias' holds" in message
    assert "not floating-point numbers" in message


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_counters_of_training_steps_are_left_out(kind, path):
    tensors = {**values(), "stem.norm.num_batches_tracked": np.array(5)}
    assert_same(read_all(saved(kind, path, tensors)), values())


# --- damage ------------------------------------------------------------------


@pytest.mark.parametrize("step", [59, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_truncated_file_is_refused_at_every_length(kind, step, path):
    data = saved(kind, path, values()).read_bytes()
    for length in [*range(0, len(data) - 1, step), len(data) - 1]:
        path.write_bytes(data[:length])
        refusal(path)


def changed(data, seed, step):
    """The data with one byte changed, for every `step`-th byte."""
    rng = np.random.Generator(np.random.PCG64(seed))
    for position in range(seed % step, len(data), step):
        mask = int(rng.choice([0x01, 0x80, 0xFF, rng.integers(1, 256)]))
        yield data[:position] + bytes([data[position] ^ mask]) + data[position + 1 :]


CLOSER = (("npz", 2), ("safetensors", 1), ("zip", 1), ("legacy", 1))
EVERY_FEW = [pytest.param(*case, marks=pytest.mark.long) for case in CLOSER]


@pytest.mark.filterwarnings("ignore:.*not finite")
@pytest.mark.parametrize(("kind", "step"), [("npz", 29), ("safetensors", 7), ("zip", 13), ("legacy", 11), *EVERY_FEW])
def test_a_changed_byte_is_refused_or_leaves_values_of_the_right_shapes(kind, step, path):
    """No format can tell a changed weight from a weight; all else must be noticed, and nothing may crash."""
    data = saved(kind, path, values()).read_bytes()
    refused = 0
    for damaged in changed(data, 1, step):
        path.write_bytes(damaged)
        try:
            found = read_all(path)
        except Refused:
            refused += 1
            continue
        assert {name: tensor.shape for name, tensor in found.items()} == STATE
    assert refused > len(data) // step // 10


@pytest.mark.parametrize("step", [31, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("file", ["zip_views.pt", "legacy_views.pt", "bfloat16.safetensors"])
@pytest.mark.filterwarnings("ignore:.*not finite")
def test_a_changed_byte_of_what_torch_wrote_is_refused_or_leaves_values_of_the_right_shapes(file, step, path):
    for damaged in changed((HERE / file).read_bytes(), 2, step):
        path.write_bytes(damaged)
        try:
            found = read_all(path)
        except Refused:
            continue
        assert {name: tensor.shape for name, tensor in found.items()} == STATE


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"hello, world, this is text", b"PK", b"PK\x03\x04" + bytes(30), b"\x80", b"\x80\x02.", bytes(64)],
)
def test_what_is_no_file_of_weights_is_refused(data, path):
    path.write_bytes(data)
    refusal(path)


def test_a_folder_is_refused(tmp_path):
    assert refusal(tmp_path) == f"{tmp_path}: error: not a file"


def test_a_pipe_is_refused_without_waiting_for_a_writer(path):
    os.mkfifo(path)
    code = (
        "import sys; from pathlib import Path; from resnet_gen.weights import checkpoint\n"
        "checkpoint.read(Path(sys.argv[1]))"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr.endswith(f"{path}: error: not a file\n")


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_refused(device):
    assert refusal(Path(device)) == f"{device}: error: not a file"


def test_a_missing_file_is_refused(tmp_path):
    assert "cannot be read: No such file or directory" in refusal(tmp_path / "none.npz")


def test_a_zip_file_of_something_else_is_refused(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "not a PyTorch checkpoint" in refusal(path)


@pytest.mark.parametrize("kind", ["zip", "npz"])
def test_an_encrypted_archive_is_refused(kind, path):
    data = bytearray(saved(kind, path, values()).read_bytes())
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            data[info.header_offset + 6] |= 1
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        data[at + 8] |= 1
        at = data.find(b"PK\x01\x02", at + 4)
    path.write_bytes(data)
    assert "encrypted" in refusal(path)


# --- .npz files that lie -----------------------------------------------------


def npz_of(path, header):
    """An archive of one array, which is no more than this header."""
    member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", member)
    return path


HEADERS = {
    "open bracket": "{'descr': (((\n",
    "open text": "{'descr': '''abc\n",
    "indentation": "  if x:\n    y\n  z\n x\n",
    "nested": "-" * 9900 + "1",
    "brackets": "(" * 3000 + ")" * 3000,
    "list as key": "{[]: 1}",
    "keys of two types": "{1: 1, 'a': 2}",
    "empty type": "{'descr': (), 'fortran_order': False, 'shape': (1,)}",
    "number as type": "{'descr': 3, 'fortran_order': False, 'shape': (1,)}",
    "not a dict": "[1]",
    "code": "__import__('os')",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_an_array_whose_header_makes_no_sense_is_refused_in_a_short_line(header, path):
    message = refusal(npz_of(path, header))
    assert message.startswith(f"{path}: error: the header of 'a' is damaged: ")
    assert len(message.splitlines()) == 1
    assert len(message) < len(f"{path}") + 150


@pytest.mark.parametrize("side", ["-1", str(2**63), "0x" + "f" * 5000])
def test_an_array_of_an_impossible_shape_is_refused(side, path):
    npz_of(path, f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({side},)}}")
    with pytest.raises(Refused) as caught:
        checkpoint.read(path)
    assert str(caught.value) == f"{path}: error: 'a' has a side below 0, or more bytes than 2**63 - 1"


# --- PyTorch files that lie --------------------------------------------------


def test_storages_compressed_in_the_archive_are_refused(path):
    storages = [tensor.tobytes() for tensor in values().values()]
    zip_file(path, torch_pickle(values()), storages, zipfile.ZIP_DEFLATED)
    assert "the storage of 'stem.conv.weight' is missing or compressed" in refusal(path)


def test_a_pickle_that_unpacks_to_gigabytes_is_refused_unread(path):
    zip_file(path, b"\x80\x02" + b"N0" * (1 << 24) + b"N.", [], zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 16
    assert "'archive/data.pkl' is more than 2,1" in refusal(path)


def test_a_flipped_bit_of_a_storage_that_has_a_checksum_is_refused(path):
    """In each storage; PyTorch leaves the sums at 0 where `set_crc32_options(False)` asks for it."""
    whole = saved("zip", path, values()).read_bytes()
    for tensor in values().values():
        at = whole.index(tensor.tobytes()) + tensor.nbytes // 2
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        tensors = checkpoint.read(path)
        with pytest.raises(Refused, match=r"the checksum of 'archive/data/\d+' is wrong"):
            [tensor.exact() for tensor in tensors.values()]


def test_a_checkpoint_without_checksums_is_read(path):
    data = bytearray(saved("zip", path, values()).read_bytes())
    with zipfile.ZipFile(path) as archive:
        sums = [struct.pack("<I", info.CRC) for info in archive.infolist()]
    for total in sums:
        data = data.replace(total, bytes(4))
    path.write_bytes(data)
    assert_same(read_all(path), values())


def test_a_compressed_array_that_unpacks_to_more_than_its_shape_is_never_held(path):
    """The array's own header says how much is read, and the network says what that must be."""
    header = io.BytesIO()
    np.lib.format.write_array(header, values()["head.fc.bias"])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, tensor in values().items():
            with archive.open(f"{name}.npy", "w") as stream:
                np.lib.format.write_array(stream, tensor)
                if name == "head.fc.bias":
                    stream.write(bytes(1 << 24))
    assert_same(read_all(path), values())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("head.fc.bias.npy", "w") as stream:
        np.lib.format.write_array(stream, np.zeros(1 << 24, np.float32))
    assert "'head.fc.bias' is 16777216, not 3" in refusal(path)


@pytest.mark.parametrize("kind", BOTH)
def test_a_storage_that_reaches_past_the_end_of_the_file_is_refused(kind, path):
    data = [tensor.tobytes() for tensor in values().values()]
    whole = MAKERS[kind](path, torch_pickle(values()), data).read_bytes()
    short = [*data[:-1], data[-1][:-4]]
    MAKERS[kind](path, torch_pickle(values()), short)
    assert "'head.fc.bias' reaches past the end of its storage" in refusal(path)
    assert len(path.read_bytes()) < len(whole)


def test_a_member_that_claims_to_be_longer_than_the_file_is_refused(path):
    data = bytearray(saved("zip", path, values()).read_bytes())
    last = data.rindex(b"PK\x01\x02")
    data[last + 20 : last + 28] = struct.pack("<II", 1 << 20, 1 << 20)
    path.write_bytes(data)
    assert "'head.fc.bias' reaches past the end of the file" in refusal(path)


@pytest.mark.parametrize("count", [-1, -(2**63), 2**40, 2**63 - 1])
def test_legacy_storages_of_absurd_lengths_are_refused(count, path):
    legacy_file(path, torch_pickle(values()), [tensor.tobytes() for tensor in values().values()])
    data = path.read_bytes()
    first = data.index(struct.pack("<q", values()["stem.conv.weight"].size))
    path.write_bytes(data[:first] + struct.pack("<q", count) + data[first + 8 :])
    assert "reaches past the end of the file" in refusal(path)


@pytest.mark.parametrize(
    "keys",
    ["0", {"0": 1}, [0, 1], [10**5000], [["0"]], ["0", "unknown"], [None], []],
    ids=["text", "dict", "numbers", "huge number", "lists", "unknown", "none", "empty"],
)
def test_legacy_lists_of_storages_that_make_no_sense_are_refused(keys, path):
    legacy_file(path, torch_pickle(values()), [tensor.tobytes() for tensor in values().values()], keys)
    refusal(path)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (numbers((3, 4)) + numbers((4, 1)), numbers((3, 4)) + numbers((1, 4)), "gaps or overlaps itself"),
        (numbers((3, 4)) + numbers((4, 1)), numbers((3, 4)) + numbers((2, 6)), "gaps or overlaps itself"),
        (numbers((3, 4)) + numbers((4, 1)), numbers((3, 4)) + numbers((0, 0)), "gaps or overlaps itself"),
        (numbers((3, 4)) + numbers((4, 1)), numbers((3, 4)) + numbers((4,)), "2 sides and 1 strides"),
        (numbers((3, 4)) + numbers((4, 1)), numbers((3, -4)) + numbers((4, 1)), "gaps or overlaps itself"),
        (numbers((3, 4)) + numbers((4, 1)), numbers((2**70, 4)) + numbers((4, 1)), "past the end of its storage"),
        (number(0) + numbers((3, 4)), number(-1) + numbers((3, 4)), "past the end of its storage"),
        (number(0) + numbers((3, 4)), number(1) + numbers((3, 4)), "past the end of its storage"),
        (number(0) + numbers((3, 4)), number(2**70) + numbers((3, 4)), "past the end of its storage"),
        (text("cpu") + number(12) + b"t", text("cpu") + number(11) + b"t", "past the end of its storage"),
        (text("cpu") + number(12) + b"t", text("cpu") + text("12") + b"t", "unknown persistent id"),
        (text("cpu") + number(12) + b"t", text("cpu") + number(12) + numbers((0, 12)) + b"t", "unknown persistent id"),
        (b"torch\nFloatStorage", b"torch\nFloat8Storage", "would execute 'torch.Float8Storage'"),
    ],
)
def test_a_tensor_that_is_described_wrongly_is_refused(kind, old, new, message, path):
    pickled = torch_pickle(values())
    assert old in pickled
    MAKERS[kind](path, pickled.replace(old, new), [tensor.tobytes() for tensor in values().values()])
    assert message in refusal(path)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("sides", [(2**20000, 0), (2**63, 0), (2**31, 2**30, 0), (-1, 0)])
def test_a_tensor_of_an_impossible_shape_is_refused(kind, sides, path):
    """Without elements it fits into any storage; some numbers are too long for Python to write them."""
    MAKERS[kind](path, one_tensor("a", sides), [bytes(16)])
    with pytest.raises(Refused) as caught:
        checkpoint.read(path)
    assert str(caught.value) == f"{path}: error: 'a' has a side below 0, or more bytes than 2**63 - 1"


@pytest.mark.parametrize("kind", BOTH)
def test_a_tensor_of_more_sides_than_arrays_have_is_refused(kind, path):
    MAKERS[kind](path, one_tensor("a", (4, *[1] * 64)), [bytes(16)])
    with pytest.raises(Refused) as caught:
        checkpoint.read(path)
    assert str(caught.value) == f"{path}: error: 'a' has 65 sides, more than 32"


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("shape", [(3, 0), (0, 3), (0,), (2, 0, 5)])
@pytest.mark.parametrize("strides", ["of torch", "0", "huge"])
def test_a_tensor_without_elements_is_read_whatever_its_strides(kind, shape, strides, path):
    empty = np.zeros(shape, np.float32)
    pickled = torch_pickle({"a": empty})
    own = numbers(shape) + numbers(s // 4 for s in empty.strides)
    as_torch_writes = [math.prod(max(side, 1) for side in shape[at + 1 :]) for at in range(len(shape))]
    given = {"of torch": as_torch_writes, "0": [0] * len(shape), "huge": [2**80] * len(shape)}[strides]
    assert own in pickled
    MAKERS[kind](path, pickled.replace(own, numbers(shape) + numbers(given)), [b""])
    (found,) = checkpoint.read(path).values()
    assert found.exact().shape == found.rows(0, shape[0]).shape == shape


@pytest.mark.parametrize("kind", BOTH)
def test_a_name_that_no_text_can_hold_is_refused(kind, path):
    MAKERS[kind](path, one_tensor("a\ud800", (4,)), [bytes(16)])
    with pytest.raises(Refused) as caught:
        checkpoint.read(path)
    assert str(caught.value) == f"{path}: error: the name 'a\\ud800' is not Unicode text"


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("mark", ["neg", "conj"])
@pytest.mark.parametrize("is_set", [True, False])
def test_a_view_whose_numbers_are_not_those_in_the_file_is_refused(kind, mark, is_set, path):
    """PyTorch writes what a lazy view is of, and its mark as the seventh argument: `torch._neg_view` is one."""
    state = b"}" + text(mark) + (b"\x88" if is_set else b"\x89") + b"s"
    hooks = b"\x89ccollections\nOrderedDict\n)R"
    pickled = torch_pickle({"a": np.ones(4, np.float32)})
    assert hooks + b"t" in pickled
    MAKERS[kind](path, pickled.replace(hooks + b"t", hooks + state + b"t"), [bytes(16)])
    if not is_set:
        assert checkpoint.read(path).keys() == {"a"}
        return
    with pytest.raises(Refused) as caught:
        checkpoint.read(path)
    assert str(caught.value) == (
        f"{path}: error: 'a' is a view that PyTorch marks '{mark}': its numbers are others\n"
        "hint: call .resolve_neg() and .resolve_conj() before saving"
    )


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    ("what", "message"),
    [
        (["a", "list"], "not a state dict"),
        ({1: 2}, "not a state dict"),
        ({"a": "text"}, "'a' is not a tensor"),
        ({"state_dict": {"a": None}}, "'a' is not a tensor"),
        (17, "not a state dict"),
        ({("a", "b"): 1}, "a key that is not a name or number"),
        (OrderedDict([(("a",), 1)]), "a key that is not a name or number"),
        ({"a": {1, 2}}, "would execute '__builtin__.set'"),
        ({"a": bytearray(9)}, "would execute"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(kind, what, message, path):
    MAKERS[kind](path, pickle.dumps(what, 2), [])
    assert message in refusal(path)


def test_a_checkpoint_of_a_big_endian_machine_is_refused(path):
    zip_file(path, torch_pickle(values()), [t.tobytes() for t in values().values()], byteorder="big")
    assert "saved on a big-endian machine" in refusal(path)


# --- pickles that attack -----------------------------------------------------


def _called(name, argument):
    """The opcodes that call the callable `name` on text."""
    module, _, attribute = name.rpartition(".")
    return f"c{module}\n{attribute}\n".encode() + b"(" + text(argument) + b"tR"


def attacks(marker):
    """Pickles that would create the file `marker`, with the callable that their refusal names."""
    shell = f"echo > {marker}"
    code = f"__import__('os').mkdir({str(marker)!r})"
    system = _called("os.system", shell)
    stacked = text("os") + text("system") + b"\x93(" + text(shell) + b"tR"
    ordered = b"ccollections\nOrderedDict\n)R"
    yield "reduce", b"\x80\x02" + system + b".", "os.system"
    yield "posix", b"\x80\x02" + _called("posix.system", shell) + b".", "posix.system"
    yield "eval", b"\x80\x02" + _called("builtins.eval", code) + b".", "builtins.eval"
    yield "exec of Python 2", b"\x80\x02" + _called("__builtin__.eval", code) + b".", "__builtin__.eval"
    yield "getattr", b"\x80\x02" + _called("builtins.getattr", code) + b".", "builtins.getattr"
    yield "stack global", b"\x80\x04" + stacked + b".", "os.system"
    yield (
        "dotted stack global",
        b"\x80\x04" + text("collections") + text("abc.sys.modules") + b"\x93.",
        "collections.abc",
    )
    yield "in a state dict", b"\x80\x02}" + text("a") + system + b"s.", "os.system"
    yield "in a persistent id", b"\x80\x02(" + text("storage") + system + b"tQ.", "os.system"
    yield "inst", b"\x80\x02(" + text(shell) + b"ios\nsystem\n.", "os.system"
    yield "obj", b"\x80\x02(cos\nsystem\n" + text(shell) + b"o.", "os.system"
    yield "new object", b"\x80\x02csubprocess\nPopen\n" + text(shell) + b"\x85\x81.", "subprocess.Popen"
    yield "new object with keywords", b"\x80\x04csubprocess\nPopen\n)}\x92.", "subprocess.Popen"
    yield (
        "build with a callable",
        b"\x80\x02" + ordered + b"}" + text("__setstate__") + b"cos\nsystem\nsb.",
        "os.system",
    )
    yield "a module's code", b"\x80\x02" + _called("torch.hub.load", shell) + b".", "torch.hub.load"
    yield "tensor of numpy", b"\x80\x02" + _called("numpy.load", shell) + b".", "numpy.load"
    yield "loader of torch", b"\x80\x02" + _called("torch.storage._load_from_bytes", shell) + b".", "torch.storage"
    yield "our own reader", b"\x80\x02" + _called("resnet_gen.weights.formats.pickle.load", shell) + b".", "resnet_gen"


NAMES = [name for name, *_ in attacks(Path("marker"))]


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("attack", NAMES)
def test_a_checkpoint_that_would_execute_code_is_refused_by_the_name_of_the_code(kind, attack, tmp_path, path):
    marker = tmp_path / "executed"
    pickled, name = next((p, n) for found, p, n in attacks(marker) if found == attack)
    assert f"would execute '{name}" in refusal(MAKERS[kind](path, pickled, []))
    assert not marker.exists()


@pytest.mark.parametrize("attack", ["reduce", "inst", "obj", "eval", "stack global"])
def test_the_attacks_do_execute_where_a_pickle_is_simply_loaded(attack, tmp_path):
    """Else the test above would prove nothing."""
    marker = tmp_path / "executed"
    pickled = next(p for found, p, _ in attacks(marker) if found == attack)
    pickle.loads(pickled)
    assert marker.exists()


@pytest.mark.parametrize("at", range(5))
def test_every_pickle_of_the_legacy_format_is_guarded(at, tmp_path, path):
    marker = tmp_path / "executed"
    pickles = [pickle.dumps(v, 2) for v in (0x1950A86A20F9469CFC6C, 1001, {})] + [torch_pickle({}), pickle.dumps([], 2)]
    pickles[at] = b"\x80\x02" + _called("os.system", f"echo > {marker}") + b"."
    path.write_bytes(b"".join(pickles))
    assert "would execute 'os.system'" in refusal(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "state", [b"}" + text("dtype") + text("float64") + b"s", b"N}" + text("dtype") + text("x") + b"s\x86"]
)
@pytest.mark.parametrize(
    "name", ["torch\nFloatStorage", "torch._utils\n_rebuild_tensor_v2", "torch._utils\n_rebuild_parameter"]
)
def test_a_checkpoint_cannot_change_how_the_next_one_is_read(name, state, path):
    """BUILD sets attributes of whatever stands on the stack, and the known names stand for objects of ours."""
    zip_file(path, b"\x80\x02c" + name.encode() + b"\n" + state + b"b.", [])
    assert "attributes of what is no state dict" in refusal(path)
    assert_same(read_all(saved("zip", path, values())), values())


@pytest.mark.parametrize("name", ["__class__", "__setstate__", "items", "get", "_metadata"])
def test_attributes_of_a_state_dict_are_read_past(name, path):
    pickled = torch_pickle(values())[:-1] + b"}" + text(name) + text("os.system") + b"sb."
    zip_file(path, pickled, [tensor.tobytes() for tensor in values().values()])
    assert_same(read_all(path), values())


@pytest.mark.parametrize(
    "pickled",
    [
        b"\x80\x02K\x01r\x00\x00\x00\x20.",
        b"\x80\x02}" + b")" + b"\x85" * 1_000_000 + b"K\x01s.",
        b"\x80\x02}(" + b")" + b"\x85" * 1_000_000 + b"K\x01u.",
        b"\x80\x02(" + b")" + b"\x85" * 1_000_000 + b"K\x01d.",
        b"\x80\x04\x8f(" + b")" + b"\x85" * 1_000_000 + b"\x90.",
        b"\x80\x04(" + b")" + b"\x85" * 1_000_000 + b"\x91.",
        b"\x80\x02ccollections\nOrderedDict\n((" + b")" + b"\x85" * 1_000_000 + b"K\x01t\x85tR.",
        b"\x80\x05\x96" + struct.pack("<Q", 1 << 32) + b".",
        b"\x80\x02" + b"]" * 1_000_000 + b"a" * 999_999 + b".",
        b"\x80\x02\x8b" + struct.pack("<i", 1 << 30) + b"1.",
        b"\x80\x02\x82\x01.",
        b"\x80\x02h\x05.",
        b"\x80\x02.",
        b"\x80\x09.",
    ],
    ids=[
        "memo",
        "key",
        "keys",
        "dict",
        "set",
        "frozen set",
        "pairs",
        "buffer",
        "nested",
        "long",
        "ext",
        "get",
        "end",
        "9",
    ],
)
def test_a_pickle_that_would_exhaust_memory_or_the_stack_is_refused(pickled, path):
    zip_file(path, pickled, [])
    code = (
        "import resource, sys; from pathlib import Path; from resnet_gen.problems import Refused\n"
        "from resnet_gen.weights import checkpoint\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: checkpoint.read(Path(sys.argv[1]))\n"
        "except Refused: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) < 500_000, "kilobytes"


# --- arrays of objects -------------------------------------------------------


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"echo > {self.marker}",)


def test_an_array_of_objects_is_refused_unread(tmp_path, path):
    marker = tmp_path / "executed"
    trap = np.array([Trap(marker)], dtype=object)
    with path.open("wb") as stream:
        np.savez(stream, **{**values(), "head.fc.bias": trap})
    assert "'head.fc.bias' holds Python objects, which would execute code" in refusal(path)
    assert not marker.exists()
    with np.load(path, allow_pickle=True) as archive:
        archive["head.fc.bias"]
    assert marker.exists(), "else this test would prove nothing"


def test_an_array_that_changes_into_objects_after_it_was_checked_is_refused(tmp_path, path):
    marker = tmp_path / "executed"
    tensors = checkpoint.read(saved("npz", path, values()))
    with path.open("wb") as stream:
        np.savez(stream, **{**values(), "head.fc.bias": np.array([Trap(marker)], dtype=object)})
    with pytest.raises(Refused, match="damaged"):
        tensors["head.fc.bias"].rows(0, 3)
    assert not marker.exists()


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_orig_mod.module.", "model."])
def test_a_prefix_of_all_names_is_taken_off_and_said(prefix, path):
    saved("npz", path, {f"{prefix}{name}": tensor for name, tensor in values().items()})
    with pytest.warns(UserWarning, match="taken off") as caught:
        weights = checkpoint.match_state_dict(GRAPH, checkpoint.read(path), path)
    assert [str(w.message) for w in caught] == [f"{path}: every name begins with '{prefix}', which is taken off"]
    assert_same({name: weights.rows(name, 0, len(tensor)) for name, tensor in values().items()}, values())


def test_a_prefix_is_told_on_one_line_whatever_it_is(path):
    prefix = "\x1b[31m\n" + "a" * 1_000 + "."
    saved("safetensors", path, {f"{prefix}{name}": tensor for name, tensor in values().items()})
    with pytest.warns(UserWarning, match="taken off") as caught:
        checkpoint.match_state_dict(GRAPH, checkpoint.read(path), path)
    shown = "\\x1b[31m\\n" + "a" * 47 + "..."
    assert [str(w.message) for w in caught] == [f"{path}: every name begins with '{shown}', which is taken off"]


def test_a_prefix_of_some_names_is_a_fault(path):
    first, *others = values().items()
    saved("npz", path, {f"module.{first[0]}": first[1], **dict(others)})
    assert f"'module.{first[0]}' belongs to no layer of 'tiny'" in refusal(path)


def test_the_counter_of_an_averaged_model_is_left_out(path):
    wrapped = {f"module.{name}": tensor for name, tensor in values().items()}
    saved("npz", path, {"n_averaged": np.array(3), **wrapped})
    with pytest.warns(UserWarning, match="every name begins with 'module.'"):
        checkpoint.match_state_dict(GRAPH, checkpoint.read(path), path)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (("state_dict",), None),
        (("model",), None),
        (("model_state_dict",), None),
        (("state_dict", "model"), None),
        (("state_dict_ema",), "read are the averaged weights under 'state_dict_ema'"),
        (("model_ema",), "read are the averaged weights under 'model_ema'"),
    ],
)
def test_the_state_dict_is_found_under_the_keys_of_training_scripts(kind, keys, message, path):
    pickled = torch_pickle(values())
    head = b"".join(b"}" + text(key) for key in keys)
    wrapped = b"\x80\x02" + head + pickled[2:-1] + b"s" * len(keys) + text("epoch") + number(3) + b"s."
    MAKERS[kind](path, wrapped, [tensor.tobytes() for tensor in values().values()])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert_same(read_all(path), values())
    assert [str(w.message) for w in caught] == ([f"{path}: {message}"] if message else [])


@pytest.mark.parametrize("key", ["state_dict", "model_ema"])
def test_a_state_dict_that_holds_itself_is_refused(key, path):
    held = {}
    held[key] = held
    zip_file(path, pickle.dumps(held, 2), [])
    code = (
        "import sys; from pathlib import Path; from resnet_gen.weights import checkpoint\n"
        "checkpoint.read(Path(sys.argv[1]))"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False, timeout=60)
    assert f"{path}: error: state dicts inside one another, more than 8 deep" in done.stderr


def test_of_weights_and_their_average_the_weights_are_read_and_that_is_said(path):
    trained = torch_pickle(values())[2:-1]
    wrapped = b"\x80\x02}" + text("model_ema") + b"}s" + text("model") + trained + b"s."
    MAKERS["zip"](path, wrapped, [tensor.tobytes() for tensor in values().values()])
    with pytest.warns(UserWarning, match="read are") as caught:
        assert_same(read_all(path), values())
    message = f"{path}: read are the weights under 'model', not the averaged ones under 'model_ema'"
    assert [str(w.message) for w in caught] == [message]


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("name", ["posix.system", "builtins.eval", "__main__.Callback"])
def test_code_beside_the_state_dict_of_a_training_checkpoint_is_refused_by_its_name(kind, name, tmp_path, path):
    """As Lightning keeps callbacks and hyper-parameters beside it."""
    marker = tmp_path / "executed"
    callback = _called(name, f"echo > {marker}")
    pickled = b"\x80\x02}" + text("state_dict") + torch_pickle(values())[2:-1] + b"s"
    pickled += text("callbacks") + b"}" + text("ModelCheckpoint") + callback + b"ss."
    storages = [tensor.tobytes() for tensor in values().values()]
    assert refusal(MAKERS[kind](path, pickled, storages)) == (
        f"{path}: error: would execute '{name}'; not read\n"
        "hint: save the state dict alone: torch.save(model.state_dict(), ...), or as safetensors"
    )
    assert not marker.exists()


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("name", ["sparse_tensor", "qtensor", "tensor_v3", "meta_tensor_no_storage", "nested_tensor"])
def test_a_tensor_of_another_kind_is_refused_with_what_makes_it_a_plain_one(kind, name, path):
    pickled = b"\x80\x02}" + text("head.fc.bias") + _called(f"torch._utils._rebuild_{name}", "x") + b"s."
    assert refusal(MAKERS[kind](path, pickled, [])) == (
        f"{path}: error: would execute 'torch._utils._rebuild_{name}'; not read\n"
        "hint: only plain tensors are read: of others .to_dense(), .dequantize() or .float() makes them"
    )


# --- published state dicts ---------------------------------------------------


class Shaped:
    """A tensor of which only the shape is known."""

    def __init__(self, shape):
        self.shape = tuple(shape)


PUBLISHED = published()


@pytest.mark.parametrize("reference", PUBLISHED)
def test_the_published_weights_of_a_network_load_by_name_whole_and_into_its_backbone(reference):
    state = json.loads((references_folder() / f"{reference}.json").read_text(encoding="utf-8"))["state"]
    tensors = {name: Shaped(shape) for name, shape in state.items()}
    checkpoint.match_state_dict(lower(shipped(PUBLISHED[reference])), tensors, Path("w.pth"))
    cut = load(PUBLISHED[reference], ["head=none", "outputs=[stage2]"])
    backbone = lower(cut)
    assert 0 < len(backbone.state()) < len(state)
    with pytest.raises(Refused):
        checkpoint.match_state_dict(backbone, tensors, Path("w.pth"))
    checkpoint.match_state_dict(backbone, tensors, Path("w.pth"), body=lower(without_outputs(cut)))


@pytest.mark.parametrize("outputs", ["outputs=[stage1]", "outputs=[]"])
@pytest.mark.parametrize("name", ["preact110", "cifar-resnet20", "highway-a", "alphago-zero-20"])
def test_the_weights_of_a_network_that_nobody_publishes_load_into_its_backbone_too(name, outputs):
    """Under our own names a norm behind the last block stands in the head's module."""
    tensors = {weight: Shaped(tensor.shape) for weight, tensor in lower(load(name)).state().items()}
    cut = load(name, ["head=none", outputs])
    checkpoint.match_state_dict(lower(cut), tensors, Path("w"), body=lower(without_outputs(cut)))


def test_a_tensor_too_many_inside_a_backbone_s_modules_is_refused():
    cut = load("resnet18", ["head=none", "outputs=[stage2]"])
    backbone, body = lower(cut), lower(without_outputs(cut))
    tensors = {name: Shaped(tensor.shape) for name, tensor in backbone.state().items()}
    checkpoint.match_state_dict(
        backbone,
        {**tensors, "fc.weight": Shaped([10, 4]), "layer4.0.conv1.weight": Shaped([1])},
        Path("w"),
        body=body,
    )
    with pytest.raises(Refused, match=r"'layer2.7.conv1.weight' belongs to no layer"):
        checkpoint.match_state_dict(backbone, {**tensors, "layer2.7.conv1.weight": Shaped([1])}, Path("w"), body=body)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("again", range(3))
@pytest.mark.parametrize("kind", ["npz", "zip"])
def test_two_members_of_one_name_are_refused(path, kind, again):
    """Which of them is read differs between libraries: NumPy takes the last, others the first."""
    file = saved(kind, path, values())
    with zipfile.ZipFile(file, "a") as archive:
        name = archive.namelist()[again]
        archive.writestr(name, archive.read(name))
    with pytest.raises(Refused, match="two members are called"):
        checkpoint.read(file)
