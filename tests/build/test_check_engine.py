"""check-engine: every line it can print, and manifests that anybody may have damaged."""

import copy
import hashlib
import json
import os
import shutil
from importlib import import_module
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resnet_gen import __version__
from resnet_gen.build import engine_check
from resnet_gen.build.build import build as build_one
from resnet_gen.build.engine_check import all_fit, check
from resnet_gen.build.option_checks import EngineRequirements
from resnet_gen.build.request import Request
from resnet_gen.build.request_resolution import BuildWishes, resolve_request
from resnet_gen.engine import machine
from resnet_gen.engine.machine import Gpu, Validity
from resnet_gen.language.load import load
from resnet_gen.ops.precision import Calibration
from resnet_gen.problems import Refused
from resnet_gen.speed.targets import load_target
from tests.helpers.onnx_runs import TINY

CHECKPOINT = TINY.with_name("float32.safetensors")
ENGINE = "tiny.fp32.sm86.sm89.engine"


@pytest.fixture
def rtx():
    return pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx has no wheel for this system", exc_type=ImportError)


@pytest.fixture
def pretended(tmp_path):
    """What a build leaves, with an engine that only its manifest knows: its path."""
    *_, path = build_one(load(str(TINY)), Request(), tmp_path)
    manifest = json.loads(path.read_text())
    (tmp_path / ENGINE).write_bytes(b"an engine")
    digest = "2ab5d8d1e1e4f6b2"
    manifest["engine"] = {
        "file": ENGINE, "sha256": digest, "library": "tensorrt-rtx", "version": "1.7.1.116",
        "compute_capabilities": ["8.6", "8.9"], "batch": [1, 8, 32],
    }  # fmt: skip

    manifest["files"][ENGINE] = hashlib.sha256(b"an engine").hexdigest()
    path.write_text(json.dumps(manifest))
    return tmp_path / ENGINE


@pytest.fixture(autouse=True)
def bare(monkeypatch, request):
    """A machine without a GPU and without a library, unless a test says otherwise."""
    if "rtx" not in request.fixturenames:
        monkeypatch.setattr(engine_check, "installed_version", lambda library: None)
        monkeypatch.setattr(engine_check, "ask_validity", lambda path: None)
    monkeypatch.setattr(engine_check, "list_gpus", lambda: None)


def change(path, **keys):
    """Change keys of a manifest, `engine__version` being that of the engine."""
    manifest = json.loads(path.read_text())
    for key, value in keys.items():
        *way, last = key.split("__")
        part = manifest
        for step in way:
            part = part[step]
        part[last] = value
    path.write_text(json.dumps(manifest))


def lines(path, *asked, **named):
    return {c.what: (c.state, c.reason) for c in check(path, EngineRequirements(*asked, **named))}


def state(path, what, **asked):
    return lines(path, **asked)[what][0]


# --- each line ------------------------------------------------------------------


def test_an_engine_as_it_was_built_fits_and_what_cannot_be_known_is_said(pretended):
    assert lines(pretended) == {
        "manifest": ("ok", "tiny.manifest.json names it"),
        "bytes": ("ok", "SHA-256 as in the manifest"),
        "tiny.onnx": ("ok", "SHA-256 as in the manifest"),
        "runtime": ("unknown", "there is no TensorRT-RTX here that can be asked"),
        "library": ("unknown", "it is of tensorrt-rtx 1.7.1.116, which is not installed here"),
        "gpu": ("unknown", "it is for compute capability 8.6, 8.9, and there is no GPU here that can be asked"),
        "spec": ("unknown", "'tiny', not compared: --spec says with what"),
        "weights": ("unknown", "of seed 0, not compared: --weights says with what"),
    }


def test_bytes_that_are_others_do_not_fit(pretended):
    pretended.write_bytes(b"another")
    assert lines(pretended)["bytes"] == ("no", "SHA-256 is another")
    (pretended.parent / "tiny.onnx").write_bytes(b"another")
    assert lines(pretended)["tiny.onnx"] == ("no", "SHA-256 is another")
    (pretended.parent / "tiny.onnx").unlink()
    assert "tiny.onnx" not in lines(pretended)


