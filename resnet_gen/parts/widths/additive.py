"""PyramidNet's widths."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from typing import Literal

from pydantic import Field

from resnet_gen.parts.base import Channels, WidthRule


class Additive(WidthRule):
    """Every block adds the same number of filters, rounded down (Han et al. 2016, PyramidNet, Eq. 3)."""

    kind: Literal["additive"] = "additive"
    first: Channels = Field(16, description="Filters before the first block.")
    alpha: float = Field(gt=0, le=65_536, description="Filters that all blocks together add.")

    def widths(self, entering: Sequence[int]) -> tuple[int, ...]:
        return self._grow_widths(len(entering))

    def by_block(self, depths: Sequence[int], widths: Sequence[int]) -> list[tuple[int, ...]]:
        every = iter(self._grow_widths(sum(depths)))
        return [tuple(islice(every, depth)) for depth in depths]

    def _grow_widths(self, count: int) -> tuple[int, ...]:
        alpha = Fraction(str(self.alpha))  # exact: a sum of floats may fall short of the whole number that it makes
        return tuple(self.first + int(alpha * n / count) for n in range(1, count + 1))
