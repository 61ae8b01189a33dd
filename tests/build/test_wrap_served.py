"""`wrap`: pictures of any size before anybody's file, and files that are served already with other labels."""

import itertools
import json

import numpy as np
import onnx
import pytest
from PIL import Image

import resnet_gen
from resnet_gen.build import wrap_proof
from resnet_gen.engine.image import _resize_and_crop, normalize_pixels
from resnet_gen.language.spec import Input
from resnet_gen.onnx.reading.surroundings.file import read_inner_model
from resnet_gen.onnx.wrapping import editor
from resnet_gen.ops.serving import round_part
from resnet_gen.problems import Refused
from tests.helpers.onnx_runs import run_named
from tests.helpers.surroundings import MEAN, STD, small_file

pytest.importorskip("onnx_graphsurgeon")
PIXELS = ("--input-type", "uint8", "--layout", "NHWC", "--mean", "imagenet")
ANY = (*PIXELS, "--any-size", "--crop", "0.875")


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A small file without a spec in it, in the current folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.onnx"
    path.write_bytes(small_file())
    return path


@pytest.mark.parametrize("words", [(), ("--channel-order", "BGR"), ("--batch", "1", "--classes", "7")])
def test_pictures_of_any_size_are_what_pillow_makes_of_them(words, model, cli):
    code, _, err = cli("wrap", model, "-o", "any.onnx", *ANY, *words)
    assert (code, ", of any size, crop 0.875" in err) == (0, True), err
    taken = read_inner_model(model.with_name("any.onnx")).surroundings.input
    assert (taken.crop, taken.mean, taken.std, taken.layout) == (0.875, MEAN, STD, "NHWC")
    onnx.checker.check_model("any.onnx", full_check=True)
    if "--classes" in words:
        return
    own = Input(channels=3, size=8, crop=0.875)
    for size in ((9, 20), (31, 17), (5, 5)):
        pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
        x = normalize_pixels(_resize_and_crop(Image.fromarray(pixels), own), own)
        given = pixels[..., ::-1] if words else pixels
        wanted, found = run_named(model, x)["logits"], run_named("any.onnx", given[None])["logits"]
        assert np.abs(found - wanted).max() < 0.02 * np.abs(wanted).max()


def test_floats_are_not_rounded_and_without_a_mean_taken_as_they_are(model, cli):
    code, _, err = cli("wrap", model, "-o", "any.onnx", "--any-size", "--crop", "1", "--outputs", "probabilities")
    assert (code, "takes 'pixels'" in err) == (0, True)
    taken = read_inner_model(model.with_name("any.onnx")).surroundings.input
    assert (taken.dtype, taken.crop, taken.mean, taken.scale) == ("float32", 1.0, (), 1.0)


def test_the_part_that_is_kept_is_that_of_the_spec_in_the_file(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli("build", "cifar-resnet20", "--set", "input.crop=0.9", "-o", "built")[0] == 0
    made = resnet_gen.wrap("built/cifar-resnet20.onnx", "any.onnx", input_type="uint8", any_size=True)
    assert read_inner_model(made.path).surroundings.input.crop == 0.9
    assert json.loads(made.manifest.read_text())["asked"]["any_size"] is True


def test_a_crop_of_many_digits_is_said_as_the_file_keeps_it(model, cli):
    code, _, err = cli("wrap", model, "-o", "any.onnx", *PIXELS, "--any-size", "--crop", "0.87654321")
    kept = read_inner_model(model.with_name("any.onnx")).surroundings.input.crop
    assert (code, kept) == (0, round_part(0.87654321))
    assert f"crop {kept:g}" in err


def test_a_spec_in_the_file_that_keeps_nearly_nothing_of_a_picture_is_refused(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli("build", "cifar-resnet20", "--set", "input.crop=0.05", "-o", "built")[0] == 0
    with pytest.raises(Refused, match=r"its spec's crop of 0\.05 resizes nearly all of a picture for nothing"):
        resnet_gen.wrap("built/cifar-resnet20.onnx", "any.onnx", input_type="uint8", any_size=True)
    assert not (tmp_path / "any.onnx").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((*PIXELS, "--any-size"), "it carries no spec that says how pictures are cropped"),
        ((*PIXELS, "--crop", "0.5"), "--crop means nothing without --any-size"),
        ((*PIXELS, "--any-size", "--crop", "0.01"), "--crop: the part of a side that is kept is from 0.1 to 1"),
        ((*PIXELS, "--any-size", "--crop", "nan"), "--crop: the part of a side that is kept is from 0.1 to 1"),
        ((*ANY, "--size", "open"), "--size open means nothing beside --any-size"),
    ],
)
def test_what_cannot_be_is_refused(words, message, model, cli, tmp_path):
    code, out, err = cli("wrap", model, "-o", "no.onnx", *words)
    assert (code, out, message in err) == (2, "", True), err
    assert not [*tmp_path.glob("no.*")]


