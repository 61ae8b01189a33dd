"""RegNet's block."""

from typing import Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Place, Sliding, Using
from resnet_gen.parts.blocks.grouped import Grouped


class RegNet(Grouped):
    """1x1, grouped 3x3 and 1x1 convolutions whose groups all have one width (Radosavovic et al. 2020, Fig. 4).

    Attention weighs what the 3x3 convolution outputs.
    """

    kind: Literal["regnet"] = "regnet"
    linear: bool = Field(False, description="No activation after the sum.")

    def build(self, net: Net, x: Value, place: Place, using: Using) -> Value:
        inside = self.inside(place)
        y = using.conv_norm_act(net, "1", x, inside, kernel=1)
        window = Sliding(stride=place.stride, groups=self.groups(inside)[0], dilation=place.entering_dilation)
        y = using.conv_norm_act(net, "2", y, inside, kernel=3, **window)
        y = using.attend(net, y, x)
        y = using.conv_norm(net, "3", y, place.width, kernel=1)
        y = using.shortcut.join(net, x, y, place=place, using=using)
        return y if self.linear else using.activation.build(net, "act3", y)
