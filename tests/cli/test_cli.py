"""The command line's contract: exit codes, what goes to stdout and what to stderr, and no traceback ever."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from resnet_gen import __version__
from resnet_gen.cli import COMMANDS
from resnet_gen.cli import cli as group
from resnet_gen.graph.counts import count
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.language.spec import NAME_PATTERN, Input, Spec, Stages
from resnet_gen.problems import shorten
from resnet_gen.system.resources import shipped_specs
from tests.helpers.onnx_runs import TINY, network
from tests.helpers.privileges import bound, permissions_hold

CHECKPOINT = TINY.with_name("float32.safetensors")
RESNET_GEN = (sys.executable, "-m", "resnet_gen")
BUFFERED = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
"""Where stdout is buffered, what could not be written is written again when Python ends."""
UNMEASURED = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
"""A process that is killed would leave half a file of coverage behind."""
TAKES_A_SPEC = ["show", "count", "verify", "build", "run", "bench"]


def process(*arguments, **options):
    """Runs a command in a process of its own."""
    result = subprocess.run([*RESNET_GEN, *map(str, arguments)], capture_output=True, text=True, timeout=300, **options)
    assert "Traceback" not in result.stderr
    return result.returncode, result.stdout, result.stderr


def everything(folder):
    """Every path below a folder, hidden ones included."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


# --- help and usage ---------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(cli, command):
    code, out, err = cli(command, "--help")
    assert (code, err) == (0, "")
    assert f"Example: resnet-gen {command}" in out


def test_the_help_names_every_command_and_the_exit_codes(cli):
    code, out, _ = cli("--help")
    assert code == 0
    assert "0 fine, 1 findings, 2 usage or bad input" in " ".join(out.split())
    assert [line.split()[0] for line in out.split("Commands:\n")[1].splitlines()] == list(COMMANDS)


def test_the_version_is_the_package_s(cli):
    assert cli("--version") == (0, f"resnet-gen, version {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Usage: resnet-gen"),
        (["frobnicate"], "No such command 'frobnicate'.\n"),
        (["export", "resnet50"], "No such command 'export'. Did you mean 'build'?\n"),
        (["convert", "resnet50.pth"], "No such command 'convert'. Did you mean 'weights'?\n"),
        (["validate"], "No such command 'validate'. Did you mean 'verify'?\n"),
        (["summary", "resnet50"], "No such command 'summary'. Did you mean 'show'?\n"),
        (["list", "--frobnicate"], "No such option '--frobnicate'"),
        (["list", "extra"], "extra"),
        (["show"], "Missing argument"),
        (["count"], "Missing argument"),
        (["init"], "Missing argument"),
        (["count", "resnet18", "--format", "xml"], "'xml' is not one of"),
        (["build", "resnet18", "--target", "coreml"], "'coreml' is not one of"),
        (["build", "resnet18", "--precision", "int3"], "'int3' is not one of"),
        (["build", "resnet18", "--opset", "x"], "'x' is not a valid integer"),
        (["build", "resnet18", "--input", "x"], "'x' is not a valid integer"),
        (["build", "resnet18", "--seed", "-1"], "-1 is not in the range"),
        (["build", "resnet18", "-o", ""], "Error: Invalid value for '-o' / '--output': an empty text is no path.\n"),
        (["build", "resnet18", "--weights", ""], "Error: Invalid value for '--weights': an empty text is no path.\n"),
        (["init", "mine", "-o", ""], "Error: Invalid value for '-o' / '--output': an empty text is no path.\n"),
        (["check-engine", ""], "Error: Invalid value for '[FILE]': an empty text is no path.\n"),
        (["run", "resnet18", "--image", ""], "Error: Invalid value for '--image': an empty text is no path.\n"),
        (["count", "resnet18", "--convention", "flops"], "'flops' is not one of 'macs', '2xmacs', 'pycls', 'fvcore',"),
        (["run", "resnet18", "--batch", "0"], "0 is not in the range"),
        (["run", "resnet18", "--top", "0"], "0 is not in the range"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_why_on_stderr(cli, arguments, words):
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert words in err


MISSING = {
    (command, given): required[given]
    for command in COMMANDS
    for required in [[p for p in group.get_command(click.Context(group), command).params if p.required]]
    for given in range(len(required))
}


@pytest.mark.parametrize(("command", "given"), MISSING)
def test_what_a_command_lacks_is_said_on_one_line_with_its_choices(cli, command, given):
    lacking = MISSING[command, given]
    code, out, err = cli(command, *["resnet18"] * given)
    last = err.splitlines()[-1]
    assert (code, out) == (2, "")
    assert last.startswith("Error: Missing")
    assert "\\" not in last
    choices = getattr(lacking.type, "choices", ())
    assert not choices or last.endswith(f"Choose from: {', '.join(choices)}")


# --- SPEC and --set ---------------------------------------------------------


def test_a_spec_is_a_shipped_name_or_a_path(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "net.yaml"
    path.write_bytes(shipped_specs()["resnet50"].read_bytes())
    by_name, by_path, by_file = (cli("count", s, "--format", "json") for s in ("resnet50", path, "net.yaml"))
    assert by_name == by_path == by_file
    assert by_name[0] == 0


@pytest.mark.parametrize("command", TAKES_A_SPEC)
@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("resnet51", "error: there is no spec 'resnet51'\nhint: did you mean 'resnet"),
        ("nowhere/net.yaml", "nowhere/net.yaml: error: there is no such file"),
        (".yaml", "error: there is no spec '.yaml'"),
    ],
)
def test_a_spec_that_is_not_there_is_refused_by_every_command(cli, command, spec, words):
    code, out, err = cli(command, spec)
    assert (code, out) == (2, "")
    assert err.startswith(words)


