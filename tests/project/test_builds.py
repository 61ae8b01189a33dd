"""The builds of a project: multiplied out, built once, compared, listed; and what else commands do with them."""

import dataclasses
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

import resnet_gen
from resnet_gen.api import build_worker
from resnet_gen.build.manifest_schema import read_manifest
from resnet_gen.build.request_resolution import BuildWishes
from resnet_gen.engine.image import read_image
from resnet_gen.problems import Refused
from resnet_gen.project import build_run
from resnet_gen.project.build_plan import plan_builds
from resnet_gen.project.build_run import BUILD_STATUSES, BuildMode, BuildOrder
from resnet_gen.project.build_table import PLACEHOLDERS, BuildTable, CalibrationTable
from resnet_gen.project.project_file import find_project
from resnet_gen.quantization import quantizer
from resnet_gen.quantization.calibration import images
from resnet_gen.system.resources import targets_folder
from resnet_gen.weights.initialization import SeededWeights
from tests.engine.test_labelled_images import picture
from tests.helpers.project_files import begin_project, everything, write

NET = """\
name: net
input: {channels: 3, size: 8}
stem: {kind: conv3x3, width: 4}
stages: {depths: [1], widths: [4], block: basic}
head: {kind: linear, classes: 3}
"""
PROJECT = """\
specs = ["nets/*.yaml"]

[builds.plain]
folder = "out/{spec}/{precision}"
precisions = ["fp32", "fp16"]
"""
BROKEN = "name: broken\nstem: conv3x3\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a project file and a spec, in which the tests work."""
    return begin_project(tmp_path, monkeypatch, {"resnet-gen.toml": PROJECT, "nets/net.yaml": NET})


def statuses(**more):
    return [row.status for row in resnet_gen.build_project(**more)]


def plans(text):
    write("resnet-gen.toml", text)
    return plan_builds(find_project())


# --- building ---------------------------------------------------------------


def test_a_folder_may_be_the_project_s_own(project, cli):
    write("resnet-gen.toml", '[builds.here]\nspecs = ["nets/*.yaml"]\nfolder = "."\n')
    assert cli("build")[0] == 0
    assert Path("net.onnx").is_file()
    assert "unchanged" in cli("build")[1]


REFUSED_LATE = {
    'serve = {labels = "names.txt"}': ("serve.labels: 1 label for 3 classes", "one label a class", '"names.txt"'),
    'devices = ["jetson-nano"]\nserve = {}': ("serve.type: TensorRT 8.2.1 takes no bytes", "serve.type float32", "{}"),
    'devices = ["h100"]\nengine = {workspace = 9, dla_core = 3}': ("engine.dla_core: h100 has no DLA", "", "3"),
    "opset = 12": ("opset 12 cannot be written", "choose", "12"),
    "symbolic_size = true\nserve = {}": ("symbolic_size: pixels come as NHWC", "serve.layout: NCHW", "true"),
    'set = {name = "a/b"}': ("name: 'a/b' is not a name", "use letters", '{name = "a/b"}'),
}  # fmt: skip
"""What only a build refuses: the message and its hint, in the words of a table, and the value that it is shown at."""


@pytest.mark.parametrize("line", REFUSED_LATE)
def test_what_a_build_refuses_is_said_at_the_key_that_asks_for_it(project, cli, line):
    said, hint, value = REFUSED_LATE[line]
    write("names.txt", "cat\n")
    table = f'[builds.NAME]\nspecs = ["nets/*.yaml"]\nfolder = "NAME/{{spec}}"\n{line}\n'
    write("resnet-gen.toml", table.replace("NAME", "a") + table.replace("NAME", "b"))
    code, _, err = cli("build")
    assert code == 2
    lines = line.splitlines()
    number, column = next((n, text.rindex(value)) for n, text in enumerate(lines) if value in text)
    for first, name in ((4, "a"), (8 + line.count("\n"), "b")):
        assert f"resnet-gen.toml:{first + number}:{column + 1}: error: builds.{name}: {said}" in err
    assert f"{' ' * (7 + column)}{'^' * len(value)}\n" in err
    assert f"hint: {hint}" in err or not hint
    assert "--" not in err.replace("---", "")
    dry = cli("build", "--dry-run")
    assert (dry[0], list_reports(dry[2])) == (2, list_reports(err))
    for plan in plan_builds(find_project()):  # another process, which is told it as JSON, says the same
        order = json.loads(json.dumps(BuildOrder(plan, BuildMode()).dump()))
        if plan.refused:
            continue  # it is not sent
        answer = build_worker._perform({"build": order, "parts": "all"})
        assert answer["status"] == "refused"
        assert answer["report"]
        assert answer["report"] in err