def test_an_engine_of_an_earlier_build_is_not_taken_for_the_present_one(pretended):
    earlier = pretended.with_name("tiny.fp16.sm75.engine")
    earlier.write_bytes(b"an engine")
    found = lines(earlier)
    assert found["manifest"] == (
        "no", f"tiny.manifest.json does not name it but {ENGINE}: it may be of an earlier build",
    )  # fmt: skip
    assert "bytes" not in found
    assert {found[what][0] for what in ("library", "gpu")} == {"unknown"}


def test_a_manifest_that_tells_nothing_of_an_engine_that_it_names_is_a_finding(pretended, cli):
    change(pretended.with_name("tiny.manifest.json"), engine=None)
    told = ("no", "the manifest has its hash, and does not say what built it, nor for which GPUs")
    assert lines(pretended)["library"] == told
    code, out, _ = cli("check-engine", pretended)
    assert (code, f"no       library: {told[1]}\n" in out) == (1, True)


def test_a_manifest_without_files_says_nothing_of_what_was_built(pretended):
    change(pretended.with_name("tiny.manifest.json"), files={})
    for path in (pretended, pretended.with_name("tiny.onnx")):
        assert lines(path)["manifest"] == (
            "no", "tiny.manifest.json lists no files: it does not say what was built",
        )  # fmt: skip


def test_a_model_that_the_manifest_does_not_name_is_told_of_no_engine(pretended):
    other = pretended.with_name("tiny.other.onnx")
    other.write_bytes(pretended.with_name("tiny.onnx").read_bytes())
    assert lines(other)["manifest"] == (
        "no", "tiny.manifest.json does not name it: it may be of an earlier build",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("here", "wanted"),
    [
        ("1.7.1.116", "ok"), ("1.7.1.117", "unknown"), ("1.7.1", "unknown"), ("1.7.2.1", "no"), ("1.8.0.3", "no"),
        ("2.0", "no"), (None, "unknown"),
    ],
)  # fmt: skip
def test_an_engine_is_of_one_version_of_its_library(here, wanted, pretended, monkeypatch):
    asked = []
    monkeypatch.setattr(engine_check, "installed_version", lambda library: asked.append(library) or here)
    assert state(pretended, "library") == wanted
    assert asked == ["tensorrt-rtx"]


@pytest.mark.parametrize(
    ("gpus", "wanted"),
    [
        ([Gpu("NVIDIA GeForce RTX 3090", "8.6")], "ok"),
        ([Gpu("NVIDIA H200", "9.0"), Gpu("NVIDIA L4", "8.9")], "ok"),
        ([Gpu("NVIDIA H200", "9.0")], "no"),
        ([], "unknown"),
        (None, "unknown"),
    ],
)
def test_one_of_the_gpus_here_must_be_one_that_it_is_for(gpus, wanted, pretended, monkeypatch):
    monkeypatch.setattr(engine_check, "list_gpus", lambda: gpus)
    found = lines(pretended)["gpu"]
    assert found[0] == wanted
    assert wanted != "ok" or found[1].endswith(gpus[-1].name)
    assert wanted != "no" or found[1].endswith("not for NVIDIA H200 (9.0)")


@pytest.mark.parametrize(("device", "wanted"), [("rtx-4090", "ok"), ("h100", "no"), ("cpu", "no")])
def test_a_device_stands_for_the_gpus_here(device, wanted, pretended, monkeypatch):
    monkeypatch.setattr(engine_check, "list_gpus", lambda: pytest.fail("asked"))
    assert state(pretended, "gpu", device=load_target(device)) == wanted


