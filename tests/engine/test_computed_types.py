"""A runtime computes what a file says: which types are asked of it, and that it tells in which it computed."""

import io
import json
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest

from resnet_gen import bench, build, emit_onnx, load_spec, run
from resnet_gen.engine import cpu_numerics, runtimes, tensorrt
from resnet_gen.engine.base import Tuning
from resnet_gen.engine.cpu_numerics import has_seven_bits
from resnet_gen.engine.runtimes import open_file
from resnet_gen.problems import Refused
from tests.fixtures import fake_tensorrt
from tests.helpers.onnx_runs import TINY
from tests.helpers.restrained import on_the_whole_processor

WAYS = {
    "fp32": {},
    "fp32, folded": {"fold": True},
    "fp32, small": {"batch": 1},
    "fp16": {"precision": "fp16"},
    "fp16, typed": {"precision": "fp16", "typed_io": True},
    "bf16": {"precision": "bf16"},
    "int8, cpu": {"precision": "int8", "calibration": "random", "placement": "cpu"},
    "int8, fp16 elsewhere": {"precision": "int8", "calibration": "random", "placement": "tensorrt", "rest": "fp16"},
    "fp8": {"precision": "fp8", "calibration": "random"},
}
"""Ways of writing a network; those whose floats are all float16 may be computed in it."""
ALL_HALF = {"fp16", "fp16, typed"}
X = np.random.default_rng(0).standard_normal((1, 1, 8, 8), np.float32)


@pytest.fixture
def openvino():
    return pytest.importorskip("openvino", reason="openvino is not installed", exc_type=ImportError)


def with_capabilities(monkeypatch, openvino, capabilities):
    """OpenVINO says that the CPU has these types; what it is then asked for lands in the list."""
    asked = []
    core = openvino.Core

    class Core:
        def get_property(self, device, name):
            assert (device, name) == ("CPU", "OPTIMIZATION_CAPABILITIES")
            return capabilities

        def compile_model(self, model, device, properties):
            asked.append(properties["INFERENCE_PRECISION_HINT"])
            return core().compile_model(model, device, properties)

    monkeypatch.setattr(openvino, "Core", Core)
    return asked


@on_the_whole_processor
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("capabilities", [["FP32"], ["BF16", "FP32", "INT8"], ["FP16", "BF16", "FP32"]], ids="+".join)
def test_openvino_is_asked_for_the_file_s_own_type(way, capabilities, openvino, tmp_path, monkeypatch):
    asked = with_capabilities(monkeypatch, openvino, capabilities)
    path = emit_onnx(TINY, tmp_path / "a.onnx", **WAYS[way])
    open_file("openvino", path)
    assert asked == ["f16" if way in ALL_HALF and "FP16" in capabilities else "f32"]
    for hint in ("f32", "bf16", "f16"):
        open_file("openvino", path, tuning=Tuning(precision_hint=hint))
        assert asked[-1] == hint, "what the user asks for goes before"


@pytest.mark.parametrize("name", ["cifar-resnet20", "seresnet18", "regnety_002", "resnet18"])
def test_float32_is_float32_on_every_processor(name, openvino, tmp_path):
    loaded = load_spec(name, {"input.size": 32})
    path = emit_onnx(loaded, tmp_path / "a.onnx")
    x = np.random.default_rng(1).standard_normal((1, 3, 32, 32), np.float32)
    wanted, found = (open_file(by, path).run(x)["logits"] for by in ("onnxruntime", "openvino"))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
    assert open_file("openvino", path).runtime["precision"] == "f32"


@pytest.mark.parametrize("by", ["onnxruntime", "openvino"])
def test_a_run_and_a_measurement_tell_in_which_types_layers_ran(by, cli, tmp_path):
    pytest.importorskip(by, exc_type=ImportError)
    floats, eight = (emit_onnx(TINY, tmp_path / f"{way[:4]}.onnx", **WAYS[way]) for way in ("fp32", "int8, cpu"))
    for path, types in ((floats, r"f32"), (eight, r"[ui]8(, [ui]8)?")):
        code, out, _ = cli("run", path, "--backend", by)
        assert code == 0
        assert re.search(rf", computed in {types} by {by} [\d.]+$", out.strip())
        assert re.fullmatch(
            types, json.loads(cli("run", path, "--backend", by, "--format", "json")[1])["runtime"]["precision"]
        )
        code, out, _ = cli("bench", path, "--backend", by, "--seconds", "0.01")
        assert code == 0
        assert re.search(rf"{by} [\d.]+, computed in {types}(,|$)", out.splitlines()[0])


