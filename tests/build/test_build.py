"""The main job: what may be asked for, what is never replaced, and what the files hold."""

import hashlib
import json
import platform
import socket
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path

import numpy as np
import onnx
import pytest

from resnet_gen import __version__
from resnet_gen.build.batches import parse_batch
from resnet_gen.build.build import SEED_KEY, SPEC_KEY, build, onnx_file
from resnet_gen.build.passes import prepare
from resnet_gen.build.request import BuildBatch, Request
from resnet_gen.cli.build_files import build_all
from resnet_gen.engine.tensorrt import Profile
from resnet_gen.graph.counts import count
from resnet_gen.language.load import load
from resnet_gen.onnx.witness import WitnessError
from resnet_gen.ops import BatchNorm, Cast, Linear
from resnet_gen.problems import Refused
from tests.helpers.onnx_runs import TINY, image, network, run

CHECKPOINT = TINY.with_name("float32.safetensors")


def tiny(*settings):
    return load(str(TINY), settings)


def refusal(*args, **kwargs):
    with pytest.raises(Refused) as caught:
        build(*args, **kwargs)
    return str(caught.value)


def contents(folder):
    """Every file below a folder with its bytes, hidden ones included."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def manifest(folder, name="tiny"):
    return json.loads((folder / f"{name}.manifest.json").read_text())


def test_a_build_is_a_model_and_its_manifest_and_nothing_else(tmp_path):
    paths = build(tiny(), Request(), tmp_path / "new" / "out")
    assert paths == [tmp_path / "new" / "out" / name for name in ("tiny.onnx", "tiny.manifest.json")]
    assert sorted(contents(tmp_path / "new")) == ["out/tiny.manifest.json", "out/tiny.onnx"]


def test_the_manifest_tells_what_was_built(tmp_path):
    loaded = tiny()
    build(loaded, Request(), tmp_path)
    found = manifest(tmp_path)
    assert found.pop("files") == {"tiny.onnx": hashlib.sha256((tmp_path / "tiny.onnx").read_bytes()).hexdigest()}
    assert found == {
        "name": "tiny",
        "tool": {"name": "resnet-gen", "version": __version__},
        "spec": {"sha256": loaded.digest(), "resolved": loaded.resolved()},
        "weights": {"source": "seed", "seed": 0},
        "device": None,
        "precision": "fp32",
        "compute": "float32",
        "quantization": None,
        "compared": None,
        "folded_batch_norm": False,
        "counts": count(network(TINY)).as_dict(),
        "inputs": {"input": {"shape": ["N", 1, 8, 8], "type": "float32"}},
        "outputs": {"logits": {"shape": ["N", 3], "type": "float32"}},
        "onnx": {"opset": 13, "ir_version": 7},
        "engine": None,
    }


def test_the_manifest_tells_options_too(tmp_path):
    build(tiny(), Request(precision="fp16", opset=17, batch=BuildBatch(4), weights=CHECKPOINT, fold=True), tmp_path)
    found = manifest(tmp_path)
    digest = hashlib.sha256(CHECKPOINT.read_bytes()).hexdigest()
    assert found["weights"] == {"source": "file", "file": "float32.safetensors", "sha256": digest}
    assert (found["precision"], found["folded_batch_norm"]) == ("fp16", True)
    assert found["inputs"]["input"] == {"shape": [4, 1, 8, 8], "type": "float32"}
    assert found["onnx"] == {"opset": 17, "ir_version": 8}
    assert found["counts"] == count(network(TINY)).as_dict()


def test_the_manifest_s_spec_builds_the_same_network(tmp_path):
    build(tiny(), Request(), tmp_path)
    again = tmp_path / "again.yaml"
    again.write_text(json.dumps(manifest(tmp_path)["spec"]["resolved"]))
    assert load(str(again)).digest() == manifest(tmp_path)["spec"]["sha256"]


def test_the_model_carries_the_spec_its_hash_and_the_version(tmp_path):
    build(tiny(), Request(), tmp_path)
    model = onnx.load(tmp_path / "tiny.onnx")
    assert {p.key: p.value for p in model.metadata_props} == {
        SPEC_KEY: tiny().canonical(),
        "resnet_gen.spec_sha256": tiny().digest(),
        "resnet_gen.version": __version__,
        SEED_KEY: "0",
    }


@pytest.mark.parametrize("request_", [Request(), Request(precision="fp16", fold=True, batch=BuildBatch(2))], ids=str)
def test_two_builds_have_the_same_bytes(tmp_path, request_):
    for folder in ("a", "b"):
        build(tiny(), request_, tmp_path / folder)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_second_build_replaces_the_first_of_the_same_spec(tmp_path):
    build(tiny(), Request(), tmp_path)
    before = contents(tmp_path)
    build(tiny(), Request(seed=1), tmp_path)
    assert contents(tmp_path)["tiny.onnx"] != before["tiny.onnx"]
    assert manifest(tmp_path)["weights"]["seed"] == 1


def test_nothing_of_the_machine_stands_in_an_output(tmp_path):
    for target in ("onnx", "report"):
        options = {"weights": CHECKPOINT.absolute()} if target == "onnx" else {"weights": None}
        build_all(
            (str(TINY),), (), tmp_path / target, whole=False, check=False, force=False, target=target, sm=None,
            batch=None, precision="fp32", opset=None, fold=False, **options,
        )  # fmt: skip
    now = datetime.now(timezone.utc)
    words = [str(tmp_path), str(Path.cwd()), f"{Path.home()}/", f" {socket.gethostname()} ", platform.release()]
    words += [now.strftime(f"%Y{sep}%m{sep}%d") for sep in ("-", "/", "")]
    found = contents(tmp_path)
    assert len(found) == 5
    for name, data in found.items():
        assert [word for word in words if word.encode() in data] == [], name


def test_the_counts_in_the_manifest_are_the_network_s_whatever_passes_do(tmp_path):
    build(load("resnet18", ("input.size=32",)), Request(precision="fp16", fold=True), tmp_path)
    assert manifest(tmp_path, "resnet18")["counts"]["params"] == 11689512


def outputs_of(tmp_path):
    before = contents(tmp_path)
    assert before
    return before


def test_outputs_of_another_spec_are_refused_and_stay(tmp_path):
    build(tiny("head.classes=4"), Request(), tmp_path)
    before = outputs_of(tmp_path)
    message = refusal(tiny(), Request(), tmp_path)
    assert f"{tmp_path}/tiny.manifest.json: error: holds another network called 'tiny'" in message
    assert "--force" in message
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "text",
    ["", "no json", "[]", "3", "{}", '{"spec": 1}', '{"spec": {}}', "[" * 100_000, "\ud800"],
    ids=["empty", "text", "list", "number", "no spec", "spec is a number", "no hash", "nested", "no utf-8"],
)
def test_a_damaged_manifest_is_refused_and_stays(tmp_path, text):
    (tmp_path / "tiny.manifest.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    before = outputs_of(tmp_path)
    assert "exists and is not a manifest of this tool" in refusal(tiny(), Request(), tmp_path)
    assert contents(tmp_path) == before


def test_a_folder_in_the_manifest_s_place_is_refused(tmp_path):
    (tmp_path / "tiny.manifest.json").mkdir()
    assert "is in the way: not a file" in refusal(tiny(), Request(), tmp_path)


def test_a_model_of_somebody_else_is_refused_and_stays(tmp_path):
    (tmp_path / "tiny.onnx").write_bytes(b"somebody's work")
    before = outputs_of(tmp_path)
    assert f"{tmp_path}/tiny.onnx: error: exists and has no manifest" in refusal(tiny(), Request(), tmp_path)
    assert contents(tmp_path) == before


def test_other_networks_and_files_of_the_folder_stay(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    build(tiny("name=other"), Request(), tmp_path)
    before = contents(tmp_path)
    build(tiny(), Request(), tmp_path)
    assert before.items() <= contents(tmp_path).items()


@pytest.mark.parametrize("left", ["another spec's", "a damaged manifest", "a foreign model"])
def test_what_is_refused_is_replaced_on_demand(tmp_path, left):
    if left == "another spec's":
        build(tiny("head.classes=4"), Request(), tmp_path)
    else:
        (tmp_path / ("tiny.onnx" if "model" in left else "tiny.manifest.json")).write_text("?")
    build(tiny(), Request(), tmp_path, replace=True)
    assert manifest(tmp_path)["spec"]["sha256"] == tiny().digest()
    onnx.checker.check_model(tmp_path / "tiny.onnx", full_check=True)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request("onnx", compute_capabilities=(86,)), "--sm means nothing for target 'onnx'"),
        (Request("tensorrt", compute_capabilities=(86,)), "--sm means nothing for target 'tensorrt'"),
        (Request(opset=12), "opset 12 cannot be written"),
        (Request(opset=9999), "opset 9999 cannot be written"),
        (Request(weights=Path("missing.npz")), "missing.npz: error: "),
        (Request(weights=TINY), "tiny.yaml: error: "),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_built_is_refused_and_nothing_is_written(tmp_path, request_, words):
    assert words in refusal(tiny(), request_, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_weights_that_do_not_fit_are_named_and_nothing_is_written(tmp_path):
    message = refusal(tiny("head.classes=4"), Request(weights=CHECKPOINT), tmp_path / "new")
    assert "head.fc.weight" in message
    assert "head.fc.bias" in message
    assert not (tmp_path / "new").exists()


def test_a_file_that_is_not_the_graph_is_never_written(tmp_path, monkeypatch):
    def lie(graph, model):
        raise WitnessError("not the graph")

    monkeypatch.setattr("resnet_gen.onnx.witness.model.check_onnx", lie)
    with pytest.raises(WitnessError):
        build(tiny(), Request(), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_failure_in_mid_build_leaves_what_was_there(tmp_path, monkeypatch):
    build(tiny(), Request(), tmp_path)
    before = contents(tmp_path)

    def fail(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module("resnet_gen.build.manifest"), "manifest_text", fail)
    with pytest.raises(KeyboardInterrupt):
        build(tiny(), Request(seed=1), tmp_path)
    assert contents(tmp_path) == before


def test_a_full_disk_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    class Usage:
        free = 10

    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage)
    assert "bytes are needed and 10 are free" in refusal(tiny(), Request(), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_large_models_keep_their_weights_beside_them(tmp_path, monkeypatch):
    build(tiny(), Request(), tmp_path / "inside")
    monkeypatch.setattr("resnet_gen.onnx.writing.OnnxFile.needs_external_data", True)
    paths = build(tiny(), Request(), tmp_path / "beside")
    assert [p.name for p in paths] == ["tiny.onnx.data", "tiny.onnx", "tiny.manifest.json"]
    files = manifest(tmp_path / "beside")["files"]
    assert files == {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in paths[:2]}
    x = image(network(TINY))
    assert np.array_equal(*(run(tmp_path / where / "tiny.onnx", x) for where in ("inside", "beside")))


def test_passes_are_applied_as_asked():
    def kinds(request):
        return [type(node.op) for node in prepare(tiny(), request).graph.nodes]

    assert BatchNorm in kinds(Request())
    assert BatchNorm not in kinds(Request(fold=True))
    assert kinds(Request(precision="fp16"))[0] is kinds(Request(precision="fp16"))[-1] is Cast
    assert Cast not in kinds(Request())


@pytest.mark.parametrize(
    ("precision", "targets", "kept"),
    [("fp32", (75, 86), False), ("fp32", (86,), True), ("fp16", (75, 86), True), ("fp32", (), True)],
)
def test_linear_layers_are_convolutions_only_where_turing_needs_it(precision, targets, kept):
    request = Request("tensorrt-rtx", precision, targets)
    assert any(isinstance(node.op, Linear) for node in prepare(tiny(), request).graph.nodes) is kept


def test_seeds_are_other_weights_and_the_same_ones_again():
    def weights(seed):
        network = prepare(tiny(), Request(seed=seed))
        return b"".join(onnx_file(tiny(), network, Request(seed=seed)).chunks())

    assert weights(1) == weights(1) != weights(2)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [(None, BuildBatch()), ("8", BuildBatch(8)), ("1:8:32", BuildBatch(None, Profile(1, 8, 32)))],
)
def test_batches_are_one_size_or_a_range(text, wanted):
    assert parse_batch(text) == wanted


@pytest.mark.parametrize(
    "text",
    ["", "0", "-1", "x", "1.5", "1:8", "1:8:32:64", "8:4:2", "1::2", "65537", "9" * 30, "000000000000012345678", " 8"],
)
def test_what_is_no_batch_is_refused(text):
    with pytest.raises(Refused, match="--batch"):
        parse_batch(text)


def checked(folder, *settings):
    """The exit code of `build --check`."""
    return build_all(
        (str(TINY),), settings, folder, whole=False, check=True, force=False, target="onnx", sm=None, batch=None,
        precision="fp32", opset=None, weights=None, seed=None, fold=False,
    )  # fmt: skip


def test_check_finds_nothing_where_nothing_changed(tmp_path, capsys):
    build(tiny(), Request(), tmp_path)
    before = contents(tmp_path)
    assert checked(tmp_path) == 0
    assert capsys.readouterr() == ("", "2 files checked, 0 to change\n")
    assert contents(tmp_path) == before


def test_check_names_what_differs_and_changes_nothing(tmp_path, capsys):
    build(tiny(), Request(seed=1), tmp_path)
    before = contents(tmp_path)
    assert checked(tmp_path) == 1
    out, err = capsys.readouterr()
    assert out == f"{tmp_path}/tiny.manifest.json: differs\n{tmp_path}/tiny.onnx: differs\n"
    assert err == "2 files checked, 2 to change\n"
    assert contents(tmp_path) == before


def test_check_names_what_is_missing(tmp_path, capsys):
    build(tiny(), Request(), tmp_path)
    (tmp_path / "tiny.onnx").unlink()
    assert checked(tmp_path) == 1
    assert capsys.readouterr().out == f"{tmp_path}/tiny.onnx: missing\n"
    assert checked(tmp_path / "nowhere") == 1
    assert not (tmp_path / "nowhere").exists()
