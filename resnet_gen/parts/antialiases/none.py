"""No anti-aliasing."""

from typing import Literal

from resnet_gen.graph import Net, Value
from resnet_gen.ops import MaxPool
from resnet_gen.parts.base import AntiAlias


class NoAntiAlias(AntiAlias):
    """Strided windows, as they are (He et al. 2015, Table 1)."""

    kind: Literal["none"] = "none"

    def stride(self, stride: int) -> int:
        return stride

    def after(self, net: Net, x: Value, stride: int) -> Value:
        return x

    def max_pool(self, net: Net, x: Value) -> Value:
        return net.add("pool", MaxPool(kernel=3, stride=2, padding=1), x)
