"""Where BF16 is slower than FP32 on a CPU, whoever chooses it hears of it."""

import io
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from resnet_gen import bench, emit_onnx, load_spec, run
from resnet_gen.build import build_notes
from resnet_gen.engine import cpu_numerics
from tests.helpers.onnx_runs import TINY

X = np.random.default_rng(0).standard_normal((1, 1, 8, 8), np.float32)
SAID = "this CPU has AVX512-BF16 and no AMX: OpenVINO computes bfloat16 slower than float32 here"


def faked(monkeypatch, text):
    monkeypatch.setattr(cpu_numerics, "open_regular_file", lambda path: io.BytesIO(text.encode()))


@pytest.mark.parametrize(
    ("vendor", "flags", "slow"),
    [
        ("GenuineIntel", "avx512f avx512_vnni avx512_bf16", True),
        ("GenuineIntel", "avx512f avx512_bf16 amx_bf16 amx_int8", False),
        ("GenuineIntel", "avx512f avx512_vnni", False),
        ("AuthenticAMD", "avx512f avx512_vnni avx512_bf16", False),
        (None, "avx512_bf16", False),
        ("GenuineIntel", None, False),
    ],
)
def test_such_a_processor_is_known_by_its_maker_and_flags(monkeypatch, vendor, flags, slow):
    """Of two that have AVX512-BF16 alone, Zen 4 was measured at 1.9 times FP32's speed and a Xeon at 0.6."""
    lines = ["processor\t: 0", f"vendor_id\t: {vendor}" if vendor else "", f"flags\t\t: fpu {flags}" if flags else ""]
    second = "\nprocessor\t: 1\nvendor_id\t: Other\nflags\t\t: amx_bf16 \xff\n"
    faked(monkeypatch, "\n".join(filter(None, lines)) + "\n" + second)
    assert cpu_numerics.slows_bfloat16() == slow


def test_where_nothing_tells_of_the_processor_nothing_is_assumed(monkeypatch):
    def fail(path):
        raise FileNotFoundError

    monkeypatch.setattr(cpu_numerics, "open_regular_file", fail)
    assert not cpu_numerics.slows_bfloat16()
    assert not cpu_numerics.sums_saturate()


@pytest.mark.parametrize(
    ("library", "precision", "slow", "said"),
    [
        ("openvino", "bf16", True, True),
        ("openvino", "bf16, f32", True, True),
        ("openvino", "f32", True, False),
        ("openvino", "bf16", False, False),
        ("onnxruntime", "bf16", True, False),
        ("openvino", None, True, False),
    ],
)
def test_what_is_computed_in_it_is_told_and_nothing_else(monkeypatch, library, precision, slow, said):
    monkeypatch.setattr(cpu_numerics, "slows_bfloat16", lambda: slow)
    runtime = {"library": library} | ({"precision": precision} if precision else {})
    found = cpu_numerics.describe_slow_bfloat16(SimpleNamespace(where="a.onnx", runtime=runtime))
    assert (found is not None) == said
    assert not found or found.startswith(f"a.onnx: {SAID}")


@pytest.mark.parametrize("command", [("run",), ("bench", "--repeat", "1")])
def test_run_and_bench_say_so(cli, tmp_path, monkeypatch, command):
    pytest.importorskip("openvino", reason="openvino is not installed", exc_type=ImportError)
    monkeypatch.setattr(cpu_numerics, "slows_bfloat16", lambda: True)
    monkeypatch.setattr("resnet_gen.engine.openvino._list_executed_types", lambda compiled: "bf16")
    path = emit_onnx(load_spec(TINY), tmp_path / "tiny.onnx")
    code, _, err = cli(*command, path, "--backend", "openvino", "--precision-hint", "bf16")
    assert code == 0
    assert f"note: {path}: {SAID}" in err
    assert "hint: FP32 is faster on such CPUs" in err
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if command[0] == "run":
            run(path, X, runtime="openvino", precision_hint="bf16")
        else:
            bench(path, runtime="openvino", precision_hint="bf16", seconds=None, repeat=1)
    assert [str(one.message).startswith(f"{path}: {SAID}") for one in caught] == [True]


@pytest.mark.parametrize(
    ("asked", "slow", "said"),
    [
        (("--for", "cpu", "--precision", "bf16"), True, True),
        (("--for", "cpu", "--precision", "bf16"), False, False),
        (("--for", "cpu"), True, False),
        (("--precision", "bf16"), True, False),
    ],
)
def test_a_build_for_a_cpu_says_so(cli, tmp_path, monkeypatch, asked, slow, said):
    monkeypatch.setattr(build_notes, "slows_bfloat16", lambda: slow)
    code, _, err = cli("build", TINY, *asked, "-o", tmp_path / "out")
    assert code == 0
    assert (f"note: tiny: {SAID}" in err) == said
