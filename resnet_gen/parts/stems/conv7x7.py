"""The ImageNet stem."""

from typing import Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Channels, Using
from resnet_gen.parts.stems.pooled import PooledStem


class Conv7x7(PooledStem):
    """A 7x7 convolution at stride 2, then 3x3 max pooling at stride 2 (He et al. 2015, Table 1)."""

    kind: Literal["conv7x7"] = "conv7x7"
    width: Channels = Field(64, description="Filters of the convolution.")

    def build(self, net: Net, x: Value, using: Using, *, bare: bool) -> Value:
        x = using.conv(net, "conv", x, self.width, kernel=7, stride=2)
        x = x if bare else using.norm_act(net, "", x)
        return self.add_pooling(net, x, using)