def list_reports(said):
    """What is said on stderr of what is refused, without the progress of the builds."""
    return [line for line in said.splitlines() if not re.match(r"[0-9]+/[0-9]+ ", line)]


BUILT_OTHERWISE = {
    "int8": 'precisions = ["int8"]\nplacement = "cpu"\ncalibration = "random"\nopset = 12\n',
    "no images": 'precisions = ["int8"]\nplacement = "cpu"\ncalibration = "photos"\n',
    "no weights": 'weights = "w.npz"\n',
    "files of others": 'folder = "theirs"\n',
    "nothing to quantize": 'precisions = ["int8"]\nplacement = "cpu"\ncalibration = "random"\n'
    'set = {quantization = {keep = ["*"]}}\n',
}
"""What a build refuses though the project file is right in itself."""


@pytest.mark.parametrize("lines", BUILT_OTHERWISE.values(), ids=BUILT_OTHERWISE)
def test_a_dry_run_refuses_what_a_build_refuses_and_in_its_words(project, cli, lines):
    (project / "theirs").mkdir()
    write("theirs/net.onnx", "mine")
    write("resnet-gen.toml", f'[builds.b]\nspecs = ["nets/*.yaml"]\n{lines}')
    before = everything()
    code, out, err = cli("build", "--dry-run")
    assert (code, err.splitlines()[-1], everything()) == (2, "1 build: 1 refused", before)
    assert cli("build") == (code, out, err)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_dry_run_computes_nothing(project, monkeypatch, precision):
    """It looks at no number of the weights, and runs no image."""
    eight = 'placement = "cpu"\ncalibration = "random"\n' if precision == "int8" else ""
    write("resnet-gen.toml", f'[builds.b]\nspecs = ["nets/*.yaml"]\nprecisions = ["{precision}"]\n{eight}')
    monkeypatch.setattr(SeededWeights, "rows", None)
    monkeypatch.setattr(quantizer, "calibrate", None)
    assert statuses(dry_run=True) == ["to build"]


def test_everything_is_built_where_the_project_says_and_onnx_runtime_runs_it(project, cli):
    write("nets/other.yaml", NET.replace("name: net", "name: other"))
    code, out, said = cli("build")
    assert code == 0
    assert said.splitlines()[-1] == "4 builds: 4 built"
    assert sorted(str(p.parent) for p in Path("out").rglob("*.onnx")) == [
        str(Path("out", *steps)) for steps in (("net", "fp16"), ("net", "fp32"), ("other", "fp16"), ("other", "fp32"))
    ]
    head, *rows = out.splitlines()
    assert head.split() == [
        "build",
        "spec",
        "device",
        "precision",
        "target",
        "serve",
        "file",
        "bytes",
        "opset",
        "status",
    ]
    assert [row.split()[:4] for row in rows] == [
        ["plain", name, "-", precision] for name in ("net", "other") for precision in ("fp32", "fp16")
    ]
    for path, kind in (("out/net/fp32/net.onnx", 1), ("out/net/fp16/net.onnx", 10)):
        types = {tensor.data_type for tensor in onnx.load(path).graph.initializer if tensor.name.endswith("weight")}
        assert types == {kind}
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        assert session.run(None, {"input": np.zeros((2, 3, 8, 8), np.float32)})[0].shape == (2, 3)
        assert any(row.split()[7] == f"{Path(path).stat().st_size:,}" for row in rows)


def test_a_model_is_byte_for_byte_what_build_of_the_spec_writes(project, cli):
    cli("build")
    cli("build", "nets/net.yaml", "--precision", "fp16", "-o", "alone")
    assert Path("alone/net.onnx").read_bytes() == Path("out/net/fp16/net.onnx").read_bytes()
    alone, ours = (json.loads(Path(f, "net.manifest.json").read_text()) for f in ("alone", "out/net/fp16"))
    assert {key: value for key, value in ours.items() if key != "project"} == alone


def change_spec():
    write("nets/net.yaml", NET.replace("size: 8", "size: 12"))


def change_weights():
    tensors = {
        name: np.ones(t.shape, np.float32) for name, t in resnet_gen.build_graph("nets/net.yaml").state().items()
    }
    np.savez("w.npz", **tensors)