def test_of_an_engine_without_capabilities_nothing_is_said(pretended):
    change(pretended.with_name("tiny.manifest.json"), engine__compute_capabilities=[], engine__library="tensorrt")
    assert lines(pretended)["gpu"] == ("unknown", "the manifest states no compute capability")
    assert "runtime" not in lines(pretended), (
        "TensorRT has no such question, and TensorRT-RTX knows none of its engines"
    )


def test_the_spec_must_be_the_one(pretended):
    assert state(pretended, "spec", spec=load(str(TINY))) == "ok"
    assert state(pretended, "spec", spec=load(str(TINY), ("stages.widths=[8]",))) == "no"


def test_the_weights_must_be_the_ones(pretended, tmp_path):
    assert [state(pretended, "weights", seed=seed) for seed in (0, 1)] == ["ok", "no"]
    assert state(pretended, "weights", weights=CHECKPOINT) == "no"
    other = tmp_path / "other"
    build_one(load(str(TINY)), Request(weights=CHECKPOINT), other)
    assert state(other / "tiny.onnx", "weights", weights=CHECKPOINT) == "ok"
    assert state(other / "tiny.onnx", "weights", weights=TINY) == "no"
    assert state(other / "tiny.onnx", "weights", seed=0) == "no"
    with pytest.raises(Refused, match="cannot be read"):
        check(pretended, EngineRequirements(weights=tmp_path / "none"))


def test_what_does_not_stand_against_it_is_a_warning(pretended):
    assert not {"tool", "accuracy"} & lines(pretended).keys()
    change(
        pretended.with_name("tiny.manifest.json"), tool__version="0.0.9", quantization={"accuracy_is_meaningless": True}
    )
    found = lines(pretended)
    assert found["tool"] == ("warning", f"built by resnet-gen 0.0.9, and this is {__version__}")
    assert found["accuracy"][0] == "warning"
    assert all_fit(check(pretended, EngineRequirements()))


def test_a_real_build_with_random_calibration_warns(tmp_path):
    wish = BuildWishes(load_target("cpu"), None, "int8", calibration=Calibration("random"))
    build_one(load(str(TINY)), resolve_request(wish), tmp_path)
    found = lines(tmp_path / "tiny.onnx")
    assert found["accuracy"][0] == "warning"
    assert found["tiny.quantization.json"][0] == "ok"


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (Validity("valid"), "ok"),
        (Validity("suboptimal"), "warning"),
        (Validity("unsaid"), "unknown"),
        (Validity("invalid", ("unsupported cc",)), "no"),
    ],
)
def test_tensorrt_rtx_has_a_word(said, wanted, pretended, monkeypatch):
    monkeypatch.setattr(engine_check, "ask_validity", lambda path: said)
    assert state(pretended, "runtime") == wanted
    assert all(reason in lines(pretended)["runtime"][1] for reason in said.reasons)


# --- files of every kind -----------------------------------------------------------


def test_a_model_is_held_against_its_manifest_and_no_machine(pretended):
    found = lines(pretended.with_name("tiny.onnx"), spec=load(str(TINY)), seed=0)
    assert {what: state for what, (state, _) in found.items()} == dict.fromkeys(
        ("manifest", "bytes", "spec", "weights"), "ok"
    )


def test_a_model_whose_weights_are_not_beside_it_does_not_fit(tmp_path, monkeypatch):
    monkeypatch.setattr("resnet_gen.onnx.writing.OnnxFile.needs_external_data", True)
    build_one(load(str(TINY)), Request(), tmp_path)
    assert state(tmp_path / "tiny.onnx", "tiny.onnx.data") == "ok"
    (tmp_path / "tiny.onnx.data").unlink()
    assert state(tmp_path / "tiny.onnx", "tiny.onnx.data") == "no"


def test_an_engine_that_was_built_on_its_device(tmp_path):
    build_one(load(str(TINY)), resolve_request(BuildWishes(load_target("jetson-nano"))), tmp_path)
    path = tmp_path / "tiny.fp16.engine"
    path.write_bytes(b"made there")
    found = lines(path, device=load_target("jetson-nano"))
    assert found["manifest"][0] == "ok"
    assert found["bytes"] == ("unknown", "it was built on the device: no manifest has its hash")
    assert found["gpu"][0] == "ok"
    assert found["library"] == ("unknown", "it is of tensorrt 8.2.1, which is not installed here")
    assert state(path, "gpu", device=load_target("agx-xavier")) == "no"


