"""How engines are built: with TensorRT-RTX for real, with a stand-in for `tensorrt`, and what is refused."""

import json
import os
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from resnet_gen import __version__, build, build_project
from resnet_gen.build.batches import ShapeOptions
from resnet_gen.build.build import onnx_file
from resnet_gen.build.engine_tuning import resolve_tuning
from resnet_gen.build.passes import prepare
from resnet_gen.build.request import BuildBatch, EngineWishes, Request
from resnet_gen.build.symbolic_size import find_open_values
from resnet_gen.build.tuning_record import plain_value
from resnet_gen.engine import builder_options, tensorrt
from resnet_gen.engine.tensorrt import BACKENDS, load_backend
from resnet_gen.language.engine_options import OPTIONS, ShapeProfile, explain_absence
from resnet_gen.language.engine_settings import EngineSettings
from resnet_gen.language.load import load, load_text
from resnet_gen.language.lower import lower, with_input_size
from resnet_gen.language.source import read_text
from resnet_gen.onnx.writing import WriterOptions
from resnet_gen.problems import Document, Refused
from resnet_gen.speed.targets import load_target
from resnet_gen.weights.initialization import SeededWeights
from tests.engine.test_engines import fake, rtx
from tests.helpers.onnx_runs import TINY, model_bytes, session

__all__ = ["fake", "rtx"]
EACH = {
    "timing_cache": "t.cache", "optimization_level": 5, "workspace": 512, "profiles": [[1, 1, 1], [2, 4, 8]],
    "hardware_compatibility": "ampere+", "version_compatible": True, "strip_weights": True, "refit": True,
    "dla_core": 0, "gpu_fallback": False, "sparsity": True, "cuda_graphs": True,
    "extra_flags": ["--maxAuxStreams=0"],
}  # fmt: skip
"""A value of each option."""


def engine(folder, target="tensorrt", spec=TINY, **more):
    """Build an engine; its part of the manifest."""
    *_, manifest = build(str(spec), folder, target=target, compare=False, **more)
    return json.loads(manifest.read_text())["engine"]


def spec_with(text, name="t"):
    return load_text(read_text(Document("t.yaml", f"name: {name}\nextends: cifar-resnet20\n{text}\n")))


def test_the_examples_here_are_of_every_option():
    assert list(EACH) == list(OPTIONS) == list(EngineSettings.model_fields)


# --- TensorRT-RTX ---------------------------------------------------------------


def test_profiles_and_a_symbolic_size_are_tensorrt_rtx_s_own(rtx, tmp_path):
    """The engine of two profiles is larger than either's, and TensorRT's parser leaves the sides open."""
    one = engine(tmp_path / "one", "tensorrt-rtx", compute_capabilities=(86,), batch=(1, 2, 4))
    wide = [[1, 8, 8], [2, 8, 8], [4, 16, 12]]
    both = engine(
        tmp_path / "two", "tensorrt-rtx", compute_capabilities=(86,), engine={"profiles": [wide, [[1, 8, 8]] * 3]}
    )
    assert both["options"] == {"profiles": {"value": [wide, [[1, 8, 8]] * 3], "from": "option"}}
    sizes = [(tmp_path / folder / e["file"]).stat().st_size for folder, e in (("one", one), ("two", both))]
    assert sizes[0] < sizes[1]
    log = rtx.Logger(rtx.Logger.ERROR)
    network = rtx.Builder(log).create_network(0)
    assert rtx.OnnxParser(network, log).parse_from_file(str(tmp_path / "two" / "tiny.onnx"))
    assert tuple(network.get_input(0).shape) == (-1, 1, -1, -1)


