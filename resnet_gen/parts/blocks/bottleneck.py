"""The three-layer residual block."""

from typing import Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Block, Place, Using


class Bottleneck(Block):
    """1x1, 3x3 and 1x1 convolutions and a shortcut (He et al. 2015, Fig. 5 right)."""

    kind: Literal["bottleneck"] = "bottleneck"
    expansion: int = Field(4, ge=1, le=64, description="Filters of the last convolution, over the block's width.")
    stride_on: Literal["conv1", "conv2"] = Field(
        "conv2", description="Which convolution takes the stride: `conv1` in the paper (v1), `conv2` in v1.5."
    )

    def strides(self, place: Place) -> tuple[int, int]:
        """Strides of the first and the second convolution."""
        return (place.stride, 1) if self.stride_on == "conv1" else (1, place.stride)

    def build(self, net: Net, x: Value, place: Place, using: Using) -> Value:
        first, second = self.strides(place)
        y = using.conv_norm_act(net, "1", x, place.width, kernel=1, stride=first)
        y = using.conv_norm_act(net, "2", y, place.width, kernel=3, stride=second)
        y = using.conv_norm(net, "3", y, place.width * self.expansion, kernel=1)
        y = using.shortcut.join(net, x, y, stride=place.stride, using=using)
        return using.activation.build(net, "act3", y)
