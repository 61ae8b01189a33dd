"""Every key of the language and of the project file, changed: `review` and `diff` tell of it, and so does the lock.

The keys are read off the models, so that one that is added to the language fails here until it is changed below.
"""

import copy
import json
import subprocess
from pathlib import Path
from typing import Annotated, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from resnet_gen.compare.difference.key_changes import find_differing
from resnet_gen.graph.counts import count
from resnet_gen.language.load import load, load_text
from resnet_gen.language.lower import lower
from resnet_gen.language.source import read_text, value_at
from resnet_gen.language.spec import Spec
from resnet_gen.language.statements import DESCRIBING, PROMISING, lock_settings, resolved_values
from resnet_gen.language.yaml_writer import dump
from resnet_gen.parts.base import FAMILIES, Part
from resnet_gen.parts.registry import load_parts, members
from resnet_gen.problems import Document
from resnet_gen.project.lock import lock_entry as lock_entry
from resnet_gen.project.lock import lock_text
from resnet_gen.project.project_file import ProjectSettings
from resnet_gen.system.resources import shipped_specs
from tests.properties.strategies import specs
from tests.properties.test_specs import examples

GIT = ["git", "-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false"]


def models(annotation):
    """The models that an annotation holds, parts aside: those are one choice."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [] if issubclass(annotation, Part) else [annotation]
    args = get_args(annotation)[:1] if get_origin(annotation) is Annotated else get_args(annotation)
    return [model for inner in args for model in models(inner)]


def keys(model):
    """Every key of a model, and of those inside it, by its path."""
    for name, field in model.model_fields.items():
        inner = models(field.annotation)
        yield from (f"{name}.{key}" for other in inner for key in keys(other)) if inner else [name]


PART = '''\
from typing import Literal

from resnet_gen.parts.base import ActivationPart
from resnet_gen.ops import Activation


class Mine(ActivationPart):
    """One of my own (see docs/language.md)."""

    kind: Literal["mine"] = "mine"
    function = "relu"

    def build(self, net, name, x):
        return net.add(name, Activation("relu"), x)
'''
NET = {
    "name": "net",
    "extends": "base.yaml",
    "title": "A network",
    "paper": "None",
    "reference": "torchvision/resnet18",
    "input": {"channels": 3, "size": 32, "crop": 0.9, "mean": [0.1, 0.2, 0.3], "std": [1.0, 1.0, 1.0]},
    "stem": {"kind": "conv3x3", "width": 8},
    "stages": {
        "depths": [2, 1, 1], "strides": [1, 2, 2], "widths": [8, 16, 32], "block": "basic", "shortcut": "projection",
        "attention": "none", "downsample": "stride", "output_stride": 2, "last_stride": 1,
        "overrides": {"stage1": {"block": "bottleneck", "shortcut": "projection", "attention": "se"}},
    },
    "norm": "batch", "activation": "relu", "head": {"kind": "linear", "classes": 10}, "antialias": "none",
    "weight_standardization": 1e-5, "outputs": ["stage1"], "quantization": {"keep": ["stem"]},
    "engine": {
        "timing_cache": "a.cache", "optimization_level": 2, "workspace": 9, "profiles": [[1, 2, 3]], "sparsity": True,
        "version_compatible": True, "strip_weights": True, "refit": True, "extra_flags": ["--a"],
    },
    "naming": "paths", "deviations": {"half-map-double-filters": "so it is"},
    "claims": [
        {"what": "layers", "value": 8, "source": "us"},
        {"what": "params", "printed": "7K", "source": "them", "size": 32,
         "exception": {"value": 9_000, "reason": "a slip"}},
    ],
    "budgets": {
        **{name: {"min": 1, "max": 10**12} for name in (
            "params", "buffers", "macs", "flops", "conv_macs", "macs_and_biases", "layers", "activations",
            "activations_and_pools",
        )},
        "latency": [{"target": "device.yaml", "precision": "fp16", "batch": 1, "min": 1e-6, "max": 9.0}],
        "onnx_size": [{"precision": "fp32", "min": 1, "max": 10**9}],
        "accuracy": [{
            "data": "val", "classes_file": "names.txt", "weights": "w.npz", "precision": "int8",
            "calibration": "images.npz", "qdq": "cpu", "limit": 100, "min": 0.9, "drop_from_fp32": 0.01,
        }],
    },
    "serve": {
        "type": "float32", "layout": "NHWC", "order": "RGB", "scale": 255, "size": "fixed", "outputs": ["top2"],
        "labels": list("abcdefghij"),
    },
    "training": {
        "dropout": 0.1, "stochastic_depth": {"rate": 0.1, "decay": "linear", "mode": "row"},
        "zero_init_last_norm": True,
    },
}  # fmt: skip
BASE = {
    "name": "base",
    "stem": "conv3x3",
    "stages": {"depths": [1], "widths": [8], "block": "basic"},
    "head": {"kind": "linear", "classes": 3},
}
RANGES = [
    key for key in keys(Spec) if key.startswith("budgets.") and key.count(".") == 2 and key.endswith(("min", "max"))
]
OTHER = {
    "name": "other", "extends": "copy.yaml", "title": "Another", "paper": "Some", "reference": None,
    "input.channels": {"input": {**NET["input"], "channels": 1, "mean": [0.5], "std": [1.0]}},
    "input.size": 33, "input.crop": 0.875, "input.mean": [0.1, 0.2, 0.4], "input.std": [1.0, 1.0, 0.5],
    "stem": {"kind": "conv3x3", "width": 9}, "stages.depths": [1, 1, 1], "stages.strides": [2, 2, 2],
    "stages.widths": [8, 16, 33], "stages.block": "bottleneck", "stages.shortcut": "avg_projection",
    "stages.attention": "eca", "stages.downsample": "max_pool", "stages.output_stride": 1, "stages.last_stride": 2,
    "stages.overrides.block": {"stages.overrides.stage1.block": "basic"},
    "stages.overrides.shortcut": {"stages.overrides.stage1.shortcut": "avg_projection"},
    "stages.overrides.attention": {"stages.overrides.stage1.attention": "eca"},
    "norm": {"kind": "batch", "eps": 1e-3}, "activation": "silu",
    "head": {"head": {"kind": "linear", "classes": 11}, "serve.labels": None},
    "antialias": {"antialias": "blur", "stages.output_stride": None},
    "weight_standardization": 1e-6, "outputs": ["stage2"], "quantization.keep": ["head"],
    "naming": "torchvision", "deviations": {}, "parts": ["mine.py"],
    "engine.timing_cache": "b.cache", "engine.optimization_level": 3, "engine.workspace": 10,
    "engine.profiles": [[1, 2, 4]], "engine.hardware_compatibility": "ampere+", "engine.version_compatible": False,
    "engine.strip_weights": False, "engine.refit": False, "engine.sparsity": False, "engine.extra_flags": ["--b"],
    "engine.cuda_graphs": False,
    "engine.dla_core": {"engine.dla_core": 0, "engine.profiles": None},
    "engine.gpu_fallback": {"engine.dla_core": 0, "engine.gpu_fallback": False, "engine.profiles": None},
    "claims.what": {"claims.0.what": "buffers"}, "claims.value": {"claims.0.value": 9},
    "claims.printed": {"claims.1.printed": "7.1K"}, "claims.source": {"claims.0.source": "somebody"},
    "claims.size": {"claims.1.size": 33}, "claims.exception.value": {"claims.1.exception.value": 9_001},
    "claims.exception.reason": {"claims.1.exception.reason": "another"},
    **{key: 2 if key.endswith("min") else 10**13 for key in RANGES if "latency" not in key and "size" not in key},
    "budgets.latency.target": {"budgets.latency.0.target": "t4"},
    "budgets.latency.precision": {"budgets.latency.0.precision": "fp32"},
    "budgets.latency.batch": {"budgets.latency.0.batch": 2}, "budgets.latency.min": {"budgets.latency.0.min": 2e-6},
    "budgets.latency.max": {"budgets.latency.0.max": 10.0},
    "budgets.onnx_size.precision": {"budgets.onnx_size.0.precision": "fp16"},
    "budgets.onnx_size.min": {"budgets.onnx_size.0.min": 2},
    "budgets.onnx_size.max": {"budgets.onnx_size.0.max": 10**10},
    **{f"budgets.accuracy.{key}": {f"budgets.accuracy.0.{key}": value} for key, value in (
        ("data", "val2"), ("classes_file", "others.txt"), ("weights", "v.npz"), ("precision", "fp8"),
        ("calibration", "more.npz"), ("qdq", "tensorrt"), ("limit", 99), ("runtime", "openvino"), ("min", 0.89),
        ("drop_from_fp32", 0.02),
    )},
    "budgets.accuracy.precision": {"budgets.accuracy.0.precision": "fp8", "budgets.accuracy.0.qdq": None},
    "serve.type": "uint8", "serve.layout": "NCHW", "serve.order": "BGR", "serve.scale": 1, "serve.size": "any",
    "serve.outputs": ["top3"], "serve.labels": list("abcdefghik"),
    "training.dropout": 0.2, "training.stochastic_depth.rate": 0.2, "training.stochastic_depth.decay": "uniform",
    "training.stochastic_depth.mode": "batch", "training.zero_init_last_norm": False,
}  # fmt: skip
"""What each key is changed to; a mapping of dotted places where it stands in a list, or goes with another."""
FIXED = {"version"}
"""There is one version of the language."""
LOOSER = {
    "reference", "claims.what", "claims.size", "claims.value", "claims.printed", "claims.exception.value",
    "budgets.latency.target",
    "budgets.latency.precision", "budgets.latency.batch", "budgets.onnx_size.precision",
    *(key for key in keys(Spec) if key.startswith("budgets.") and key.endswith(".max")),
    *(key for key in keys(Spec) if key.startswith("budgets.accuracy.")),
}  # fmt: skip


def changed(key):
    data = copy.deepcopy(NET)
    value = OTHER[key]
    for place, new in (value if isinstance(value, dict) and "kind" not in value and value else {key: value}).items():
        *steps, last = [int(step) if step.isdecimal() else step for step in place.split(".")]
        holder = data
        for step in steps:
            holder = holder[step]
        holder[last] = new
        if new is None:
            del holder[last]
    return data


def test_every_key_is_changed_below():
    assert set(keys(Spec)) - FIXED == set(OTHER)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unseen")
    for name, text in files().items():
        (folder / name).write_text(text)
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "one"]):
        subprocess.run([*GIT, *words], cwd=folder, check=True, capture_output=True)
    return folder


def files():
    base, lock = dump(BASE), "version = 2\n[networks]\n"
    return {
        "net.yaml": dump(NET), "base.yaml": base, "copy.yaml": base, "mine.py": PART, "device.yaml": shipped_device(),
        "resnet-gen.toml": PROJECT, "resnet-gen.lock": lock,
    }  # fmt: skip


def shipped_device():
    return (Path(__file__).parents[2] / "specs" / "targets" / "t4.yaml").read_text().replace("name: t4", "name: mine")


PROJECT = """\
specs = ["net.yaml", "resnet18"]
select = ["claim", "budget"]
ignore = ["reference-state"]
lock = "resnet-gen.lock"
[budgets."*"]
params = {min = 1, max = "12M"}
latency = {target = "device.yaml", max = 100.0}
accuracy = {data = "val", weights = "w.npz", min = 0.9, drop_from_fp32 = 0.01}
"""


@pytest.fixture
def here(repository, monkeypatch):
    monkeypatch.chdir(repository)
    for path in repository.iterdir():
        if path.is_file():
            path.unlink()
    for name, text in files().items():
        (repository / name).write_text(text)
    return repository


def told(cli, *arguments):
    code, out, err = cli(*arguments, "--format", "json")
    assert out, err
    return code, json.loads(out)


@pytest.fixture(scope="module")
def locked(repository):
    """The lock of the network as it was."""
    loaded = load(str(repository / "net.yaml"))
    graph = lower(loaded)
    return lock_text({"net": lock_entry(loaded, graph, count(graph), repository)})


@pytest.mark.parametrize("key", OTHER)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_changed_key_is_told_by_review_and_diff_and_locked_if_it_is_built(here, cli, locked, key):
    first = key.split(".")[0]
    (here / "net.yaml").write_text(dump(changed(key)))
    (here / "resnet-gen.lock").write_text(locked)
    code, found = told(cli, "diff", "HEAD:net.yaml", "net.yaml")
    assert first in {entry["key"].partition("[")[0].split(".")[0] for entry in found["keys"]}
    assert (code == 0) == (first in DESCRIBING and key != "parts")
    assert bool(found["loosened"]) == (key in LOOSER)
    code, out, _ = cli("review", "net.yaml", "--base", "HEAD", "--no-config", "--format", "markdown")
    assert (code, first in out) == (1, True)
    assert out.startswith("**1 promise loosened; " if key in LOOSER else "**1 of 1 network changed")
    said = first in PROMISING or (first in DESCRIBING and key not in ("name", "parts"))
    assert (cli("lock", "net.yaml", "--check", "--no-config")[0] == 0) == said


# --- the project file --------------------------------------------------------------

ENGINE_VALUES = {
    "timing_cache": '"a.cache"', "optimization_level": 2, "workspace": 9, "profiles": "[[1, 2, 3]]",
    "hardware_compatibility": '"ampere+"', "version_compatible": "true", "strip_weights": "true", "refit": "true",
    "dla_core": 0, "gpu_fallback": "true", "sparsity": "true", "extra_flags": '["--a=1"]',
    "cuda_graphs": "true",
}  # fmt: skip
PROJECT_CHANGES = {
    "specs": [('"resnet18"', '"resnet34"', True), ('"resnet18"]', '"resnet18", "base.yaml"]', False),
              ('"net.yaml", ', "", True)],
    "select": [('["claim", "budget"]', '["claim"]', True), ('"budget"]', '"budget", "lock"]', False),
               ('select = ["claim", "budget"]', "", False)],
    "ignore": [('"]\nlock', '", "lock"]\nlock', True), ('["reference-state"]', "[]", False)],
    "lock": [('"resnet-gen.lock"', '"other.lock"', True)],
    "budgets.params.min": [("min = 1,", "min = 2,", False), ("min = 1,", "", True)],
    "budgets.params.max": [('"12M"', '"13M"', True), ('"12M"', '"11.9M"', False), (', max = "12M"', "", True)],
    "budgets.latency.max": [("max = 100.0", "max = 200.0", True), ("max = 100.0", "max = 99.0", False)],
    "budgets.latency.min": [("max = 100.0", "max = 100.0, min = 0.001", False)],
    "budgets.latency.target": [('"device.yaml"', '"t4"', True)],
    "budgets.latency.batch": [("max = 100.0", "max = 100.0, batch = 2", True)],
    "budgets.latency.precision": [("max = 100.0", 'max = 100.0, precision = "fp32"', True)],
    "budgets.accuracy.min": [("min = 0.9", "min = 0.89", True), ("min = 0.9", "min = 0.91", False),
                             ("min = 0.9, ", "", True)],
    "budgets.accuracy.drop_from_fp32": [("drop_from_fp32 = 0.01", "drop_from_fp32 = 0.02", True),
                                        ("drop_from_fp32 = 0.01", "drop_from_fp32 = 0.001", False),
                                        (", drop_from_fp32 = 0.01", "", True)],
    "budgets.accuracy.data": [('"val"', '"other"', True)],
    "budgets.accuracy.weights": [('"w.npz"', '"v.npz"', True), ('weights = "w.npz", ', "", True)],
    **{f"budgets.accuracy.{key}": [('data = "val"', f'data = "val", {text}', True)] for key, text in (
        ("classes_file", 'classes_file = "c.txt"'), ("limit", "limit = 10"), ("runtime", 'runtime = "openvino"'),
        ("precision", 'precision = "fp16"'),
        ("calibration", 'precision = "fp8", calibration = "c.npz"'),
        ("qdq", 'precision = "int8", calibration = "c.npz", qdq = "cpu"'),
    )},
    "budgets.onnx_size.max": [("params =", 'onnx_size.max = "99 MB"\nparams =', False)],
    "budgets.onnx_size.min": [("params =", 'onnx_size.min = "1 MB"\nparams =', False)],
    "budgets.onnx_size.precision": [("params =", 'onnx_size = {max = "99 MB", precision = "fp16"}\nparams =', False)],
    **{f"engine.{key}": [("[budgets", f"[engine]\n{key} = {value}\n[budgets", False)]
       for key, value in ENGINE_VALUES.items()},
    **{f"budgets.{count}.{bound}": [("params =", f"{count}.{bound} = 9\nparams =", False)]
       for count in ("buffers", "macs", "flops", "conv_macs", "macs_and_biases", "layers", "activations",
                     "activations_and_pools") for bound in ("min", "max")},
    **{f"builds.{key}": [("[budgets.", f"[builds.edge]\n{key} = {value}\n[budgets.", False)] for key, value in {
        "specs": '["net.yaml"]', "devices": '["t4"]', "precisions": '["fp16"]', "targets": '["onnx"]',
        "folder": '"x"', "generate": '["card"]', "set": '{name = "n"}', "batch": "8", "weights": '"w.npz"',
        "calibration.source": '"random"', "calibration.most": '3\ncalibration.source = "random"',
        "calibration.method": '"minmax"\ncalibration.source = "random"',
        "calibration.percentile": '99\ncalibration.source = "random"', "compute_capabilities": "[86]", "seed": "1",
        "opset": "17", "fold": "true", "typed_io": "true", "placement": '"cpu"', "rest": '"fp16"',
        "reduce_range": "true", "tf32": "true", "compare": "false", "symbolic_size": "true",
        "serve.type": '"uint8"', "serve.layout": '"NHWC"', "serve.order": '"RGB"', "serve.scale": "1",
        "serve.size": '"any"', "serve.outputs": '["top2"]', "serve.labels": '"names.txt"', "serve.name": '"a"',
        **{f"engine.{key}": value for key, value in ENGINE_VALUES.items()},
    }.items()},
}  # fmt: skip
"""For each key a few changes of the text, and whether less is promised then."""


def test_every_key_of_the_project_file_is_changed_above():
    assert set(keys(ProjectSettings)) == set(PROJECT_CHANGES)


@pytest.mark.parametrize(("key", "change"), [(key, change) for key, some in PROJECT_CHANGES.items() for change in some])
def test_a_changed_key_of_the_project_file_is_told_by_review(here, cli, key, change):
    old, new, loosened = change
    (here / "other.lock").write_text((here / "resnet-gen.lock").read_text())
    text = PROJECT.replace(old, new)
    assert text != PROJECT
    (here / "resnet-gen.toml").write_text(text)
    code, found = told(cli, "review", "--base", "HEAD")
    assert code == 1
    assert key.split(".")[0] in {entry["key"].split(".")[0] for entry in found["project"]["keys"]}
    assert bool(found["loosened"]) == loosened
    out = cli("review", "--base", "HEAD")[1]
    assert "resnet-gen.toml changed" in out.splitlines()[0]
    assert ("loosened" in out) == loosened
    assert key.split(".")[0] in out


def test_what_promises_less_stands_first_in_every_form(here, cli):
    (here / "resnet-gen.toml").write_text(PROJECT.replace('"12M"', '"13M"'))
    data = changed("input.crop") | {
        "deviations": NET["deviations"] | {"same-map-same-filters": "why not"},
        "claims": [],
    }
    text = dump(data).replace("crop: 0.875", "crop: 0.875  # resnet-gen: ignore[claim] nobody looks")
    (here / "net.yaml").write_text(text)
    _, found = told(cli, "review", "--base", "HEAD")
    assert [line["what"].partition(":")[0] for line in found["loosened"]] == [
        "budgets.*.params.max", "deviations.same-map-same-filters", "claims[layers]", "claims[params, 32]",
        "suppressions[claim, crop",
    ]  # fmt: skip
    for form, first in (("text", "!  resnet-gen.toml: budgets"), ("markdown", "- **loosened** <code>resnet-gen.toml")):
        lines = cli("review", "--base", "HEAD", "--format", form)[1].splitlines()
        assert lines[0].lstrip("*").startswith("5 promises loosened; 1 of 2 networks changed; resnet-gen.toml changed")
        assert next(line for line in lines[2:] if line != "loosened:").startswith(first)


@pytest.mark.parametrize("form", ["spec", "project"])
def test_a_device_of_one_s_own_counts_with_the_budget_that_it_is_for(here, cli, form):
    (here / "device.yaml").write_text(shipped_device().replace("bandwidth_gb_s: ", "bandwidth_gb_s: 9"))
    _, found = told(cli, "review", "--base", "HEAD", *(["net.yaml", "--no-config"] if form == "spec" else ["resnet18"]))
    assert any("devices[device.yaml].value.bandwidth_gb_s" in line["what"] for line in found["loosened"])


def test_a_device_of_one_s_own_counts_with_the_builds_that_are_for_it(here, cli):
    (here / "resnet-gen.toml").write_text('[builds.edge]\nspecs = ["resnet18"]\ndevices = ["device.yaml", "t4"]\n')
    subprocess.run([*GIT, "commit", "-q", "-am", "builds"], check=True)
    try:
        (here / "device.yaml").write_text(shipped_device().replace("opset: ", "note: Another.\nopset: "))
        _, found = told(cli, "review", "--base", "HEAD")
        assert [entry["key"] for entry in found["project"]["keys"]] == ["build_devices[device.yaml].value.note"]
        assert found["loosened"] == []
    finally:
        subprocess.run([*GIT, "reset", "-q", "--hard", "HEAD~1"], check=True)


def test_labels_that_builds_serve_count_with_them(here, cli):
    """Their text, be it that of a file which the project file names as before."""
    (here / "names.txt").write_text("\n".join("abcdefghij"))
    (here / "resnet-gen.toml").write_text('[builds.edge]\nspecs = ["net.yaml"]\nserve = {labels = "names.txt"}\n')
    subprocess.run([*GIT, "add", "-A"], check=True)
    subprocess.run([*GIT, "commit", "-q", "-m", "builds"], check=True)
    try:
        assert told(cli, "review", "--base", "HEAD")[1]["project"]["keys"] == []
        (here / "names.txt").write_text("\n".join("abdcefghij"))
        (entry,) = told(cli, "review", "--base", "HEAD")[1]["project"]["keys"]
        assert entry["key"] == "build_labels[names.txt]"
        assert (entry["before"], entry["after"]) == ("class 2: c", "class 2: d, and 1 more")
        (here / "names.txt").unlink()
        (entry,) = told(cli, "review", "--base", "HEAD")[1]["project"]["keys"]
        assert (entry["before"], entry["after"]) == ("of 10 classes", None)
    finally:
        subprocess.run([*GIT, "reset", "-q", "--hard", "HEAD~1"], check=True)


def test_a_lock_or_a_project_file_that_is_gone_is_told(here, cli):
    (here / "resnet-gen.toml").write_text(PROJECT.replace('lock = "resnet-gen.lock"', ""))
    (here / "resnet-gen.lock").unlink()
    _, found = told(cli, "review", "--base", "HEAD")
    assert [line["what"] for line in found["loosened"]] == ["lock: resnet-gen.lock is gone"]
    (here / "resnet-gen.toml").unlink()
    code, found = told(cli, "review", "--base", "HEAD")
    assert code == 1
    assert {"at": "net.yaml", "what": "listed no more, so that nothing holds it"} in found["loosened"]
    assert any(line["what"].startswith("budgets.*.params.max: ") for line in found["loosened"])


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_code_of_a_part_counts_though_the_graph_is_the_same(here, cli):
    data = changed("parts") | {"activation": "mine"}
    (here / "net.yaml").write_text(dump(data))
    subprocess.run([*GIT, "commit", "-q", "-am", "mine"], check=True)
    try:
        (here / "mine.py").write_text(PART.replace("One of my own", "Another"))
        code, found = told(cli, "diff", "HEAD:net.yaml", "net.yaml")
        assert (code, [entry["key"] for entry in found["keys"]]) == (1, ["code"])
    finally:
        subprocess.run([*GIT, "reset", "-q", "--hard", "HEAD~1"], check=True)


# --- the language of tomorrow --------------------------------------------------------


def leaves(data, path=()):
    for key, value in data.items() if isinstance(data, dict) else ():
        yield from leaves(value, (*path, key)) if isinstance(value, dict) and value else [(*path, key)]


@examples(30)
@given(data=specs(), draw=st.data())
def test_any_leaf_of_any_spec_is_told_when_it_is_another_or_gone_or_new(data, draw):
    path = draw.draw(st.sampled_from(sorted(leaves(data), key=str)))
    after = copy.deepcopy(data)
    holder = value_at(after, path[:-1])
    change = draw.draw(st.sampled_from(["other", "gone", "new"]))
    if change == "other":
        holder[path[-1]] = "\0"
    elif change == "gone" and holder[path[-1]] not in (None, [], {}):
        del holder[path[-1]]
    else:
        path = (*path[:-1], "of tomorrow")
        holder[path[-1]] = {"a": [1, {"b": 2}]}
    assert find_differing(data, data) == ()
    told = [term.path[: len(path)] for term in find_differing(data, after)]
    assert told, "something is told"
    assert all(found == path[: len(found)] for found in told), "at the key, or the part that it is of"


def test_what_is_stated_is_all_that_a_spec_holds():
    for name in (*list(shipped_specs())[::23], "resnet50"):
        loaded = load(name)
        whole = loaded.spec.model_dump(mode="json", exclude_none=True)
        assert {**resolved_values(loaded), "input": None} == {**whole, "input": None}
        assert resolved_values(loaded)["input"].items() >= whole["input"].items()


def test_every_setting_of_every_part_is_stated_and_none_is_left_out_of_its_dump():
    load_parts()
    parts = [part for family in FAMILIES for part in members(family)]
    for model in (Spec, *models(Spec.model_fields["input"].annotation), *parts):
        assert not [name for name, field in model.model_fields.items() if field.exclude]


def test_a_key_of_tomorrow_is_locked(monkeypatch):
    loaded = load_text(read_text(Document("net.yaml", dump({**BASE, "title": "t"}))))
    before = lock_settings(loaded)
    assert set(before) == {"input.crop", "input.mean", "input.std"}
    monkeypatch.setattr(
        "resnet_gen.language.statements.resolved_values",
        lambda _: {**resolved_values(loaded), "tomorrow": {"key": [1, 2]}},
    )
    assert lock_settings(loaded) == {**before, "tomorrow.key": "[1, 2]"}
