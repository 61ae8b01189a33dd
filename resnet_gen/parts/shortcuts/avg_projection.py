"""Average pooling, then a projection."""

from typing import Literal

from resnet_gen.graph import Net, Value
from resnet_gen.ops import AvgPool, PadMap
from resnet_gen.parts.base import Place, Shortcut, Using


class AvgProjection(Shortcut):
    """Identity; average pooling and a 1x1 convolution where the shape changes (He et al. 2018, ResNet-D, Fig. 2c).

    In a dilated stage the pooling keeps the map's size, with zeros below and to the right.
    """

    kind: Literal["avg_projection"] = "avg_projection"

    def bridge(self, net: Net, x: Value, branch: Value, *, place: Place, using: Using) -> Value:
        if not self.changes(x, branch, place.stride):
            return x
        net = net.scope("avg")
        if place.dilation > 1:
            x = net.add("pool", AvgPool(2, 1), net.add("pad", PadMap(0, 1), x))
        elif place.stride > 1:
            x = net.add("pool", AvgPool(2, place.stride, ceil=True), x)
        if using.bare_shortcut:
            return using.conv(net, "conv", x, branch.shape[0], kernel=1)
        return using.conv_norm(net, "", x, branch.shape[0], kernel=1)
