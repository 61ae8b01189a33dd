"""PyramidNet's widths."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from resnet_gen.parts.base import Channels, WidthRule


class Additive(WidthRule):
    """Every block adds the same number of filters, rounded down (Han et al. 2016, PyramidNet, Eq. 3)."""

    kind: Literal["additive"] = "additive"
    first: Channels = Field(16, description="Filters before the first block.")
    alpha: float = Field(gt=0, le=65_536, description="Filters that all blocks together add.")

    def widths(self, entering: Sequence[int]) -> tuple[int, ...]:
        share = self.alpha / len(entering)
        return tuple(int(self.first + share * (stage + 1)) for stage in range(len(entering)))

    def by_block(self, depths: Sequence[int], widths: Sequence[int]) -> list[tuple[int, ...]]:
        share, done, found = self.alpha / sum(depths), 0, []
        for depth in depths:
            found.append(tuple(int(self.first + share * (done + i + 1)) for i in range(depth)))
            done += depth
        return found
