"""Weights in eight bits: whether each number was rounded to the code that is nearest to it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from resnet_gen.weights.base import Array

_Numbers = npt.NDArray[np.float64]

_LEAST_EXPONENT, _DIGITS = -6, 3
"""Of FP8: of the least number that has all its digits, and those behind the first."""


def count_steps_apart(wanted: Array, here: Array, steps: Array | None, dtype: str, slack: Array) -> Array:
    """How many steps each number of rows is from what it is to be, but for `slack`, which is not of its rounding.

    `steps` are what one code of each row stands for; where the file does not say, integers are as far apart as the two
    numbers of their row that are nearest to each other, and nothing is known of FP8. What a row's codes do not reach is
    no rounding: a number beyond that, which has the outermost of them, counts as being there.
    """
    rows, kept = wanted.astype(np.float64), here.astype(np.float64)
    integers = dtype.endswith("int8")
    if steps is None and not integers:
        return np.zeros_like(rows)
    scales = _find_least_gaps(kept, slack) if steps is None else np.abs(steps.astype(np.float64))
    scales = scales.reshape(-1, *[1] * (rows.ndim - 1))
    apart = np.maximum(np.abs(rows - kept) - slack, 0.0)
    with np.errstate(all="ignore"):
        far = apart / (scales if integers else _find_spacing(rows, scales))
    return np.where((apart > 0) & ~_is_cut_off(rows, kept), far, 0.0).astype(np.float32)


def _find_spacing(rows: _Numbers, scales: _Numbers) -> _Numbers:
    """How far the two numbers of FP8 are apart that each number is between."""
    parts, exponents = np.frexp(rows / scales)  # a number is its part, from a half to one, times two to that
    exponents = np.where(parts == 0, _LEAST_EXPONENT, np.maximum(exponents - 1, _LEAST_EXPONENT))
    return scales * 2.0 ** (exponents - _DIGITS)


def _find_least_gaps(kept: _Numbers, slack: Array) -> _Numbers:
    """The least that two numbers of each row, or one and zero, are apart: no step is larger than that."""
    rows = np.sort(kept.reshape(len(kept), -1), axis=1)
    between = np.hstack([np.diff(rows, axis=1), np.abs(rows)])
    least = np.where(between > 0, between, np.inf).min(axis=1, initial=np.inf)
    made: _Numbers = least + 2 * slack.reshape(len(kept), -1).max(axis=1, initial=0.0)
    return made


def _is_cut_off(rows: _Numbers, kept: _Numbers) -> npt.NDArray[np.bool_]:
    """Which numbers are beyond what their row's codes reach, and have the outermost."""
    each = kept.reshape(len(kept), -1)
    around = (-1, *[1] * (rows.ndim - 1))
    least, most = (pick(axis=1, initial=0.0).reshape(around) for pick in (each.min, each.max))
    outermost = ((kept == most) & (rows > most)) | ((kept == least) & (rows < least))
    beyond: npt.NDArray[np.bool_] = outermost & (kept != 0)
    return beyond
