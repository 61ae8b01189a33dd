"""Efficient channel attention."""

import math
from typing import Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.ops import Activation, ChannelConv, GlobalAvgPool, Mul
from resnet_gen.parts.base import Attention, OddKernel, Using


class EfficientChannelAttention(Attention):
    """Channels weighed by a 1-d convolution over their means (Wang et al. 2019, ECA-Net, Fig. 2)."""

    kind: Literal["eca"] = "eca"
    kernel: OddKernel | None = Field(
        None, description="Length of the window; by default the odd number next to (log2(C) + 1) / 2, at least 3."
    )

    def reach(self, channels: int) -> int:
        """Length of the window over this many channels (Eq. 12 of the paper)."""
        if self.kernel:
            return self.kernel
        length = int((math.log2(channels) + 1) / 2)
        return max(3, length if length % 2 else length + 1)

    def build(self, net: Net, x: Value, *, block_input: Value, using: Using) -> Value:
        y = net.add("pool", GlobalAvgPool(), x)
        y = net.add("conv", ChannelConv(self.reach(x.shape[0])), y)
        return net.add("scale", Mul(), x, net.add("gate", Activation("sigmoid"), y))
