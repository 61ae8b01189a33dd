"""Turns, blocks and figures, with clocks and models whose times are known."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from resnet_gen.engine.base import DTYPES, Runner
from resnet_gen.problems import Refused
from resnet_gen.speed.benchmark import Effort, Timing, compare_outputs, compare_speed, find_common_shape, measure


class Clock:
    """Time that passes when a model runs, and at no other."""

    def __init__(self):
        self.now = 0.0
        self.log = []

    def __call__(self):
        return self.now


@dataclass(frozen=True, kw_only=True)
class Timed(Runner):
    """Takes `seconds` a run of its clock and outputs the sum of each image, times `gain`."""

    clock: Clock
    seconds: float
    gain: float = 1.0
    inputs: list = field(default_factory=list)

    def run(self, x):
        self.clock.log.append(self.where)
        self.clock.now += self.seconds
        self.inputs.append(x)
        scores = x.sum(axis=(2, 3), dtype=np.float64)
        return {"scores": self.gain * scores}


def model(clock, where="a", seconds=0.01, shape=(None, 3, 4, 4), **changes):
    given = {"runtime": {}, "input": "x", "dtype": DTYPES["float32"], "outputs": ("scores",), "metadata": {}}
    return Timed(where=where, shape=shape, clock=clock, seconds=seconds, **(given | changes))


def image(batch=2):
    return np.random.default_rng(0).standard_normal((batch, 3, 4, 4), np.float32)


# --- figures ----------------------------------------------------------------


def test_percentiles_mean_and_throughput_of_known_numbers():
    timing = Timing(8, (tuple(range(1, 51)), tuple(range(51, 102))))
    assert timing.runs == 101
    assert [timing.percentile(p) for p in (0, 50, 90, 99, 100)] == [1, 51, 91, 100, 101]
    assert timing.mean == 51
    assert timing.images_per_second == pytest.approx(8 / 51)


def test_percentiles_are_interpolated():
    assert Timing(1, ((1.0, 2.0), (3.0, 4.0))).percentile(90) == pytest.approx(3.7)


def test_the_ratio_is_taken_in_pairs_of_blocks():
    fast, slow = (1.0, 2.0, 3.0, 4.0, 5.0), (2.0, 6.0, 12.0, 20.0, 30.0)
    first, second = (Timing(1, tuple((t, t, 100.0) for t in times)) for times in (fast, slow))
    found = compare_speed(first, second)  # 2, 3, 4, 5, 6: the outliers of 100 s are no block's median
    assert found == (4.0, 3.0, 5.0, 5)
    assert compare_speed(second, first).median == pytest.approx(1 / 4)


def test_what_slows_the_machine_for_a_while_is_in_both_sides_of_the_ratio():
    busy = [1.0] * 10 + [7.0] * 10
    first, second = (Timing(1, tuple((factor * t,) for t in busy)) for factor in (1, 2))
    assert compare_speed(first, second) == (2.0, 2.0, 2.0, 20)


# --- turns ------------------------------------------------------------------


def test_two_models_take_turns_in_blocks_that_an_untimed_run_opens():
    clock = Clock()
    result = measure([model(clock, "a"), model(clock, "b", 0.03)], image(), Effort(repeat=50), clock=clock)
    turns = "".join(clock.log)
    assert turns == "ab" + "aaabbb" + "aaaabbbb" * 16 + "aaabbb"  # outputs, warming up, 16 blocks of 3, one of 2
    assert [timing.runs for timing in result.timings] == [50, 50]
    assert [len(block) for block in result.timings[0].blocks] == [3] * 16 + [2]
    assert [timing.percentile(50) for timing in result.timings] == pytest.approx([0.01, 0.03])
    assert compare_speed(*result.timings) == pytest.approx((3, 3, 3, 17))


def test_seconds_are_for_each_model_and_blocks_of_one_length():
    clock = Clock()
    result = measure([model(clock, "a"), model(clock, "b", 0.1)], image(), Effort(seconds=4.0), clock=clock)
    a, b = result.timings
    assert {len(block) for block in a.blocks} == {20}  # a twentieth of 4 s
    assert {len(block) for block in b.blocks} == {2}
    assert len(a.blocks) == len(b.blocks)
    timed = sum(map(sum, a.blocks)) + sum(map(sum, b.blocks))
    assert 6 < timed <= 8.0 + 0.4, "the untimed runs are part of the time"


def test_one_model_alone_has_no_untimed_runs_and_no_difference():
    clock = Clock()
    result = measure([model(clock)], image(), Effort(repeat=7), clock=clock)
    assert len(clock.log) == 1 + 3 + 7
    assert result.difference is None
    assert result.timings[0].batch == 2


@pytest.mark.parametrize(
    ("effort", "runs"),
    [
        (Effort(0.25, 1000), 32),
        (Effort(2.0, 1000), 260),  # blocks of 13
        (Effort(1000.0, 5), 5),
        (Effort(1e-6), 1),
    ],
)
def test_what_is_reached_first_ends_a_measurement_after_one_block_at_least(effort, runs):
    clock = Clock()
    exact = model(clock, seconds=1 / 128)  # in binary, so that sums are exact
    assert measure([exact], image(), effort, clock=clock).timings[0].runs == runs


def test_warming_up_takes_a_tenth_of_the_time_where_three_runs_take_less():
    clock = Clock()
    measure([model(clock, seconds=1 / 128)], image(), Effort(seconds=10.0), clock=clock)
    assert len(clock.log) == 1 + 128 + 20 * 64  # 1 s and 10 s


def test_progress_rises_to_one():
    clock, told = Clock(), []
    measure([model(clock)], image(), Effort(repeat=40), told.append, clock)
    assert told == sorted(told)
    assert (told[0], told[-1], len(told)) == (0.0, 1.0, 21)


def test_both_models_see_the_same_input_each_in_its_own_type():
    clock = Clock()
    half = model(clock, "b", dtype=DTYPES["float16"])
    full = model(clock, "a")
    x = image()
    measure([full, half], x, Effort(repeat=1), clock=clock)
    assert all(seen is x for seen in full.inputs)
    assert {seen.dtype.name for seen in half.inputs} == {"float16"}
    assert len(set(map(id, half.inputs))) == 1, "converted once, and not while a clock runs"
    np.testing.assert_allclose(half.inputs[0], x, atol=2e-3)


def test_outputs_that_are_no_numbers_are_refused():
    clock = Clock()
    odd = model(clock)
    object.__setattr__(odd, "run", lambda x: {"y": np.array(["text"])})
    with pytest.raises(Refused, match="a: error: outputs <U4 as 'y', not numbers"):
        measure([odd], image(), Effort(repeat=1), clock=clock)


# --- outputs ----------------------------------------------------------------


def test_the_difference_of_outputs_and_the_top_classes():
    first = {"y": np.array([[1, 2, 3], [9, 2, 3], [1, 7, 3.0]], np.float32)}
    second = {"y": np.array([[1, 2, 3.5], [1, 2, 3], [1, 7, 3.0]], np.float32)}
    assert compare_outputs(first, second) == (8.0, 9.0, 2, 3)
    assert compare_outputs(first, first) == (0.0, 9.0, 3, 3)


def test_outputs_are_paired_by_name_else_by_order():
    a, b = np.zeros((1, 2)), np.ones((1, 2))
    assert compare_outputs({"a": a, "b": b}, {"b": b, "a": a}).largest == 0
    assert compare_outputs({"a": a, "b": b}, {"c": b, "d": a}).largest == 1
    assert compare_outputs({"a": a}, {"c": a}).largest == 0


def test_outputs_of_other_shapes_or_numbers_are_not_compared():
    a = np.zeros((1, 2))
    assert compare_outputs({"a": a}, {"a": np.zeros((1, 3))}) is None
    assert compare_outputs({"a": a}, {"a": a, "b": a}) is None


def test_types_do_not_overflow_and_values_that_are_not_finite_are_told():
    half = {"y": np.array([[60000.0, -60000.0]], np.float16)}
    assert compare_outputs(half, {"y": -half["y"]}).largest == 120000
    assert compare_outputs({"y": np.array([[0, 3]], np.uint8)}, {"y": np.array([[1, 0]], np.uint8)}).largest == 3
    later = {"a": np.zeros((1, 2)), "b": np.array([[np.nan, 1]])}
    assert np.isnan(compare_outputs(later, later).largest)


def test_maps_have_no_top_class():
    found = compare_outputs({"y": np.ones((2, 3, 4, 4))}, {"y": np.zeros((2, 3, 4, 4))})
    assert found == (1.0, 1.0, None, 2)


# --- shapes -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("shapes", "wanted", "batch", "found"),
    [
        ([(None, 3, 4, 4)], None, None, (1, 3, 4, 4)),
        ([(None, 3, 4, 4)], None, 8, (8, 3, 4, 4)),
        ([(2, 3, 4, 4)], None, None, (2, 3, 4, 4)),
        ([(None, 3, 4, 4), (2, 3, 4, 4)], None, None, (2, 3, 4, 4)),
        ([(None, 3, None, None), (None, 3, 4, 4)], None, 2, (2, 3, 4, 4)),
        ([(None, 3, None, None)], (2, 3, 8, 9), 2, (2, 3, 8, 9)),
    ],
)
def test_the_shape_is_what_all_models_take(shapes, wanted, batch, found):
    clock = Clock()
    assert find_common_shape([model(clock, shape=s) for s in shapes], wanted, batch) == found


@pytest.mark.parametrize(
    ("shapes", "wanted", "batch", "words"),
    [
        ([(2, 3, 4, 4)], None, 3, r"a: error: takes 2x3x4x4, not 3x3x4x4"),
        ([(None, 3, 4, 4), (None, 3, 8, 8)], None, 1, r"takes \?x3x8x8, not 1x3x4x4"),
        ([(None, 3, 4, 4)], (1, 3, 4), 1, r"takes \?x3x4x4, not 1x3x4"),
        ([(None, 3, None, 4)], None, 1, r"no image of a fixed size\nhint: give --shapes"),
    ],
)
def test_a_shape_that_a_model_does_not_take_is_refused(shapes, wanted, batch, words):
    clock = Clock()
    with pytest.raises(Refused, match=words):
        find_common_shape([model(clock, shape=s) for s in shapes], wanted, batch)


def test_a_profile_bounds_the_batch_and_its_least_is_the_default():
    bounded = model(Clock(), bounds=((2, 3, 4, 4), (8, 3, 4, 4)))
    assert find_common_shape([bounded], None, None) == (2, 3, 4, 4)
    assert find_common_shape([bounded], None, 8) == (8, 3, 4, 4)
    for batch in (1, 9):
        with pytest.raises(Refused, match=r"its profile goes from 2x3x4x4 to 8x3x4x4, and .x3x4x4 lies outside"):
            find_common_shape([bounded], None, batch)
