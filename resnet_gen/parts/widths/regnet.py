"""RegNet's quantized linear widths."""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Literal

from pydantic import Field

from resnet_gen.parts.base import WidthRule


class RegNetWidths(WidthRule):
    """A line of filters, quantized (Radosavovic et al. 2020, Eqs. 2 to 4).

    Block j gets w_0 + w_a * j, moved to the nearest w_0 * w_m^k and to a
    multiple of 8; equal ones form a stage.
    """

    kind: Literal["regnet"] = "regnet"
    depth: int = Field(ge=1, le=1_024, description="Blocks of the whole network.")
    w_0: int = Field(ge=8, le=65_536, description="Filters of the first block.")
    w_a: float = Field(ge=0, le=65_536, description="Slope: filters more in each block.")
    w_m: float = Field(gt=1, le=64, description="Ratio of the filters of one stage to those of the one before.")

    def _plan_stages(self) -> list[tuple[int, int]]:
        """Filters and blocks of each stage."""
        steps = (round(math.log((self.w_0 + self.w_a * j) / self.w_0, self.w_m)) for j in range(self.depth))
        widths = (round(self.w_0 * self.w_m**step / 8) * 8 for step in steps)
        return [(width, len(list(same))) for width, same in groupby(widths)]

    def depths(self) -> tuple[int, ...]:
        return tuple(blocks for _, blocks in self._plan_stages())

    def widths(self, entering: Sequence[int]) -> tuple[int, ...]:
        return tuple(width for width, _ in self._plan_stages())
