"""Bundles with options of the engine: each version of trtexec takes them, and the layers are timed."""

import json

import pytest

from resnet_gen import build, profile
from resnet_gen.build import trtexec
from resnet_gen.build.bundle import BundleRequest
from resnet_gen.build.request import BuildBatch
from resnet_gen.build.tuning_record import EngineTuning
from resnet_gen.language.engine_options import ShapeProfile
from resnet_gen.language.engine_settings import EngineSettings
from resnet_gen.problems import Refused
from tests.build.test_bundles import VERSIONS, X, bundle, device, names

__all__ = ["device"]
EVERY = {
    "timing_cache": "own.cache", "optimization_level": 2, "workspace": 77, "version_compatible": True, "refit": True,
    "extra_flags": ["--maxAuxStreams=3"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"workspace": 77, "timing_cache": "a.cache", "profiles": [[1, 2, 3]]}, []),  # the script has them itself
        ({"refit": True, "strip_weights": False}, ["--refit"]),
        ({"dla_core": 1, "gpu_fallback": True}, ["--useDLACore=1", "--allowGPUFallback"]),
        ({"dla_core": 0, "gpu_fallback": False}, ["--useDLACore=0"]),
        ({"dla_core": 0}, ["--useDLACore=0", "--allowGPUFallback"]),  # as an engine in one piece is rare there
        ({"sparsity": True, "version_compatible": True}, ["--versionCompatible", "--sparsity=enable"]),
        ({"hardware_compatibility": "same-compute-capability"}, ["--hardwareCompatibilityLevel=sameComputeCapability"]),
        ({"cuda_graphs": True}, []),  # of the run alone
        ({"extra_flags": ["--a=1", "--b"], "optimization_level": 0}, ["--builderOptimizationLevel=0", "--a=1", "--b"]),
    ],
)
def test_each_option_is_spelled_as_trtexec_spells_it(given, wanted):
    assert trtexec.list_tuning_options(EngineSettings(**given)) == wanted


@pytest.mark.parametrize(
    ("given", "run", "timed"),
    [
        ({}, [], []),
        ({"cuda_graphs": True}, ["--useCudaGraph"], []),
        ({"cuda_graphs": False, "version_compatible": False}, [], []),
        ({"version_compatible": True}, ["--versionCompatible"], ["--versionCompatible"]),
        ({"dla_core": 0}, ["--useDLACore=0"], ["--useDLACore=0"]),
    ],
)
def test_what_an_engine_is_loaded_with_is_said_where_it_runs_and_layers_are_timed_without_a_graph(given, run, timed):
    tuning = EngineTuning(EngineSettings(**given))
    order = BundleRequest("n", "fp16", "D", "10.3", 8, X, (1, 8, 32), "n.onnx", "n.engine", tuning=tuning)
    assert order.list_run_options() == ["--shapes=input:1x3x224x224", *run]
    assert order.list_profiling_options() == ["--shapes=input:8x3x224x224", *timed]
    assert not {"--useCudaGraph"} & set(order.list_build_options())


@pytest.mark.parametrize(
    ("given", "cache", "workspace", "stripped"),
    [
        ({}, "n.timing.cache", 1024, False),
        ({"timing_cache": "own.cache", "workspace": 77}, "own.cache", 77, False),
        ({"optimization_level": 0, "strip_weights": True}, "", 1024, True),
        ({"optimization_level": 1, "strip_weights": False}, "n.timing.cache", 1024, False),
    ],
)
def test_what_the_script_has_itself_is_what_was_said(given, cache, workspace, stripped):
    tuning = EngineTuning(EngineSettings(**given))
    order = BundleRequest("n", "fp16", "D", "10.3", 8, X, (1,), "n.onnx", "n.engine", tuning=tuning)
    assert (order.timing_cache, order.workspace, order.is_stripped) == (cache, workspace, stripped)
    assert '--memPoolSize=workspace:"$workspace"' in order.list_build_options()