CHANGES = {
    "a spec": change_spec,
    "weights": change_weights,
    "an option": lambda: write("resnet-gen.toml", PROJECT + 'weights = "w.npz"\nopset = 15\n'),
    "a file that is gone": lambda: [path.unlink() for path in Path("out").rglob("*.onnx")],
    "a file that is damaged": lambda: [path.write_bytes(b"x") for path in Path("out").rglob("*.onnx")],
    "a manifest that is gone": lambda: [path.unlink() for path in Path("out").rglob("*") if path.is_file()],
    "the version": None,
}


@pytest.mark.parametrize("what", CHANGES)
def test_only_what_changed_is_built(project, what, monkeypatch):
    write("resnet-gen.toml", (PROJECT + 'weights = "w.npz"\n').replace(', "fp16"', ""))
    change_weights()
    np.savez("w.npz", **{name: value * 2 for name, value in np.load("w.npz").items()})
    assert statuses() == ["built"]
    before = everything(Path("out"))
    assert statuses() == ["unchanged"]
    assert everything(Path("out")) == before
    if CHANGES[what]:
        CHANGES[what]()
        if what == "an option":
            write("resnet-gen.toml", Path("resnet-gen.toml").read_text().replace(', "fp16"', ""))
    else:
        monkeypatch.setattr("resnet_gen.project.build_inputs.__version__", "0.0.0")
    assert statuses(dry_run=True) == ["to build"]
    assert statuses() == ["built"]
    assert statuses() == ["unchanged"]


def test_images_and_devices_are_among_what_a_build_is_of(project):
    shutil.copy(targets_folder() / "t4.yaml", "mine.yaml")
    np.savez("images.npz", images=np.zeros((2, 8, 8, 3), np.uint8))
    text = '[builds.b]\nspecs = ["nets/net.yaml"]\ndevices = ["mine.yaml"]\ntargets = ["onnx"]\n'
    write("resnet-gen.toml", text + 'precisions = ["fp16"]\ncalibration = "images.npz"\n')
    assert statuses() == ["built"]
    assert statuses() == ["unchanged"]
    np.savez("images.npz", images=np.ones((2, 8, 8, 3), np.uint8))
    assert statuses() == ["built"]
    write("mine.yaml", Path("mine.yaml").read_text().replace("opset: ", "note: Another.\nopset: "))
    assert statuses() == ["built"]
    assert statuses() == ["unchanged"]


def draw_noise(path, seed):
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)).save(path)
    return path


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_a_build_is_of_those_images_that_it_reads(project, monkeypatch, precision):
    Path("photos").mkdir()
    pictures = [draw_noise(Path(f"photos/{number:02}.png"), number) for number in range(20)]
    read = set()

    def note(path, to):
        read.add(path.name)
        return read_image(path, to)

    monkeypatch.setattr(images, "read_image", note)
    options = f'precisions = ["{precision}"]\ncalibration = {{source = "photos", most = 5}}\n'
    more = 'placement = "cpu"\n' if precision == "int8" else ""
    write("resnet-gen.toml", f'[builds.b]\nspecs = ["nets/net.yaml"]\n{options}{more}')
    assert statuses() == ["built"]
    of = set()
    for path in pictures:
        before = path.read_bytes()
        draw_noise(path, 99)
        of |= {path.name} if statuses(dry_run=True) == ["to build"] else set()
        path.write_bytes(before)
    assert 3 < len(read) < 20
    assert of == read
    assert statuses() == ["unchanged"]


def test_force_builds_anew_and_replaces_what_something_else_left(project, cli):
    write("out/x", "")
    (project / "out/net/fp32").mkdir(parents=True)
    write("out/net/fp32/net.onnx", "mine")
    code, _, said = cli("build")
    assert code == 2
    assert "out/net/fp32/net.onnx: error: exists and has no manifest: not built here".replace("/", os.sep) in said
    assert said.splitlines()[-1] == "2 builds: 1 built, 1 refused"
    assert Path("out/net/fp32/net.onnx").read_text() == "mine"
    assert cli("build", "--force")[2].splitlines()[-1] == "2 builds: 2 built"


def test_what_cannot_be_built_hides_nothing_else(project, cli):
    write("nets/broken.yaml", BROKEN)
    write("nets/huge.yaml", NET.replace("name: net", "name: huge").replace("depths: [1]", "depths: [1], stide: 2"))
    write("resnet-gen.toml", PROJECT + 'weights = "weights/{spec}.npz"\n')
    write("nets/last.yaml", NET.replace("name: net", "name: last"))
    Path("weights").mkdir()
    change_weights()
    Path("w.npz").rename("weights/last.npz")
    code, out, said = cli("build", "--format", "json")
    rows = json.loads(out)["builds"]
    assert code == 2
    assert [row["status"] for row in rows] == ["refused"] * 4 + ["built"] * 2 + ["refused"] * 2
    for words in ("broken.yaml:1:1: error: stages: missing", "huge.yaml:4:", "net.npz"):
        assert words in said
    assert [bool(row["reason"]) for row in rows] == [row["status"] == "refused" for row in rows]
    assert not Path("out/net").exists()