@pytest.mark.parametrize("command", TAKES_A_SPEC)
def test_a_bad_spec_is_shown_with_line_column_caret_and_hint(cli, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text("name: net\nextends: resnet18\nstages: {block: botleneck}\n")
    code, out, err = cli(command, "net.yaml")
    assert (code, out) == (2, "")
    assert err == (
        "net.yaml:3:17: error: stages.block: there is no 'botleneck' here\n"
        "   3 | stages: {block: botleneck}\n"
        "                       ^^^^^^^^^\n"
        "hint: did you mean 'bottleneck'? known: basic, bottleneck, conv, highway, plain, preact_basic, "
        "preact_bottleneck, preact_regnet, pyramid, regnet, res2net, resnest, selective_basic, selective_bottleneck; "
        "others are written as parts (docs/parts.md)\n"
    )
    assert everything(tmp_path) == ["net.yaml"]


@pytest.mark.parametrize("command", TAKES_A_SPEC)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stages.depths", "--set:1:1: error: not of the form key=value"),
        ("stages.depth=[1]", "--set:1:1: error: stages.depth: unknown key"),
        ("stages.depths=[0]", "--set:1:16: error: stages.depths.0: 0 is too small"),
        ("stages.depths=[1", "--set:1:"),
        ("extends=resnet18", "extends: cannot be set"),
    ],
)
def test_a_bad_setting_is_refused_by_every_command_that_takes_a_spec(cli, command, text, words):
    code, out, err = cli(command, TINY, "--set", text)
    assert (code, out) == (2, "")
    assert words in err


def test_a_setting_changes_the_spec_for_every_command_that_takes_one(cli, tmp_path):
    change = ("--set", "name=small", "--set", "head.classes=7")
    wanted = count(network(TINY, "head.classes=7")).params
    assert f"{wanted:,}" in cli("show", TINY, *change)[1]
    assert json.loads(cli("count", TINY, *change, "--format", "json")[1])["params"] == wanted
    assert cli("verify", TINY, *change)[1].startswith("ok     small")
    assert cli("build", TINY, *change, "-o", tmp_path)[1].startswith(f"{tmp_path}/small.onnx")
    assert json.loads((tmp_path / "small.manifest.json").read_text())["counts"]["params"] == wanted
    assert len(json.loads(cli("run", TINY, *change, "--top", "100", "--format", "json")[1])["top"]) == 7


# --- list, show, count, verify ----------------------------------------------


def test_list_shows_every_shipped_spec_once(cli):
    code, out, err = cli("list")
    assert (code, err) == (0, "")
    head, *lines = out.splitlines()
    assert head.split() == ["name", "family", "reference", "params", "MACs", "layers"]
    assert [line.split()[0] for line in lines] == list(shipped_specs())
    assert lines[list(shipped_specs()).index("resnet50")].split() == [
        "resnet50", "resnet", "torchvision/resnet50", "25,557,032", "4,089,184,256", "50",
    ]  # fmt: skip


def test_list_as_json_has_the_contract_s_keys(cli):
    code, out, err = cli("list", "--format", "json")
    assert (code, err) == (0, "")
    entries = json.loads(out)
    assert {tuple(entry) for entry in entries} == {("name", "family", "reference", "params", "macs", "layers")}
    assert entries[list(shipped_specs()).index("highway-c")] == {
        "name": "highway-c", "family": "highway", "reference": None,
        "params": 1255162, "macs": 200410048, "layers": 32,
    }  # fmt: skip


def test_show_prints_the_table_to_stdout_and_the_title_to_stderr(cli):
    code, out, err = cli("show", "resnet50")
    assert code == 0
    assert out.splitlines()[0].split() == ["stage", "output", "blocks", "params", "MACs"]
    assert err == "ResNet-50 v1.5, input 3 x 224 x 224\n\n"


def test_show_prints_layers_on_request(cli):
    lines = cli("show", "resnet50", "--layers")[1].splitlines()
    assert len(lines) == 1 + len(network("resnet50").nodes)
    assert lines[1].startswith("conv1 ")


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("name", ["resnet18", "cifar-resnet20"])
def test_show_prints_layers_or_the_resolved_spec_and_not_both(cli, name, form):
    code, out, err = cli("show", name, "--resolved", "--layers", "--format", form)
    assert (code, out) == (2, "")
    assert err == "error: --layers means nothing beside --resolved\nhint: leave one of them away\n"


def test_show_as_json_has_the_same_rows(cli):
    stages, layers = (json.loads(cli("show", "resnet50", "--format", "json", *more)[1]) for more in ([], ["--layers"]))
    assert [row["stage"] for row in stages] == ["stem", "stage 1", "stage 2", "stage 3", "stage 4", "head"]
    assert stages[1]["output"] == [256, 56, 56]
    assert sum(row["macs"] for row in stages) == sum(row["macs"] for row in layers) == 4089184256


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("name", ["resnet18", "vgg16_bn", "highway-c", "preact164"])
def test_a_resolved_spec_is_a_spec_of_the_same_network(cli, tmp_path, name, form):
    code, out, err = cli("show", name, "--resolved", "--format", form)
    assert (code, err) == (0, "")
    again = tmp_path / "again.yaml"
    again.write_text(out)
    assert load(str(again)).digest() == load(name).digest()


