"""What blocks share that narrow the map to a spatial layer and widen it again."""

from abc import abstractmethod

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Block, Place, Using


class Narrowed(Block):
    """A 1x1 convolution, a spatial layer, a 1x1 convolution, and a shortcut (He et al. 2015, Fig. 5 right)."""

    expansion: int = Field(4, ge=1, le=64, description="Filters of the last convolution, over the block's width.")
    groups: int = Field(1, ge=1, le=65_536, description="Groups of the spatial layer (ResNeXt's cardinality).")
    base_width: int = Field(64, ge=1, le=65_536, description="Its filters are floor(width * base_width / 64) * groups.")

    def strides(self, place: Place) -> tuple[int, int]:
        """Strides of the first convolution and of the spatial layer."""
        return 1, place.stride

    def inside(self, place: Place) -> tuple[int, int]:
        """Filters of the first convolution and of the spatial layer."""
        width = place.width * self.base_width // 64 * self.groups
        return width, width

    def build(self, net: Net, x: Value, place: Place, using: Using) -> Value:
        first, second = self.strides(place)
        y = using.conv_norm_act(net, "1", x, self.inside(place)[0], kernel=1, stride=first)
        y = self.spatial(net, y, x, place, using, second)
        y = using.conv_norm(net, "3", y, place.width * self.expansion, kernel=1)
        y = using.attend(net, y, x)
        y = using.shortcut.join(net, x, y, place=place, using=using)
        return using.activation.build(net, "act3", y)

    @abstractmethod
    def spatial(self, net: Net, y: Value, x: Value, place: Place, using: Using, stride: int) -> Value:
        """The layers on `y` that shrink the map by `stride`; `x` entered the block."""