@pytest.mark.parametrize("device", [None, "h100"])
def test_a_model_of_triton_has_its_manifest_one_folder_up(device, tmp_path):
    build_one(
        load(str(TINY)), resolve_request(BuildWishes(load_target(device) if device else None, "triton")), tmp_path
    )
    path = tmp_path / "tiny" / "1" / ("model.plan" if device else "model.onnx")
    path.parent.mkdir(exist_ok=True)
    if device:
        path.write_bytes(b"made there")
    assert state(path, "manifest") == "ok"
    assert state(path, "bytes") == ("unknown" if device else "ok")


def test_without_a_manifest_nothing_fits(pretended, monkeypatch):
    pretended.with_name("tiny.manifest.json").unlink()
    assert lines(pretended.with_name("tiny.onnx")) == {
        "manifest": ("no", "there is no tiny.manifest.json: nothing is known of what this was made of")
    }
    with pytest.raises(Refused, match=r"not known as an engine, and there is no tiny\.manifest\.json"):
        check(pretended, EngineRequirements())
    monkeypatch.setattr(engine_check, "ask_validity", lambda path: Validity("unsaid"))
    assert {what: state for what, (state, _) in lines(pretended).items()} == {"manifest": "no", "runtime": "unknown"}


def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"no model")
    with pytest.raises(Refused, match="ONNX Runtime declines it"):
        check(tmp_path / "x.onnx", EngineRequirements())
    for path, words in ((tmp_path / "none.engine", "there is no such file"), (tmp_path, "not a file")):
        with pytest.raises(Refused, match=words):
            check(path, EngineRequirements())


# --- real engines, asked of TensorRT-RTX -----------------------------------------


