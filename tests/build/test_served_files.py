"""Served files through the command line: options, `run`, `bench`, Triton, bundles, and what is said of them."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from resnet_gen import Refused, build, emit_onnx, load_spec, run
from resnet_gen.engine.image import _resize_and_crop, read_pixels
from resnet_gen.language.load import load
from tests.helpers import against_files
from tests.helpers.onnx_runs import TINY
from tests.helpers.served import COLOURS, SET_COLOURS

LABELS = [f"animal {number}" for number in range(7)]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(load_sample_image("flower.jpg")[::9, ::9]).save("flower.png")
    (tmp_path / "names.txt").write_text("\n".join(LABELS))
    return tmp_path


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The file of `--serve`."""
    return against_files.build(str(TINY), tmp_path_factory.mktemp("served"), *SET_COLOURS, "--serve")


@pytest.fixture(scope="module")
def best(tmp_path_factory):
    """That of the two best classes."""
    return against_files.build(str(TINY), tmp_path_factory.mktemp("best"), *SET_COLOURS, "--serve-outputs", "top2")


def scores(answer):
    return {entry["class"]: entry["score"] for entry in json.loads(answer)["top"]}


OPTIONS = [
    ("--serve",), ("--serve-type", "float32"), ("--layout", "NCHW", "--channel-order", "BGR"), ("--any-size",),
    ("--serve-outputs", "probabilities, embedding"),
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_a_picture_has_the_scores_that_the_network_gives_it(options, cli, here):
    bare = scores(cli("run", TINY, *SET_COLOURS, "--image", "flower.png", "--repeat", "1", "--format", "json")[1])
    assert cli("build", TINY, *SET_COLOURS, *options, "-o", "out")[0] == 0
    code, out, _ = cli("run", "out/tiny.onnx", "--image", "flower.png", "--repeat", "1", "--format", "json")
    found = scores(out)
    assert code == 0
    if "probabilities" in options[-1]:
        chances = {number: np.exp(score) for number, score in bare.items()}
        assert list(found) == list(chances)
        return
    near = 0.01 if options == ("--any-size",) else 1e-5
    assert found == pytest.approx(bare, rel=near, abs=near)


def test_options_are_settings(cli, here):
    words = ("--any-size", "--channel-order", "BGR", "--serve-outputs", "top2,logits", "--labels", "names.txt")
    settings = ("serve.size=any", "serve.order=BGR", "serve.outputs=[top2, logits]", "serve.labels=names.txt")
    assert cli("build", TINY, *SET_COLOURS, *words, "-o", "by_options")[0] == 0
    texts = [word for text in settings for word in ("--set", text)]
    assert cli("build", TINY, *SET_COLOURS, *texts, "-o", "by_settings")[0] == 0
    built = [(here / folder / "tiny.onnx").read_bytes() for folder in ("by_options", "by_settings")]
    assert built[0] == built[1]
    spec = load_spec(TINY, COLOURS)
    serve = {"size": "any", "order": "BGR", "outputs": ["top2", "logits"], "labels": "names.txt"}
    assert emit_onnx(spec, serve=serve) == built[0]
    plain = cli("build", TINY, *SET_COLOURS, "-o", "plain")
    assert plain[0] == 0
    assert cli("build", TINY, *SET_COLOURS, "--serve", "-o", "plain")[0] == 2  # another file of that name


def test_labels_stand_beside_the_classes_that_a_file_names(cli, here):
    assert cli("build", TINY, *SET_COLOURS, "--serve-outputs", "top3", "--labels", "names.txt", "-o", "out")[0] == 0
    _, out, _ = cli("run", "out/tiny.onnx", "--image", "flower.png", "--repeat", "1")
    lines = out.splitlines()
    assert len(lines) == 4
    for line in lines[:3]:
        number = int(line.split()[1])
        assert line.endswith(f"  {LABELS[number]}")
    best = json.loads(cli("run", "out/tiny.onnx", "--image", "flower.png", "--format", "json")[1])["top"]
    assert [entry["label"] for entry in best] == [LABELS[entry["class"]] for entry in best]
    assert sum(entry["score"] for entry in best) < 1


def test_noise_and_a_benchmark_are_of_pixels(cli, here, served):
    code, out, _ = cli("run", served, "--batch", "2", "--format", "json")
    assert (code, json.loads(out)["shape"]) == (0, [2, 16, 16, 3])
    code, out, _ = cli("bench", served, "--repeat", "1", "--format", "json")
    assert code == 0


def test_the_api_runs_pixels_and_refuses_what_is_normalized(here):
    build(load_spec(TINY, COLOURS), "out", serve={})
    taken = load(str(TINY), COLOURS).spec.input
    pixels = read_pixels(here / "flower.png", taken)
    outputs = run("out/tiny.onnx", pixels)
    assert outputs["logits"] == pytest.approx(run("out/tiny.onnx", "flower.png")["logits"])
    with pytest.raises(Refused, match="takes pixels, whole numbers from 0 to 255"):
        run("out/tiny.onnx", pixels / np.float32(255))


def test_a_file_whose_words_of_its_pixels_are_broken_is_refused(cli, here, served):
    model = onnx.load(served)
    for text in (
        "{", '{"input": 1}', '{"input": {"dtype": "uint8", "scale": 0}}', '{"input": {"mean": [0.1], "std": []}}',
        '{"input": {"mean": [NaN], "std": [1]}}', '{"input": {"mean": [0], "std": [0]}}', "[" * 100_000,
    ):  # fmt: skip
        entry = next(entry for entry in model.metadata_props if entry.key == "resnet_gen.serve")
        entry.value = text
        onnx.save(model, "broken.onnx")
        code, out, err = cli("run", "broken.onnx")
        assert (code, out) == (2, "")
        assert "what it says of its pixels cannot be read" in err


def test_a_file_of_bytes_that_says_nothing_is_handed_pixels(cli, here, served):
    model = onnx.load(served)
    del model.metadata_props[:]
    onnx.save(model, "silent.onnx")
    told = scores(cli("run", served, "--image", "flower.png", "--format", "json")[1])
    code, out, err = cli("run", "silent.onnx", "--image", "flower.png", "--format", "json")
    assert code == 0
    assert "it normalizes pictures itself" in err
    assert scores(out) == pytest.approx(told)


STATEMENTS = {
    "order": lambda said: said["input"].update(order="BGR"),
    "layout": lambda said: said["input"].update(layout="NCHW"),
    "normalization": lambda said: said["input"].update(mean=[0.5] * 3),
    "size": lambda said: said["input"].update(crop=0.875),
    "outputs": lambda said: said["outputs"][0].update(k=3),
    "call its outputs otherwise": lambda said: said["outputs"][0].update(names=["top2_indices", "top2_values"]),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_file_that_says_of_itself_what_its_graph_does_not_do_is_refused(name, cli, here, best):
    model = onnx.load(best)
    entry = next(entry for entry in model.metadata_props if entry.key == "resnet_gen.serve")
    said = json.loads(entry.value)
    STATEMENTS[name](said)
    entry.value = json.dumps(said)
    onnx.save(model, "other.onnx")
    code, out, err = cli("run", "other.onnx")
    assert (code, out) == (2, "")
    assert "other.onnx: error: its metadata " in err
    assert name in err


def test_a_manifest_says_what_was_put_around(cli, here):
    cli("build", TINY, *SET_COLOURS, "--any-size", "--serve-outputs", "top2", "-o", "out")
    said = json.loads((here / "out" / "tiny.manifest.json").read_text())
    assert said["inputs"] == {"input": {"shape": ["N", "height", "width", 3], "type": "uint8"}}
    assert said["outputs"]["top2_indices"] == {"shape": ["N", 2], "type": "int64"}
    assert said["serve"]["operations"][-1] == "serve.top2_values"
    assert said["spec"]["resolved"]["input"]["mean"] == [0.485, 0.456, 0.406]
    assert said["counts"]["params"] == json.loads(cli("count", TINY, *SET_COLOURS, "--format", "json")[1])["params"]


def test_triton_s_settings_are_those_of_the_model_and_have_the_labels(cli, here):
    words = ("--any-size", "--serve-outputs", "logits,top2", "--labels", "names.txt", "--target", "triton")
    assert cli("build", TINY, *SET_COLOURS, *words, "-o", "out")[0] == 0
    folder = here / "out" / "tiny"
    text = (folder / "config.pbtxt").read_text()
    session = onnxruntime.InferenceSession(folder / "1" / "model.onnx")
    for value, kind in ((session.get_inputs()[0], "UINT8"), (session.get_outputs()[2], "INT64")):
        sides = [side if isinstance(side, int) else -1 for side in value.shape[1:]]
        assert f'name: "{value.name}"\n    data_type: TYPE_{kind}\n    dims: [ {", ".join(map(str, sides))} ]' in text
    assert text.count('label_filename: "labels.txt"') == 1
    assert (folder / "labels.txt").read_text().splitlines() == LABELS


def test_the_client_for_triton_sends_what_the_model_takes(cli, here):
    words = ("--channel-order", "BGR", "--serve-outputs", "top2", "--target", "triton")
    assert cli("build", TINY, *SET_COLOURS, *words, "-o", "out")[0] == 0
    readme = (here / "out" / "tiny" / "README.md").read_text()
    code = readme.partition("```python\n")[2].partition("```")[0]
    space = {"__name__": "client"}
    exec(compile(code, "client", "exec"), space)
    taken = load(str(TINY), COLOURS).spec.input
    wanted = np.asarray(_resize_and_crop(Image.open("flower.png"), taken))[None, ..., ::-1]
    assert np.array_equal(space["preprocess"]("flower.png"), wanted)


def test_a_bundle_s_sample_is_of_pixels_and_names_of_classes_are_not_compared(cli, here):
    words = ("--for", "rtx-4090", "--target", "bundle", "--serve-outputs", "top2,embedding", "--precision", "fp16")
    assert cli("build", TINY, *SET_COLOURS, *words, "-o", "out")[0] == 0
    sample = np.frombuffer((here / "out" / "tiny.input.bin").read_bytes(), np.uint8).reshape(1, 16, 16, 3)
    expected = json.loads((here / "out" / "tiny.expected.json").read_text())["outputs"]
    assert list(expected) == ["top2_values", "embedding"]
    found = run("out/tiny.onnx", sample)
    assert found["embedding"][0] == pytest.approx(expected["embedding"]["values"], rel=0.02)
    assert "--minShapes=input:1x16x16x3" in (here / "out" / "tiny.build.sh").read_text()


@pytest.mark.parametrize("name", STATEMENTS)
def test_whoever_compares_such_a_file_says_so_too(name, cli, here, best):
    model = onnx.load(best)
    entry = next(entry for entry in model.metadata_props if entry.key == "resnet_gen.serve")
    said = json.loads(entry.value)
    STATEMENTS[name](said)
    entry.value = json.dumps(said)
    onnx.save(model, "other.onnx")
    spec = (TINY, *SET_COLOURS, "--set", "serve={}", "--set", "serve.outputs=[top2]")
    code, out, _ = cli("verify", *spec, "--no-config", "--against", "other.onnx", "--format", "json")
    assert (code, "other.onnx: its metadata " in out) == (1, True)
    assert cli("verify", *spec, "--no-config", "--against", best)[0] == 0
    assert "other.onnx: its metadata " in cli("diff", best, "other.onnx")[1]
    entry.value = entry.value[:-1]
    onnx.save(model, "cut.onnx")
    assert "cut.onnx: what its metadata say of its pixels cannot be read" in cli("diff", best, "cut.onnx")[1]
    assert cli("verify", *spec, "--no-config", "--against", "cut.onnx")[0] == 1
    assert "its metadata " not in cli("diff", best, best)[1]


def test_more_classes_than_a_file_outputs_are_said_not_to_be_there(cli, here, best):
    code, out, err = cli("run", best, "--top", "5")
    assert (code, out.count("class "), "--top 5: it outputs its best 2 alone" in err) == (0, 2, True)
    for words in ((), ("--top", "2"), ("--top", "1")):
        assert "alone" not in cli("run", best, *words)[2]


@pytest.mark.parametrize(("outputs", "top", "shown"), [("top1,top3", 3, 3), ("top3,logits", 5, 5), ("top1,top3", 5, 3)])
def test_as_many_classes_are_shown_as_any_output_of_a_file_tells(outputs, top, shown, cli, here):
    assert cli("build", TINY, *SET_COLOURS, "--serve-outputs", outputs, "-o", "ranked", "--no-config")[0] == 0
    _, out, err = cli("run", "ranked/tiny.onnx", "--top", str(top))
    assert out.count("class ") == shown
    assert (f"it outputs its best {shown} alone" in err) == (shown < top)


def test_outputs_of_no_name_are_none(cli, here):
    code, _, err = cli("build", TINY, *SET_COLOURS, "--serve-outputs", "", "-o", "empty")
    assert (code, "--serve-outputs: no output is named" in err, (here / "empty").exists()) == (2, True, False)