def test_count_as_json_is_one_object_a_line_with_integers(cli):
    code, out, err = cli("count", "resnet50", "vgg16", "--format", "json")
    assert (code, err) == (0, "")
    first, second = (json.loads(line) for line in out.splitlines())
    assert first["name"], second["name"] == ("resnet50", "vgg16")
    assert first["reference"] == "torchvision/resnet50"
    assert first["input"] == [3, 224, 224]
    keys = ("params", "macs", "flops", "layers", "activations")
    assert [first[key] for key in keys] == [25557032, 4089184256, 8178368512, 50, 11114984]
    assert {type(first[key]) for key in keys} == {int}


def test_count_as_text_is_a_table(cli):
    code, out, err = cli("count", "resnet18", "--set", "input.size=[96, 64]")
    assert (code, err) == (0, "")
    assert out.splitlines()[1].split()[:3] == ["resnet18", "3x96x64", "11,689,512"]


def test_verify_passes_every_shipped_spec(cli):
    code, out, err = cli("verify")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()] == [["ok", f"{name}:"] for name in shipped_specs()]
    assert err == f"{len(shipped_specs())} specs, 0 findings\n"


def test_findings_exit_with_1_and_stand_on_stdout(cli):
    claims = "claims=[{what: layers, value: 3, source: us}]"
    code, out, err = cli("verify", "resnet18", TINY, "--set", claims)
    assert code == 1
    assert out == (
        "failed resnet18: 1 claim, names and shapes of torchvision/resnet18\n"
        f"--set:1:{claims.index('3') + 1}: error: layers: 3 is claimed, the graph has 18 (us) [claim]\n"
        f"   1 | {claims}\n"
        f"       {' ' * claims.index('3')}^\n"
        "failed tiny: 1 claim\n"
        f"--set:1:{claims.index('3') + 1}: error: layers: 3 is claimed, the graph has 4 (us) [claim]\n"
        f"   1 | {claims}\n"
        f"       {' ' * claims.index('3')}^\n"
    )
    assert err == "2 specs, 2 findings\n"


def test_findings_as_json(cli, tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text("name: net\nextends: resnet18\nclaims:\n  - {what: layers, value: 3, source: us}\n")
    code, out, _ = cli("verify", path, "--format", "json")
    assert code == 1
    assert json.loads(out) == [
        {
            "spec": "net",
            "rule": "claim",
            "message": "layers: 3 is claimed, the graph has 18 (us)",
            "hint": None,
            "file": str(path),
            "line": 4,
            "column": 27,
        }
    ]
    assert cli("verify", "resnet18", "--format", "json")[:2] == (0, "[]\n")


# --- build ------------------------------------------------------------------


def test_build_prints_the_paths_that_it_wrote(cli, tmp_path):
    assert cli("build", TINY, "-o", tmp_path / "out") == (
        0,
        f"{tmp_path}/out/tiny.onnx\n{tmp_path}/out/tiny.manifest.json\n",
        "",
    )
    assert everything(tmp_path / "out") == ["tiny.manifest.json", "tiny.onnx"]


def test_build_writes_to_build_unless_told_otherwise(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli("build", TINY)[1] == "build/tiny.onnx\nbuild/tiny.manifest.json\n"


def test_build_takes_input_batch_opset_precision_seed_and_fold(cli, tmp_path):
    options = ["--input", 16, "--batch", 4, "--opset", 18, "--precision", "fp16", "--seed", 3, "--fold-bn"]
    assert cli("build", TINY, "-o", tmp_path, *options)[0] == 0
    found = json.loads((tmp_path / "tiny.manifest.json").read_text())
    assert found["inputs"]["input"]["shape"] == [4, 1, 16, 16]
    assert (found["onnx"]["opset"], found["precision"], found["weights"]["seed"]) == (18, "fp16", 3)
    assert found["folded_batch_norm"] is True


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--sm 86", "error: --sm means nothing for target 'onnx'\nhint: use --target tensorrt-rtx"),
        ("--target tensorrt-rtx --sm 8.6", "error: --sm: '8.6' is not a list of numbers\nhint: write --sm 86,89"),
        ("--target tensorrt-rtx --sm ,", "error: --sm: ',' is not a list of numbers"),
        ("--target tensorrt-rtx --sm \uff18\uff16", "error: --sm: '\uff18\uff16' is not a list of numbers"),
        (f"--target tensorrt-rtx --sm {'x' * 3000}", f"error: --sm: '{shorten('x' * 3000)}' is not a list of numbers"),
        (
            "--batch 8:4:2",
            "error: --batch: '8:4:2' does not rise\nhint: write the smallest, the one tuned for, the largest\n",
        ),
        (
            "--batch many",
            "error: --batch: 'many' is not a batch\n"
            "hint: write --batch 8, or --batch 1:8:32 for a range; 1 to 65,536\n",
        ),
        ("--batch 70000", "error: --batch: a batch of 70,000 is too large\nhint: at most 65,536\n"),
        ("--batch 1:8:70000", "error: --batch: a batch of 70,000 is too large\nhint: at most 65,536\n"),
        ("--shapes input:70000x1x8x8", "error: --shapes: a batch of 70,000 is too large\nhint: at most 65,536\n"),
        ("--opset 12", "error: opset 12 cannot be written\nhint: choose 13 to "),
        ("--opset 999", "error: opset 999 cannot be written"),
        ("--input 0", "0 is not in the range 1<=x<=16384"),
        ("--input 99999", "99999 is not in the range 1<=x<=16384"),
        ("--weights missing.pt", "missing.pt: error: "),
    ],
)
def test_what_cannot_be_built_exits_with_2_and_writes_nothing(cli, tmp_path, options, words):
    code, out, err = cli("build", TINY, "-o", tmp_path / "out", *options.split())
    assert (code, out) == (2, "")
    assert words in err
    assert everything(tmp_path) == []