def test_what_tensorrt_rtx_says_of_real_bytes(rtx, tmp_path, monkeypatch):
    """Measured with 1.7.1: without a driver, the first four bytes and the length of the header are all it looks at."""
    *_, path, _ = build_one(load(str(TINY)), Request("tensorrt-rtx", compute_capabilities=(86,)), tmp_path)
    good = path.read_bytes()
    flipped = bytearray(good)
    flipped[0] ^= 1
    damaged = tmp_path / "damaged"
    for data in (bytes(flipped), good[:63], b"", bytes(5000), b"\x08\x0a" + good):
        damaged.write_bytes(data)
        assert machine.ask_validity(damaged).malformed
        assert machine.ask_validity(damaged).state == "invalid"
    said = machine.ask_validity(path)
    assert not said.malformed
    if machine.list_gpus() is None:
        assert said == Validity("unsaid")
        damaged.write_bytes(good[: len(good) // 2])
        assert machine.ask_validity(damaged) == said, "which is why a hash is needed"
    assert lines(path)["library"] == ("ok", f"tensorrt-rtx {rtx.__version__}, as here")
    path.write_bytes(good[: len(good) // 2])
    assert lines(path)["bytes"][0] == "no"
    path.write_bytes(bytes(flipped))
    assert lines(path)["runtime"] == ("no", "TensorRT-RTX declines it: malformed engine")


@pytest.mark.parametrize(
    ("state", "bits", "wanted"),
    [
        ("VALID", 0, Validity("valid")),
        ("SUBOPTIMAL", 0, Validity("suboptimal")),
        ("INVALID", 0, Validity("unsaid")),
        ("INVALID", 64, Validity("unsaid", ("cuda error",))),
        ("INVALID", 3, Validity("invalid", ("version mismatch", "unsupported cc"))),
        ("INVALID", 32, Validity("invalid", ("malformed engine",), malformed=True)),
    ],
)
def test_each_answer_of_tensorrt_rtx_in_words(state, bits, wanted):
    names = {"VERSION_MISMATCH": 1, "UNSUPPORTED_CC": 2, "MALFORMED_ENGINE": 32, "CUDA_ERROR": 64}
    trt = SimpleNamespace(EngineInvalidityDiagnostics=SimpleNamespace(__members__=names))
    assert machine._describe_validity(trt, SimpleNamespace(name=state), bits) == wanted


# --- the GPUs ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "wanted"),
    [
        (
            "echo 'NVIDIA A100, SXM4, 8.0'; echo 'NVIDIA L4, 8.9'",
            [Gpu("NVIDIA A100, SXM4", "8.0"), Gpu("NVIDIA L4", "8.9")],
        ),
        ("echo 'NVIDIA-SMI has failed' ; exit 9", None),
        ("echo 'Field \"compute_cap\" is not a valid field to query.'", None),
        ("printf '\\377\\376'", None),
        ("true", None),
        ("sleep 5", None),
    ],
)
def test_the_driver_is_asked_for_the_gpus(script, wanted, tmp_path, monkeypatch):
    command = tmp_path / "nvidia-smi"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setattr(machine, "_PATIENCE", 1)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert machine.list_gpus() == wanted


def test_without_a_driver_there_is_nobody_to_ask(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert machine.list_gpus() is None


def test_a_library_that_is_not_there_has_no_version():
    assert machine.installed_version("no-such-library") is None
    assert machine.installed_version("tensorrt") is None or isinstance(machine.installed_version("tensorrt"), str)


# --- the command ------------------------------------------------------------------


def test_the_command_prints_a_line_each_and_exits_with_0_1_or_2(pretended, cli):
    code, out, err = cli("check-engine", pretended, "--spec", TINY, "--seed", 0, "--for", "rtx-3090")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "ok       manifest: tiny.manifest.json names it"
    assert "ok       gpu: for compute capability 8.6, 8.9: rtx-3090" in out.splitlines()
    code, out, _ = cli("check-engine", pretended, "--spec", TINY, "--set", "stages.widths=[8]", "--format", "json")
    assert code == 1
    found = json.loads(out)
    assert (found["file"], found["fits"]) == (str(pretended), False)
    reason = "it is of another 'tiny' than the spec: stages.widths differs"
    assert {"check": "spec", "state": "no", "reason": reason} in found["checks"]
    code, out, _ = cli("check-engine", pretended, "--spec", "resnet18")
    assert code == 1
    assert "no       spec: it is of 'tiny', and the spec is 'resnet18'" in out.splitlines()
    code, out, err = cli("check-engine", pretended.with_name("none.engine"))
    assert (code, out) == (2, "")
    assert "there is no such file" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "input.size=32"], "--set means nothing without --spec"),
        (["--weights", CHECKPOINT, "--seed", "1"], "--seed means nothing beside --weights"),
        (["--for", "rtx-9999"], "there is no target 'rtx-9999'"),
    ],
)
def test_options_that_mean_nothing_are_refused(arguments, words, pretended, cli):
    code, out, err = cli("check-engine", pretended, *arguments)
    assert (code, out) == (2, "")
    assert words in err


# --- manifests that anybody may have damaged ------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "1",
        '"text"',
        "{}",
        "[" * 100_000,
        '{"a":' * 100_000,
        "1" * 5000,
        "NaN",
        "\ufeff{}",
        '{"files": {}}',
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_manifest_is_refused(text, pretended, cli):
    pretended.with_name("tiny.manifest.json").write_text(text)
    code, out, err = cli("check-engine", pretended)
    assert (code, out) == (2, "")
    assert "tiny.manifest.json: error: not a" in err


