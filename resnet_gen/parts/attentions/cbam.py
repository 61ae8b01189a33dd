"""The convolutional block attention module."""

from typing import Literal

from pydantic import Field

from resnet_gen import ops
from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Attention, OddKernel, Using
from resnet_gen.parts.rounding import round_to_multiple


class ConvBlockAttention(Attention):
    """Channels weighed, then positions (Woo et al. 2018, Fig. 2).

    The two layers that weigh channels see means and maxima with the same
    weights: both stand side by side as one map, and what comes out is summed.
    """

    kind: Literal["cbam"] = "cbam"
    rd_ratio: float = Field(1 / 16, gt=0, le=4, description="Channels between the two layers, over the branch's.")
    kernel: OddKernel = Field(7, description="Side of the window that weighs positions.")

    def build(self, net: Net, x: Value, *, block_input: Value, using: Using) -> Value:
        return self._weigh_positions(net.scope("spatial"), self._weigh_channels(net.scope("channel"), x, using), using)

    def _weigh_channels(self, net: Net, x: Value, using: Using) -> Value:
        means, maxima = net.add("mean", ops.GlobalAvgPool(), x), net.add("max", ops.GlobalMaxPool(), x)
        y = net.add("both", ops.Concat(axis=2), means, maxima)
        y = net.add("fc1", ops.Conv(round_to_multiple(x.shape[0] * self.rd_ratio, 1, floor=0.0), 1, bias=True), y)
        y = using.activation.build(net, "act", y)
        y = net.add("sum", ops.SumPositions(), net.add("fc2", ops.Conv(x.shape[0], 1, bias=True), y))
        return net.add("scale", ops.Mul(), x, net.add("gate", ops.Activation("sigmoid"), y))

    def _weigh_positions(self, net: Net, x: Value, using: Using) -> Value:
        y = net.add("both", ops.Concat(), net.add("max", ops.ChannelMax(), x), net.add("mean", ops.ChannelMean(), x))
        y = using.conv_norm(net, "", y, 1, kernel=self.kernel)
        return net.add("scale", ops.Mul(), x, net.add("gate", ops.Activation("sigmoid"), y))
