"""The two-layer residual block."""

from typing import Literal

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Block, Place, Using


class Basic(Block):
    """Two 3x3 convolutions and a shortcut (He et al. 2015, Fig. 5 left)."""

    kind: Literal["basic"] = "basic"

    def build(self, net: Net, x: Value, place: Place, using: Using) -> Value:
        y = using.conv_norm_act(net, "1", x, place.width, kernel=3, stride=place.stride)
        y = using.conv_norm(net, "2", y, place.width, kernel=3)
        y = using.shortcut.join(net, x, y, stride=place.stride, using=using)
        return using.activation.build(net, "act2", y)