@pytest.mark.parametrize("name", ["outputs", "cuts"])
def test_one_word_is_not_taken_for_its_letters(name, model):
    with pytest.raises(Refused, match=rf"{name}: a list is wanted, not a text\nhint: {name}=\['top5'\]"):
        resnet_gen.wrap(model, "no.onnx", **{name: "top5"})


def test_a_network_without_a_size_is_refused(model, cli):
    assert cli("wrap", model, "-o", "open.onnx", "--size", "open")[0] == 0
    code, _, err = cli("wrap", "open.onnx", "-o", "no.onnx", *ANY)
    assert (code, "--any-size: it states no size to resize pictures to" in err) == (2, True)
    assert cli("wrap", "open.onnx", "-o", "fixed.onnx", *ANY, "--size", "8x12")[0] == 0


@pytest.mark.parametrize("size", [(), ("--size", "7x10"), ("--size", "16x4")], ids=["8x8", "7x10", "16x4"])
@pytest.mark.parametrize("crop", ["1", "0.9", "0.8", "0.75", "0.5", "0.3"])
def test_no_size_and_crop_is_taken_for_another_where_halves_are_rounded(size, crop, model, cli):
    """Halves are frequent where a side becomes another in a simple proportion."""
    code, _, err = cli("wrap", model, "-o", "any.onnx", *size, *PIXELS, "--any-size", "--crop", crop)
    assert (code, "proved: 'logits'" in err) == (0, True), err