def test_noting_the_types_leaves_no_file_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    path = emit_onnx(TINY, tmp_path / "a.onnx")
    never, once = (open_file("onnxruntime", path, tuning=Tuning(tells_types=True)) for _ in range(2))
    assert "precision" not in never.runtime
    once.run(X)
    assert once.runtime["precision"] == "f32"
    once.run(X)
    del never
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize(("name", "told"), [("a\nb\x1b", "f32"), ('a"b', "unknown"), ('"}}]', "unknown")])
def test_types_are_unknown_where_a_profile_cannot_be_read(tmp_path, monkeypatch, name, told):
    """Older ones write names as they are."""
    once = open_file("onnxruntime", emit_onnx(TINY, tmp_path / "a.onnx"), tuning=Tuning(tells_types=True))
    ends = once.session.end_profiling

    def end_profiling():
        path = Path(ends())
        path.write_text(path.read_text().replace('"name" :"', f'"name" :"{name}'))
        return str(path)

    monkeypatch.setattr(once.session, "end_profiling", end_profiling)
    once.run(X)
    assert once.runtime["precision"] == told


INTEGERS = {"precision": "int8", "calibration": "random", "placement": "cpu"}


@pytest.mark.parametrize("command", [("run",), ("bench", "--repeat", "1")])
@pytest.mark.parametrize("lacks_vnni", [True, False])
@pytest.mark.parametrize(
    ("how", "saturates"),
    [(INTEGERS, True), ({**INTEGERS, "reduce_range": True}, False), ({**INTEGERS, "placement": "tensorrt"}, False),
     ({}, False)],
)  # fmt: skip
def test_eight_bits_that_this_processor_does_not_compute_are_told(
    how, saturates, lacks_vnni, command, cli, tmp_path, monkeypatch
):
    """ONNX Runtime computes what is for TensorRT in float32, and what has seven bits right everywhere."""
    monkeypatch.setattr(cpu_numerics, "sums_saturate", lambda: lacks_vnni)
    path = emit_onnx(load_spec(TINY), tmp_path / "tiny.onnx", **how)
    code, _, said = cli(*command, path)
    assert code == 0
    expected = f"warning: {path}: this CPU has no VNNI: onnxruntime saturates sums of 8-bit products here"
    assert (expected in said, "VNNI" in said) == ((saturates and lacks_vnni,) * 2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if command[0] == "run":
            run(path, X)
        else:
            bench(load_spec(TINY), path, seconds=None, repeat=1)
    advice = "for such CPUs, build --for cpu-avx2, or with --reduce-range"
    told = f"{expected.removeprefix('warning: ')}; {advice}"
    assert [(str(w.message), w.filename) for w in caught] == [(told, __file__)] * (saturates and lacks_vnni)


@pytest.mark.parametrize(
    ("flags", "saturate"),
    [("sse4_2 avx2", True), ("avx2 avx512f avx512_vnni", False), ("avx_vnni avx2", False), ("avx2 amx_int8", False),
     ("sse4_2", False), (None, False)],
)  # fmt: skip
def test_a_processor_without_vnni_is_known_by_its_flags(flags, saturate, monkeypatch):
    """And taken for a better one where it tells no flags, as those of Arm and of other systems do."""
    text = f"processor\t: 0\nflags\t\t: fpu {flags}\n\nprocessor\t: 1\n" if flags else "processor\t: 0\n"
    monkeypatch.setattr(cpu_numerics, "open_regular_file", lambda path: io.BytesIO(text.encode()))
    assert cpu_numerics.sums_saturate() == saturate


def saved(arrays, path, outside):
    """A file that holds these arrays, or has them beside it."""
    tensors = [onnx.numpy_helper.from_array(values, name) for name, values in arrays.items()]
    node = onnx.helper.make_node("Identity", [next(iter(arrays))], ["y"])
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [], [], tensors))
    onnx.save(model, path, save_as_external_data=outside, location="a.data", size_threshold=0)
    return path


@pytest.mark.parametrize("least", [-65, -64, -63])
@pytest.mark.parametrize("most", [63, 64, 65])
@pytest.mark.parametrize("outside", [True, False])
def test_seven_bits_are_seen_in_the_numbers(least, most, outside, tmp_path):
    weights = np.linspace(least, most, 600).round().astype(np.int8).reshape(20, 30)
    path = saved({"w": weights, "zero": np.array(-128, np.int8)}, tmp_path / "a.onnx", outside)
    assert has_seven_bits(path) == (max(-least, most) <= 64)


def test_seven_bits_are_not_assumed_of_numbers_that_cannot_be_read(tmp_path):
    path = tmp_path / "a.onnx"
    for text in (b"", b"no model"):
        path.write_bytes(text)
        assert not has_seven_bits(path)
    saved({"w": np.zeros((20, 30), np.int8)}, path, True)
    (tmp_path / "a.data").unlink()
    assert not has_seven_bits(path)