def test_several_profiles_have_a_number_each_and_sizes_take_the_place_of_the_network_s():
    sized = ShapeProfile((1, 2, 4), ((8, 9), (16, 17), (32, 33)))
    assert trtexec.list_shape_options(X, [sized, ShapeProfile((5, 6, 7))]) == [
        "--profile=0", "--minShapes=input:1x3x8x9", "--optShapes=input:2x3x16x17", "--maxShapes=input:4x3x32x33",
        "--profile=1", "--minShapes=input:5x3x224x224", "--optShapes=input:6x3x224x224",
        "--maxShapes=input:7x3x224x224",
    ]  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "precision", "given", "wanted"),
    [
        ("agx-xavier", "fp16", {"workspace": 77, "refit": True}, {"memPoolSize": "workspace:77", "refit": ""}),
        ("jetson-nano", "fp16", {"workspace": 77}, {"workspace": "77"}),
        (
            "agx-orin", "fp16", EVERY,
            {"timingCacheFile": "own.cache", "builderOptimizationLevel": "2", "memPoolSize": "workspace:77",
             "versionCompatible": "", "refit": "", "maxAuxStreams": "3"},
        ),
        ("agx-orin", "fp16", {"dla_core": 1}, {"useDLACore": "1", "allowGPUFallback": ""}),
        ("agx-orin", "fp16", {"dla_core": 1, "gpu_fallback": False}, {"useDLACore": "1"}),
        ("h100", "fp16", {"sparsity": True, "hardware_compatibility": "same-compute-capability"},
         {"sparsity": "enable", "hardwareCompatibilityLevel": "sameComputeCapability"}),
        ("h100", "fp16", {"hardware_compatibility": "ampere+"}, {"hardwareCompatibilityLevel": "ampere+"}),
        ("jetson-nano", "fp16", {"cuda_graphs": True}, {"useCudaGraph": None}),
        ("h100", "fp16", {"cuda_graphs": True}, {"useCudaGraph": None}),
        ("h100", "fp16", {"optimization_level": 0}, {"builderOptimizationLevel": "0", "timingCacheFile": None}),
    ],
)  # fmt: skip
def test_trtexec_is_handed_each_option_in_its_own_words(name, precision, given, wanted, tmp_path, device):
    batch = {"batch": BuildBatch(1)} if "dla_core" in given else {}
    manifest = bundle(tmp_path, name, precision, engine=EngineSettings(**given), **batch)
    device.set(VERSIONS[name])
    result = device.run(tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    build, run = device.calls
    for flag, value in wanted.items():
        assert build.get(flag) == value
    assert ("allowGPUFallback" in build) == ("allowGPUFallback" in wanted)
    for flag in ("useDLACore", "versionCompatible"):  # without which such an engine is not loaded
        assert run.get(flag) == wanted.get(flag)
    assert ("useCudaGraph" in run) == ("cuda_graphs" in given)
    said = {key: option["value"] for key, option in manifest["bundle"]["options"].items()}
    assert said == given


@pytest.mark.long
def test_profiles_and_sizes_are_each_a_number_and_three_shapes(tmp_path, device):
    sized = [[1, 8, 8], [2, 8, 8], [4, 16, 12]]
    bundle(tmp_path, "agx-orin", "fp16", engine=EngineSettings(profiles=[sized, [[1, 8, 8]] * 3]))
    device.set(VERSIONS["agx-orin"])
    result = device.run(tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    build, run = device.calls
    assert build["profile"] == "0 1"
    assert build["maxShapes"] == "input:4x1x16x12 input:1x1x8x8"
    assert run["shapes"] == "input:1x1x8x8"


@pytest.mark.long
def test_an_engine_without_weights_is_not_compared_and_that_is_said(tmp_path, device):
    bundle(tmp_path, "agx-orin", "fp16", engine=EngineSettings(strip_weights=True))
    device.set(VERSIONS["agx-orin"])
    result = device.run(tmp_path)
    assert (result.returncode, len(device.calls)) == (0, 1)
    assert "its weights are stripped: put them in from tiny.onnx" in result.stderr
    assert "stripWeights" in device.calls[0]


def test_layers_are_timed_on_request_and_laid_beside_the_prediction(tmp_path, device):
    bundle(tmp_path / "out", "agx-orin", "fp16")
    device.set(VERSIONS["agx-orin"])
    before = names(tmp_path / "out")
    result = device.run(tmp_path / "out", "--profile")
    assert (result.returncode, result.stderr) == (0, "")
    build, _, timed = device.calls
    assert (build["profilingVerbosity"], timed["shapes"]) == ("detailed", "input:8x1x8x8")
    added = {"tiny.fp16.engine", "tiny.layers.json", "tiny.profile.json"}
    assert set(names(tmp_path / "out")) - set(before) == added
    found = profile([tmp_path / "out" / "tiny.profile.json", tmp_path / "out" / "tiny.layers.json"])
    assert (found.prediction.target.name, found.prediction.precision, found.prediction.batch) == ("agx-orin", "fp16", 8)
    assert not found.unmeasured
    assert {row.name for row in found.matched} == {cost.kernel.node.name for cost in found.prediction.costs}
    assert found.profile.runs == 10


def test_a_timing_cache_on_a_device_is_a_name(tmp_path):
    for path in ("/tmp/my.cache", "a b.cache", "$(x).cache"):
        with pytest.raises(Refused, match="on the device it lies in the bundle's folder"):
            build("cifar-resnet20", tmp_path, device="h100", engine={"timing_cache": path})


def test_what_a_bundle_was_built_with_is_in_its_manifest_with_who_said_it(tmp_path, cli):
    spec = tmp_path / "mine.yaml"
    spec.write_text("name: mine\nextends: cifar-resnet20\nengine: {workspace: 5}\n")
    (tmp_path / "resnet-gen.toml").write_text('specs = ["mine.yaml"]\n[engine]\nworkspace = 6\nrefit = true\n')
    code, _, err = cli("build", spec, "--for", "h100", "-o", tmp_path / "out", "--optimization-level", "1",
                       "--config", tmp_path / "resnet-gen.toml")  # fmt: skip
    assert (code, "--config means nothing where a SPEC is named" in err) == (2, True)
    code, _, err = cli("build", "--for", "h100", "-o", tmp_path / "out", "--optimization-level", "1",
                       "--config", tmp_path / "resnet-gen.toml")  # fmt: skip
    assert code == 0, err
    found = json.loads((tmp_path / "out" / "mine.manifest.json").read_text())["bundle"]["options"]
    assert found == {
        "optimization_level": {"value": 1, "from": "option"}, "workspace": {"value": 5, "from": "spec"},
        "refit": {"value": True, "from": "project"},
    }  # fmt: skip
    assert cli("check-engine", tmp_path / "out" / "mine.onnx", "--spec", spec)[0] == 0
