"""What RegNet's blocks share: filters whose groups all have one width."""

from typing import ClassVar, Literal

from pydantic import Field

from resnet_gen.parts.base import Block, Place, Trait
from resnet_gen.parts.rounding import round_to_multiple


class Grouped(Block):
    """A block whose groups all have one width (Radosavovic et al. 2020, Fig. 4)."""

    takes: ClassVar[frozenset[Trait]] = frozenset({"attention", "dilation"})
    group_width: int = Field(8, ge=1, le=65_536, description="Channels of each group.")
    bottleneck_ratio: float = Field(
        1.0, ge=1 / 64, le=64, description="Filters inside, over those that the block outputs (1/b of the paper)."
    )
    rounding: Literal["nearest", "nine_tenths"] = Field(
        "nearest",
        description="Filters inside become the nearest multiple of the group width (pycls, timm), or that but never "
        "below nine tenths (torchvision).",
    )

    def groups(self, inside: int) -> tuple[int, int]:
        """Groups of this many filters, and the channels of each."""
        each = min(self.group_width, inside)
        return inside // each, each

    def fitted(self, width: int) -> int:
        inside = max(1, int(width * self.bottleneck_ratio))
        _, each = self.groups(inside)
        nearest = self.rounding == "nearest"
        inside = max(each, round(inside / each) * each) if nearest else round_to_multiple(inside, each)
        return max(1, int(inside / self.bottleneck_ratio))

    def inside(self, place: Place) -> int:
        """Filters of the first two convolutions."""
        return max(1, round(place.width * self.bottleneck_ratio))
