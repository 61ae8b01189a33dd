"""What stems share: the pooling that ends most of them."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.ops import MaxPool
from resnet_gen.parts.base import Stem, Using

Pooling: TypeAlias = Literal["max", "max_ceil", "max_zero_pad", "conv", "none"]


class PooledStem(Stem):
    """A stem whose convolutions are followed by what halves the map once more."""

    pool: Pooling = Field(
        "max",
        description="What halves the map at the end: 3x3 max pooling (`max`), the same without padding but with "
        "windows that hang over the end (`max_ceil`), or with zeros as padding (`max_zero_pad`); a strided 3x3 "
        "convolution with norm and activation (`conv`); or nothing (`none`).",
    )

    @property
    def shrinks(self) -> int:
        return 2 if self.pool == "none" else 4

    def add_pooling(self, net: Net, x: Value, using: Using) -> Value:
        """Add the pooling."""
        match self.pool:
            case "max":
                return using.antialias.max_pool(net, x)
            case "max_ceil":
                return net.add("pool", MaxPool(kernel=3, stride=2, ceil=True), x)
            case "max_zero_pad":
                return net.add("pool", MaxPool(kernel=3, stride=2, padding=1, zeros=True), x)
            case "conv":
                return self._add_convolution(net.scope("pool"), x, using)
        return x

    def _add_convolution(self, net: Net, x: Value, using: Using) -> Value:
        y = using.conv(net, "conv", x, x.shape[0], kernel=3, stride=using.antialias.stride(2))
        return using.norm_act(net, "", using.antialias.after(net, y, 2))
