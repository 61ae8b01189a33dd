"""The paper's width rule."""

from collections.abc import Sequence
from itertools import accumulate
from operator import mul
from typing import ClassVar, Literal

from pydantic import Field

from resnet_gen.parts.base import Channels, WidthRule


class Double(WidthRule):
    """Filters double where the paper's stages halve the map: with each stage (He et al. 2015, Sec. 3.3, rule ii).

    They stay where `strides` or `last_stride` keep the map larger, so the same weights fit.
    """

    kind: Literal["double"] = "double"
    by_stage: ClassVar[bool] = True
    first: Channels = Field(64, description="Filters of the first stage.")

    def widths(self, entering: Sequence[int]) -> tuple[int, ...]:
        return tuple(accumulate(entering[1:], mul, initial=self.first))
