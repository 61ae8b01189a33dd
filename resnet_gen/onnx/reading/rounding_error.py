"""Numbers that a file's operators leave to the runtime's rounding, and how much a constant depends on it.

A mean is summed up in some order, a power comes within an ulp. Where such numbers cancel out, what is left is the
runtime's own. So a constant that is computed from them is computed twice: exactly, and with each of them moved by
what runtimes may be off. Where the two are not alike, its numbers do not follow from the file.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[Any]

_FINFO: Any = ml_dtypes.finfo
_ALIKE = 1e-3
"""What the two may differ by, over the largest of a row."""


_MOST_LOADS, _DEEPEST = 4096, 100
"""Constants that one may be computed from, each counted as often as it is needed, and one from another: more than any
exporter leaves."""


class MissingNumbersError(Exception):
    """The numbers of a constant are not in the file, or do not follow from it."""


class _Load(threading.local):
    """The constant that is being computed: how deep in it, after how many, whether it is in doubt, what moves that."""

    depth = 0
    count = 0
    doubtful = False
    draw: np.random.Generator | None = None


_NOW = _Load()


def settle_numbers(load: Callable[[], Numbers], name: str) -> Numbers:
    """What is loaded; raises `MissingNumbersError` where it depends on the rounding of a runtime."""
    outermost = _NOW.depth == 0
    if outermost:
        _NOW.doubtful, _NOW.draw, _NOW.count = False, None, 0
    _NOW.count += 1
    if _NOW.count > _MOST_LOADS or _NOW.depth > _DEEPEST:
        raise MissingNumbersError(f"the numbers of '{name}' take too many steps to compute")
    found = _load_nested(load)
    if outermost and _NOW.doubtful:
        _NOW.draw = np.random.default_rng(0)
        if not _are_alike(found, _load_nested(load)):
            raise MissingNumbersError(f"the numbers of '{name}' depend on how a runtime rounds")
    return found


def _load_nested(load: Callable[[], Numbers]) -> Numbers:
    _NOW.depth += 1
    try:
        with np.errstate(all="ignore"):
            return load()
    finally:
        _NOW.depth -= 1


def round_numbers(exact: Numbers, off: Numbers | float, dtype: np.dtype[Any]) -> Numbers:
    """Numbers in a type, which runtimes compute to within a rounding of it and `off` more."""
    _NOW.doubtful = True
    if _NOW.draw is not None:
        draw = _NOW.draw
        signs = draw.choice([-1.0, 1.0], exact.shape) * draw.uniform(0.5, 1.0, exact.shape)
        exact = exact + signs * (off + ulp(dtype) * np.abs(exact))
    return np.asarray(exact).astype(dtype)


def ulp(dtype: np.dtype[Any]) -> float:
    """What a number of 1 may be off by where its last digit is."""
    return float(_FINFO(dtype).eps)


def largest_number(dtype: np.dtype[Any]) -> float:
    """The largest number of a type of floating point."""
    return float(_FINFO(dtype).max)


def _are_alike(first: Numbers, second: Numbers) -> bool:
    """Whether numbers differ by what does no harm: infinities, and what is no floating point, by nothing."""
    same = (first == second) | ((first != first) & (second != second))
    if same.all() or first.dtype.kind in "iub":
        return bool(same.all())
    a, b = (np.asarray(array, np.float64) for array in (first, second))
    size = np.abs(a).max(axis=tuple(range(1, a.ndim)), keepdims=True, initial=0.0) if a.ndim else np.abs(a)
    with np.errstate(all="ignore"):
        near = np.isfinite(a) & np.isfinite(b) & (np.abs(a - b) <= _ALIKE * size)
    return bool((same | near).all())
