"""`evaluate` without a SPEC: what a project has built, on the images of its budgets, which are held against it."""

import json
import re
import shutil
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest

import resnet_gen
from resnet_gen.build.manifest_schema import FileManifest
from resnet_gen.engine.evaluation import image_arrays
from resnet_gen.engine.names import RUNTIMES
from resnet_gen.engine.tensorrt import BACKENDS
from resnet_gen.ops.runtime_words import ENGINE_RUNTIMES
from resnet_gen.problems import Refused
from resnet_gen.project import build_run
from resnet_gen.project.build_plan import plan_builds
from resnet_gen.project.project_file import find_project
from resnet_gen.verify import build_accuracy, build_models
from resnet_gen.verify.build_models import NoModelError, choose_file
from resnet_gen.verify.build_trials import ACCURACY_STATUSES
from tests.accuracy.digits import every_third, raw, split, write_calibration, write_test_part
from tests.accuracy.measured import WEIGHTS, correct
from tests.engine.test_labelled_images import picture
from tests.engine.test_runtimes import gpu
from tests.helpers.project_files import everything, write
from tests.pages.shown import ROOT

__all__ = ["gpu"]
RIGHT, IMAGES = 591, 596
FEW = 48
BUILDS = """\
specs = ["nets/*.yaml"]

[builds.server]
precisions = ["fp32", "int8"]
placement = "cpu"
calibration = "images.npz"
weights = "w.safetensors"

[builds.served]
serve = {outputs = ["top1"]}
weights = "w.safetensors"
"""
BUDGETS = """\
[budgets.net]
accuracy = [
  {{data = "{data}", min = {least!r}}},
  {{data = "{data}", precision = "int8", calibration = "images.npz", min = 0.9{drop}}},
]
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A project whose builds are there: the digits' network in two precisions, and one that names the best class."""
    folder = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        (folder / ".git").mkdir()
        write_test_part(folder / "digits.npz")
        images, labels = split()[1]
        few = np.append((labels[:1] + 1) % 10, labels[1:FEW])  # one of which nobody is right
        np.savez(folder / "few.npz", images=images[:FEW], labels=few)
        pixels, every = raw()
        chosen = np.flatnonzero(every_third(every))[:FEW]
        bytes_of = np.rint(pixels[chosen] * (255 / 16)).astype(np.uint8)
        np.savez(folder / "bytes.npz", images=bytes_of, labels=every[chosen])
        write_calibration(folder / "images.npz", 101)
        shutil.copy(WEIGHTS, "w.safetensors")
        write("nets/net.yaml", "name: net\nextends: resnet8-digits\n")
        write("resnet-gen.toml", BUILDS)
        assert {row.status for row in resnet_gen.build_project()} == {"built"}
    return folder


