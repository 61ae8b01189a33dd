"""What a count of right answers says beyond its images: intervals, and whether two models differ by chance."""

from __future__ import annotations

import math
from typing import NamedTuple

_Z = 1.959963984540054
"""The 97.5th percentile of the normal distribution."""
_SUMMED_EXACTLY = 2_000
"""Images for which a binomial sum is exact; above, its terms are, to thirteen digits."""


class Proportion(NamedTuple):
    """So many of so many images."""

    number: int
    images: int

    @property
    def value(self) -> float:
        """The part, 0 to 1; 0 of no images."""
        return self.number / self.images if self.images else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % score interval (Wilson 1927), which holds for few images and for parts near 0 and 1 too."""
        n, part = self.images, self.value
        if not n:
            return 0.0, 1.0
        centre = part + _Z * _Z / (2 * n)
        half = _Z * math.sqrt(part * (1 - part) / n + _Z * _Z / (4 * n * n))
        whole = 1 + _Z * _Z / n
        low = 0.0 if not self.number else (centre - half) / whole
        return low, 1.0 if self.number == n else (centre + half) / whole


def mcnemar(only_first: int, only_second: int) -> float:
    """The p-value of McNemar's exact test (McNemar 1947): two-sided, by the binomial distribution.

    It is the chance that images of which one model alone is right fall so unevenly to two that are equally good.
    """
    total, fewer = only_first + only_second, min(only_first, only_second)
    if only_first == only_second:
        return 1.0
    if total <= _SUMMED_EXACTLY:
        tail: float = sum(math.comb(total, k) for k in range(fewer + 1)) / 2**total
        return min(1.0, 2 * tail)
    return min(1.0, 2 * _sum_tail(total, fewer))


def _sum_tail(total: int, most: int) -> float:
    """The chance of at most `most` heads of `total` coins: terms from the largest down, until they add nothing."""
    term = math.exp(_log_binomial(total, most) - total * math.log(2))
    found = term
    for k in range(most, 0, -1):
        term *= k / (total - k + 1)
        found += term
        if term < 1e-17 * found:
            break
    return found


def _log_binomial(total: int, chosen: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(chosen + 1) - math.lgamma(total - chosen + 1)
