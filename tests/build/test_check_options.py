"""check-engine: what the options say that an engine was built with."""

import json

import pytest

from resnet_gen.build import engine_check
from resnet_gen.build.engine_check import check
from resnet_gen.build.option_checks import EngineRequirements
from resnet_gen.engine.machine import Gpu
from resnet_gen.language.load import load
from resnet_gen.speed.targets import load_target
from tests.build.test_check_engine import bare, pretended
from tests.helpers.onnx_runs import TINY

__all__ = ["bare", "pretended"]


def built_with(path, version="10.3.0.1", library="tensorrt", capabilities=("8.6",), **options):
    place = path.with_name("tiny.manifest.json")
    manifest = json.loads(place.read_text())
    said = {key: {"value": value, "from": "option"} for key, value in options.items()}
    engine = {"options": said, "version": version, "library": library, "compute_capabilities": list(capabilities)}
    manifest["engine"] |= engine
    place.write_text(json.dumps(manifest))


def lines(path, **asked):
    return {c.what: (c.state, c.reason) for c in check(path, EngineRequirements(**asked))}


@pytest.mark.parametrize(
    ("here", "state"),
    [("10.3.0.1", "ok"), ("10.3.1.0", "ok"), ("10.9.0.3", "ok"), ("10.2.0.1", "no"), ("11.1.0.1", "no")],
)
def test_a_version_compatible_engine_is_for_later_releases_of_its_major_version(here, state, pretended, monkeypatch):
    built_with(pretended, version_compatible=True)
    monkeypatch.setattr(engine_check, "installed_version", lambda library: here)
    assert lines(pretended)["library"][0] == state
    for other in (False, "no", 1):  # of which the last two are in no manifest of ours
        built_with(pretended, version_compatible=other)
        assert lines(pretended)["library"][0] == ("ok" if here == "10.3.0.1" else "no")


@pytest.mark.parametrize(("capability", "state"), [("8.6", "ok"), ("8.0", "ok"), ("12.0", "ok"), ("7.5", "no")])
def test_an_engine_for_ampere_and_later_is_for_all_of_them(capability, state, pretended, monkeypatch):
    monkeypatch.setattr(engine_check, "list_gpus", lambda: [Gpu("a GPU", capability)])
    built_with(pretended, hardware_compatibility="ampere+")
    assert lines(pretended)["gpu"][0] == state
    built_with(pretended, hardware_compatibility="same-compute-capability")
    assert lines(pretended)["gpu"][0] == ("ok" if capability == "8.6" else "no")


def test_an_engine_without_weights_needs_the_file_that_has_them(pretended):
    built_with(pretended, strip_weights=True)
    assert lines(pretended)["refit"] == (
        "warning", "its weights are stripped: it puts out zeros until tiny.onnx fills it",
    )  # fmt: skip
    pretended.with_name("tiny.onnx").unlink()
    assert lines(pretended)["refit"][0] == "no"
    built_with(pretended, refit=True)
    assert lines(pretended)["refit"] == ("ok", "its weights may be exchanged")


def test_a_dla_core_is_one_that_the_device_has(pretended):
    built_with(pretended, dla_core=1)
    assert lines(pretended)["dla"][0] == "unknown"
    for name, state in (("agx-orin", "ok"), ("orin-nano", "no"), ("h100", "no")):
        assert lines(pretended, device=load_target(name))["dla"][0] == state
    built_with(pretended, dla_core=2)  # of two cores, numbered from 0
    assert lines(pretended, device=load_target("agx-orin"))["dla"][0] == "no"


def test_what_the_spec_asks_for_is_what_it_was_built_with(pretended):
    spec = load(str(TINY), ("engine.workspace=5", "engine.profiles=[[1, 2, 3]]"))
    built_with(pretended, workspace=5, profiles=[[1, 2, 3]])
    assert lines(pretended, spec=spec)["options"] == ("ok", "as the spec says them")
    built_with(pretended, workspace=6, profiles=[[1, 2, 3]])
    assert lines(pretended, spec=spec)["options"][0] == "no"
    built_with(pretended)
    state, reason = lines(pretended, spec=spec)["options"]
    assert (state, reason) == ("no", "the spec says engine.workspace: 5, and it was built without it")
    assert "options" not in lines(pretended, spec=load(str(TINY)))
    cached = load(str(TINY), ("engine.timing_cache=a.cache",))  # a file of the machine that built it
    assert lines(pretended, spec=cached)["options"] == ("ok", "as the spec says them")