def test_weights_are_taken_from_a_file(cli, tmp_path):
    assert cli("build", TINY, "-o", tmp_path, "--weights", CHECKPOINT)[0] == 0
    assert json.loads((tmp_path / "tiny.manifest.json").read_text())["weights"]["file"] == CHECKPOINT.name


def test_weights_that_do_not_fit_are_named(cli, tmp_path):
    code, out, err = cli("build", TINY, "-o", tmp_path / "out", "--set", "head.classes=4", "--weights", CHECKPOINT)
    assert (code, out) == (2, "")
    assert "'head.fc.weight'" in err
    assert "'head.fc.bias'" in err
    assert everything(tmp_path) == []


def test_an_output_of_another_spec_is_kept_until_force(cli, tmp_path):
    cli("build", TINY, "-o", tmp_path, "--set", "head.classes=4")
    before = (tmp_path / "tiny.onnx").read_bytes()
    code, out, err = cli("build", TINY, "-o", tmp_path)
    assert (code, out) == (2, "")
    assert "holds another network called 'tiny'\nhint: pass --force" in err
    assert (tmp_path / "tiny.onnx").read_bytes() == before
    assert cli("build", TINY, "-o", tmp_path, "--force")[0] == 0
    assert (tmp_path / "tiny.onnx").read_bytes() != before


def test_two_specs_of_one_name_are_refused(cli, tmp_path):
    code, _, err = cli("build", TINY, TINY, "-o", tmp_path / "out")
    assert code == 2
    assert "error: two specs are called 'tiny'" in err
    assert everything(tmp_path) == []


@pytest.mark.parametrize("command", [("build", TINY), ("build", TINY, "--target", "report"), ("init", "net")])
@pytest.mark.parametrize("place", ["file", "file/below", "x" * 300])
def test_an_output_folder_that_cannot_be_is_refused(cli, tmp_path, command, place):
    (tmp_path / "file").write_text("mine")
    code, out, err = cli(*command, "-o", tmp_path / place)
    assert (code, out) == (2, "")
    assert err.startswith(f"{tmp_path}/{place}")
    assert ": error: " in err
    assert (tmp_path / "file").read_text() == "mine"
    assert everything(tmp_path) == ["file"]


@pytest.mark.skipif(not bound(), reason="this root may write to any folder")
def test_an_output_folder_that_is_closed_is_refused(cli, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o500)
    with permissions_hold():
        code, out, err = cli("build", TINY, "-o", closed)
    assert (code, out) == (2, "")
    assert "Permission denied" in err


@pytest.mark.parametrize(
    "names", [("resnet18", "resnet50"), pytest.param((), marks=pytest.mark.long)], ids=["two", "every"]
)
def test_the_committed_reports_are_what_the_specs_generate_and_each_change_is_told(cli, tmp_path, names):
    folder = tmp_path / "generated"
    for name in names or shipped_specs():
        shutil.copytree(Path(__file__).parents[2] / "generated" / name, folder / name)
    assert len(list(folder.glob("*/*.*"))) == 3 * len(names or shipped_specs())
    (folder / "resnet18" / "layers.txt").write_text("other")
    (folder / "resnet50" / "README.md").unlink()
    (folder / "left.txt").touch()
    code, out, err = cli("build", *(names or ["--all-shipped"]), "--target", "report", "-o", folder, "--check")
    stale = [] if names else [f"{folder}/left.txt: no spec generates it"]  # what else is there, only all specs can tell
    told = [f"{folder}/resnet18/layers.txt: differs", f"{folder}/resnet50/README.md: missing", *stale]
    assert (code, out.splitlines()) == (1, told)
    assert err.endswith(f"{len(told)} to change\n")


# --- run --------------------------------------------------------------------


@pytest.fixture
def built(cli, tmp_path):
    """A folder with the model of a small RGB network."""
    cli("build", "cifar-resnet20", "-o", tmp_path)
    return tmp_path


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)).save(path)
    return path


def scores(out):
    return [(entry["class"], round(entry["score"], 5)) for entry in json.loads(out)["top"]]


def test_a_spec_runs_on_random_input(cli):
    code, out, err = cli("run", TINY, "--repeat", "1")
    assert (code, err) == (0, "weights are drawn from seed 0: the classes mean nothing\n")
    *classes, last = out.splitlines()
    assert [line.split()[0] for line in classes] == ["class"] * 3
    assert re.search(r" images/s \(median\), computed in f32 by onnxruntime [\d.]+$", last)


@pytest.mark.parametrize(
    "options",
    [(), ("--fold-bn",), ("--precision", "fp16"), ("--precision", "int8", "--calibration", "random", "--qdq", "cpu")],
)
def test_a_file_of_drawn_weights_says_that_its_classes_mean_nothing(cli, tmp_path, options):
    words = "weights are drawn from seed 3: the classes mean nothing\n"
    cli("build", TINY, "-o", tmp_path, "--seed", "3", *options)
    assert words in cli("run", tmp_path / "tiny.onnx")[2]
    cli("build", TINY, "-o", tmp_path / "given", "--weights", CHECKPOINT, *options)
    assert "mean nothing" not in cli("run", tmp_path / "given" / "tiny.onnx")[2]


