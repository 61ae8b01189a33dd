"""PyramidNet's block."""

from typing import ClassVar, Literal

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Block, Place, Sliding, Trait, Using


class Pyramid(Block):
    """Norm, 3x3 convolution, norm, activation, 3x3 convolution, norm (Han et al. 2016, PyramidNet, Fig. 6d).

    Norm and activation follow the last block. The stem has none; its norm,
    without an activation, begins the first block.
    """

    kind: Literal["pyramid"] = "pyramid"
    preactivated: ClassVar[bool] = True
    takes: ClassVar[frozenset[Trait]] = frozenset({"attention", "dilation"})

    def build(self, net: Net, x: Value, place: Place, using: Using) -> Value:
        if place.number == 0:
            x = using.normed(net, "norm0", x)
        y = using.normed(net, "norm1", x)
        first = Sliding(stride=place.stride, dilation=place.entering_dilation)
        y = using.conv(net, "conv1", y, place.width, kernel=3, **first)
        y = using.norm_act(net, "2", y)
        y = using.conv(net, "conv2", y, place.width, kernel=3, dilation=place.dilation)
        y = using.normed(net, "norm3", y)
        y = using.attend(net, y, x)
        return using.shortcut.join(net, x, y, place=place, using=using)