def test_too_little_workspace_is_told_in_tensorrt_s_words(rtx, tmp_path):
    with pytest.raises(Refused, match="within workspace limit"):
        engine(tmp_path, "tensorrt-rtx", "cifar-resnet20", compute_capabilities=(86,), engine={"workspace": 1})
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("key", ["strip_weights", "refit"])
def test_weights_are_exchanged_where_a_driver_is_and_else_it_is_said_what_is_missing(rtx, tmp_path, key):
    said = ""
    try:
        found = engine(tmp_path, "tensorrt-rtx", compute_capabilities=(86,), engine={key: True})
        assert found["options"] == {key: {"value": True, "from": "option"}}
    except Refused as refused:
        said = str(refused)
        assert not any(tmp_path.iterdir())
    assert not said or "need a GPU's driver where TensorRT-RTX builds" in said


@pytest.mark.parametrize("key", ["optimization_level", "sparsity"])
def test_what_we_say_changes_nothing_in_tensorrt_rtx_changes_nothing(rtx, tmp_path, key):
    """The witness of a refusal: the bytes of an engine vary from build to build, and so does nothing else."""
    loaded = load(str(TINY))
    network = prepare(loaded, Request())
    (tmp_path / "net.onnx").write_bytes(b"".join(onnx_file(loaded, network, Request()).chunks()))
    sizes = set()
    for value in (None, 0, 5) if key == "optimization_level" else (None, True):
        settings = EngineSettings() if value is None else EngineSettings(**{key: value})
        tuning = builder_options.BuilderTuning(settings)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(builder_options, "explain_absence", lambda *_: None)
            built = tensorrt.build(
                BACKENDS["tensorrt-rtx"], tmp_path / "net.onnx", network.graph, profile=tensorrt.Profile(1, 1, 1),
                compute_capabilities=(86,), tuning=tuning,
            )  # fmt: skip
        sizes.add(len(built.data))
    assert len(sizes) == 1


# --- tensorrt, by a stand-in -------------------------------------------------------