def test_a_manifest_that_is_too_large_or_no_text_is_refused(pretended, monkeypatch, cli):
    path = pretended.with_name("tiny.manifest.json")
    monkeypatch.setattr(import_module("resnet_gen.build.manifest_schema"), "LARGEST", 100)
    assert "too large to be a manifest" in cli("check-engine", pretended)[2]
    path.write_bytes(b"\xff\xfe")
    assert "not a whole manifest" in cli("check-engine", pretended)[2]


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/../../b", "a/b/c", "", ".", "..", "a\0b", "a\\b", "x/", "~root"]
)
def test_a_manifest_may_not_have_files_read_elsewhere(name, pretended, cli):
    path = pretended.with_name("tiny.manifest.json")
    manifest = json.loads(path.read_text())
    manifest["files"][name] = "0" * 64
    path.write_text(json.dumps(manifest))
    assert cli("check-engine", pretended)[0] == 2


def test_what_is_no_regular_file_is_not_read_whatever_a_manifest_names(pretended):
    path = pretended.with_name("tiny.manifest.json")
    manifest = json.loads(path.read_text())
    manifest["files"]["device"] = "0" * 64
    path.write_text(json.dumps(manifest))
    path.with_name("device").symlink_to(os.devnull)  # a pipe would be waited for, /dev/zero never ends
    assert "device" not in lines(pretended)


def places(data, way=()):
    """Every way into nested data."""
    yield way
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from places(value, (*way, key))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["\ud800", "\x1b[31m", "8.6", "\u202e"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(
    max_examples=150,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_damage_to_a_manifest_is_more_than_a_refusal(data, pretended, cli):
    path = pretended.with_name("tiny.manifest.json")
    if not (kept := path.with_suffix(".kept")).exists():
        shutil.copy(path, kept)
    manifest = json.loads(kept.read_text())
    manifest["spec"].pop("resolved", None)  # which nobody reads, and most places are in
    damaged = copy.deepcopy(manifest)
    way = data.draw(st.sampled_from([w for w in places(manifest) if w and w[0] not in ("counts", "inputs", "outputs")]))
    part = damaged
    for step in way[:-1]:
        part = part[step]
    if data.draw(st.booleans()):
        part[way[-1]] = data.draw(JSON)
    else:
        del part[way[-1]]
    text = json.dumps(damaged)
    if data.draw(st.integers(0, 9)) == 0:
        text = text[: data.draw(st.integers(0, len(text)))]
    path.write_text(text)
    for arguments in ([], ["--format", "json"]):
        code, out, err = cli("check-engine", pretended, "--spec", TINY, "--seed", 0, "--for", "l4", *arguments)
        assert code in (0, 1, 2)
        assert (code == 2) == (not out)
        assert (code == 2) == err.startswith(str(path))


def test_any_field_of_a_wrong_type_is_refused_with_its_name(pretended, cli):
    path = pretended.with_name("tiny.manifest.json")
    good = json.loads(path.read_text())
    for way in [
        ("name",),
        ("tool", "version"),
        ("spec", "sha256"),
        ("weights", "source"),
        ("engine", "version"),
        ("files", ENGINE),
    ]:
        damaged = copy.deepcopy(good)
        part = damaged
        for step in way[:-1]:
            part = part[step]
        part[way[-1]] = 7
        path.write_text(json.dumps(damaged))
        code, _, err = cli("check-engine", pretended)
        assert code == 2
        assert f"not a manifest of this tool: {'.'.join(way)[:20]}" in err


def test_what_only_looks_like_a_type_is_refused_too(pretended, cli):
    change(pretended.with_name("tiny.manifest.json"), quantization={"accuracy_is_meaningless": "false"})
    code, _, err = cli("check-engine", pretended)
    assert code == 2
    assert "quantization.accuracy_is_meaningless" in err


def test_what_a_manifest_says_never_reaches_the_terminal_as_it_is(pretended, cli):
    change(pretended.with_name("tiny.manifest.json"), tool__version="\x1b[31m", name="two\nlines")
    for arguments in ([], ["--format", "json"]):
        code, out, _ = cli("check-engine", pretended, *arguments)
        assert code == 0
        assert "\x1b" not in out
        assert "two\nlines" not in out
