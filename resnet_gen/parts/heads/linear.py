"""Global pooling and one linear layer."""

from typing import Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.ops import Flatten, GlobalAvgPool, Linear, Softmax
from resnet_gen.parts.base import Head, Using


class LinearHead(Head):
    """Global average pooling and a linear layer (He et al. 2015, Table 1)."""

    kind: Literal["linear"] = "linear"
    classes: int = Field(1000, ge=1, le=10_000_000, description="Scores that come out.")
    softmax: bool = Field(False, description="Put out probabilities rather than logits.")

    def build(self, net: Net, x: Value, using: Using) -> Value:
        x = net.add("pool", GlobalAvgPool(), x)
        x = net.add("flatten", Flatten(), x)
        x = net.add("fc", Linear(self.classes), x)
        return net.add("softmax", Softmax(), x) if self.softmax else x
