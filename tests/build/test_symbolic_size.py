"""`--symbolic-size`: one ONNX file for images of any size, where no layer says how large its map is."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest

from resnet_gen import build, build_project, emit_onnx
from resnet_gen.build import symbolic_size
from resnet_gen.build.symbolic_size import find_any_size
from resnet_gen.language.load import load, load_text, shipped_specs
from resnet_gen.language.lower import with_input_size
from resnet_gen.language.source import read_text
from resnet_gen.problems import Document, Refused
from tests.helpers.onnx_runs import TINY

PIXELS = "serve: {layout: NCHW, outputs: [probabilities, top2, stage2]}"


def spec_with(text, of="cifar-resnet20"):
    return load_text(read_text(Document("t.yaml", f"name: t\nextends: {of}\n{text}\n")), ("stages.depths=[1,1,1]",))


def outputs(model, x):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {"input": x})


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", {}),
        ("", {"fold": True, "batch": 2}),
        ("outputs: [stage1, stage3]\nhead: none", {"precision": "fp16"}),
        ("stem: {kind: conv7x7, width: 16, pool: max_ceil}", {}),
        ("weight_standardization: 1.0e-8", {}),
        (PIXELS, {}),
    ],
    ids=["plain", "folded", "backbone", "ceil", "standardized", "served"],
)  # fmt: skip
def test_a_file_computes_at_every_size_what_a_file_of_that_size_computes(text, options):
    loaded = spec_with(text)
    model = emit_onnx(loaded, symbolic_size=True, **options)
    onnx.checker.check_model(onnx.load_from_string(model), full_check=True)
    draw = np.random.default_rng(0)
    for height, width in ((45, 70), (97, 33)):
        x = draw.standard_normal((2, 3, height, width), np.float32)
        x = (x * 50 + 128).clip(0, 255).astype(np.uint8) if "serve" in text else x
        there = emit_onnx(with_input_size(loaded, (height, width)), **options)
        for one, other in zip(outputs(model, x), outputs(there, x), strict=True):
            assert one.shape == other.shape
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_what_is_open_is_said_in_the_file_and_the_manifest(tmp_path):
    *_, manifest = build(spec_with(PIXELS), tmp_path, symbolic_size=True)
    said = json.loads(manifest.read_text())
    assert said["inputs"]["input"]["shape"] == ["N", 3, "H", "W"]
    assert said["outputs"]["stage2"]["shape"] == ["N", 32, "H", "W"]
    assert said["outputs"]["probabilities"]["shape"] == ["N", 10]
    assert said["onnx"]["symbolic_size"] == {"least": [16, 16], "most": [96, 96]}
    session = onnxruntime.InferenceSession(tmp_path / "t.onnx", providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == ["N", 3, "H", "W"]
    assert [out.shape[2:] for out in session.get_outputs() if out.name == "stage2"] == [["stage2.H", "stage2.W"]]
    *_, manifest = build(spec_with(""), tmp_path / "fixed")
    assert "symbolic_size" not in json.loads(manifest.read_text())["onnx"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("head: {kind: mlp, pool: none, hidden: [8], classes: 5}", r"'fc\w*' \(Linear\) depends on the map's size"),
        ("norm: {kind: group, groups: 4}", r"'bn1' \(GroupNorm\) depends on the map's size"),
        ("head: {kind: mlp, pool: 2, hidden: [8], classes: 5}", "images of .* cannot be: .*(\n|.)*--input SIDE"),
        ("serve: {}", "pixels come as NHWC, and only the last two sides can be symbolic(\n|.)*serve.layout: NCHW"),
        ("serve: {size: any, layout: NCHW}", "pictures of any size are resized to the network's own"),
    ],
)
def test_a_network_of_one_size_is_refused_with_what_makes_it_so(text, words, tmp_path):
    with pytest.raises(Refused, match=f"--symbolic-size: .*{words}"):
        build(spec_with(text), tmp_path, symbolic_size=True)
    assert not any(tmp_path.iterdir())


def test_profiles_of_sizes_take_pixels_whose_sides_stand_last(tmp_path):
    """Else the sides that are left open would be columns and channels."""
    profiles = "engine: {profiles: [[[1, 32, 32], [1, 32, 32], [2, 64, 64]]]}"
    with pytest.raises(Refused, match=r"engine\.profiles: pixels come as NHWC"):
        build(spec_with(f"serve: {{}}\n{profiles}"), tmp_path, device="h100")
    *_, manifest = build(spec_with(f"serve: {{layout: NCHW}}\n{profiles}"), tmp_path, device="h100", compare=False)
    assert json.loads(manifest.read_text())["inputs"]["input"]["shape"] == ["N", 3, "H", "W"]


@pytest.mark.parametrize(
    "words",
    [["--for", "h100"], ["--target", "tensorrt-rtx"], ["--for", "h100", "--target", "triton"], ["--target", "report"]],
)
def test_where_an_engine_or_no_file_is_built_it_is_refused(words, cli, tmp_path):
    code, _, err = cli("build", TINY, "--symbolic-size", "-o", tmp_path, *words)
    assert (code, "--symbolic-size means nothing for target" in err) == (2, True)
    assert "--min-shapes" in err or "report" in words
    assert not any(tmp_path.iterdir())


def test_a_server_takes_what_the_file_takes(cli, tmp_path):
    assert cli("build", TINY, "--symbolic-size", "--target", "triton", "-o", tmp_path)[0] == 0
    assert "dims: [ 1, -1, -1 ]" in (tmp_path / "tiny" / "config.pbtxt").read_text()
    assert cli("build", TINY, "--target", "triton", "-o", tmp_path / "fixed")[0] == 0
    assert "-1" not in (tmp_path / "fixed" / "tiny" / "config.pbtxt").read_text()
    profile = [[1, 8, 8], [2, 8, 8], [4, 16, 16]]
    build(str(TINY), tmp_path / "gpu", target="triton", device="h100", compare=False, engine={"profiles": [profile]})
    assert "dims: [ 1, -1, -1 ]" in (tmp_path / "gpu" / "tiny" / "config.pbtxt").read_text()


def test_our_own_commands_read_it_at_the_network_s_size(cli, tmp_path):
    assert cli("build", TINY, "--symbolic-size", "-o", tmp_path)[0] == 0
    file = tmp_path / "tiny.onnx"
    assert cli("verify", TINY, "--no-config", "--against", file)[0] == 0
    code, out, _ = cli("run", file, "--format", "json")
    assert (code, json.loads(out)["shape"]) == (0, [1, 1, 8, 8])
    assert cli("build", TINY, "--symbolic-size", "-o", tmp_path, "--check")[0] == 0
    assert cli("build", TINY, "-o", tmp_path, "--check")[0] == 1


def test_a_project_s_table_takes_it_for_what_is_no_engine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY.read_text())
    table = '[builds.all]\nspecs = ["tiny.yaml"]\ndevices = ["cpu", "h100"]\ncompare = false\nsymbolic_size = true\n'
    (tmp_path / "resnet-gen.toml").write_text(table)
    assert [row.status for row in build_project()] == ["built", "built"]
    shapes = {tuple(json.loads(p.read_text())["inputs"]["input"]["shape"]) for p in tmp_path.rglob("*.manifest.json")}
    assert shapes == {("N", 1, "H", "W"), ("N", 1, 8, 8)}


@pytest.mark.parametrize("size", [(32, 224), (224, 32), (64, 64), (33, 50), (225, 225)])
def test_every_remainder_that_a_map_may_leave_is_tried_on_both_sides(size, monkeypatch):
    """A network that shrinks its map by 32 may treat each of 32 sizes in another way, however oblong its own is."""
    loaded, tried = with_input_size(load("resnet18"), size), []
    monkeypatch.setattr(symbolic_size, "find_size_dependence", lambda _, others: tried.extend(others))
    found = find_any_size(loaded)
    sizes = [graph.input.shape[1:] for graph in tried]
    assert found.least == tuple(-(-side // 2) for side in size)
    assert found.most == tuple(max(2 * side, side + 64) for side in size)
    for axis in (0, 1):
        assert {each[axis] % 32 for each in sizes} == set(range(32))
        sides = [each[axis] for each in sizes]
        assert (min(sides), max(sides)) == (found.least[axis], found.most[axis])
    assert size in sizes
    assert any(height % 2 and width % 2 for height, width in sizes)


@pytest.mark.long
def test_shipped_networks_take_any_size_or_a_layer_is_named():
    words = ("depends on the map's size", "cannot be")
    taking = 0
    names = sorted(shipped_specs())[::9]
    for name in names:
        try:
            found = find_any_size(load(name)).open_values
        except Refused as refused:
            found = {"input"} if any(reason in str(refused) for reason in words) else set()
            taking -= 1
        taking += 1
        assert "input" in found, name
    assert taking > len(names) // 2
