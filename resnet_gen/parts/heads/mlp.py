"""Several linear layers, as in VGG."""

from typing import Annotated, Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.ops import AvgPool, Flatten, Linear, Softmax
from resnet_gen.parts.base import Channels, Head, Using


class MlpHead(Head):
    """Hidden linear layers with activations, then the scores: VGG's three (Simonyan and Zisserman 2014, Table 1)."""

    kind: Literal["mlp"] = "mlp"
    classes: int = Field(1000, ge=1, le=10_000_000, description="Scores that come out.")
    pool: int = Field(
        7,
        ge=1,
        le=1024,
        description="Side of the map that the first layer sees; maps that are a multiple of it are averaged.",
    )
    hidden: Annotated[tuple[Channels, ...], Field(strict=False, max_length=16)] = Field(
        (4096, 4096), description="Widths of the hidden layers."
    )
    softmax: bool = Field(False, description="Put out probabilities rather than logits.")

    def build(self, net: Net, x: Value, using: Using) -> Value:
        x = self._pooled(net, x)
        x = net.add("flatten", Flatten(), x)
        for number, width in enumerate(self.hidden, 1):
            x = net.add(f"fc{number}", Linear(width), x)
            x = using.activation.build(net, f"act{number}", x)
        x = net.add(f"fc{len(self.hidden) + 1}", Linear(self.classes), x)
        return net.add("softmax", Softmax(), x) if self.softmax else x

    def _pooled(self, net: Net, x: Value) -> Value:
        _, h, w = x.shape
        if h != w or h % self.pool:
            hint = f"choose an input size that leaves a map of {self.pool}, {2 * self.pool}, ..., or another 'pool'"
            raise net.refusal(f"a map of {h}x{w} cannot be averaged evenly to {self.pool}x{self.pool}", hint)
        side = h // self.pool
        return net.add("pool", AvgPool(side, side), x) if side > 1 else x