def test_a_run_as_json(cli):
    code, out, err = cli("run", TINY, "--batch", "3", "--top", "2", "--seed", "7", "--format", "json")
    assert (code, err) == (0, "weights are drawn from seed 7: the classes mean nothing\n")
    found = json.loads(out)
    assert list(found) == ["input", "shape", "runtime", "top", "milliseconds", "images_per_second"]
    assert (found["input"], found["shape"], len(found["top"])) == ("random", [3, 1, 8, 8], 2)
    assert found["top"][0]["score"] >= found["top"][1]["score"]
    assert found["milliseconds"] >= 0


def test_a_model_file_gives_what_its_spec_gives(cli, built, picture):
    by_spec = cli("run", "cifar-resnet20", "--image", picture, "--format", "json")
    by_file = cli("run", built / "cifar-resnet20.onnx", "--image", picture, "--format", "json")
    assert by_spec[0] == by_file[0] == 0
    assert scores(by_spec[1]) == scores(by_file[1])
    assert by_file[2] == by_spec[2] == "weights are drawn from seed 0: the classes mean nothing\n"
    assert json.loads(by_file[1])["input"] == str(picture)


def test_another_picture_and_other_weights_give_other_scores(cli, picture):
    other = picture.with_name("other.png")
    Image.new("RGB", (8, 8), (255, 0, 0)).save(other)
    runs = [("--image", picture), ("--image", other), ("--image", picture, "--seed", "1")]
    found = [tuple(scores(cli("run", "cifar-resnet20", *more, "--format", "json")[1])) for more in runs]
    assert len(set(found)) == 3


def test_weights_from_a_file_are_run(cli):
    seeded, loaded = (scores(cli("run", TINY, *w, "--format", "json")[1]) for w in ((), ("--weights", CHECKPOINT)))
    assert seeded != loaded


def test_scores_that_are_not_finite_come_with_a_warning(cli, tmp_path):
    weights = {name: np.zeros(t.shape, np.float32) for name, t in network(TINY).state().items()}
    weights["head.fc.bias"][:] = [1, 3e38, 2]
    weights["stem.norm.bias"][:] = 2
    weights["head.fc.weight"][1] = 3e38
    np.savez(tmp_path / "w.npz", **weights)
    code, out, err = cli("run", TINY, "--weights", tmp_path / "w.npz")
    assert (code, err) == (0, "warning: the network outputs values that are not finite\n")
    assert out.startswith("class     1  score       inf\nclass     2  score    2.0000\n")
    best = json.loads(cli("run", TINY, "--weights", tmp_path / "w.npz", "--format", "json")[1])["top"][0]
    assert best == {"class": 1, "score": None}  # JSON has no infinity


def test_a_foreign_model_of_fixed_size_runs_with_imagenet_s_preprocessing(cli, foreign, picture):
    path = foreign()
    code, out, err = cli("run", path, "--image", picture, "--format", "json")
    assert code == 0
    assert err == f"{path}: carries no spec; ImageNet's preprocessing is assumed\n"
    assert len(json.loads(out)["top"]) == 3


POOLED = [("GlobalAveragePool", ["x"], "p"), ("Flatten", ["p"], "y")]


@pytest.fixture
def foreign(tmp_path):
    """Writes an ONNX file that is not ours and returns its path."""

    def write(steps=POOLED, shape=("N", 3, 8, 8), output=TensorProto.FLOAT, inputs=1, metadata=None, **attributes):
        names = ["x", "z"][:inputs]
        model = helper.make_model(
            helper.make_graph(
                [helper.make_node(op, reads, [value], **attributes) for op, reads, value in steps],
                "foreign",
                [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in names],
                [helper.make_tensor_value_info("y", output, None)],
            ),
            opset_imports=[helper.make_opsetid("", 17)],
            ir_version=8,
        )
        helper.set_model_props(model, metadata or {})
        path = tmp_path / "foreign.onnx"
        onnx.save(model, path)
        return path

    return write


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": [("Add", ["x", "z"], "y")], "inputs": 2}, "not a network with one image as its input"),
        ({"shape": ("N", 3)}, "not a network with one image as its input"),
        ({"shape": ("N", 3, "H", "W")}, "its input is no image of a fixed size"),
        ({"steps": [("ReduceMax", ["x"], "y")], "keepdims": 0}, "outputs float32 scalar as 'y', not scores or a map"),
        (
            {"steps": [*POOLED[:1], ("Flatten", ["p"], "f"), ("ArgMax", ["f"], "y")], "output": TensorProto.INT64},
            "outputs int64 1x3 as 'y', not scores or a map",
        ),
        ({"metadata": {"resnet_gen.spec": "{"}}, "the spec in its metadata cannot be read"),
        (
            {"metadata": {"resnet_gen.spec": load("resnet18").canonical()}},
            "takes 3x8x8, the spec in its metadata 3x224x224",
        ),
    ],
)
def test_a_model_that_cannot_be_run_is_refused(cli, foreign, options, words):
    path = foreign(**options)
    code, out, err = cli("run", path)
    assert (code, out) == (2, "")
    assert f"{path}: error: " in err
    assert words in err


PART = """\
from typing import Literal

from resnet_gen.parts.base import WidthRule


class Own(WidthRule):
    \"\"\"As many filters everywhere.\"\"\"

    kind: Literal["own_widths"] = "own_widths"

    def widths(self, entering):
        return tuple(4 for _ in entering)
"""


