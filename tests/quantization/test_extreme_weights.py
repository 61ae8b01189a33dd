"""Weights near the limits of their types: refused by the name of the tensor, or built; never a warning of NumPy's."""

import itertools
import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from resnet_gen import emit_onnx
from resnet_gen.cli import main
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from tests.helpers.onnx_runs import TINY
from tests.helpers.varied import spread

CONV, NORM = "stem.conv.weight", "stem.norm"
LOOK = "hint: look for a variance below zero, and for numbers near the limits of float32\n"


def weights(path, **factors):
    """Weights of about 1 in a file, some of them times a factor."""
    generator = np.random.default_rng(0)
    found = {}
    for name, tensor in lower(load(str(TINY))).state().items():
        values = np.abs(generator.standard_normal(tensor.shape)) + 0.01
        found[name] = (values * factors.get(name, 1)).clip(-3e38, 3e38).astype(np.float32)
    np.savez(path, **found)
    return path


def built(capsys, tmp_path, options, **factors):
    """Exit code and stderr of a build with such weights, which may leave nothing behind if it fails."""
    file = weights(tmp_path / "w.npz", **factors)
    with pytest.raises(SystemExit) as left:
        main(["build", str(TINY), "--weights", str(file), "-o", str(tmp_path / "out"), *options.split()])
    err = capsys.readouterr().err
    assert "encountered" not in err
    assert left.value.code == 0 or not (tmp_path / "out").exists()
    return left.value.code, err


HOLDING = "--precision bf16 or fp32, and beside eight bits --rest, holds that"
INT8 = "--precision int8 --calibration random --qdq"


@pytest.mark.parametrize(
    ("options", "factors", "message"),
    [
        (
            "--precision fp16", {CONV: 1e6},
            f"error: '{CONV}' has values beyond float16\nhint: {HOLDING}\n",
        ),
        (
            f"{INT8} tensorrt --rest fp16", {CONV: 1e9},
            "error: 'stem.act' needs a scale beyond float16\nhint: --rest fp32 keeps scales in float32\n",
        ),
        (
            f"{INT8} tensorrt --rest fp16", {"head.fc.weight": 1e9},
            f"error: 'head.fc.weight' has values beyond float16\nhint: {HOLDING}\n",
        ),
        (
            "--precision fp8 --calibration random --qdq tensorrt", {f"{NORM}.bias": 1e9},
            "error: 'stem.act' needs a scale beyond float16\nhint: --rest fp32 keeps scales in float32\n",
        ),
        (
            "--fold-bn", {f"{NORM}.running_var": -1},
            f"error: '{CONV}' is not finite when it is computed from the weights\n{LOOK}",
        ),
        (
            "--fold-bn", {f"{NORM}.weight": 1e38, CONV: 1e6},
            f"error: '{CONV}' is not finite when it is computed from the weights\n{LOOK}",
        ),
        (
            f"{INT8} cpu", {f"{NORM}.running_var": -1},
            f"error: '{CONV}' is not finite when it is computed from the weights\n{LOOK}",
        ),
    ],
    ids=lambda v: v if isinstance(v, str) and v.startswith("--") else "",
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*which have no root")
def test_what_a_type_cannot_hold_is_refused_by_name(options, factors, message, capsys, tmp_path):
    assert built(capsys, tmp_path, options, **factors) == (2, message)


@pytest.mark.parametrize(
    ("factor", "options", "tensor"),
    spread(
        itertools.product(
            [1e38, 1e20, 1e-30, 1e-44, 0],
            ["--fold-bn", f"{INT8} cpu", f"{INT8} tensorrt --rest fp32"],
            [CONV, f"{NORM}.bias", f"{NORM}.running_var", "head.fc.weight"],
        ),
        20,
    ),
)
def test_numpy_never_speaks_for_itself(tensor, options, factor, capsys, tmp_path):
    code, err = built(capsys, tmp_path, options, **{tensor: factor})
    assert code == 0 or err.startswith("error: '")


SIGNALLING = {"F64": 0x7FF0000000000001, "F32": 0x7F800001, "F16": 0x7C01, "BF16": 0x7F81}
"""Bits of a NaN that signals, in each type of safetensors."""
COMMANDS = (
    "build TINY --weights w.safetensors -o out", "run TINY --weights w.safetensors", "import w.safetensors",
    "weights show w.safetensors", "weights convert TINY w.safetensors -o c.npz",
    "weights convert TINY w.safetensors -o c.safetensors --to timm",
    "build TINY --weights w.safetensors -o f --fold-bn",
    "build TINY --weights w.safetensors -o h --precision fp16",
    "build TINY --weights w.safetensors -o b --precision bf16",
    f"build TINY --weights w.safetensors -o e {INT8} cpu",
    "verify TINY --no-config --against m.onnx --weights w.safetensors",
)  # fmt: skip


@pytest.mark.parametrize(("kind", "command"), spread(itertools.product(SIGNALLING, COMMANDS), 16))
def test_nor_of_numbers_that_signal(kind, command, tmp_path, monkeypatch, cli):
    monkeypatch.chdir(tmp_path)
    bits = np.dtype(f"<u{2 if kind.endswith('16') else 4 if kind == 'F32' else 8}")
    header, data, at = {}, b"", 0
    for name, tensor in lower(load(str(TINY))).state().items():
        values = np.full(tensor.shape, SIGNALLING[kind], bits).tobytes()
        data, end = data + values, at + len(values)
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    Path("w.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)
    emit_onnx(TINY, "m.onnx")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        code, out, err = cli(*command.replace("TINY", str(TINY)).split())
    assert code in (0, 1, 2)
    assert "encountered" not in out + err
    assert not [found for found in caught if issubclass(found.category, RuntimeWarning)]
