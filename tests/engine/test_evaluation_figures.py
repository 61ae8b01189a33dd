"""Intervals and tests of significance against SciPy's, and counts against scikit-learn's."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from resnet_gen.engine.evaluation.comparison import Comparer
from resnet_gen.engine.evaluation.statistics import Proportion, mcnemar
from resnet_gen.engine.evaluation.tally import NO_CLASS, Tally
from resnet_gen.engine.signal_power import CEILING


@pytest.mark.parametrize(
    ("right", "images"),
    [(0, 1), (1, 1), (0, 10), (10, 10), (3, 10), (591, 596), (596, 596), (38_057, 50_000), (1, 1_000_000)],
)
def test_the_interval_is_wilson_s(right, images):
    found = stats.binomtest(right, images).proportion_ci(0.95, method="wilson")
    assert Proportion(right, images).interval == pytest.approx((found.low, found.high), abs=1e-12)


def test_the_interval_of_newcombe_s_example():
    """Newcombe 1998, Two-sided confidence intervals for the single proportion, Table I: 15 of 148."""
    low, high = Proportion(15, 148).interval
    assert (round(low, 4), round(high, 4)) == (0.0624, 0.1605)


@pytest.mark.parametrize(
    "pair",
    [(0, 0), (0, 1), (1, 0), (5, 5), (3, 12), (59, 6), (121, 59), (900, 1_000), (999, 1_002), (1_100, 1_000),
     (52_000, 50_000), (10_000, 10_000), (400_000, 399_000), (0, 3_000), (5_000, 0)],
)  # fmt: skip
def test_mcnemar_s_test_is_the_binomial_one(pair):
    total = sum(pair)
    wanted = stats.binomtest(min(pair), total, 0.5).pvalue if total else 1.0
    assert mcnemar(*pair) == pytest.approx(min(1.0, wanted), rel=1e-9)
    assert mcnemar(*pair) == mcnemar(*reversed(pair))


@pytest.fixture
def answers():
    """Scores of two models for labels, one mostly right, with ties and with some that are not finite."""
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 12, 400)
    scores = [rng.integers(0, 40, (400, 12)).astype(np.float64) for _ in range(2)]
    for each, often in zip(scores, (0.7, 0.6), strict=True):
        right = rng.random(400) < often
        each[right, labels[right]] += 60
    return labels, *scores


def counted(scores, labels, batch=37):
    tally = Tally(scores.shape[1])
    found = [tally.add(scores[at : at + batch], labels[at : at + batch]) for at in range(0, len(labels), batch)]
    return tally.result(), np.concatenate(found)


def test_counts_are_those_of_scikit_learn(answers):
    labels, scores, _ = answers
    found, predicted = counted(scores, labels)
    assert found.top1.value == metrics.accuracy_score(labels, predicted)
    assert found.balanced == pytest.approx(metrics.balanced_accuracy_score(labels, predicted))
    matrix = metrics.confusion_matrix(labels, predicted, labels=range(12))
    assert [each.right for each in found.classes] == list(np.diag(matrix))
    assert [each.images for each in found.classes] == list(matrix.sum(axis=1))
    assert [each.predicted for each in found.classes] == list(matrix.sum(axis=0))
    wanted = sorted((-n, a, b) for (a, b), n in np.ndenumerate(matrix) if a != b and n)
    assert [(-c.images, c.label, c.predicted) for c in found.confusions] == wanted
    precision, recall, *_ = metrics.precision_recall_fscore_support(labels, predicted, labels=range(12))
    assert [each.recall for each in found.classes] == pytest.approx(list(recall))
    assert [each.precision for each in found.classes] == pytest.approx(list(precision))


def test_the_best_five_are_those_of_scikit_learn_where_no_scores_are_equal(answers):
    labels, scores, _ = answers
    scores = scores + np.random.default_rng(1).random(scores.shape) / 10
    found, _ = counted(scores, labels)
    assert found.top5.value == metrics.top_k_accuracy_score(labels, scores, k=5, labels=range(12))


def test_of_equal_scores_the_first_class_counts():
    found, predicted = counted(np.zeros((7, 7)), np.arange(7))
    assert list(predicted) == [0] * 7
    assert (found.top1.number, found.top5.number) == (1, 5)


def test_five_classes_have_no_best_five():
    assert counted(np.eye(5), np.arange(5))[0].top5 is None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_no_answer(value):
    scores = np.eye(8)
    scores[3, 5] = value
    found, predicted = counted(scores, np.arange(8))
    assert predicted[3] == NO_CLASS
    assert (found.top1.number, found.top5.number, found.unfinite) == (7, 7, 1)
    assert all(each.label >= 0 for each in found.classes)


def compared(first, second, labels, most=5, batch=37):
    comparer, tallies = Comparer(most), [Tally(first.shape[1]), Tally(second.shape[1])]
    for at in range(0, len(labels), batch):
        part = slice(at, at + batch)
        scores = (first[part], second[part])
        said = [tally.add(of, labels[part]) for tally, of in zip(tallies, scores, strict=True)]
        comparer.add(scores, said, labels[part], map(str, range(at, at + len(labels[part]))))
    return comparer.result()


def test_two_models_are_compared_image_by_image(answers):
    labels, first, second = answers
    one, two = first.argmax(1), second.argmax(1)
    found = compared(first, second, labels)
    assert found.same.number == (one == two).sum()
    assert found.both_right == ((one == labels) & (two == labels)).sum()
    assert found.lost == ((one == labels) & (two != labels)).sum()
    assert found.gained == ((one != labels) & (two == labels)).sum()
    assert found.other == ((one != labels) & (two != labels) & (one != two)).sum()
    assert found.p_value == pytest.approx(stats.binomtest(found.lost, found.lost + found.gained).pvalue)
    noise = ((first - second) ** 2).sum()
    assert found.decibels == pytest.approx(10 * np.log10((first**2).sum() / noise))
    assert [change.kind for change in found.changes] == ["lost"] * 5
    assert [int(c.image) for c in found.changes] == list(np.flatnonzero((one == labels) & (two != labels))[:5])


def test_all_changes_are_listed_once_where_there_is_room(answers):
    labels, first, second = answers
    found = compared(first, second, labels, most=10_000)
    assert sorted(int(change.image) for change in found.changes) == list(
        np.flatnonzero(first.argmax(1) != second.argmax(1))
    )
    assert all(
        (c.first, c.second) == (first[int(c.image)].argmax(), second[int(c.image)].argmax()) for c in found.changes
    )


def test_a_model_agrees_with_itself(answers):
    labels, first, _ = answers
    found = compared(first, first, labels)
    assert (found.same.value, found.p_value, found.decibels, found.changes) == (1.0, 1.0, CEILING, ())


def test_scores_of_other_classes_have_no_signal_to_noise(answers):
    labels, first, second = answers
    assert compared(first, np.pad(second, ((0, 0), (0, 1))), labels).decibels is None


def softmax(scores):
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def test_probabilities_and_logits_have_no_signal_to_noise_of_each_other(answers):
    """Both rank classes alike, and are other numbers: a ratio of them would look like a network that is broken."""
    labels, first, _ = answers
    for pair in ((first, softmax(first)), (softmax(first), first)):
        found = compared(*pair, labels)
        assert (found.same.value, found.decibels) == (1.0, None)
    assert compared(softmax(first), softmax(first).astype(np.float16), labels).decibels > 50


def test_an_image_whose_scores_are_not_finite_tells_no_kind(answers):
    labels, first, _ = answers
    broken = softmax(first)
    broken[5] = np.nan
    assert compared(softmax(first), broken, labels).decibels == -CEILING
