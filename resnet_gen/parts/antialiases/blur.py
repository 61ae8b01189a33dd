"""Blur pooling."""

from typing import Literal

from resnet_gen.graph import Net, Value
from resnet_gen.ops import BlurPool, MaxPool
from resnet_gen.parts.base import AntiAlias


class Blur(AntiAlias):
    """A dense window, then a 3x3 binomial blur at the stride (Zhang 2019, Fig. 4)."""

    kind: Literal["blur"] = "blur"

    def stride(self, stride: int) -> int:
        return 1

    def after(self, net: Net, x: Value, stride: int) -> Value:
        return net.add("aa", BlurPool(stride), x) if stride > 1 else x

    def max_pool(self, net: Net, x: Value) -> Value:
        return self.after(net, net.add("pool", MaxPool(kernel=3, stride=1, padding=1), x), 2)
