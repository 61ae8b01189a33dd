"""VGG's layer."""

from typing import ClassVar, Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Block, OddKernel, Place, Using


class ConvLayer(Block):
    """One biased convolution with norm and activation (Simonyan and Zisserman 2014, Table 1)."""

    has_shortcut: ClassVar[bool] = False
    kind: Literal["conv"] = "conv"
    kernel: OddKernel = Field(3, description="Side of the window.")

    def build(self, net: Net, x: Value, place: Place, using: Using) -> Value:
        y = using.conv(net, "conv", x, place.width, kernel=self.kernel, stride=place.stride, bias=True)
        return using.norm_act(net, "", y)