@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.long), 2])
def test_processes_build_the_same_and_run_parts_that_they_may(project, cli, jobs):
    write("mine.py", "raise SystemExit(4)")
    write("nets/parted.yaml", NET.replace("name: net", "name: parted") + "parts: [../mine.py]\nactivation: mine\n")
    write("nets/other.yaml", NET.replace("name: net", "name: other"))
    write("resnet-gen.toml", PROJECT.replace('"fp32", ', ""))
    code, out, said = cli("build", "-j", jobs, "--parts", "none")
    assert code == 2
    assert [line.split()[-1] for line in out.splitlines()[1:]] == ["built", "built", "refused"]
    assert "parted.yaml" in said
    assert cli("build", "-j", 1, "--check", "--parts", "none")[1].count("as built") == 2


# --- comparing and listing --------------------------------------------------


def test_check_writes_nothing_and_says_what_differs(project, cli):
    code, out, _ = cli("build", "--check")
    assert (code, out.count("missing: net.onnx, net.manifest.json")) == (1, 2)
    assert not Path("out").exists()
    cli("build")
    code, out, said = cli("build", "--check")
    assert (code, said.splitlines()[-1]) == (0, "2 builds: 2 as built")
    write("out/net/fp16/net.onnx", "x")
    before = everything()
    code, out, said = cli("build", "--check")
    assert (code, said.splitlines()[-1]) == (1, "2 builds: 1 as built, 1 differs")
    assert out.splitlines()[-1].endswith("differs: net.onnx")
    assert everything() == before


def test_a_dry_run_does_nothing(project, cli):
    before = everything()
    code, _, said = cli("build", "--dry-run")
    assert (code, said.splitlines()[-1], everything()) == (0, "2 builds: 2 to build", before)


def test_the_table_in_markdown_shows_names_as_they_are(project, cli):
    write("nets/broken.yaml", BROKEN)
    write("resnet-gen.toml", PROJECT.replace("builds.plain", "builds.a_b_c"))
    code, out, _ = cli("build", "--dry-run", "--format", "markdown")
    lines = out.splitlines()
    assert code == 2
    assert lines[0] == "**4 builds: 2 refused, 2 to build**"
    assert lines[2].count("|") == lines[3].count("|") == 11
    assert lines[4].startswith("| a_b_c | nets/broken.yaml |")
    assert lines[-2].startswith("- a_b_c: nets/broken.yaml: ")


# --- options ----------------------------------------------------------------


def test_every_wish_of_build_is_a_key():
    """One that has no plain type needs a row in `build_table`."""
    plural = {
        "device": "devices",
        "precision": "precisions",
        "target": "targets",
        "capabilities": "compute_capabilities",
    }
    fields = {field.name for field in dataclasses.fields(BuildWishes)} - {"project_engine"}  # a table beside
    wishes = {plural.get(name, name) for name in fields}
    assert wishes <= set(BuildTable.model_fields)
    assert set(BuildTable.model_fields) - wishes == {"specs", "folder", "generate", "set", "serve"}
    assert wishes - {"devices", "precisions", "targets", "batch", "compute_capabilities", "placement"} <= set(
        resnet_gen.Options.__annotations__
    )


KEYS = {
    "precisions": '["bf16"]', "targets": '["triton"]', "batch": "4", "weights": '"w.npz"', "opset": "17", "seed": "3",
    "fold": "true", "typed_io": "true", "tf32": "true", "compare": "false",
    "calibration": '{source = "random", most = 3}', "compute_capabilities": "[89]", "placement": '"cpu"',
    "rest": '"fp16"', "reduce_range": "true", "devices": '["t4"]', "engine": "{optimization_level = 2}",
    "symbolic_size": "true",
}  # fmt: skip
BESIDE = {
    "engine": 'targets = ["tensorrt"]\n',
    "typed_io": 'precisions = ["fp16"]\n', "tf32": 'targets = ["tensorrt"]\n', "compute_capabilities":
    'targets = ["tensorrt-rtx"]\n', "compare": 'precisions = ["fp16"]\n', "calibration": 'precisions = ["fp16"]\n',
    **dict.fromkeys(
        ("placement", "rest", "reduce_range"),
        'precisions = ["int8"]\ncalibration = "random"\nplacement = "tensorrt"\n',
    ),
}  # fmt: skip