def test_every_option_reaches_the_builder(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(fake.MODE, "dla_cores", 2)
    flags = fake.BuilderFlag
    engine(tmp_path / "a", engine={"optimization_level": 5, "workspace": 3, "hardware_compatibility": "ampere+"})
    config = fake.MODE.configs[-1]
    assert (config.builder_optimization_level, config.pools) == (5, {fake.MemoryPoolType.WORKSPACE: 3 << 20})
    assert config.hardware_compatibility_level is fake.HardwareCompatibilityLevel.AMPERE_PLUS
    assert config.flags == set()
    for key, flag in (
        ("version_compatible", flags.VERSION_COMPATIBLE), ("strip_weights", flags.STRIP_PLAN), ("refit", flags.REFIT),
        ("sparsity", flags.SPARSE_WEIGHTS),
    ):  # fmt: skip
        with pytest.warns(UserWarning, match="changes nothing") if key == "sparsity" else nullcontext():
            found = engine(tmp_path / key, engine={key: True})
        assert fake.MODE.configs[-1].flags == {flag}
        assert found["options"] == {key: {"value": True, "from": "option"}}
        engine(tmp_path / key, engine={key: False})
        assert fake.MODE.configs[-1].flags == set()
    for fallback, wanted in ((None, {flags.GPU_FALLBACK}), (False, set())):
        settings = {"dla_core": 1} | ({} if fallback is None else {"gpu_fallback": fallback})
        engine(tmp_path / f"dla{fallback}", engine=settings, precision="fp16", batch=1)
        config = fake.MODE.configs[-1]
        assert (config.DLA_core, config.default_device_type) == (1, fake.DeviceType.DLA)
        assert config.flags == wanted


@pytest.mark.parametrize("value", [True, False])
def test_cuda_graphs_are_recorded_and_set_nothing_in_the_builder(value, fake, tmp_path):
    assert engine(tmp_path, engine={"cuda_graphs": value})["options"] == {
        "cuda_graphs": {"value": value, "from": "option"},
    }  # fmt: skip
    assert fake.MODE.configs[-1].flags == set()


def test_an_engine_built_as_ever_says_nothing_of_options(fake, tmp_path):
    assert "options" not in engine(tmp_path)


def test_a_dla_that_is_not_there_is_refused(fake, tmp_path):
    with pytest.raises(Refused, match="this machine has no DLA cores"):
        engine(tmp_path, engine={"dla_core": 0}, precision="fp16", batch=1)


def test_a_timing_cache_is_begun_read_and_renewed_with_the_engine(fake, tmp_path):
    cache = tmp_path / "elsewhere" / "my.cache"
    for times in (1, 2):
        found = engine(tmp_path / "out", engine={"timing_cache": str(cache)})
        assert cache.read_bytes() == b"measured;" * times
    assert found["options"]["timing_cache"] == {"value": "my.cache", "from": "option"}


def test_a_timing_cache_of_a_spec_lies_beside_what_is_built_and_is_no_file_of_the_manifest(fake, tmp_path):
    spec = tmp_path / "mine.yaml"
    spec.write_text("name: mine\nextends: cifar-resnet20\nengine: {timing_cache: own.cache}\n")
    *_, manifest = build(str(spec), tmp_path / "out", target="tensorrt", compare=False)
    assert (tmp_path / "out" / "own.cache").read_bytes() == b"measured;"
    found = json.loads(manifest.read_text())
    assert found["engine"]["options"]["timing_cache"] == {"value": "own.cache", "from": "spec"}
    assert "own.cache" not in found["files"]


def test_a_check_of_a_project_renews_no_timing_cache(fake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = '[builds.edge]\nspecs = ["cifar-resnet20"]\ntargets = ["tensorrt"]\ncompare = false\n'
    (tmp_path / "resnet-gen.toml").write_text(table + 'engine = {timing_cache = "own.cache"}\n')
    assert [row.status for row in build_project()] == ["built"]
    cache = next(tmp_path.rglob("own.cache"))
    before = cache.read_bytes()
    assert [row.status for row in build_project(check=True)] == ["as built"]
    assert cache.read_bytes() == before == b"measured;"


def test_a_timing_cache_that_tensorrt_does_not_take_stops_the_build_and_stays(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(fake.MODE, "takes_cache", False)
    cache = tmp_path / "my.cache"
    cache.write_bytes(b"of another version")
    with pytest.raises(Refused, match="does not take this timing cache"):
        engine(tmp_path / "out", engine={"timing_cache": str(cache)})
    assert cache.read_bytes() == b"of another version"
    assert not (tmp_path / "out").exists()
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(Refused, match="not a file"):
            engine(tmp_path / "out", engine={"timing_cache": str(path)})


def test_a_build_that_fails_leaves_the_timing_cache_as_it_was(fake, tmp_path, monkeypatch):
    cache = tmp_path / "my.cache"
    engine(tmp_path / "out", engine={"timing_cache": str(cache)})
    monkeypatch.setattr(fake.MODE, "builds", False)
    with pytest.raises(Refused):
        engine(tmp_path / "out", engine={"timing_cache": str(cache)})
    assert cache.read_bytes() == b"measured;"


def test_a_check_renews_no_timing_cache(fake, tmp_path, cli):
    command = ["build", str(TINY), "--target", "tensorrt", "-o", str(tmp_path / "out")]
    more = ["--timing-cache", str(tmp_path / "my.cache")]
    assert cli(*command, *more)[0] == 0
    assert cli(*command, *more, "--check")[0] == 0
    assert (tmp_path / "my.cache").read_bytes() == b"measured;"


def test_options_that_a_version_has_not_are_refused_with_its_number(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(fake, "__version__", "8.5.3")
    monkeypatch.setattr(fake.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", 1, raising=False)
    with pytest.raises(Refused, match=r"TensorRT has it since 8\.6, and this is 8\.5\.3"):
        engine(tmp_path, engine={"optimization_level": 1})
    assert load_backend(BACKENDS["tensorrt"]).__version__ == "8.5.3"


# --- who says it, and what excludes each other ------------------------------------


def tuned(loaded, device=None, project=None, option=None, batch=None, target="bundle", precision="fp16"):
    batch = batch or BuildBatch()
    chosen = [None if given is None else EngineSettings(**given) for given in (option, project)]
    found = device and load_target(device)
    request = Request(target, precision, batch=batch, device=found, engine=EngineWishes(*chosen))
    return resolve_tuning(loaded, request)


def test_an_option_goes_before_a_spec_and_that_before_the_project_and_the_device(monkeypatch):
    said = {name: {"workspace": n} for n, name in enumerate(("option", "spec", "project", "device"), 1)}
    device = load_target("h100").model_copy(update={"engine_options": EngineSettings(**said["device"])})
    bare, own = spec_with(""), spec_with("engine: {workspace: 2}")
    for given in ([], ["project"], ["spec", "project"], ["option", "spec", "project"]):
        first = given[0] if given else "device"
        option, project = (EngineSettings(**said[n]) if n in given else None for n in ("option", "project"))
        request = Request("bundle", "fp16", device=device, engine=EngineWishes(option, project))
        tuning, _ = resolve_tuning(own if "spec" in given else bare, request)
        assert tuning.entry == {"options": {"workspace": {"value": said[first]["workspace"], "from": first}}}


def test_what_is_not_said_by_one_comes_from_the_next():
    tuning, _ = tuned(spec_with("engine: {refit: true}"), "h100", {"workspace": 7}, {"optimization_level": 2})
    assert tuning.sources == (("optimization_level", "option"), ("workspace", "project"), ("refit", "spec"))


def test_a_batch_of_the_command_line_goes_before_profiles_of_a_file():
    loaded = spec_with("engine: {profiles: [[1, 2, 3], [4, 5, 6]]}")
    tuning, batch = tuned(loaded, "h100")
    assert (batch.profile, len(tuning.profiles)) == ((1, 2, 3), 2)
    tuning, batch = tuned(loaded, "h100", batch=BuildBatch(fixed=4))
    assert (batch.fixed, tuning.profiles, tuning.entry) == (4, (), {})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"text": "engine: {dla_core: 0}"}, r"t\.yaml:3:\d+: error: engine\.dla_core: h100 has no DLA"),
        ({"option": {"dla_core": 2}, "device": "agx-orin"}, "--dla-core: agx-orin has 2 DLA cores, numbered from 0"),
        ({"option": {"dla_core": 0}, "device": "agx-orin"}, "a DLA takes no symbolic shapes(.|\n)*--batch 1"),
        (
            {"option": {"dla_core": 0}, "device": "agx-orin", "batch": BuildBatch(1), "precision": "fp32"},
            "a DLA computes in float16 and int8",
        ),
        ({"option": {"gpu_fallback": True}}, "--gpu-fallback: without a DLA core"),
        ({"option": {"gpu_fallback": False}}, "--gpu-fallback: without a DLA core"),
        ({"project": {"optimization_level": 3}, "device": "agx-xavier"}, "since 8.6, and this is 8.5.2"),
        ({"option": {"strip_weights": True}, "device": "agx-xavier"}, "since 10.0"),
        ({"option": {"profiles": [[1, 1, 1], [2, 2, 2]]}, "device": "agx-xavier"}, "since 10.0"),
        ({"option": {"hardware_compatibility": "ampere+"}, "device": "agx-orin"}, "JetPack's TensorRT has no such"),
        (
            {"option": {"hardware_compatibility": "same-compute-capability"}, "version": "10.3"},
            "since 10.9, and this is 10.3",
        ),
        ({"option": {"sparsity": True}, "device": "agx-xavier"}, "tensor cores skip zeros from"),
        (
            {"text": "engine: {timing_cache: a.cache}", "option": {"optimization_level": 0}},
            "engine.timing_cache: the builder reads none at optimization level 0",
        ),
        (
            {"text": "engine: {profiles: [[1, 1, 1]]}", "option": {"dla_core": 0}, "device": "agx-orin"},
            "engine.profiles: a DLA takes no symbolic shapes",
        ),
        (
            {"option": {"profiles": [[[1, 64, 64]] * 3]}},
            "--min-shapes: the first profile leaves out the network's own size, 32x32",
        ),
        ({"option": {"profiles": [[[1, 32, 64]] * 3]}}, "leaves out the network's own size, 32x32"),
        ({"option": {"profiles": [[[1, 16, 32], [1, 16, 32], [1, 31, 32]]]}}, "leaves out the network's own size"),
        ({"option": {"profiles": [[[1, 32, 16], [1, 32, 16], [1, 32, 31]]]}}, "leaves out the network's own size"),
        ({"option": {"hardware_compatibility": "ampere+"}, "device": "t4"}, "begins with compute capability 8.0"),
        ({"option": {"timing_cache": "a.cache"}, "target": "tensorrt-rtx"}, "not for tensorrt-rtx: a timing cache"),
        ({"option": {"extra_flags": ["--a"]}, "target": "tensorrt"}, "not for tensorrt: there is no trtexec"),
        ({"option": {"strip_weights": True}, "target": "triton"}, "Triton runs no engine without its weights"),
        (
            {"project": {"cuda_graphs": True}, "option": {"dla_core": 0}, "device": "agx-orin", "batch": BuildBatch(1)},
            "engine.cuda_graphs of the project file: no CUDA graph can be captured of what a DLA does",
        ),
        (
            {"option": {"cuda_graphs": True, "profiles": [[[1, 32, 32]] * 3]}, "target": "triton"},
            "--cuda-graphs: Triton captures graphs of the sizes that its settings say",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_refused_and_says_who_asked_for_it(given, words):
    given = {"device": "h100", **given}
    text, version = given.pop("text", ""), given.pop("version", None)
    if version:
        device = load_target("h100").model_copy(update={"tensorrt": version})
        option = EngineSettings(**given["option"])
        request = Request("bundle", "fp16", device=device, engine=EngineWishes(option))
        with pytest.raises(Refused, match=words):
            resolve_tuning(spec_with(text), request)
        return
    with pytest.raises(Refused, match=words):
        tuned(spec_with(text), **given)


@pytest.mark.parametrize("key", OPTIONS)
def test_without_an_engine_an_option_is_refused_and_a_file_s_is_not(key, tmp_path):
    value = EACH[key]
    with pytest.raises(Refused, match=f"{OPTIONS[key].option} means nothing for target 'onnx'"):
        build(str(TINY), tmp_path, target="onnx", engine={key: value})
    spec = tmp_path / "mine.yaml"
    beside = ", dla_core: 0" if key == "gpu_fallback" else ""
    spec.write_text(f"name: mine\nextends: cifar-resnet20\nengine: {{{key}: {json.dumps(value)}{beside}}}\n")
    *_, manifest = build(str(spec), tmp_path / "out", target="onnx")
    assert "options" not in manifest.read_text()


def test_engine_options_are_of_no_network(tmp_path):
    """A build, a lock's networks and `diff` take a spec for the same, whatever it says of engines."""
    bare, own = spec_with(""), spec_with("engine: {workspace: 2}")
    assert (bare.digest(), bare.built()) == (own.digest(), own.built())


@pytest.mark.parametrize("library", ["tensorrt-rtx", "tensorrt", "trtexec"])
def test_every_library_has_each_option_or_a_reason(library):
    for key, option in OPTIONS.items():
        newest = explain_absence(key, EACH[key], library, "1.7.1" if library == "tensorrt-rtx" else "11.1")
        assert newest is None or len(newest) > 20, key
        if library == "trtexec":
            assert newest is None
            major, minor = option.since
            older = f"{major - 1}.9" if minor == 0 else f"{major}.{minor - 1}"
            reason = explain_absence(key, EACH[key], library, older)
            assert f"since {major}.{minor}, and this is {older}" in str(reason)


def test_which_options_a_library_has_not_is_written_down_here_too():
    missing = {
        library: {key for key in OPTIONS if explain_absence(key, EACH[key], library, "11.1")}
        for library in ("tensorrt-rtx", "tensorrt", "trtexec")
    }
    assert missing == {
        "tensorrt-rtx": {
            "timing_cache", "optimization_level", "hardware_compatibility", "version_compatible", "dla_core",
            "gpu_fallback", "sparsity", "extra_flags",
        },
        "tensorrt": {"extra_flags"}, "trtexec": set(),
    }  # fmt: skip


def test_a_version_has_what_came_with_it_and_one_said_in_part_is_its_newest():
    for key, option in OPTIONS.items():
        major, minor = option.since
        assert explain_absence(key, EACH[key], "trtexec", f"{major}.{minor}") is None
    narrow = ("hardware_compatibility", "same-compute-capability", "trtexec")
    assert explain_absence(*narrow, "10") is None
    assert "since 10.9, and this is 10.8" in str(explain_absence(*narrow, "10.8"))
    assert explain_absence("profiles", [[1, 1, 1]], "trtexec", "8.2") is None  # one needs no number


def test_a_dla_skips_zeros_where_its_gpu_does_not():
    said = {"option": {"sparsity": True, "dla_core": 0}, "batch": BuildBatch(1)}
    tuning, _ = tuned(spec_with(""), "agx-xavier", **said)
    assert tuning.settings.sparsity


def test_shapes_of_the_command_line_are_an_option_s():
    shapes = (ShapeProfile((1, 2, 4)), ShapeProfile((5, 6, 7)))
    batch = BuildBatch(profile=tensorrt.Profile(1, 2, 4), shapes=shapes)
    tuning, _ = tuned(spec_with("engine: {profiles: [[1, 1, 1]]}"), "h100", batch=batch)
    assert (tuning.sources, tuning.profiles) == ((("profiles", "option"),), shapes)


def test_a_cache_that_a_file_names_is_a_name_and_ends_so():
    for name in ("a.cache.sh", "a.cache\n", "../a.cache", "a.cach", ".cache"):
        with pytest.raises(Refused, match="is not the name of a timing cache"):
            spec_with(f"engine: {{timing_cache: {json.dumps(name)}}}")
    assert spec_with("engine: {timing_cache: a.cache}").spec.engine.timing_cache == "a.cache"


def test_flags_are_trtexec_s_from_the_version_on_that_the_table_says():
    """The stand-in's sets were written down from the source of each release, not from the table."""
    text = (Path(__file__).parents[1] / "fixtures" / "fake_trtexec.py").read_text()
    known: dict = {}
    exec(text.removesuffix("main(sys.argv[1:])\n"), known)  # but for what runs it at once
    assert set(known["OPTIONS"]) == {"8201", "8502", "8601", "100300", "110400"}
    for number, flags in known["OPTIONS"].items():
        numbers = (int(number[:-4]), int(number[-4:-2])) if len(number) > 4 else (int(number[0]), int(number[1]))
        for option in OPTIONS.values():
            flag = option.trtexec.removeprefix("--").partition("=")[0]
            if option.key == "extra_flags" or flag == "memPoolSize":  # whose other name is in another test
                continue
            assert (flag in flags) == (numbers >= option.since), (number, flag)


WRONG = [
    ({"optimization_level": 6}, "engine.optimization_level: 6 is too large"),
    ({"workspace": 0}, "engine.workspace: 0 is too small"),
    ({"workspace": (1 << 20) + 1}, "engine.workspace: 1048577 is too large"),
    ({"extra_flags": ["--a"] * 33}, "too many"),
    ({"workspace": "1"}, "engine.workspace: '1' is not a whole number"),
    ({"profiles": []}, "too few"),
    ({"profiles": [[1, 2]]}, "not a profile of shapes"),
    ({"profiles": [[2, 1, 3]]}, "does not rise"),
    ({"profiles": [[1, 1, 1], [[1, 8, 8]] * 3]}, "profiles with and without sizes"),
    ({"profiles": [[True, 1, 1]]}, "not a profile of shapes"),
    ({"profiles": [[1, 1, 1]] * 17}, "too many"),
    ({"hardware_compatibility": "ampere"}, "hardware_compatibility"),
    ({"extra_flags": ["--plugins=x.so"]}, "loads a library"),
    ({"extra_flags": ["--dynamicPlugins=x.so"]}, "loads a library"),
    ({"extra_flags": ["--leanDLLPath=x"]}, "loads a library"),
    ({"extra_flags": ["--exportTimes=net.check.py"]}, "writes files"),
    ({"extra_flags": ["--saveDebugTensors=a:net.onnx"]}, "writes files"),
    ({"extra_flags": ["--onnx=other"]}, "is the script's own"),
    ({"extra_flags": ["--builderOptimizationLevel=5"]}, "say it as optimization_level"),
    ({"extra_flags": ["--a=$(rm x)"]}, "is not a flag"),
    ({"extra_flags": ["--a='b'"]}, "is not a flag"),
    ({"extra_flags": ["--saveX=/etc/passwd"]}, "is not a flag"),
    ({"extra_flags": ["--a\n--b"]}, "is not a flag"),
    ({"extra_flags": ["-v"]}, "is not a flag"),
    ({"extra_flags": ["--vc"]}, "--vc has an option of its own\nhint: say it as version_compatible"),
    ({"extra_flags": ["--stripAllWeights"]}, "hint: say it as strip_weights"),
    ({"colour": 1}, "engine.colour: unknown key"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "words"), WRONG, ids=lambda value: str(value)[:40])
def test_wrong_settings_are_refused_from_python(given, words, tmp_path):
    with pytest.raises(Refused) as caught:
        build(str(TINY), tmp_path, target="tensorrt", engine=given)
    assert words in str(caught.value)


def test_the_command_line_says_them_in_its_own_words(cli, tmp_path):
    for words, message in (
        (["--trtexec-flag", "--plugins=x"], "error: --trtexec-flag: --plugins loads a library"),
        (["--dla-core", "0", "--hardware-compatibility", "ampere+"], "--hardware-compatibility: a DLA is of one kind"),
    ):
        code, _, err = cli("build", TINY, "--for", "h100", "-o", tmp_path, *words)
        assert (code, message in err) == (2, True), err


# --- any height and width -----------------------------------------------------------


def outputs(loaded, x, open_values=frozenset()):
    graph = lower(loaded)
    model = model_bytes(graph, SeededWeights(graph, 0), WriterOptions(open_values=open_values))
    return session(model, optimized=True).run(None, {"input": x})


@pytest.mark.parametrize(
    "text",
    [
        "outputs: [stage2, stage3]", "stages: {depths: [1, 1, 1], attention: se}", "antialias: blur",
        "stages: {depths: [1, 1, 1], downsample: max_pool}", "stem: {kind: conv7x7, width: 16, pool: max_ceil}",
    ],
)  # fmt: skip
def test_a_network_of_any_size_computes_at_each_what_it_computes_there(text):
    loaded = spec_with(text)
    sizes = [(32, 32), (33, 47), (64, 40)]
    open_values = find_open_values(loaded, sizes)
    for height, width in [*sizes[1:], (41, 33)]:
        x = np.random.default_rng(0).standard_normal((2, 3, height, width), np.float32)
        found = outputs(loaded, x, open_values)
        for one, other in zip(found, outputs(with_input_size(loaded, (height, width)), x), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("head: {kind: mlp, pool: none, hidden: [8], classes: 5}", "depends on the map's size"),
        ("norm: {kind: group, groups: 4}", r"'bn1' \(GroupNorm\) depends on the map's size"),
        ("head: {kind: mlp, pool: 2, hidden: [8], classes: 5}", "images of 33x33 cannot be"),
    ],
)
def test_a_network_that_is_of_one_size_is_refused_and_the_layer_named(text, words):
    with pytest.raises(Refused, match=words):
        find_open_values(spec_with(text), [(32, 32), (40, 40)])


def test_our_own_reader_takes_a_file_of_any_size_at_its_network_s(cli, tmp_path, fake):
    profile = [[1, 8, 8], [1, 8, 8], [1, 16, 16]]
    engine(tmp_path, engine={"profiles": [profile]})
    manifest = json.loads((tmp_path / "tiny.manifest.json").read_text())
    assert manifest["inputs"]["input"]["shape"] == ["N", 1, "H", "W"]
    for words in (["verify", TINY, "--no-config", "--against"], ["diff", TINY]):
        assert cli(*words, tmp_path / "tiny.onnx")[0] == 0
    code, out, _ = cli("run", tmp_path / "tiny.onnx", "--format", "json")
    assert (code, json.loads(out)["shape"]) == (0, [1, 1, 8, 8])
    assert __version__ in (tmp_path / "tiny.manifest.json").read_text()


@pytest.mark.parametrize("words", [["--min-shapes", "1x1x8x8"], ["--min-shapes", "1x1x8x8", "--opt-shapes", "1x1x8x8",
                                   "--max-shapes", "1x1x8x8", "--min-shapes", "1x1x8x8"]])  # fmt: skip
def test_shapes_of_a_profile_come_together(words, cli, tmp_path):
    code, _, err = cli("build", TINY, "--target", "tensorrt", "-o", tmp_path, *words)
    assert code == 2
    assert "neither one shape nor a range" in err or "not as many of each" in err


def test_shapes_in_trtexec_s_words_are_profiles(fake, cli, tmp_path):
    steps = [("1x1x8x8", "2x1x8x8", "4x1x16x8"), ("1x1x8x8", "1x1x8x8", "1x1x8x8")]
    words = [word for step in steps for pair in zip(("--min-shapes", "--opt-shapes", "--max-shapes"), step, strict=True)
             for word in pair]  # fmt: skip
    assert cli("build", TINY, "--target", "tensorrt", "-o", tmp_path, *words)[0] == 0
    assert fake.MODE.profiles[-1] == [
        {"input": ((1, 1, 8, 8), (2, 1, 8, 8), (4, 1, 16, 8))}, {"input": ((1, 1, 8, 8),) * 3},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("shapes", "image", "sizes"),
    [
        (("1x3x32x64", "4x3x32x64", "8x3x32x64"), (3, 32, 64), None),
        (("1x3x32x64", "4x3x64x64", "8x3x64x64"), (3, 0, 0), ((32, 64), (64, 64), (64, 64))),
        (("1x32x64x3", "4x32x64x3", "8x64x96x3"), (0, 0, 3), ((32, 64), (32, 64), (64, 96))),
    ],
)
def test_sides_are_open_where_shapes_of_a_range_differ_in_them(shapes, image, sizes):
    found = ShapeOptions(None, *((shape,) for shape in shapes)).batch()
    assert (found.image, found.profile, found.fixed) == (image, (1, 4, 8), None)
    assert found.shapes == (() if sizes is None else (ShapeProfile((1, 4, 8), sizes),))


@pytest.mark.parametrize(
    "shapes",
    [
        ("1x3x64x32", "1x3x32x32", "1x3x64x64"),
        ("1x3x32x64", "1x3x32x32", "1x3x64x64"),
        ("1x64x32x3", "1x32x32x3", "1x64x64x3"),
    ],
)
def test_sides_that_fall_within_a_range_are_refused_whichever_they_are(shapes):
    with pytest.raises(Refused, match=r"'\d+x\d+:32x32:64x64' does not rise"):
        ShapeOptions(None, *((shape,) for shape in shapes)).batch()


def test_a_profile_is_shown_as_it_is_written():
    for data in ([1, 2, 3], [[1, 8, 9], [2, 8, 9], [3, 10, 11]]):
        (found,) = EngineSettings(profiles=[data]).profiles
        assert found.data() == data
        assert plain_value("profiles", (found,)) == [data]
        assert found == ShapeProfile(*found)
