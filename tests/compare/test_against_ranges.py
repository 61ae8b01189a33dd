"""What codes of eight bits cover, over what an activation reaches."""

from pathlib import Path

import pytest

from resnet_gen.compare.against.ranges import _find_least_part
from resnet_gen.onnx.reading.quantized_ranges import CodeRange
from resnet_gen.quantization.placement import Range
from resnet_gen.verify.rules.against import list_first_faults


@pytest.mark.parametrize(
    ("cover", "reached", "part"),
    [
        ((-1, 1), (-1, 1), 1.0),
        ((0, 2), (0, 1), 2.0),
        ((-1, 2), (-2, 1), 0.5),
        ((-0.5, 8), (-1, 2), 0.5),
        ((-8, 0.5), (-2, 1), 0.5),
        ((0, 0), (0, 0), 1.0),
        ((0, 3), (0, 0), 1.0),
        ((-0.001, 1), (-0.0625, 1), 1.0),  # a sixteenth of the other side is not looked at
        ((-0.0061, 1), (-0.061, 1), 1.0),
        ((-0.007, 1), (-0.07, 1), 0.1),
        ((-2, 0.001), (-2, 0.1), 1.0),
        ((1, 3), (1, 3), 1.0),  # a range that lies above zero
    ],
)
def test_the_side_counts_on_which_less_is_covered(cover, reached, part):
    assert _find_least_part(CodeRange("x", *cover, scale=0.01, step=0.01), Range(*reached)) == pytest.approx(part)


@pytest.mark.parametrize("number", [0, 1, 3, 4, 5, 9])
def test_three_ranges_are_named_and_the_others_counted(number):
    faults = [f"range {n}" for n in range(number)]
    more = {0: (), 1: ("x.onnx: and 1 more range",)}.get(max(0, number - 3), (f"x.onnx: and {number - 3} more ranges",))
    assert list_first_faults(Path("x.onnx"), faults, "range") == (*faults[:3], *more)
