"""What is seen of a block, and what several have in common."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from math import gcd
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T", bound=Hashable)


class BlockFeatures(NamedTuple):
    """What the layers of one block show.

    `entering` is the dilation of its first window, `dilation` the stage's where a
    second window shows it. `raw` are the numbers that its kind's settings come from.
    """

    stride: int
    entering: int
    dilation: int | None
    raw: Any


class SharedSettings(NamedTuple):
    """Settings that explain blocks together, and the width of each."""

    settings: dict[str, Any]
    widths: list[int]


def find_common_value(values: Iterable[T | None]) -> T | None:
    """The one value that all have; None where there are several or none. A value of None could be any."""
    found = {value for value in values if value is not None}
    return found.pop() if len(found) == 1 else None


def agree(*columns: Iterable[Hashable | None]) -> bool:
    """Whether each column holds one value at most, None being any."""
    return all(len({value for value in values if value is not None}) < 2 for values in columns)


_EXPANSIONS = (4, 2, 1, *(n for n in range(3, 65) if n != 4))
_MOST = 65_536


def inner_widths(outs: Sequence[int], inner: Sequence[int], groups: int, usual: int) -> tuple[int, int] | None:
    """Expansion and base width of blocks that output `outs` filters and have `inner` of them inside.

    The published expansion of 4 where it will do; of base widths `usual`, or the smallest.
    """
    if any(n % groups for n in inner):
        return None
    whole = gcd(*outs)
    for expansion in _EXPANSIONS:
        if whole % expansion:
            continue
        ranges = [_base_widths(out // expansion, n // groups) for out, n in zip(outs, inner, strict=True)]
        low, high = max(r[0] for r in ranges), min(r[1] for r in ranges)
        if 1 <= low <= min(high, _MOST):
            return expansion, usual if low <= usual <= high else low
    return None


def _base_widths(width: int, each: int) -> tuple[int, int]:
    """The base widths b of which floor(width * b / 64) is `each`, from and to."""
    return -(-64 * each // width), -(-64 * (each + 1) // width) - 1
