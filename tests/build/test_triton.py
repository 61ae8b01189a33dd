"""Folders for Triton Inference Server: its own schema reads the settings, ONNX Runtime the model, and both agree."""

import importlib.util
import json
import shutil
import sys
from importlib import import_module
from pathlib import Path

import onnxruntime
import pytest

from resnet_gen.build.build import build as build_one
from resnet_gen.build.request import BuildBatch, Request
from resnet_gen.build.request_resolution import BuildWishes, resolve_request
from resnet_gen.cli import main
from resnet_gen.engine.tensorrt import Profile
from resnet_gen.language.engine_settings import EngineSettings
from resnet_gen.language.load import load
from resnet_gen.onnx.writing import OnnxFile
from resnet_gen.ops.precision import Calibration
from resnet_gen.problems import Refused
from resnet_gen.speed.targets import load_target
from tests.build.test_bundles import Device, built, names
from tests.helpers.onnx_runs import TINY

TYPES = {"tensor(float)": "TYPE_FP32", "tensor(float16)": "TYPE_FP16"}


@pytest.fixture
def device(tmp_path_factory):
    return Device(tmp_path_factory.mktemp("device"))


@pytest.fixture(scope="module")
def schema():
    """Triton's own ModelConfig, without the client around it, which wants gRPC."""
    package = importlib.util.find_spec("tritonclient")
    if package is None:
        pytest.skip("tritonclient is not installed")
    (folder,) = package.submodule_search_locations
    path = Path(folder) / "grpc" / "model_config_pb2.py"
    spec = importlib.util.spec_from_file_location("triton_model_config", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def repository(folder, device=None, precision="fp32", *, settings=(), **more):
    if precision == "int8":
        more["calibration"] = Calibration("random")
    wish = BuildWishes(load_target(device) if device else None, "triton", precision, **more)
    return build_one(load(str(TINY), settings), resolve_request(wish), folder)


def config(schema, folder):
    from google.protobuf import text_format

    return text_format.Parse((folder / "tiny" / "config.pbtxt").read_text(), schema.ModelConfig())


def test_a_model_is_a_folder_with_its_settings_and_one_version(tmp_path):
    paths = repository(tmp_path / "models")
    wanted = ["tiny/1/model.onnx", "tiny/README.md", "tiny/config.pbtxt", "tiny/tiny.manifest.json"]
    assert names(tmp_path / "models") == wanted
    assert sorted(p.relative_to(tmp_path / "models").as_posix() for p in paths) == wanted
    manifest = json.loads(paths[-1].read_text())
    assert set(manifest["files"]) == {"1/model.onnx", "README.md", "config.pbtxt"}
    assert manifest["triton"] == {"platform": "onnxruntime_onnx", "max_batch_size": 32}
    assert "bundle" not in manifest


CASES = [
    {},
    {"batch": BuildBatch(fixed=4)},
    {"batch": BuildBatch(profile=Profile(1, 1, 1))},
    {"batch": BuildBatch(profile=Profile(1, 4, 4))},
    {"device": "cpu"},
    {"precision": "fp16", "typed_io": True},
    {"device": "cpu", "precision": "int8"},
    {"settings": ("head=none", "outputs=[stage1]")},
    {"device": "h100", "precision": "fp16"},
    {"device": "agx-orin", "batch": BuildBatch(fixed=2)},
    {"device": "rtx-4090"},
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_settings_are_triton_s_and_say_what_the_model_says(case, schema, tmp_path):
    repository(tmp_path, **case)
    found = config(schema, tmp_path)
    in_place = case.get("device") not in (None, "cpu")
    model = "tiny/tiny.onnx" if in_place else "tiny/1/model.onnx"
    session = onnxruntime.InferenceSession(tmp_path / model, providers=["CPUExecutionProvider"])
    batch = case.get("batch", BuildBatch())
    assert found.name == "tiny"
    assert found.platform == ("tensorrt_plan" if in_place else "onnxruntime_onnx")
    assert found.max_batch_size == (0 if batch.fixed else batch.range.most)
    for ours, theirs in ((found.input, session.get_inputs()), (found.output, session.get_outputs())):
        assert [t.name for t in ours] == [t.name for t in theirs]
        assert [schema.DataType.Name(t.data_type) for t in ours] == [TYPES[t.type] for t in theirs]
        shapes = [t.shape if batch.fixed else t.shape[1:] for t in theirs]
        assert [list(t.dims) for t in ours] == shapes
    preferred = list(found.dynamic_batching.preferred_batch_size)
    assert preferred == sorted({batch.range.best, batch.range.most}) * (found.max_batch_size > 1)
    kinds = {None: "KIND_AUTO", "cpu": "KIND_CPU"}
    (group,) = found.instance_group
    assert schema.ModelInstanceGroup.Kind.Name(group.kind) == kinds.get(case.get("device"), "KIND_GPU")
    assert found.version_policy.latest.num_versions == 1


@pytest.mark.parametrize("given", [None, True, False])
def test_cuda_graphs_are_triton_s_own_setting(given, schema, tmp_path):
    repository(tmp_path, "h100", "fp32", engine=None if given is None else EngineSettings(cuda_graphs=given))
    assert config(schema, tmp_path).optimization.cuda.graphs == bool(given)


@pytest.mark.parametrize("tf32", [True, False])
def test_a_server_whose_device_nobody_names_may_multiply_in_tf32(tf32, tmp_path):
    """It may have a GPU; one that has none is refused."""
    repository(tmp_path, tf32=tf32)
    assert ('key: "use_tf32" value: "0"' in (tmp_path / "tiny" / "config.pbtxt").read_text()) is not tf32
    if tf32:
        with pytest.raises(Refused, match="--tf32 means nothing for target 'triton'"):
            repository(tmp_path / "cpu", "cpu", tf32=True)


def test_for_a_gpu_the_bundle_s_script_makes_the_plan(device, tmp_path):
    repository(tmp_path, "jetson-nano", "fp16")
    folder = tmp_path / "tiny"
    assert "1/model.plan" not in names(folder)
    built(device.run(folder), "1/model.plan")
    assert [n for n in names(folder) if n.startswith("1/")] == ["1/model.plan"]
    note = (folder / "tiny.bundle.md").read_text()
    assert "TensorRT-RTX has no backend in Triton" in note


def test_bundles_that_are_not_for_triton_do_not_speak_of_it(tmp_path):
    build_one(load(str(TINY)), resolve_request(BuildWishes(load_target("h100"))), tmp_path)
    assert "Triton" not in (tmp_path / "tiny.bundle.md").read_text()


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (
            BuildWishes(load_target("h100"), "triton", batch=BuildBatch(profile=Profile(2, 4, 8))),
            "the range begins with 2",
        ),
        (BuildWishes(load_target("cpu"), "triton", "bf16"), "ONNX Runtime has no bfloat16 convolution"),
        (BuildWishes(None, "triton", "int8", calibration=Calibration("random")), "for which kind of runtime"),
    ],
)
def test_what_triton_cannot_serve_is_refused(wish, words):
    with pytest.raises(Refused, match=words):
        resolve_request(wish)


