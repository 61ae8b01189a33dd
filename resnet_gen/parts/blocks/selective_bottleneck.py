"""The three-layer block with a selective kernel."""

from typing import ClassVar, Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Place, Trait, Using
from resnet_gen.parts.blocks.selective import Selective


class SelectiveBottleneck(Selective):
    """A bottleneck whose 3x3 convolution is a selective kernel (Li et al. 2019, SKNet, Table 1)."""

    kind: Literal["selective_bottleneck"] = "selective_bottleneck"
    takes: ClassVar[frozenset[Trait]] = frozenset({"attention", "dilation"})
    expansion: int = Field(4, ge=1, le=64, description="Filters of the last convolution, over the block's width.")
    groups: int = Field(1, ge=1, le=65_536, description="Groups of each path.")
    base_width: int = Field(64, ge=1, le=65_536, description="A path has floor(width * base_width / 64) * groups.")

    def build(self, net: Net, x: Value, place: Place, using: Using) -> Value:
        width = place.width * self.base_width // 64 * self.groups
        y = using.conv_norm_act(net, "1", x, width, kernel=1)
        y = self.select(net.scope("conv2"), y, place, width, using, self.groups)
        y = using.conv_norm(net, "3", y, place.width * self.expansion, kernel=1)
        y = using.attend(net, y, x)
        y = using.shortcut.join(net, x, y, place=place, using=using)
        return using.activation.build(net, "act3", y)
