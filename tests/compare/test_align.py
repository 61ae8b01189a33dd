"""Sequences are aligned by the most that they have in common, in time that is bounded by their lengths."""

import random
import time

import pytest

from resnet_gen.compare.difference import align
from resnet_gen.compare.difference.align import Aligner


def itself(item):
    return item


def common(first, second):
    """Length of a longest common subsequence, by its definition."""
    row = [0] * (len(second) + 1)
    for a in first:
        before = row
        row = [0]
        for j, b in enumerate(second):
            row.append(before[j] + 1 if a == b else max(before[j + 1], row[j]))
    return row[-1]


def drawn(seed):
    draw = random.Random(seed)
    return [[draw.randrange(1, 4) for _ in range(draw.randrange(14))] for _ in range(2)]


def paired(pairs):
    return [(a, b) for a, b in pairs if a is not None and b is not None]


@pytest.mark.parametrize("wide", [400, 3, 1])
def test_everything_stands_in_order_and_only_equals_are_paired(monkeypatch, wide):
    monkeypatch.setattr(align, "WIDE", wide)
    for seed in range(400):
        first, second = drawn(seed)
        pairs = Aligner().align(first, second, [itself], rest=False)
        assert [a for a, _ in pairs if a is not None] == first
        assert [b for _, b in pairs if b is not None] == second
        assert all(a == b for a, b in paired(pairs))
        if wide == 400:
            assert len(paired(pairs)) == common(first, second)


def test_looser_keys_pair_what_is_left_between_and_the_rest_is_paired_in_order():
    pairs = Aligner().align(["a1", "b1", "c1", "e"], ["a1", "d1", "b2", "c1", "f"], [itself, lambda word: word[0]])
    assert pairs == [("a1", "a1"), (None, "d1"), ("b1", "b2"), ("c1", "c1"), ("e", "f")]
    assert Aligner().align(["a"], ["b", "c"], [itself], rest=False) == [("a", None), (None, "b"), (None, "c")]
    assert Aligner().align([], ["b"], []) == [(None, "b")]


def test_long_sequences_that_differ_everywhere_are_aligned_well_in_little_time():
    draw = random.Random(1)
    first, second = ([draw.randrange(2) for _ in range(20_000)] for _ in range(2))
    start = time.process_time()
    pairs = Aligner().align(first, second, [itself], rest=False)
    assert time.process_time() - start < 5
    assert len(paired(pairs)) > 15_000


def test_scattered_changes_of_a_long_sequence_leave_the_rest_paired():
    draw = random.Random(2)
    first = [draw.randrange(50) for _ in range(20_000)]
    second = list(first)
    for _ in range(1_000):
        second[draw.randrange(len(second))] = 50
    assert len(paired(Aligner().align(first, second, [itself], rest=False))) > 18_500
