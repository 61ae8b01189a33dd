"""The two-layer block without a shortcut."""

from typing import ClassVar, Literal

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Block, Place, Using


class Plain(Block):
    """Two 3x3 convolutions and no shortcut: the residual block's control (He et al. 2015, Fig. 3 middle)."""

    has_shortcut: ClassVar[bool] = False
    kind: Literal["plain"] = "plain"

    def build(self, net: Net, x: Value, place: Place, using: Using) -> Value:
        y = using.conv_norm_act(net, "1", x, place.width, kernel=3, stride=place.stride)
        return using.conv_norm_act(net, "2", y, place.width, kernel=3)
