"""The stem of one small convolution."""

from typing import Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Channels, Stem, Using


class Conv3x3(Stem):
    """A single 3x3 convolution (He et al. 2015, Sec. 4.2); at stride 2 RegNet's (Radosavovic et al. 2020, Fig. 3)."""

    kind: Literal["conv3x3"] = "conv3x3"
    width: Channels = Field(16, description="Filters of the convolution.")
    stride: int = Field(1, ge=1, le=8, description="Stride of the convolution.")

    @property
    def shrinks(self) -> int:
        return self.stride

    def build(self, net: Net, x: Value, using: Using, *, bare: bool) -> Value:
        x = using.conv(net, "conv", x, self.width, kernel=3, stride=self.stride)
        return x if bare else using.norm_act(net, "", x)