@pytest.mark.filterwarnings("ignore::resnet_gen.language.custom_parts.files.CodeWarning")
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("own", [False, True], ids=["of our parts", "of parts of its own"])
def test_a_spec_in_metadata_is_believed_as_long_as_its_hash_is_its_own(own, backend, cli, tmp_path):
    if backend == "openvino":
        pytest.importorskip("openvino")
    (tmp_path / "p.py").write_text(PART.replace("own", f"own_{backend}"))
    spec = tmp_path / "mine.yaml"
    spec.write_text(f"name: mine\nextends: {TINY}\n" + "parts: [p.py]\n" * own)
    assert cli("build", spec, "-o", tmp_path)[0] == 0
    file, words = tmp_path / "mine.onnx", ("--repeat", "1", "--backend", backend)
    assert cli("run", file, *words)[0] == 0
    model = onnx.load(file)
    told = {entry.key: entry.value for entry in model.metadata_props}
    told["resnet_gen.spec"] = told["resnet_gen.spec"].replace('"crop":0.875', '"crop":0.5')
    helper.set_model_props(model, told)
    onnx.save(model, file)
    code, out, err = cli("run", file, *words)
    assert (code, out) == (2, "")
    assert f"{file}: error: the spec in its metadata is not that of the hash beside it\n" in err


def test_a_seed_that_draws_neither_weights_nor_the_input_is_refused(cli, picture):
    weights = TINY.with_name("float32.safetensors")
    assert cli("run", TINY, "--weights", weights, "--seed", "3")[0] == 0
    code, out, err = cli("run", TINY, "--weights", weights, "--image", picture, "--seed", "0")
    assert (code, out, err) == (2, "", "error: --seed means nothing beside --weights and --image\n")


def test_a_model_that_fails_while_it_runs_is_refused(cli, tmp_path, foreign):
    path = foreign([("Reshape", ["x", "s"], "y")])
    model = onnx.load(path)
    model.graph.initializer.append(helper.make_tensor("s", TensorProto.INT64, [2], [1, 7]))
    onnx.save(model, path)
    code, out, err = cli("run", path)
    assert (code, out) == (2, "")
    assert f"{path}: error: ONNX Runtime cannot run it: " in err


@pytest.mark.parametrize("data", [b"", b"name: resnet18\n", b"\x00" * 100], ids=["empty", "text", "zeros"])
def test_a_file_that_is_no_model_is_refused(cli, tmp_path, data):
    path = tmp_path / "text.onnx"
    path.write_bytes(data)
    code, out, err = cli("run", path)
    assert (code, out) == (2, "")
    assert err.startswith(f"{path}: error: ONNX Runtime declines it: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.onnx"], "missing.onnx: error: there is no such file"),
        (["missing.onnx", "--set", "input.size=8"], "an ONNX file has its own shape and weights"),
        (["missing.onnx", "--weights", "w.npz"], "an ONNX file has its own shape and weights"),
        (["resnet18", "--image", "missing.png"], "missing.png: error: cannot be read: No such file or directory"),
        (["missing.onnx", "--image", "a.png", "--seed", "3"], "an ONNX file has its own shape and weights"),
        (
            [TINY, "--image", TINY],
            f"{TINY}: error: not a picture\nhint: JPEG, PNG, WebP, BMP, GIF, TIFF and PPM are read\n",
        ),
    ],
)
def test_what_cannot_be_run_is_refused(cli, arguments, words):
    code, out, err = cli("run", *arguments)
    assert (code, out) == (2, "")
    assert words in err


# --- schema and init --------------------------------------------------------


def test_schema_prints_json(cli):
    code, out, err = cli("schema")
    assert (code, err) == (0, "")
    assert json.loads(out)["title"] == "Spec"


@pytest.mark.parametrize("name", ["my-network", "x", "A_1", "yes", "123", "null"])
def test_init_writes_a_spec_that_verifies(cli, tmp_path, name):
    path = tmp_path / f"{name}.yaml"
    assert cli("init", name, "-o", tmp_path) == (0, f"{path}\n", f"next: resnet-gen verify {path}\n")
    assert cli("verify", path)[1].startswith(f"ok     {name}: ")
    assert everything(tmp_path) == [path.name]


@pytest.mark.parametrize("name", ["", "../up", "a b", "-x", "ä", "x" * 65, "a/b", "a.yaml", "x\n", "{{ 1 }}"])
def test_init_refuses_what_is_no_name(cli, tmp_path, name):
    code, out, err = cli("init", "-o", tmp_path / "new", "--", name)
    assert (code, out) == (2, "")
    assert "is not a name" in err
    assert everything(tmp_path) == []


def test_init_keeps_what_is_there(cli, tmp_path):
    (tmp_path / "net.yaml").write_text("mine")
    code, out, err = cli("init", "net", "-o", tmp_path)
    assert (code, out) == (2, "")
    assert "net.yaml: error: exists already" in err
    assert (tmp_path / "net.yaml").read_text() == "mine"


def test_shipped_names_are_names_that_init_takes():
    assert [name for name in shipped_specs() if not re.fullmatch(NAME_PATTERN, name)] == []


# --- as a process -----------------------------------------------------------


def test_as_a_process_data_go_to_stdout_and_the_rest_to_stderr():
    code, out, err = process("show", "resnet18")
    assert code == 0
    assert out.startswith("stage ")
    assert err.startswith("ResNet-18")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["verify", "resnet18"], 0),
        (["verify", "resnet18", "--set", "claims=[{what: layers, value: 1, source: us}]"], 1),
        (["verify", "resnet19"], 2),
        (["verify", "--frobnicate"], 2),
    ],
)
def test_as_a_process_the_exit_code_says_how_it_went(arguments, code):
    assert process(*arguments)[0] == code