def test_weights_beside_the_model_are_named_as_they_lie(tmp_path, monkeypatch):
    monkeypatch.setattr(OnnxFile, "needs_external_data", True)
    repository(tmp_path)
    assert names(tmp_path / "tiny" / "1") == ["model.onnx", "model.onnx.data"]
    onnxruntime.InferenceSession(tmp_path / "tiny" / "1" / "model.onnx", providers=["CPUExecutionProvider"])


def test_another_network_of_the_name_is_not_replaced(tmp_path):
    repository(tmp_path)
    before = (tmp_path / "tiny" / "1" / "model.onnx").read_bytes()
    with pytest.raises(Refused, match="holds another network called 'tiny'"):
        repository(tmp_path, settings=("stages.widths=[8]",))
    (tmp_path / "tiny" / "tiny.manifest.json").unlink()
    with pytest.raises(Refused, match="has no manifest"):
        repository(tmp_path, settings=("stages.widths=[8]",))
    assert (tmp_path / "tiny" / "1" / "model.onnx").read_bytes() == before


def test_a_failure_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(import_module("resnet_gen.build.delivery"), "render_model_folder", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        repository(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["--target", "triton"], ["--for", "jetson-nano"]], ids=" ".join)
def test_a_build_is_checked_by_building_it_once_more(arguments, tmp_path, capsys):
    command = ["build", str(TINY), "-o", str(tmp_path), *arguments]

    def code(*more):
        with pytest.raises(SystemExit) as left:
            main([*command, *more])
        return left.value.code

    assert [code(), code("--check")] == [0, 0]
    shutil.copy(sys.executable, next(tmp_path.rglob("*.onnx")))
    capsys.readouterr()
    assert code("--check") == 1
    assert capsys.readouterr().out.endswith(".onnx: differs\n")


def test_nothing_of_triton_is_in_a_request_for_onnx(tmp_path):
    build_one(load(str(TINY)), Request(), tmp_path)
    assert names(tmp_path) == ["tiny.manifest.json", "tiny.onnx"]
