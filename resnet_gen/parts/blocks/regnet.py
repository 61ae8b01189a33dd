"""RegNet's block."""

from typing import ClassVar, Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Block, Place, Trait, Using
from resnet_gen.parts.rounding import divisible


class RegNet(Block):
    """1x1, grouped 3x3 and 1x1 convolutions whose groups all have one width (Radosavovic et al. 2020, Fig. 4).

    Attention weighs what the 3x3 convolution puts out.
    """

    kind: Literal["regnet"] = "regnet"
    takes: ClassVar[frozenset[Trait]] = frozenset({"attention", "dilation"})
    group_width: int = Field(8, ge=1, le=65_536, description="Channels of each group.")
    bottleneck_ratio: float = Field(
        1.0, gt=0, le=64, description="Filters inside, over those that the block puts out (1/b of the paper)."
    )
    rounding: Literal["nearest", "nine_tenths"] = Field(
        "nearest",
        description="Filters inside become the nearest multiple of the group width (pycls, timm), or that but never "
        "below nine tenths (torchvision).",
    )
    linear: bool = Field(False, description="No activation after the sum.")

    def groups(self, inside: int) -> tuple[int, int]:
        """Groups of this many filters, and the channels of each."""
        each = min(self.group_width, inside)
        return inside // each, each

    def fitted(self, width: int) -> int:
        inside = max(1, int(width * self.bottleneck_ratio))
        _, each = self.groups(inside)
        nearest = self.rounding == "nearest"
        inside = max(each, round(inside / each) * each) if nearest else divisible(inside, each)
        return max(1, int(inside / self.bottleneck_ratio))

    def inside(self, place: Place) -> int:
        """Filters of the first two convolutions."""
        return max(1, round(place.width * self.bottleneck_ratio))

    def build(self, net: Net, x: Value, place: Place, using: Using) -> Value:
        inside = self.inside(place)
        y = using.conv_norm_act(net, "1", x, inside, kernel=1)
        window = {"stride": place.stride, "groups": self.groups(inside)[0], "dilation": place.entering_dilation}
        y = using.conv_norm_act(net, "2", y, inside, kernel=3, **window)
        y = using.attend(net, y, x)
        y = using.conv_norm(net, "3", y, place.width, kernel=1)
        y = using.shortcut.join(net, x, y, place=place, using=using)
        return y if self.linear else using.activation.build(net, "act3", y)