@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        ("show cifar-resnet1202 --layers --format json", "[\n"),  # one write that is longer than a pipe
        ("verify", "ok     leela-zero: 0 claims\n"),  # many short ones, the last still buffered at the end
    ],
)
def test_a_closed_pipe_ends_a_command_in_silence(arguments, first):
    command = " ".join([*RESNET_GEN, arguments])
    shell = ["bash", "-c", f"set -o pipefail; {command} | head -1"]
    result = subprocess.run(shell, capture_output=True, text=True, env=BUFFERED)
    assert (result.returncode, result.stdout, result.stderr) == (0, first, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full to stand for a full disk")
def test_a_full_disk_behind_stdout_is_bad_input_and_no_traceback():
    with Path("/dev/full").open("w") as full:
        result = subprocess.run([*RESNET_GEN, "list"], stdout=full, stderr=subprocess.PIPE, text=True, env=BUFFERED)
    assert (result.returncode, result.stderr) == (2, "error: No space left on device\n")


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_what_an_encoding_lacks_is_printed_all_the_same(tmp_path, encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    claim = "{what: layers, value: 1, source: 日本→}"
    (tmp_path / "net.yaml").write_text(f"name: net\nextends: resnet18\nclaims: [{claim}]\n")
    for form in ("text", "json", "junit", "github", "sarif"):
        code, out, _ = process("verify", tmp_path / "net.yaml", "--format", form, env=environment, encoding=encoding)
        assert (code, "1 is claimed, the graph has 18" in out) == (1, True)
    arrow = "→" if encoding == "utf-8" else "\\u2192"
    told = process("diff", "resnet50", "resnet101", "--format", "markdown", env=environment, encoding=encoding)
    assert told[0] == 1
    assert f"**<code>resnet50</code> {arrow} <code>resnet101</code>**" in told[1]


def interrupted(arguments, sign, seen):
    """Starts a build, sends it a signal once `seen` is true, and returns its exit code."""
    command = [*RESNET_GEN, *map(str, arguments)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=UNMEASURED
    ) as child:
        while not seen() and child.poll() is None:
            pass
        child.send_signal(sign)
        _, err = child.communicate(timeout=300)
    assert "Traceback" not in err
    return child.returncode


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_build_that_is_ended_in_mid_write_leaves_nothing(tmp_path, sign, code):
    folder = tmp_path / "new" / "out"
    assert interrupted(["build", "vgg19", "-o", folder], sign, lambda: any(tmp_path.rglob("*.onnx"))) == code
    assert everything(tmp_path) == []


def test_a_build_that_is_killed_outright_leaves_nothing_under_a_final_name(tmp_path):
    killed = interrupted(["build", "vgg19", "-o", tmp_path], signal.SIGKILL, lambda: any(tmp_path.rglob("*.onnx")))
    assert killed == -signal.SIGKILL
    assert [p for p in tmp_path.iterdir() if not p.name.startswith(".resnet-gen.")] == []
    assert process("build", TINY, "-o", tmp_path)[0] == 0


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_engine_build_that_is_ended_leaves_nothing(tmp_path, sign, code):
    pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx has no wheel for this system")
    complete = 4 * count(network("resnet152")).params

    def model_is_written():
        return any(path.stat().st_size >= complete for path in tmp_path.rglob("*.onnx"))

    arguments = ["build", "resnet152", "-o", tmp_path / "out", "--target", "tensorrt-rtx", "--input", 64]
    assert interrupted(arguments, sign, model_is_written) == code
    assert everything(tmp_path) == []


def test_a_report_is_written_to_a_folder_of_the_network_s_name(cli, tmp_path):
    code, out, _ = cli("build", "resnet18", "--target", "report", "-o", tmp_path)
    names = ("README.md", "counts.json", "layers.txt")
    assert (code, out.split()) == (0, [str(tmp_path / "resnet18" / name) for name in names])
    assert sorted(p.name for p in (tmp_path / "resnet18").iterdir()) == sorted(names)


@pytest.mark.parametrize(
    "option", ["--precision fp16", "--sm 86", "--opset 17", "--batch 2", "--seed 1", "--fold-bn", "--weights w.npz"]
)
def test_a_report_takes_no_option_that_it_would_ignore(cli, tmp_path, option):
    code, _, err = cli("build", "resnet18", "--target", "report", "-o", tmp_path, *option.split())
    assert code == 2
    assert f"{option.split()[0]} means nothing for target 'report'" in err
    assert not any(tmp_path.iterdir())


def test_one_bad_spec_does_not_hide_the_others(cli, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: bad\nextends: resnet18\nhaed: linear\n")
    code, out, err = cli("verify", "resnet18", bad, "resnet34")
    assert code == 2
    assert [line.split()[1] for line in out.splitlines()] == ["resnet18:", "resnet34:"]
    assert "haed: unknown key" in err


def test_compute_capabilities_have_one_order(cli, tmp_path):
    pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx has no wheel for this system")
    args = ("build", "cifar-resnet20", "--target", "tensorrt-rtx", "--precision", "fp16", "-o", tmp_path)
    assert [cli(*args, "--sm", sm)[1].split()[1] for sm in ("89,86", "86,89")] == [
        str(tmp_path / "cifar-resnet20.fp16.sm86.sm89.engine")
    ] * 2


def test_a_model_of_a_fixed_batch_runs_on_its_batch_and_on_no_other(cli, tmp_path):
    cli("build", TINY, "--batch", "2", "-o", tmp_path)
    model = tmp_path / "tiny.onnx"
    code, out, _ = cli("run", model, "--format", "json")
    assert (code, json.loads(out)["shape"][0]) == (0, 2)
    code, _, err = cli("run", model, "--batch", "3")
    assert (code, err) == (2, f"{model}: error: --batch 3: the model takes 2 at a time\n")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_closed_stream_changes_no_exit_code(tmp_path, stream):
    close = {"stdout": ">&-", "stderr": "2>&-"}[stream]

    def code(arguments):
        command = f"{sys.executable} -m resnet_gen {arguments} {close}"
        return subprocess.run(["sh", "-c", command], capture_output=True, check=False).returncode

    assert [code(a) for a in ("list", "verify resnet18", "--help", "count nope")] == [0, 0, 0, 2]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_stderr_changes_no_exit_code_of_bad_input():
    command = f"{sys.executable} -m resnet_gen count nope 2>/dev/full"
    assert subprocess.run(["sh", "-c", command], capture_output=True, check=False).returncode == 2


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)], ids=" ".join)
def test_help_keeps_its_examples_apart(cli, command):
    _, out, _ = cli(*command, "--help")
    assert "\\b" not in out
    assert "\b" not in out
    assert not re.search(r"resnet-gen .*  +resnet-gen ", out)