FAULTS = {
    "another crop": lambda op: op.__class__(op.size, 0.8, op.whole),
    "another size in other places": lambda op: op.__class__(op.size[::-1], op.crop, op.whole),
    "no rounding": lambda op: op.__class__(op.size, op.crop, not op.whole),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_proof_finds_pictures_that_are_resized_otherwise(name, model, cli, monkeypatch):
    real = editor.ResizeAndCrop
    monkeypatch.setattr(editor, "ResizeAndCrop", lambda *settings: FAULTS[name](real(*settings)))
    assert cli("wrap", model, "-o", "fixed.onnx", "--size", "8x12")[0] == 0
    code, _, err = cli("wrap", "fixed.onnx", "-o", "no.onnx", *ANY)
    assert (code, "the wrapped file computes something else" in err) == (2, True), err
    assert not model.with_name("no.onnx").exists()


def test_the_proof_finds_a_crop_off_by_a_pixel(model, cli, monkeypatch):
    sides = wrap_proof.find_resized_sides
    monkeypatch.setattr(wrap_proof, "find_resized_sides", lambda *words: tuple(n + 2 for n in sides(*words)))
    with pytest.raises(Refused, match="pictures that are resized differ by"):
        resnet_gen.wrap(model, "no.onnx", input_type="uint8", mean="imagenet", any_size=True, crop=0.875)


def read_labels(path):
    metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    return json.loads(metadata["resnet_gen.labels"])


@pytest.mark.parametrize("outputs", ["top2", "top3,embedding", "probabilities,top1"])
def test_labels_of_a_file_that_outputs_the_best_classes_are_exchanged(outputs, model, cli):
    names = [("ant", "bee", "cat", "dog", "elk"), ("one", "two", "three", "four", "five")]
    for number, each in enumerate(names):
        model.with_name(f"names{number}.txt").write_text("\n".join(each) + "\n")
    assert cli("wrap", model, "-o", "first.onnx", *PIXELS, "--outputs", outputs, "--labels", "names0.txt")[0] == 0
    code, _, err = cli("wrap", "first.onnx", "-o", "second.onnx", "--labels", "names1.txt")
    assert (code, "labels of 5 classes in its metadata" in err, "proved: " in err) == (0, True, True), err
    assert [read_labels(path) for path in ("first.onnx", "second.onnx")] == [list(each) for each in names]
    assert (
        read_inner_model(model.with_name("second.onnx")).surroundings
        == read_inner_model(model.with_name("first.onnx")).surroundings
    )
    shown = [cli("run", path, "--top", "1", "--seed", "1")[1].split("\n")[0].split()[-1] for path in
             ("first.onnx", "second.onnx")]  # fmt: skip
    if "probabilities" not in outputs:
        assert names[0].index(shown[0]) == names[1].index(shown[1])
    short = model.with_name("short.txt")
    short.write_text("one\ntwo\n")
    code, _, err = cli("wrap", "first.onnx", "-o", "no.onnx", "--labels", short)
    assert (code, "labels: 2 of them for 5 classes" in err) == (2, True)


def test_of_a_file_without_a_spec_labels_say_how_many_classes_it_has(model, cli):
    np.savez("data.npz", images=np.zeros((6, 8, 8, 3), np.uint8), labels=np.arange(6) % 5)
    model.with_name("names.txt").write_text("ant\nbee\ncat\ndog\nelk\n")
    for words, status in (((), 2), (("--labels", "names.txt"), 0)):
        assert cli("wrap", model, "-o", f"best{status}.onnx", *PIXELS, "--outputs", "top2", *words)[0] == 0
        code, out, err = cli("evaluate", f"best{status}.onnx", "--data", "data.npz", "--format", "json")
        assert (code, "and says nowhere of how many" in err) == (status, status == 2)
    (found,) = json.loads(out)["models"]
    assert (found["outputs"], found["best"]) == (5, 2)


def test_labels_of_a_file_of_a_spec_are_exchanged_too(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ("cifar-resnet20", "--serve-outputs", "top1", "-o", "built")
    assert cli("build", *names, "--set", f"serve.labels={json.dumps([f'old{n}' for n in range(10)])}")[0] == 0
    made = resnet_gen.wrap("built/cifar-resnet20.onnx", "new.onnx", labels=[f"new{n}" for n in range(10)])
    assert "new" in cli("run", made.path)[1]
    assert "old" not in cli("run", made.path)[1]


def test_labels_of_what_is_cut_off_are_refused(model, cli):
    assert cli("wrap", model, "-o", "first.onnx", *PIXELS, "--outputs", "top2")[0] == 0
    model.with_name("names.txt").write_text("a\nb\nc\nd\ne\n")
    code, _, err = cli("wrap", "first.onnx", "-o", "no.onnx", "--labels", "names.txt", "--cut", "head.pool")
    assert (code, "it is not known how many classes it has" in err) == (2, True), err


@pytest.mark.parametrize(
    "words",
    [
        *itertools.permutations(("probabilities", "top2", "top1")),
        ("unit_embedding", "embedding"),
        ("embedding", "unit_embedding", "top1"),
    ],
    ids=",".join,
)
def test_outputs_have_the_names_of_their_words_in_every_order(words, model, cli):
    """What several outputs are made of is made once."""
    assert cli("wrap", model, "-o", "out.onnx", "--outputs", ",".join(words))[0] == 0
    graph = onnx.load("out.onnx").graph
    wanted = [[f"{word}_values", f"{word}_indices"] if word[:3] == "top" else [word] for word in words]
    assert [value.name for value in graph.output] == [*itertools.chain(*wanted)]
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("Softmax") == any(word[0] in "pt" for word in words)
    assert kinds.count("Flatten") == 1
