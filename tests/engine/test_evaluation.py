"""Models run on labelled images: batches of any kind, outputs of any kind, and broken images."""

from dataclasses import dataclass

import numpy as np
import pytest

from resnet_gen.engine.base import Runner
from resnet_gen.engine.evaluation.evaluation import EvaluationEffort, evaluate_models
from resnet_gen.engine.evaluation.scoring import EvaluatedModel
from resnet_gen.engine.evaluation.sources import open_labelled_images
from resnet_gen.engine.file_serving import ImageForm
from resnet_gen.language.spec import Input
from resnet_gen.problems import Refused
from tests.engine.test_labelled_images import picture

TAKEN = Input(channels=1, size=(1, 12))


@dataclass(frozen=True, kw_only=True)
class Echo(Runner):
    """Outputs its images as scores: the class is where the brightest pixel is. Notes how many it gets at a time."""

    seen: list
    more: dict

    def run(self, x):
        self.check(x.shape)
        self.seen.append(len(x))
        scores = x[:, 0, 0]
        return {"logits": scores, **{name: make(scores) for name, make in self.more.items()}}


def echo(batch=None, bounds=None, outputs=("logits",), **more):
    shapes = tuple((n, 1, 1, 12) for n in bounds) if bounds else None
    return EvaluatedModel(
        Echo(
            where="echo", runtime={"library": "echo", "version": "1"}, input="x", shape=(batch, 1, 1, 12),
            dtype=np.dtype(np.float32), outputs=outputs, metadata={}, bounds=shapes, seen=[], more=more,
        ),
        ImageForm(TAKEN),
    )  # fmt: skip


@pytest.fixture
def images(tmp_path):
    """23 images, of which the brightest pixel tells the class but for the last."""
    labels = np.arange(23) % 12
    pixels = np.zeros((23, 1, 1, 12), np.float32)
    pixels[np.arange(23), 0, 0, labels] = 1
    labels[-1] = 0
    np.savez(tmp_path / "a.npz", images=pixels, labels=labels)
    return open_labelled_images(str(tmp_path / "a.npz"))


@pytest.mark.parametrize(
    ("batch", "bounds", "asked", "seen"),
    [
        (None, None, 8, [8, 8, 7]), (None, None, 100, [23]), (None, None, 16, [16, 7]), (1, None, 4, [1] * 23),
        (5, None, 8, [5, 5, 5, 5, 5, 5]),
        (8, None, 3, [8] * 8), (None, (4, 6), 8, [6, 6, 6, 6, 6, 6]), (None, (4, 16), 8, [8, 8, 7]),
        (None, (8, 16), 4, [8] * 6),
    ],
)  # fmt: skip
def test_a_model_gets_batches_that_it_takes_and_what_fills_them_up_is_not_counted(batch, bounds, asked, seen, images):
    model = echo(batch, bounds)
    found = evaluate_models([model], images, EvaluationEffort(asked))
    assert model.runner.seen == seen
    assert (found.models[0].accuracy.top1.number, found.images) == (22, 23)
    assert found.models[0].timed_runs == max(1, len(seen) - 1)
    assert found.models[0].warmed_up == (len(seen) > 1)


def test_two_models_see_the_same_images(images):
    shifted = echo(3, logits=lambda scores: np.roll(scores, 1, axis=1))
    found = evaluate_models([echo(), shifted], images, EvaluationEffort(8, changes=2))
    assert [model.accuracy.top1.number for model in found.models] == [22, 0]
    assert (found.agreement.same.number, found.agreement.lost, found.agreement.other) == (0, 22, 1)
    assert [(c.image, c.label, c.first, c.second) for c in found.agreement.changes] == [
        ("image 0", 0, 0, 1), ("image 1", 1, 1, 2),
    ]  # fmt: skip


def test_progress_ends_with_all_images(images):
    done = []
    evaluate_models([echo()], images, EvaluationEffort(10), lambda *now: done.append(now))
    assert done == [(10, 23), (20, 23), (23, 23)]


def test_of_several_outputs_the_logits_count(images):
    model = echo(features=lambda scores: scores[:, ::-1], probabilities=lambda scores: -scores)
    assert evaluate_models([model], images, EvaluationEffort(8)).models[0].accuracy.top1.number == 22


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ({"logits": lambda s: s[:, :1]}, "outputs no scores of classes: 'logits' 8x1"),
        ({"logits": lambda s: s[:, :, None]}, "outputs no scores of classes: 'logits' 8x12x1"),
        ({"logits": lambda s: s.astype(np.int64)}, "outputs no scores"),
        ({"logits": lambda s: s[:3]}, "outputs 3x12 for 8 images"),
        ({"logits": lambda s: s[:, :, None], "a": lambda s: s, "b": lambda s: s}, "outputs several rows of scores"),
        ({"logits": lambda s: s[:, :11]}, "label 11, and echo outputs 11 classes, from 0"),
    ],
)
def test_what_is_no_classifier_of_these_classes_is_refused(outputs, words, images):
    with pytest.raises(Refused) as refused:
        evaluate_models([echo(**outputs)], images, EvaluationEffort(8))
    assert words in refused.value.problems[0].message


@pytest.fixture
def pictures(tmp_path):
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        picture(tmp_path / "d" / name, mode="L")
    for name in ("a/2.png", "b/1.png"):
        (tmp_path / "d" / name).write_bytes(b"none")
    return tmp_path / "d"


def test_a_broken_image_is_refused_by_name_or_left_out_and_listed(pictures):
    model = echo(logits=lambda scores: scores[:, :2] + [1, 0])
    with pytest.raises(Refused) as refused:
        evaluate_models([model], open_labelled_images(str(pictures)), EvaluationEffort(2))
    (problem,) = refused.value.problems
    assert (problem.where, problem.message) == (str(pictures / "a" / "2.png"), "not a picture")
    assert problem.hint.endswith("; --skip-broken leaves such images out, and says how many")
    found = evaluate_models([model], open_labelled_images(str(pictures)), EvaluationEffort(2, skip_broken=True))
    assert (found.total, found.images, found.broken) == (4, 2, 2)
    assert [(one.image.replace("\\", "/"), one.reason) for one in found.broken_images] == [
        ("a/2.png", "not a picture"), ("b/1.png", "not a picture"),
    ]  # fmt: skip
    assert found.models[0].accuracy.top1.number == 1


def test_nothing_but_broken_images_is_refused(pictures):
    for path in pictures.rglob("*.png"):
        path.write_bytes(b"none")
    images = open_labelled_images(str(pictures))
    with pytest.raises(Refused, match="none of its images can be read"):
        evaluate_models([echo()], images, EvaluationEffort(skip_broken=True))


def test_large_images_come_in_small_batches(images, monkeypatch):
    monkeypatch.setattr("resnet_gen.engine.evaluation.evaluation._MOST_VALUES", 5 * 12)
    model = echo()
    found = evaluate_models([model], images, EvaluationEffort(8))
    assert model.runner.seen == [5, 5, 5, 5, 3]
    assert found.batch == 5