def test_a_report_does_not_replace_what_is_none(cli, tmp_path):
    page = tmp_path / "resnet18" / "README.md"
    page.parent.mkdir()
    page.write_text("mine")
    code, _, err = cli("build", "resnet18", "--target", "report", "-o", tmp_path)
    assert (code, page.read_text()) == (2, "mine")
    assert f"{page}: error: exists and is not of a report" in err
    assert cli("build", "resnet18", "--target", "report", "-o", tmp_path, "--force")[0] == 0
    assert cli("build", "resnet18", "--target", "report", "-o", tmp_path)[0] == 0


def test_weights_from_a_file_are_not_replaced_by_others_unasked(cli, tmp_path):
    assert cli("build", TINY, "--weights", CHECKPOINT, "-o", tmp_path)[0] == 0
    before = (tmp_path / "tiny.onnx").read_bytes()
    code, _, err = cli("build", TINY, "-o", tmp_path)
    assert (code, (tmp_path / "tiny.onnx").read_bytes()) == (2, before)
    assert "error: holds the weights of 'float32.safetensors'" in err
    assert cli("build", TINY, "--weights", CHECKPOINT, "-o", tmp_path)[0] == 0
    assert cli("build", TINY, "-o", tmp_path, "--force")[0] == 0


def test_a_model_that_lost_its_manifest_is_still_known_by_its_spec(cli, tmp_path):
    cli("build", TINY, "-o", tmp_path)
    (tmp_path / "tiny.manifest.json").unlink()
    code, _, err = cli("build", TINY, "--set", "head.classes=4", "-o", tmp_path)
    assert (code, "exists and has no manifest: not built here" in err) == (2, True)
    assert cli("build", TINY, "-o", tmp_path)[0] == 0


def test_a_spec_may_have_any_file_name(cli, tmp_path, monkeypatch):
    (tmp_path / "net.txt").write_text("name: net\nextends: resnet18\n")
    monkeypatch.chdir(tmp_path)
    code, out, err = cli("count", "net.txt", "--format", "json")
    assert (code, json.loads(out)["name"], err) == (0, "net", "")


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (("build", TINY, "--tiling-xyzzy", "x"), None),
        (("build", TINY, "--presicion", "fp16"), "--precision"),
        (("build", TINY, "--min-shape", "x"), "--min-shapes"),
        (("weights", "convert", "--in-channel", "1"), "--in-channels"),
        (("verfy", TINY), "verify"),
        (("sing", TINY), None),
    ],
    ids=lambda words: words[-2] if isinstance(words, tuple) else None,
)
def test_an_unknown_option_or_command_is_told_with_what_is_like_it_and_nothing_else(words, near, cli):
    code, out, err = cli(*words)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith("Error: No such ")
    assert err.rstrip().endswith(f"Did you mean '{near}'?" if near else "'.")


def test_the_starter_shows_every_key(cli, tmp_path):
    """Those that say what a network is, as a key or as a comment that becomes one."""
    cli("init", "mine", "-o", tmp_path)
    text = (tmp_path / "mine.yaml").read_text(encoding="utf-8")
    shown = set(re.findall(r"^(?:# )?(\w+):", text, re.MULTILINE))
    assert set(Spec.model_fields) - {"version"} <= shown
    assert set(Stages.model_fields) <= set(re.findall(r"^  (?:# )?(\w+):", text, re.MULTILINE))
    assert set(Input.model_fields) <= set(re.findall(r"(\w+): ", re.search(r"^input: .*", text, re.MULTILINE)[0]))


def test_every_key_that_the_starter_has_as_a_comment_is_right(cli, tmp_path):
    cli("init", "mine", "-o", tmp_path)
    path = tmp_path / "mine.yaml"
    text = path.read_text(encoding="utf-8")
    keys = re.findall(r"^(?:  )?# \w+: .*", text, re.MULTILINE)[1:]  # behind the title
    assert len(keys) > 10
    for line in keys:
        if "parts" in line or "extends" in line:
            continue
        path.write_text(text.replace(line, line.replace("# ", "", 1)), encoding="utf-8")
        code, _, err = cli("count", path)
        assert (code, line) == (0, line), err


def test_the_resolved_spec_has_mean_and_deviation_and_is_the_same_network(cli, tmp_path):
    path = tmp_path / "resnet18.yaml"
    path.write_text(cli("show", "resnet18", "--resolved")[1], encoding="utf-8")
    shown = load(str(path))
    assert (shown.spec.input.mean, shown.spec.input.std) == load("resnet18").spec.input.normalization
    assert lower(shown) == lower(load("resnet18"))
