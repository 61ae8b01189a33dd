"""Squeeze and excitation."""

from typing import Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.ops import Activation, Conv, GlobalAvgPool, Mul
from resnet_gen.parts.base import Attention, Using
from resnet_gen.parts.rounding import round_to_multiple


class SqueezeExcite(Attention):
    """Channels weighed by two layers on their means (Hu et al. 2017, Fig. 2)."""

    kind: Literal["se"] = "se"
    rd_ratio: float = Field(1 / 16, gt=0, le=4, description="Channels between the two layers, over those of `rd_of`.")
    rd_divisor: int = Field(
        8, ge=1, le=1024, description="Rounds them to a multiple of it; 1 to the nearest whole number, ties to even."
    )
    rd_of: Literal["branch", "block_input"] = Field(
        "branch", description="Whose channels are reduced; RegNets take those that enter the block."
    )
    activation: Literal["relu", "network"] = Field(
        "relu", description="Activation between the two layers: ReLU, or the network's own."
    )

    def reduce_channels(self, channels: int) -> int:
        """Channels between the two layers."""
        wanted = channels * self.rd_ratio
        return round(wanted) if self.rd_divisor == 1 else round_to_multiple(wanted, self.rd_divisor, floor=0.0)

    def build(self, net: Net, x: Value, *, block_input: Value, using: Using) -> Value:
        of = x if self.rd_of == "branch" else block_input
        width = self.reduce_channels(of.shape[0])
        if width < 1:
            message = f"a ratio of {self.rd_ratio:g} leaves none of {of.shape[0]} channels"
            raise net.within("rd_ratio").refusal(message, "raise 'rd_ratio'")
        y = net.add("pool", GlobalAvgPool(), x)
        y = net.add("fc1", Conv(width, 1, bias=True), y)
        own = self.activation == "network"
        y = using.activation.build(net, "act", y) if own else net.add("act", Activation("relu"), y)
        y = net.add("fc2", Conv(x.shape[0], 1, bias=True), y)
        return net.add("scale", Mul(), x, net.add("gate", Activation("sigmoid"), y))