@pytest.fixture
def project(built, tmp_path, monkeypatch):
    """A copy of it, in which the test works."""
    shutil.copytree(built, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stated(least=0.5, drop=None, data="few.npz", more=""):
    """Budgets of both precisions; int8's has a bound of the drop from FP32 too, where one is given."""
    drop = "" if drop is None else f", drop_from_fp32 = {drop}"
    write("resnet-gen.toml", BUILDS + BUDGETS.format(least=least, drop=drop, data=data) + more)


def evaluated(cli, *words):
    code, out, err = cli("evaluate", "--format", "json", *words)
    return code, json.loads(out)["builds"], err


SERVER = ("--builds", "server")


def test_what_was_built_is_run_and_its_budgets_are_held(project, cli):
    """By the file that lies there: as ONNX Runtime runs it without this package."""
    stated(least=RIGHT / IMAGES, drop=0.5, data="digits.npz")
    before = everything()
    code, rows, err = evaluated(cli, *SERVER)
    assert (code, everything()) == (0, before)
    assert err.splitlines()[-1] == "2 builds: 2 met"
    for row, precision in zip(rows, ("fp32", "int8"), strict=True):
        file = f"build/server/{precision}/onnx/net.onnx"
        right = correct(project / file)
        assert (row["precision"], row["file"].replace("\\", "/"), row["top1"]["right"]) == (precision, file, right)
        assert (row["images"], row["total"], row["data"], row["status"]) == (IMAGES, IMAGES, "digits.npz", "met")
        assert row["runtime"]["library"] == "onnxruntime"
        assert row["runtime"]["precision"] == "f32"
    assert (rows[0]["fp32"], rows[1]["fp32"]["right"]) == (None, RIGHT)
    assert [held["bound"] for held in rows[1]["bounds"]] == ["min 0.9", "drop_from_fp32 0.5"]


def test_a_bound_that_is_broken_is_said_at_its_line_and_ends_with_1(project, cli):
    stated(least=float(np.nextafter(RIGHT / IMAGES, 1)), data="digits.npz")
    code, out, err = cli("evaluate", *SERVER)
    assert code == 1
    line = len(BUILDS.splitlines()) + 3
    assert f"resnet-gen.toml:{line}:31: error: builds.server: net fp32 onnx: accuracy (fp32): 0.9916 (591 of 5" in err
    first, second = out.splitlines()[1:]
    assert first.split("  ")[-1].strip() == "missed: min 0.991611"
    assert "99.16 %  98.05 to 99.64 %  100.00 %" in first
    assert f"onnxruntime {onnxruntime.__version__}  596  99.16 %" in re.sub("  +", "  ", first)
    assert second.endswith("met")


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_drop_is_that_from_the_same_network_with_the_same_weights(project, cli):
    """Eight bits of a calibration with noise lose something, and by another run it is found how much."""
    rng = np.random.default_rng(0)
    np.savez("images.npz", images=(rng.standard_normal((101, 1, 8, 8)) / 40).astype(np.float32))
    stated(drop=0.0, data="digits.npz")
    assert evaluated(cli, *SERVER)[1][1]["status"] == "stale"
    assert cli("build", *SERVER)[0] == 0
    right = correct(project / "build/server/int8/onnx/net.onnx")
    assert right < RIGHT
    code, (_, row), err = evaluated(cli, *SERVER)
    assert (code, row["reason"], row["top1"]["right"]) == (1, "min 0.9, drop_from_fp32 0", right)
    assert f"{(RIGHT - right) / IMAGES:.4f} less than fp32's 0.9916 (591 of 596), over the budget of 0" in err


def make_stale(what):
    model = "build/server/fp32/onnx/net.onnx"
    if what == "spec":
        write("nets/net.yaml", "name: net\nextends: resnet8-digits\ninput: {crop: 0.9}\n")
    elif what == "weights":
        data = np.fromfile("w.safetensors", np.uint8)
        data[-1] ^= 1
        data.tofile("w.safetensors")
    elif what == "bytes":
        write(model, "x")
    elif what == "gone":
        (find_project().folder / model).unlink()
    else:
        shutil.rmtree("build/server/fp32/onnx")
        resnet_gen.build("nets/net.yaml", "build/server/fp32/onnx", weights="w.safetensors")


STALE = {
    "spec": "it was built of something else than the project says now",
    "weights": "it was built of something else than the project says now",
    "bytes": "net.onnx has other bytes than its manifest says",
    "gone": "net.onnx is gone",
    "alone": "it was not built as one of the project's",
}


@pytest.mark.parametrize("what", STALE)
def test_what_is_not_what_would_be_built_is_not_evaluated(project, cli, what):
    stated()
    make_stale(what)
    code, rows, _ = evaluated(cli, *SERVER)
    assert (code, rows[0]["status"], rows[0]["top1"]) == (1, "stale", None)
    assert rows[0]["reason"] == f"{STALE[what]}: `resnet-gen build` builds it anew"
    assert rows[0]["bounds"] == [{"bound": "min 0.5", "met": None}]
    assert (rows[1]["status"] == "stale") == (what in ("spec", "weights"))


def test_what_is_half_new_is_not_evaluated(project, cli, monkeypatch):
    stated()
    monkeypatch.setattr(build_run, "is_unfinished", lambda path: "fp32" in str(path))
    _, rows, _ = evaluated(cli, *SERVER)
    assert [row["status"] for row in rows] == ["stale", "met"]
    assert rows[0]["reason"].startswith("half of it is new: what wrote it died")


def test_what_is_not_built_is_said_and_ends_with_1(project, cli):
    stated()
    shutil.rmtree("build")
    code, out, err = cli("evaluate", *SERVER)
    assert (code, err.splitlines()[-1]) == (1, "2 builds: 2 not built")
    assert out.count("not built: `resnet-gen build` builds it") == 2


def test_files_without_what_they_were_built_of_are_evaluated_and_that_is_said(project, cli):
    stated()
    (project / "w.safetensors").unlink()
    (project / "images.npz").unlink()
    code, rows, _ = evaluated(cli, *SERVER)
    assert (code, rows[0]["status"]) == (0, "met")
    assert "whether it is what would be built is not known: w.safetensors: " in rows[0]["notes"][0]
    write("nets/net.yaml", "name: net\nextends: resnet8-digits\ninput: {crop: 0.9}\n")
    assert evaluated(cli, *SERVER)[1][0]["status"] == "stale"  # which the manifest says by itself


def test_what_cannot_be_evaluated_hides_nothing_else(project, cli):
    write("nets/broken.yaml", "name: broken\nstem: conv3x3\n")
    stated(more='[budgets.other]\naccuracy = {data = "none.npz", min = 0.5}\n')
    write("nets/other.yaml", "name: other\nextends: resnet8-digits\n")
    code, rows, err = evaluated(cli)
    assert (code, len(rows)) == (2, 9)
    by = {(row["spec"], row["precision"], row["build"]): row["status"] for row in rows}
    assert by["net", "fp32", "server"] == by["net", "int8", "server"] == "met"
    assert by["nets/broken.yaml", "fp32", "server"] == by["other", "fp32", "server"] == "refused"
    assert by["net", "fp32", "served"] == "refused"
    assert "broken.yaml:1:1: error: stages: missing" in err
    assert "error: none.npz: there is no such file or folder" in err
    assert "error: few.npz: its images are floats, and the model takes pixels" in err


def test_images_that_are_named_stand_in_for_those_of_budgets_whose_bounds_are_held_on_them(project, cli):
    stated(least=1.0, drop=0.5)
    code, rows, _ = evaluated(cli, "--data", "bytes.npz", "--limit", "40", "--batch", "7")
    assert [(row["images"], row["total"], row["data"]) for row in rows] == [(40, FEW, "bytes.npz")] * 3
    plain, eight, served = rows
    assert served["top1"] == plain["top1"]
    assert (served["top5"], plain["top5"]["right"]) == (None, 40)
    assert "names its best class alone: top-5 is not known" in served["notes"]
    assert [held["met"] for held in plain["bounds"]] == [plain["top1"]["right"] == 40]
    alone = resnet_gen.evaluate(plain["file"], "bytes.npz", limit=40)
    assert alone.models[0].accuracy.top1.number == plain["top1"]["right"]
    again = resnet_gen.evaluate(served["file"], "bytes.npz", limit=40)
    assert again.models[0].accuracy.top1 == alone.models[0].accuracy.top1
    assert code == (0 if plain["top1"]["right"] == 40 else 1)
    assert eight["fp32"]["right"] == plain["top1"]["right"]


def test_a_build_without_a_budget_of_its_own_is_evaluated_on_the_images_of_another(project, cli):
    budget = '[budgets.net]\naccuracy = {data = "few.npz", limit = 20, precision = "bf16", min = 1.0}\n'
    write("resnet-gen.toml", BUILDS + budget)
    code, rows, _ = evaluated(cli, *SERVER)
    assert (code, [row["status"] for row in rows], rows[0]["images"]) == (0, ["no budget"] * 2, 20)


def test_a_budget_of_another_placement_is_not_held(project, cli):
    more = 'precision = "int8", calibration = "images.npz", qdq = "{}"'
    for placement, status in (("tensorrt", "no budget"), ("cpu", "missed")):
        budget = f'accuracy = {{data = "few.npz", min = 1.0, {more.format(placement)}}}\n'
        write("resnet-gen.toml", f"{BUILDS}[budgets.net]\n{budget}")
        assert evaluated(cli, *SERVER)[1][1]["status"] == status


def test_budgets_of_the_spec_and_of_several_images_are_rows(project, cli):
    budgets = "budgets: {accuracy: [{data: ../few.npz, limit: 30, min: 0.5}, {data: ../few.npz, min: 0.5}]}\n"
    write("nets/net.yaml", f"name: net\nextends: resnet8-digits\n{budgets}")
    write("resnet-gen.toml", BUILDS)
    assert cli("build", *SERVER)[0] == 0
    code, rows, _ = evaluated(cli, *SERVER)
    assert (code, [row["images"] for row in rows]) == (0, [30, FEW, 30])
    assert [row["status"] for row in rows] == ["met", "met", "no budget"]


def test_what_is_in_fp32_is_each_network_s_own_with_its_weights_and_nothing_around_it(project, cli):
    served = 'serve = {outputs = ["top1"]}\n'
    tables = (
        f'[builds.a]\nprecisions = ["fp16"]\nweights = "w.safetensors"\n{served}[builds.b]\nprecisions = ["fp16"]\n'
    )
    budget = 'accuracy = {data = "bytes.npz", precision = "fp16", drop_from_fp32 = 1.0}\n'
    write("resnet-gen.toml", f'specs = ["nets/*.yaml"]\n{tables}seed = 3\n[budgets.net]\n{budget}')
    assert cli("build")[0] == 0
    code, rows, err = evaluated(cli)
    of_weights = (
        resnet_gen.evaluate("nets/net.yaml", "bytes.npz", weights="w.safetensors").models[0].accuracy.top1.number
    )
    of_seed = resnet_gen.evaluate("nets/net.yaml", "bytes.npz", seed=3).models[0].accuracy.top1.number
    assert (code, [row["fp32"]["right"] for row in rows]) == (0, [of_weights, of_seed])
    assert of_weights > 40 > of_seed
    assert "note: builds" not in err
    assert rows[1]["notes"] == ["weights are drawn from seed 3: what it gets right is chance"]


def test_a_budget_of_another_runtime_than_is_asked_for_is_not_held(project, cli):
    for runtime, status in (("openvino", "no budget"), ("onnxruntime", "missed")):
        budget = f'accuracy = {{data = "few.npz", runtime = "{runtime}", min = 1.0}}\n'
        write("resnet-gen.toml", f"{BUILDS}[budgets.net]\n{budget}")
        _, rows, _ = evaluated(cli, *SERVER, "--backend", "onnxruntime")
        assert (rows[0]["status"], rows[0]["runtime"]["library"]) == (status, "onnxruntime")


def test_eight_bits_are_run_as_they_are_written(project, cli, monkeypatch):
    """So that no CPU's own kernels decide whether a budget holds."""
    stated()
    real, asked = build_models.open_model_file, []

    def open_model_file(path, source, runtime, tuning):
        asked.append(tuning.as_written)
        return real(path, source, runtime, tuning)

    monkeypatch.setattr(build_models, "open_model_file", open_model_file)
    assert evaluated(cli, *SERVER)[0] == 0
    assert asked == [False, True]


def test_images_are_read_once_for_all_that_take_them_alike(project, cli, monkeypatch):
    stated()
    read = image_arrays.read_values
    walked = []
    monkeypatch.setattr(image_arrays, "read_values", lambda *words: walked.append(1) or read(*words))
    assert evaluated(cli, *SERVER)[0] == 0
    assert len(walked) == FEW


def test_one_model_that_cannot_be_run_hides_no_other(project, cli, monkeypatch):
    stated()
    real = build_accuracy.open_build

    def open_build(plan, file):
        model = real(plan, file)
        if plan.precision == "fp32":
            return model._replace(runner=SimpleNamespace(where="m", shape=(1,), bounds=None, prepare_input=fail))
        return model

    def fail(x):
        raise Refused(resnet_gen.Problem("cannot be run: out of memory", "m"))

    monkeypatch.setattr(build_accuracy, "open_build", open_build)
    code, rows, _ = evaluated(cli, *SERVER)
    assert (code, [row["status"] for row in rows]) == (2, ["refused", "met"])


def test_of_several_budgets_of_the_same_images_each_is_held(project, cli):
    entries = ", ".join(f'{{data = "few.npz", min = {least}}}' for least in (0.5, 1.0, 0.25))
    write("resnet-gen.toml", f"{BUILDS}[budgets.net]\naccuracy = [{entries}]\n")
    code, (row, _), _ = evaluated(cli, *SERVER)
    assert (code, row["status"], row["reason"]) == (1, "missed", "min 1")
    assert [(held["bound"], held["met"]) for held in row["bounds"]] == [
        ("min 0.5", True), ("min 1", False), ("min 0.25", True),
    ]  # fmt: skip


def test_how_many_images_are_asked_for_comes_before_what_a_budget_says(project, cli):
    write("resnet-gen.toml", f'{BUILDS}[budgets.net]\naccuracy = {{data = "few.npz", min = 0.1, limit = 30}}\n')
    for words, images in (((), 30), (("--limit", "12"), 12)):
        _, (row, _), _ = evaluated(cli, *SERVER, *words)
        assert (row["images"], row["total"]) == (images, FEW)


def test_without_its_weights_a_build_is_evaluated_and_nothing_is_held_against_fp32(project, cli):
    """Whether it is what would be built cannot be told any more, and what FP32 gets right cannot be found."""
    stated(drop=0.5)
    (project / "w.safetensors").unlink()
    code, rows, err = evaluated(cli, *SERVER)
    assert (code, [row["status"] for row in rows]) == (2, ["met", "refused"])
    assert [held["met"] for row in rows for held in row["bounds"]] == [True, None, None]
    (note,) = [note for note in rows[0]["notes"] if "is not known" in note]
    assert note.startswith("whether it is what would be built is not known: ")
    assert "w.safetensors" in note
    assert rows[1]["reason"]
    assert f"error: {rows[1]['reason']}" in err


def test_from_python_the_rows_are_the_same(project, cli):
    stated(least=1.0, drop=0.5)
    code, rows, _ = evaluated(cli, *SERVER)
    same = resnet_gen.evaluate_project(builds=["server"])
    assert code == 1
    assert [(row.build, row.precision, row.status, row.top1.number) for row in same] == [
        (row["build"], row["precision"], row["status"], row["top1"]["right"]) for row in rows
    ]
    assert [held.met for row in same for held in row.bounds] == [False, True, True]


def test_no_image_leads_out_of_the_project(project, cli, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "digits.npz"
    shutil.copy("few.npz", outside)
    for place in (f"../../{outside.parent.name}/digits.npz", str(outside)):
        write("resnet-gen.toml", f'{BUILDS}[budgets.net]\naccuracy = {{data = "{place}", min = 0.5}}\n')
        code, rows, err = evaluated(cli, *SERVER)
        assert (code, {row["status"] for row in rows}) == (2, {"refused"})
        assert "error: data: leads out of " in err
        assert evaluated(cli, *SERVER, "--data", outside)[0] == 0  # whoever names it may
    for digit in range(10):
        picture(project / "d" / str(digit) / "x.png", mode="L")
    (project / "d" / "3" / "y.png").symlink_to(picture(outside.parent / "x.png", mode="L"))
    write("resnet-gen.toml", f'{BUILDS}[budgets.net]\naccuracy = {{data = "d", min = 0.0}}\n')
    code, rows, err = evaluated(cli, *SERVER)
    assert (code, rows[0]["status"]) == (2, "refused")
    assert "error: data: 'd/3/y.png': leads out of " in err


def test_what_is_served_without_classes_is_not_evaluated_and_holds_nothing_up(project, cli):
    """An embedding beside the scores of the same network, with and without a budget to hold."""
    text = BUILDS.replace('["top1"]}', '["embedding"]}')
    write("resnet-gen.toml", text)
    assert {row.status for row in resnet_gen.build_project(builds=["served"], replace=True)} == {"built"}
    code, rows, err = evaluated(cli, "--builds", "served", "--data", "bytes.npz")
    assert (code, rows[0]["status"]) == (0, "not evaluated"), err
    assert rows[0]["reason"] == "it outputs 'embedding', and no score of each class"
    write("resnet-gen.toml", f'{text}[budgets.net]\naccuracy = {{data = "bytes.npz", min = 0.5}}\n')
    code, rows, _ = evaluated(cli, "--builds", "served")
    assert (code, rows[0]["status"]) == (1, "not evaluated")


def test_a_build_that_two_budgets_hold_is_one_build(project, cli):
    each = '{data = "few.npz", min = 0.5, runtime = "%s"}'
    budgets = ", ".join(each % runtime for runtime in ("onnxruntime", "tensorrt-rtx"))
    write("resnet-gen.toml", f"{BUILDS}[budgets.net]\naccuracy = [{budgets}]\n")
    code, _, err = cli("evaluate", *SERVER)
    assert code == 1
    assert err.splitlines()[-1] == "2 builds, 3 evaluations: 1 met, 1 no budget, 1 not evaluated"


def test_the_table_in_markdown(project, cli):
    stated(least=1.0)
    output = project / "table.md"
    code, out, _ = cli("evaluate", *SERVER, "--format", "markdown", "-o", output)
    assert (code, out) == (1, f"{output}\n")
    lines = output.read_text().splitlines()
    assert lines[0] == "**2 builds: 1 met, 1 missed**"
    assert {line.count("|") for line in lines[2:6]} == {14}
    assert lines[4].endswith("| min 1 | missed: min 1 |")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--weights", "w.safetensors"], "--weights means nothing for the builds of a project"),
        (["--against", "resnet18"], "--against means nothing for the builds of a project"),
        (["--changes", "3"], "--changes means nothing for the builds of a project"),
        (["resnet8-digits", "--builds", "server"], "--builds means nothing where a SPEC is named"),
        (["resnet8-digits", "--config", "resnet-gen.toml"], "--config means nothing where a SPEC or FILE is named"),
        (["resnet8-digits"], "--data: on which images?"),
        (["--no-config"], "no SPEC or FILE is named, and no project file has [builds]"),
        ([], "no budget of accuracy names images for any of its builds"),
        (["--builds", "sever"], "did you mean 'server'?"),
        (["--limit", "0"], "'--limit': 0 is not in"),
        (["--data", "few.npz", "-o", "resnet-gen.toml"], "resnet-gen.toml"),
    ],
)
def test_what_means_nothing_is_refused(project, cli, words, said):
    before = everything()
    code, out, err = cli("evaluate", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert everything() == before


# --- what runs a build --------------------------------------------------------


def manifest(engine=None, bundle=None, files=("net.onnx",)):
    named = SimpleNamespace(file=engine, library="tensorrt") if engine else None
    every = dict.fromkeys((*files, *filter(None, [engine])), "")
    return FileManifest.model_construct(engine=named, bundle=bundle, files=every)


@pytest.fixture
def plan(project):
    stated()
    return plan_builds(find_project(), ["server"])[0]


def test_an_engine_is_run_where_it_can_be_and_else_its_model_and_that_is_said(plan, gpu, monkeypatch):
    built = manifest("net.engine")
    assert choose_file(plan, built, None)[1:] == ("tensorrt", None)
    assert choose_file(plan, built, "openvino")[1:] == ("openvino", "its model was run")
    monkeypatch.setattr(gpu.MODE, "devices", 0)
    path, runtime, note = choose_file(plan, built, None)
    assert (path.name, runtime) == ("net.onnx", "onnxruntime")
    assert note == "its engine was not run (no GPU can be used: there is none): its model was"
    assert choose_file(plan, built, "tensorrt").path.name == "net.engine"
    with pytest.raises(NoModelError, match="it has no model beside its engine: its engine was not run"):
        choose_file(plan, manifest("net.engine", files=()), None)
    with pytest.raises(NoModelError, match="it has no engine, and tensorrt-rtx runs engines alone"):
        choose_file(plan, manifest(), "tensorrt-rtx")
    assert choose_file(plan, manifest(bundle=object()), None).note.startswith("its engine is built on the device")


def test_a_runtime_that_is_asked_for_is_the_one(project, cli):
    pytest.importorskip("openvino", exc_type=ImportError)
    stated()
    _, rows, _ = evaluated(cli, *SERVER, "--backend", "openvino", "--limit", "50")
    assert {row["runtime"]["library"] for row in rows} == {"openvino"}
    code, rows, _ = evaluated(cli, *SERVER, "--backend", "tensorrt-rtx")
    assert (code, {row["status"] for row in rows}) == (1, {"not evaluated"})  # a budget that nothing was held against
    assert rows[0]["reason"] == "it has no engine, and tensorrt-rtx runs engines alone"


def test_words_for_runtimes_of_engines_are_those_of_the_libraries():
    assert set(ENGINE_RUNTIMES) == set(BACKENDS)
    assert set(BACKENDS) < set(RUNTIMES)


def test_the_page_names_every_status():
    page = (ROOT / "docs" / "evaluate.md").read_text(encoding="utf-8")
    assert {status for status in ACCURACY_STATUSES if f"`{status}`" not in page} == set()
