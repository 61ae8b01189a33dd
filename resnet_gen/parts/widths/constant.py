"""One width throughout."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from resnet_gen.parts.base import Channels, WidthRule


class Constant(WidthRule):
    """Every stage has the same filters (Silver et al. 2017, Methods)."""

    kind: Literal["constant"] = "constant"
    width: Channels = Field(description="Filters of every stage.")

    def widths(self, entering: Sequence[int]) -> tuple[int, ...]:
        return (self.width,) * len(entering)
