"""A trained network keeps what it has learnt: from PyTorch to the emitted file, folded, and in fewer bits."""

import numpy as np
import pytest
from PIL import Image

from resnet_gen.graph.counts import count
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from tests.accuracy import digits
from tests.accuracy.digits import SPEC, split
from tests.accuracy.measured import (
    HERE,
    RUN_BY,
    VARIANTS,
    WEIGHTS,
    correct,
    emitted,
    predictions,
    row,
    scores,
    top1,
    trained,
)
from tests.helpers.onnx_runs import TOLERANCE, difference

CORRECT = 591
"""Of the 596 images of the test part, as PyTorch counts them for the committed weights."""

MAY_LOSE = {
    "fp16": 0.2,
    "fp16, batch norm folded": 0.2,
    "bf16": 0.5,
    "int8, for CPUs": 0.5,
    "int8, for CPUs without VNNI": 0.5,
    "int8, for TensorRT": 0.5,
    "int8, for TensorRT, min-max": 0.5,
    "int8, for TensorRT, entropy": 0.5,
    "fp8": 0.5,
}
"""Points of top-1 that a variant may lose against float32."""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The file of a variant, built once."""
    made = {}

    def of(name):
        if name not in made:
            made[name] = emitted(tmp_path_factory.mktemp("digits"), **VARIANTS[name])
        return made[name]

    return of


def test_float32_sees_on_every_image_what_pytorch_saw(model):
    said = trained()
    assert "".join(map(str, predictions(model("fp32"), split()[1].images))) == said["predictions"]
    assert correct(model("fp32")) == said["correct"] == CORRECT
    assert top1(model("fp32")) >= 98.5


def test_folding_batch_norm_changes_no_prediction(model):
    images = np.concatenate([part.images for part in split()])
    kept, folded = (scores(model(name), images) for name in ("fp32", "fp32, batch norm folded"))
    np.testing.assert_array_equal(folded.argmax(1), kept.argmax(1))
    assert difference(folded, kept) < TOLERANCE


@pytest.mark.parametrize(("name", "runtime"), [(name, by) for name in MAY_LOSE for by in RUN_BY.get(name, ("",))])
def test_fewer_bits_lose_no_more_than_they_may(name, runtime, model):
    if runtime:
        pytest.importorskip(runtime, reason=f"{runtime} is not installed", exc_type=ImportError)
    images = split()[1].images
    assert top1(model(name), runtime=runtime) >= 100 * CORRECT / 596 - MAY_LOSE[name]
    assert difference(scores(model(name), images, runtime=runtime), scores(model("fp32"), images)) > TOLERANCE


def test_every_variant_is_held_to_something():
    assert set(VARIANTS) == {"fp32", "fp32, batch norm folded", *MAY_LOSE}


def test_the_figure_tells_if_weights_or_images_are_others(model, tmp_path):
    """Else agreement above would prove little."""
    test = split()[1]
    assert top1(emitted(tmp_path, weights=None)) < 30
    assert correct(model("fp32"), test._replace(images=test.images[..., ::-1].copy())) < CORRECT - 100
    assert correct(model("fp32"), test._replace(labels=np.roll(test.labels, 1))) < CORRECT - 100


def test_the_picture_of_the_demo_is_one_of_the_test_part_and_is_seen_for_what_it_is(model, tmp_path, cli):
    picture = HERE.parents[1] / "examples" / "digits" / "three.png"
    made = digits.write_picture(tmp_path / "three.png")
    with Image.open(picture) as shown, Image.open(made) as again:
        assert (shown.mode, shown.size, shown.tobytes()) == (again.mode, again.size, again.tobytes())
    code, out, _ = cli("run", model("fp32"), "--image", picture, "--top", 3)
    assert code == 0
    assert out.splitlines()[0].split()[:2] == ["class", "3"]


def test_batches_of_any_size_give_the_same_scores(model):
    images = split()[1].images[:130]
    assert difference(scores(model("fp32"), images, batch=1), scores(model("fp32"), images, batch=64)) < TOLERANCE


def test_the_spec_claims_the_parameters_that_pytorch_counted():
    claims = {claim.what: claim.value for claim in load(SPEC).spec.claims}
    assert claims["params"] == trained()["params"] == count(lower(load(SPEC))).params


def test_the_page_states_the_figures():
    page = (HERE.parents[1] / "docs" / "accuracy.md").read_text(encoding="utf-8")
    for name in ("PyTorch, fp32", "ONNX, fp32", "ONNX, fp32, batch norm folded"):
        assert row(name, CORRECT, 596) in page
    assert all(
        f"| ONNX, {name}{f' ({by})' if by else ''} |" in page for name in VARIANTS for by in RUN_BY.get(name, ("",))
    )


@pytest.mark.torch
def test_pytorch_with_the_same_weights_puts_out_the_same_scores(model):
    torch = pytest.importorskip("torch", reason="torch is not installed; what it said is in resnet8-digits.json")
    from safetensors.torch import load_file

    from tests.accuracy.train import ResNet8

    network, state = ResNet8().eval(), load_file(WEIGHTS)
    loaded = network.load_state_dict(state, strict=False)
    assert not loaded.unexpected_keys
    assert all(name.endswith("num_batches_tracked") for name in loaded.missing_keys)
    images = split()[1].images
    with torch.no_grad():
        wanted = network(torch.from_numpy(images)).numpy()
    assert difference(scores(model("fp32"), images), wanted) < TOLERANCE
    assert "".join(map(str, wanted.argmax(1))) == trained()["predictions"]


def test_the_data_are_those_that_the_figures_were_measured_on():
    assert digits.digest() == "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


def test_the_parts_share_no_image_and_hold_every_digit_alike():
    train, test = split()
    assert (len(train.labels), len(test.labels)) == (1201, 596)
    assert train.images.shape[1:] == test.images.shape[1:] == lower(load(SPEC)).input.shape
    assert not {image.tobytes() for image in train.images} & {image.tobytes() for image in test.images}
    np.testing.assert_allclose(np.bincount(train.labels) / np.bincount(test.labels), 2, atol=0.06)


def test_the_spec_normalizes_as_the_training_part_asks():
    train = split()[0].images
    assert train.dtype == np.float32
    assert abs(train.mean()) < 0.002
    assert abs(train.std() - 1) < 0.002


def test_images_to_calibrate_with_are_of_the_training_part_and_the_same_bytes_each_time(tmp_path):
    first, again = (digits.write_calibration(tmp_path / name, 200) for name in ("a.npz", "b.npz"))
    assert first.read_bytes() == again.read_bytes()
    with np.load(first) as archive:
        assert archive.files == ["images"]
        images = archive["images"]
    train = split()[0]
    place = {image.tobytes(): at for at, image in enumerate(train.images)}
    chosen = [place[image.tobytes()] for image in images]
    assert (images.shape, images.dtype) == ((200, 1, 8, 8), np.float32)
    assert len(set(chosen)) == 200
    assert np.bincount(train.labels[chosen], minlength=10).min() >= 12