def test_functions_take_a_type_to_ask_for_where_openvino_runs(openvino):
    a, b = (run(str(TINY), X, runtime="openvino", precision_hint=hint)["logits"] for hint in ("f32", None))
    np.testing.assert_array_equal(a, b)
    result = bench(str(TINY), str(TINY), against_runtime="openvino", precision_hint="f32", seconds=None, repeat=1)
    assert result.difference.largest <= 1e-4 * result.difference.scale
    for refused in (
        lambda: run(str(TINY), X, precision_hint="bf16"),
        lambda: bench(str(TINY), precision_hint="bf16"),
        lambda: run(str(TINY), X, runtime="openvino", precision_hint="f8"),
    ):
        with pytest.raises(Refused, match=r"precision.hint"):
            refused()


# --- TF32 ------------------------------------------------------------------------


@pytest.mark.parametrize("tf32", [False, True])
def test_tensorrt_multiplies_float32_in_tf32_only_if_asked(tf32, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt)
    monkeypatch.setattr(fake_tensorrt.MODE, "tf32", [])
    *_, manifest = build(TINY, tmp_path, target="tensorrt", tf32=tf32)
    assert fake_tensorrt.MODE.tf32 == [tf32]
    assert json.loads(manifest.read_text())["engine"]["tf32"] is tf32


@pytest.mark.parametrize("tf32", [False, True])
def test_tensorrt_rtx_has_the_flag_that_is_asked_for(tf32, tmp_path, monkeypatch):
    trt = pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx has no wheel for this system", exc_type=ImportError)
    seen, target = [], tensorrt._set_target
    monkeypatch.setattr(tensorrt, "_set_target", lambda trt, config, sm: seen.append(config) or target(trt, config, sm))
    build(TINY, tmp_path, target="tensorrt-rtx", compute_capabilities=(86,), tf32=tf32)
    assert seen[0].get_flag(trt.BuilderFlag.TF32) is tf32


@pytest.mark.parametrize("tf32", [False, True])
def test_a_bundle_and_a_server_are_told_of_tf32(tf32, tmp_path, cli):
    more = ("--tf32",) if tf32 else ()
    assert cli("build", TINY, "--for", "agx-orin", "--precision", "fp32", "-o", tmp_path, *more)[0] == 0
    assert ("--noTF32" in (tmp_path / "tiny.build.sh").read_text()) is not tf32
    manifest = json.loads((tmp_path / "tiny.manifest.json").read_text())
    assert manifest["bundle"]["tf32"] is tf32
    wanted = 0.01 if tf32 else 0.001
    assert json.loads((tmp_path / "tiny.expected.json").read_text())["tolerance"] == wanted
    assert cli("build", TINY, "--target", "triton", "-o", tmp_path / "served", *more)[0] == 0
    settings = (tmp_path / "served" / "tiny" / "config.pbtxt").read_text()
    assert ('parameters { key: "use_tf32" value: "0" }' in settings) is not tf32


@pytest.mark.parametrize(
    "options", [(), ("--for", "cpu"), ("--for", "cpu", "--target", "triton"), ("--target", "report")]
)
def test_tf32_is_for_gpus(cli, tmp_path, options):
    code, _, err = cli("build", TINY, "-o", tmp_path, "--tf32", *options)
    assert (code, "error: --tf32 means nothing for target " in err) == (2, True)


# --- FP8 -------------------------------------------------------------------------


@pytest.mark.parametrize("rest", ["fp16", "fp32"])
@pytest.mark.parametrize("name", ["cbam-resnet50", "ecaresnet50d", "resnet18"])
def test_fp8_is_run_as_it_is_written(name, rest, tmp_path):
    """ONNX Runtime's optimizer is off by half of the outputs and more."""
    loaded = load_spec(name, {"input.size": 32, "head.classes": 5, "stages.depths": [1, 1, 1, 1]})
    x = np.random.default_rng(0).standard_normal((4, 3, 32, 32), np.float32)
    exact, eight = emit_onnx(loaded, tmp_path / "32.onnx"), tmp_path / "8.onnx"
    emit_onnx(loaded, eight, precision="fp8", calibration="random", rest=rest)
    wanted, found = (open_file("onnxruntime", path).run(x)["logits"] for path in (exact, eight))
    assert np.sqrt(((found - wanted) ** 2).mean() / (wanted**2).mean()) < 0.3


def test_other_files_keep_the_optimizer(tmp_path):
    for way in ("fp32", "fp16", "int8, cpu", "int8, fp16 elsewhere"):
        assert runtimes._read_element_types(emit_onnx(TINY, tmp_path / "a.onnx", **WAYS[way])).isdisjoint(runtimes._FP8)
    assert not runtimes._read_element_types(emit_onnx(TINY, tmp_path / "a.onnx", **WAYS["fp8"])).isdisjoint(
        runtimes._FP8
    )
