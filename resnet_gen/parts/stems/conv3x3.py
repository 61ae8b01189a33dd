"""The CIFAR stem."""

from typing import Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Channels, Stem, Using


class Conv3x3(Stem):
    """A single 3x3 convolution at stride 1 (He et al. 2015, Sec. 4.2)."""

    kind: Literal["conv3x3"] = "conv3x3"
    width: Channels = Field(16, description="Filters of the convolution.")

    def build(self, net: Net, x: Value, using: Using, *, bare: bool) -> Value:
        x = using.conv(net, "conv", x, self.width, kernel=3)
        return x if bare else using.norm_act(net, "", x)