def test_every_key_is_tried_below():
    assert set(KEYS) == set(BuildTable.model_fields) - {"specs", "folder", "generate", "set", "serve"}


@pytest.mark.parametrize("key", KEYS)
def test_a_key_changes_what_is_asked_for(project, key):
    common = f'[builds.b]\nspecs = ["nets/net.yaml"]\n{BESIDE.get(key, "")}'
    (without,) = plans(common)
    line = f"{key} = {KEYS[key]}\n"
    lines = [other for other in common.splitlines(keepends=True) if not other.startswith(f"{key} =")]
    (having,) = plans("".join(lines) + line)
    assert having.request() != without.request()


def test_what_the_project_says_of_engines_has_its_line_where_a_spec_is_named(project, cli):
    write("resnet-gen.toml", 'specs = ["nets/*.yaml"]\n[engine]\nworkspace = 64\ndla_core = 0\n')
    for words in (["nets/net.yaml"], []):
        code, _, err = cli("build", *words, "--for", "h100", "--target", "bundle")
        assert (code, err.splitlines()[0]) == (
            2, "resnet-gen.toml:4:12: error: engine.dla_core of the project file: h100 has no DLA"
        )  # fmt: skip
    err = cli("build", "nets/net.yaml", "--for", "h100", "--target", "bundle", "--dla-core", "1")[2]
    assert err.startswith("error: --dla-core: h100 has no DLA")


def test_settings_change_the_network(project):
    (plan,) = plans('[builds.b]\nspecs = ["nets/net.yaml"]\nset = {head.classes = 7, "input.size" = 16}\n')
    assert (plan.loaded.spec.head.classes, plan.loaded.spec.input.shape) == (7, (3, 16, 16))


SERVED = """\
[builds.b]
specs = ["nets/net.yaml"]
precisions = ["fp32", "fp16"]
folder = "out/{serve}/{precision}"
serve = [
  {name = "phone", layout = "NCHW", outputs = ["top2"], labels = "names.txt"},
  {outputs = ["logits"], order = "BGR"},
]
"""


def test_what_is_served_is_one_more_axis(project, cli):
    write("names.txt", "cat\ndog\nfox\n")
    found = plans(SERVED)
    assert [(one.serve, one.precision, one.folder.as_posix()) for one in found] == [
        ("phone", "fp32", "out/phone/fp32"), ("phone", "fp16", "out/phone/fp16"),
        ("2", "fp32", "out/2/fp32"), ("2", "fp16", "out/2/fp16"),
    ]  # fmt: skip
    first, last = found[0].loaded.spec.serve, found[-1].loaded.spec.serve
    order = json.loads(json.dumps(BuildOrder(found[0], BuildMode()).dump()))
    assert BuildOrder.parse(order).plan.serve == "phone"  # in another process too
    assert (first.layout, first.labels, last.order, last.labels) == ("NCHW", ("cat", "dog", "fox"), "BGR", None)
    assert cli("build")[0] == 0
    session = onnxruntime.InferenceSession("out/2/fp16/net.onnx")
    assert (session.get_inputs()[0].type, session.get_inputs()[0].shape[1:]) == ("tensor(uint8)", [8, 8, 3])
    code, out, _ = cli("build", "--dry-run")
    assert (code, out.count("  unchanged")) == (0, 4)
    assert [line.split()[5] for line in out.splitlines()] == ["serve", "phone", "phone", "2", "2"]
    assert cli("check-engine")[0] == 0


def test_a_file_may_be_called_as_published_weights_are(project):
    write("hf:net.npz", "")
    (one,) = plans('[builds.b]\nspecs = ["nets/net.yaml"]\nweights = "hf:net.npz"\n')
    assert one.wishes["weights"] == "hf:net.npz"


