"""Projections with a larger window."""

from typing import Literal

from pydantic import Field

from resnet_gen.parts.base import OddKernel, Place, Sliding
from resnet_gen.parts.shortcuts.projection import Projection


class WideProjection(Projection):
    """A projection whose window is larger where the map shrinks: SENet-154's (Hu et al. 2017, Sec. 7.1)."""

    kind: Literal["wide_projection"] = "wide_projection"  # type: ignore[assignment]
    kernel: OddKernel = Field(3, description="Side of its window where the map shrinks; elsewhere 1.")

    def window(self, place: Place) -> tuple[int, Sliding]:
        if place.stride == 1 and place.withheld == 1:
            return 1, Sliding()
        return self.kernel, Sliding(stride=place.stride, dilation=place.entering_dilation)
