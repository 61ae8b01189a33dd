"""Average pooling against aliasing."""

from typing import Literal

from resnet_gen.graph import Net, Value
from resnet_gen.ops import AvgPool
from resnet_gen.parts.base import AntiAlias


class Average(AntiAlias):
    """A dense window, then average pooling at the stride (Lee et al. 2020, Assembled CNN, Sec. 3.1).

    In the stem it stands instead of max pooling.
    """

    kind: Literal["average"] = "average"

    def stride(self, stride: int) -> int:
        return 1

    def after(self, net: Net, x: Value, stride: int) -> Value:
        return net.add("aa", AvgPool(stride, stride), x) if stride > 1 else x

    def max_pool(self, net: Net, x: Value) -> Value:
        return net.add("pool", AvgPool(2, 2), x)