def test_one_table_says_what_is_served_and_folders_need_no_name(project):
    (one,) = plans('[builds.b]\nspecs = ["nets/net.yaml"]\nserve = {layout = "NCHW"}\n')
    assert one.loaded.spec.serve.layout == "NCHW"
    assert one.folder.as_posix() == "build/b/fp32/onnx"
    two = plans('[builds.b]\nspecs = ["nets/net.yaml"]\nserve = [{layout = "NCHW"}, {}]\n')
    assert [plan.folder.as_posix() for plan in two] == ["build/b/fp32/onnx/1", "build/b/fp32/onnx/2"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('serve = [{name = "a"}, {name = "a"}]', "builds.b.serve: 'a' twice"),
        ('serve = [{}, {}]\nfolder = "x"', "put {serve} into its folder"),
        ('folder = "{serve}"', "{serve} means nothing where there is no serve"),
        ('serve = {labels = "../../names.txt"}', "leads out"),
        ('serve = {order = "GBR"}', "serve.order"),
        ('serve = {name = "../x"}', "serve.name"),
        ("serve = []", "serve"),
        ('weights = "torchvision:IMAGENET1K_V2"', "a project fetches nothing"),
        ('weights = "hf:{spec}/x@main"', "there is no file 'hf:net/x@main'"),
        ('engine = {optimization_level = 2}', "means nothing for target 'onnx'"),
        ('engine = {optimization_level = 20}', "engine.optimization_level"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_it_is_said_at_its_place(project, line, said):
    with pytest.raises(Refused) as refused:
        plans(f'[builds.b]\nspecs = ["nets/net.yaml"]\n{line}\n')
    text = str(refused.value)
    assert said in text
    assert text.startswith("resnet-gen.toml:")


def test_an_option_is_left_out_where_it_means_nothing_if_it_means_something_elsewhere(project):
    found = plans("""\
[builds.b]
specs = ["nets/net.yaml"]
devices = ["t4"]
precisions = ["fp32", "fp16", "int8"]
targets = ["onnx", "bundle"]
calibration = {source = "random", method = "minmax"}
rest = "fp32"
batch = "1:2:4"
""")
    requests = {(plan.precision, plan.target): plan.request() for plan in found}
    assert [requests[p, "onnx"].images is not None for p in ("fp32", "fp16", "int8")] == [False, True, True]
    assert [bool(requests["fp16", target].batch.profile) for target in ("onnx", "bundle")] == [False, True]
    assert requests["int8", "onnx"].quantizing.calibration.method == "minmax"
    assert requests["int8", "onnx"].quantizing.compute == "float32"


def test_names_choose_builds(project, cli):
    write("resnet-gen.toml", PROJECT + '[builds.more]\nspecs = ["resnet18"]\n')
    assert [p.build for p in plan_builds(find_project(), ["more"])] == ["more"]
    code, _, said = cli("build", "--builds", "mor")
    assert (code, said) == (
        2, "resnet-gen.toml: error: there is no build 'mor'\nhint: did you mean 'more'? known: more, plain\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--precision", "fp16"], "--precision means nothing for the builds of a project"),
        (["-o", "x"], "--output means nothing for the builds of a project"),
        (["nets/net.yaml", "--dry-run"], "--dry-run is for the builds of a project"),
        (["nets/net.yaml", "--builds", "plain"], "--builds means nothing where a SPEC is named"),
        (["--check", "--dry-run"], "--dry-run means nothing beside --check"),
        (["--check", "--force"], "--force means nothing beside --check"),
        (["--no-config", "--builds", "plain"], "--builds: there is no project file"),
        (["--all-shipped", "-j", "2"], "--jobs is for the builds of a project"),
    ],
)
def test_options_that_would_be_ignored_are_refused(project, cli, words, said):
    code, out, err = cli("build", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert not Path("out").exists()


# --- what a stranger's project file may do ----------------------------------


def test_a_link_leads_nothing_out(project, cli, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    Path("out").symlink_to(outside)
    code, _, said = cli("build")
    assert code == 2
    assert "leads out of the repository" in said
    assert list(outside.iterdir()) == []


def test_of_several_that_are_served_the_one_is_shown_that_is_at_fault(project, cli):
    write("names.txt", "cat\n")
    text = '[builds.a]\nspecs = ["nets/*.yaml"]\nserve = [{order = "BGR"}, {labels = "names.txt"}]\n'
    write("resnet-gen.toml", text)
    code, _, err = cli("build", "--dry-run")
    assert code == 2
    assert (
        f"resnet-gen.toml:3:{text.splitlines()[2].index(chr(34) + 'names') + 1}: error: builds.a: serve.labels: " in err
    )


def test_where_the_project_s_own_engine_asks_for_it_that_is_said(project, cli):
    text = '[builds.a]\nspecs = ["nets/*.yaml"]\ndevices = ["h100"]\n'
    write("resnet-gen.toml", f"{text}[engine]\ndla_core = 1\n")
    assert (
        "resnet-gen.toml:5:12: error: builds.a: engine.dla_core of the project file: h100 has no DLA" in cli("build")[2]
    )
    long = f"x = [{', '.join(['1'] * 500)}]"  # of which no other process is told a line for every key
    write("resnet-gen.toml", f"{text}engine = {{dla_core = 1}}\nset = {{{long}}}\n")
    (plan,) = plan_builds(find_project())
    assert sorted(plan.places) == ["device", "engine", "engine.dla_core", "specs"]


def test_hints_of_images_speak_of_keys(project, cli):
    picture(Path("photos/x.png"))
    table = '[builds.b]\nspecs = ["nets/net.yaml"]\nprecisions = ["int8"]\nplacement = "cpu"\ncalibration = "photos"\n'
    write("resnet-gen.toml", table)
    code, _, err = cli("build")
    assert code == 2
    assert "photos: error: one image is not enough to calibrate with\nhint: calibration.most 1 takes it so\n" in err


def test_a_link_in_the_way_is_refused_before_anything_is_built(project, cli, tmp_path_factory):
    write("resnet-gen.toml", '[builds.b]\nspecs = ["nets/net.yaml"]\nfolder = "out"\n')
    outside = tmp_path_factory.mktemp("outside")
    Path("out").symlink_to(outside)
    built, dry = cli("build"), cli("build", "--dry-run")
    assert (built[0], dry[0]) == (2, 2)
    assert list_reports(dry[2]) == list_reports(built[2])
    assert list(outside.iterdir()) == []


def test_no_image_to_calibrate_with_leads_out(project, tmp_path_factory):
    """Each of a folder, that is, and not the folder alone; of the project's own, one may be a link to another."""
    picture(Path("photos/a/x.png"))
    Path("photos/y.png").symlink_to("a/x.png")
    table = '[builds.b]\nspecs = ["nets/net.yaml"]\nprecisions = ["int8"]\nplacement = "cpu"\ncalibration = "photos"\n'
    assert len(plans(table)) == 1
    Path("photos/a/z.png").symlink_to(picture(tmp_path_factory.mktemp("outside") / "x.png"))
    with pytest.raises(Refused) as refused:
        plans(table)
    assert "resnet-gen.toml:5:15: error: builds.b.calibration: 'photos/a/z.png': leads out" in str(refused.value)


def test_a_manifest_names_no_file_elsewhere(project, cli):
    cli("build")
    path = Path("out/net/fp32/net.manifest.json")
    data = json.loads(path.read_text())
    data["engine"] = {"file": "../../../resnet-gen.toml", "library": "x", "version": "1", "compute_capabilities": []}
    path.write_text(json.dumps(data))
    assert read_manifest(path).main_file == "net.onnx"
    data["files"]["../../../resnet-gen.toml"] = "0" * 64
    path.write_text(json.dumps(data))
    with pytest.raises(Refused, match="not a manifest"):
        read_manifest(path)
    assert cli("build", "--dry-run")[1].count("to build") == 1


def test_an_error_of_the_system_hides_nothing_else(project, monkeypatch):
    real = build_run.build

    def build(loaded, request, *words, **more):
        if request.precision == "fp32":
            raise OSError(28, "No space left on device", "net.onnx")
        return real(loaded, request, *words, **more)

    monkeypatch.setattr(build_run, "build", build)
    assert [(row.status, row.reason) for row in resnet_gen.build_project()] == [
        ("refused", "No space left on device"), ("built", None),
    ]  # fmt: skip


# --- other commands ---------------------------------------------------------


def test_generate_writes_beside_what_is_built(project, cli):
    write("nets/broken.yaml", BROKEN)
    write("resnet-gen.toml", PROJECT + 'generate = ["pytorch", "card"]\n')
    cli("build")
    assert cli("generate", "--check")[2].splitlines()[-1] == "4 files checked, 4 to change"
    code, out, said = cli("generate")
    assert code == 2
    assert "broken.yaml" in said
    names = [str(Path("out/net", p, name)) for p in ("fp32", "fp16") for name in ("net.py", "net.md")]
    assert sorted(out.splitlines()) == sorted(names)
    assert Path("out/net/fp16/net.py").read_text() == resnet_gen.generate("nets/net.yaml", "pytorch")["net.py"]
    assert "fp16" in Path("out/net/fp16/net.md").read_text()
    Path("nets/broken.yaml").unlink()
    assert cli("generate", "--check")[0] == 0
    write("out/net/fp16/net.py", "mine")
    assert cli("generate", "--check")[:2] == (1, f"{names[2]}: differs\n")
    assert cli("generate")[0] == 2
    assert Path("out/net/fp16/net.py").read_text() == "mine"
    assert cli("generate", "--force")[1] == f"{names[2]}\n"


def test_two_builds_do_not_generate_one_file(project, cli):
    text = PROJECT.replace("{precision}", "x") + 'targets = ["triton", "onnx"]\ngenerate = ["pytorch"]\n'
    write("resnet-gen.toml", text.replace(', "fp16"', ""))
    code, _, said = cli("generate")
    assert code == 2
    assert "builds.plain: net writes 'net.py' where builds.plain (resnet-gen.toml:3:2) does" in said


@pytest.mark.parametrize("words", [[], ["--force"], ["--check"]])
def test_generate_replaces_nothing_that_the_build_has_written(project, cli, words):
    table = '[builds.a]\nspecs = ["nets/*.yaml"]\nfolder = "a"\ntargets = ["triton"]\ngenerate = ["cpp"]\n'
    write("resnet-gen.toml", table)
    assert cli("build")[0] == 0
    before = everything(project)
    code, _, err = cli("generate", *words)
    assert code == 2
    assert (
        "resnet-gen.toml:5:12: error: builds.a: the build itself writes 'net/README.md', and generate another\n" in err
    )
    assert everything(project) == before


@pytest.mark.parametrize(
    ("command", "line", "said"),
    [
        ("generate", "engine = {cuda_graphs = true}", "4:25: error: builds.a: engine.cuda_graphs "),
        ("check-engine", "set = {head.classes = -1}", "4:7: error: builds.a: head.classes: "),
    ],
)
def test_what_other_commands_refuse_is_said_at_its_key_too(project, cli, command, line, said):
    write("resnet-gen.toml", f'[builds.a]\nspecs = ["nets/*.yaml"]\ngenerate = ["cpp"]\n{line}\n')
    code, _, err = cli(command)
    assert code == 2
    assert err.startswith(f"resnet-gen.toml:{said}")
    assert "--set" not in err


def test_generate_without_a_spec_takes_the_project_s(project, cli):
    code, out, _ = cli("generate", "--to", "pytorch", "-o", "models")
    assert (code, out) == (0, f"{Path('models/net.py')}\n")
    assert cli("generate")[2].startswith("resnet-gen.toml: error: no build of the project generates anything")
    write("resnet-gen.toml", "")
    assert cli("generate")[2].startswith("error: --to: what is to be generated?")
    assert cli("generate", "--to", "card")[2].startswith("error: no SPEC is named")


def test_check_engine_holds_every_build_against_its_file(project, cli):
    assert cli("check-engine")[1].count("no       manifest: not built") == 2
    cli("build")
    code, out, said = cli("check-engine")
    assert (code, said) == (0, "2 files checked, 2 fit\n")
    assert out.count("ok       spec: ") == out.count("ok       precision: ") == 2
    change_spec()
    code, out, said = cli("check-engine", "--format", "json")
    found = json.loads(out)
    assert (code, found["fits"], said) == (1, False, "2 files checked, 0 fit\n")
    assert {c["check"] for file in found["files"] for c in file["checks"] if c["state"] == "no"} == {"spec"}
    write("nets/net.yaml", NET)
    shutil.rmtree("out/net/fp16")
    shutil.copytree("out/net/fp32", "out/net/fp16")
    code, out, _ = cli("check-engine")
    assert code == 1
    assert "no       precision: built in fp32, and builds.plain says fp16" in out
    Path("out/net/fp16/net.onnx").unlink()
    assert "no       file: there is no such file" in cli("check-engine")[1]
    assert cli("check-engine", "--for", "t4")[2].startswith("error: --for means nothing for the builds of a project")
    write("nets/broken.yaml", BROKEN)
    assert cli("check-engine")[0] == 2


def test_check_engine_without_a_project_wants_a_file(project, cli):
    write("resnet-gen.toml", "")
    assert cli("check-engine")[:2] == (2, "")


def test_the_page_of_projects_names_every_key_status_and_placeholder():
    page = (Path(__file__).parents[2] / "docs" / "projects.md").read_text(encoding="utf-8")
    words = {*BuildTable.model_fields, *CalibrationTable.model_fields, *BUILD_STATUSES} - {"built", "to build"}
    assert {word for word in words if f"`{word}`" not in page} == set()
    assert {word for word in PLACEHOLDERS if f"{{{word}}}" not in page} == set()


def test_another_process_runs_no_part_that_this_one_may_not(project):
    write("mine.py", "raise SystemExit(4)")
    (plan,) = plans('[builds.b]\nspecs = ["nets/net.yaml"]\n')
    write("nets/net.yaml", NET + "parts: [../mine.py]\nactivation: mine\n")
    order = BuildOrder(plan, BuildMode()).dump()
    (reason, report) = build_worker._perform({"build": json.loads(json.dumps(order)), "parts": "none"})["refused"]
    assert "no parts are" in report
    assert reason in report