def test_cuda_graphs_are_said_and_another_wish_is_a_warning_since_the_engine_is_the_same(pretended):
    wishes = {value: load(str(TINY), (f"engine.cuda_graphs={value}",)) for value in ("true", "false")}
    built_with(pretended)
    assert "cuda-graphs" not in lines(pretended)
    assert "cuda-graphs" not in lines(pretended, spec=wishes["false"])
    found = lines(pretended, spec=wishes["true"])
    assert (found["cuda-graphs"][0], found["options"][0]) == ("warning", "ok")
    assert "to be launched kernel by kernel, and the spec says engine.cuda_graphs: true" in found["cuda-graphs"][1]
    built_with(pretended, cuda_graphs=True)
    assert lines(pretended)["cuda-graphs"][0] == "ok"
    assert lines(pretended, spec=wishes["true"])["cuda-graphs"][0] == "ok"
    assert lines(pretended, spec=wishes["false"])["cuda-graphs"][0] == "warning"


def test_sparse_kernels_for_dense_weights_are_a_warning(pretended):
    built_with(pretended, sparsity=True)
    assert "sparsity" not in lines(pretended)  # of a manifest that does not say it
    place = pretended.with_name("tiny.manifest.json")
    for layers, said in ((0, True), (2, False)):
        manifest = json.loads(place.read_text())
        manifest["engine"]["sparse_weights"] = {"layers": layers, "dense": ["fc"], "share": 0.5}
        place.write_text(json.dumps(manifest))
        assert (lines(pretended).get("sparsity", ("",))[0] == "warning") == said
    manifest["engine"]["sparse_weights"]["layers"] = 0
    place.write_text(json.dumps(manifest))
    built_with(pretended, sparsity=False)
    assert "sparsity" not in lines(pretended)


def test_a_manifest_of_an_earlier_version_is_read_and_what_it_does_not_know_is_not_asked(pretended):
    """The keys of manifests before engines had options; and one that has more than are known today."""
    place = pretended.with_name("tiny.manifest.json")
    manifest = json.loads(place.read_text())
    old = ("name", "tool", "spec", "counts", "inputs", "outputs", "weights", "device", "precision", "compute",
           "quantization", "folded_batch_norm", "onnx", "engine", "files")  # fmt: skip
    place.write_text(json.dumps({key: manifest[key] for key in old}))
    spec = load(str(TINY), ("engine.cuda_graphs=true",))
    assert all(state != "no" for state, _ in lines(pretended).values())
    assert lines(pretended, spec=spec)["cuda-graphs"][0] == "warning"
    assert lines(pretended, spec=load(str(TINY), ("engine.workspace=5",)))["options"][0] == "no"
    later = {"of_tomorrow": {"value": [{"a": 1}], "from": "option"}, "refit": {"value": True, "from": "spec"}}
    manifest["engine"]["options"] = later
    manifest["engine"]["sparse_weights"] = {"layers": 1, "dense": [], "share": 1.0, "more": None}
    place.write_text(json.dumps(manifest | {"of_tomorrow": [1]}))
    assert lines(pretended)["refit"][0] == "ok"


def test_several_profiles_are_told(pretended):
    built_with(pretended, profiles=[[1, 1, 1], [2, 2, 2]])
    assert lines(pretended)["profiles"] == ("ok", "it has 2 profiles: whoever runs it chooses one")


@pytest.mark.parametrize("value", [[], {}, None, "x" * 2000, [[[[1]]]], 1.5])
def test_options_that_anybody_wrote_end_in_a_line_or_a_refusal(value, pretended, cli):
    for key in ("strip_weights", "dla_core", "profiles", "version_compatible", "hardware_compatibility", "else"):
        built_with(pretended, **{key: value})
        code, _, err = cli("check-engine", pretended)
        assert code in (0, 1, 2)
        assert "Traceback" not in err
