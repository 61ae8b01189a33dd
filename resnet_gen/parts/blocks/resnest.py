"""The bottleneck of split attention."""

from typing import ClassVar, Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.ops import Activation, Add, AvgPool, Conv, GlobalAvgPool, Mul, SplitSoftmax, TakeChannels
from resnet_gen.parts.base import Place, Sliding, Trait, Using
from resnet_gen.parts.blocks.narrowed import Narrowed
from resnet_gen.parts.rounding import round_to_multiple


class ResNeSt(Narrowed):
    """A bottleneck of split attention (Zhang et al. 2020, ResNeSt, Fig. 2 right).

    Its 3x3 convolution has `radix` splits that compete for each channel, and
    average pooling shrinks the map.
    """

    kind: Literal["resnest"] = "resnest"
    takes: ClassVar[frozenset[Trait]] = frozenset({"dilation"})
    radix: int = Field(2, ge=1, le=16, description="Splits of each group.")
    pool_first: bool = Field(False, description="Shrink the map before the 3x3 convolution, not behind it.")

    def spatial(self, net: Net, y: Value, x: Value, place: Place, using: Using, stride: int) -> Value:
        if stride > 1 and self.pool_first:
            y = net.add("avd", AvgPool(3, stride, 1), y)
        y = self._split_attention(net.scope("conv2"), y, place, using)
        if stride > 1 and not self.pool_first:
            y = net.add("avd", AvgPool(3, stride, 1), y)
        return y

    def _split_attention(self, net: Net, x: Value, place: Place, using: Using) -> Value:
        width = self.inside(place)[1]
        window = Sliding(groups=self.groups * self.radix, dilation=place.entering_dilation)
        y = using.conv_norm_act(net, "", x, width * self.radix, kernel=3, **window)
        splits = self._take_splits(net, "split", y, width)
        weights = self._build_weights(net.scope(role="attention"), _sum(net, "sum", splits), x.shape[0], using)
        weighed = [
            net.add(f"weighed.{i}", Mul(), split, weight)
            for i, (split, weight) in enumerate(
                zip(splits, self._take_splits(net, "weight", weights, width), strict=True)
            )
        ]
        return _sum(net, "joined", weighed)

    def _take_splits(self, net: Net, name: str, x: Value, width: int) -> list[Value]:
        if self.radix == 1:
            return [x]
        return [net.add(f"{name}.{i}", TakeChannels(i * width, (i + 1) * width), x) for i in range(self.radix)]

    def _build_weights(self, net: Net, x: Value, entering: int, using: Using) -> Value:
        """A weight for each channel of each split, from the channels' means."""
        reduced = round_to_multiple(entering * self.radix / 4, 8, least=32)
        y = net.add("pool", GlobalAvgPool(), x)
        y = using.normed(net, "norm1", net.add("fc1", Conv(reduced, 1, groups=self.groups, bias=True), y))
        y = using.activation.build(net, "act1", y)
        y = net.add("fc2", Conv(x.shape[0] * self.radix, 1, groups=self.groups, bias=True), y)
        if self.radix == 1:
            return net.add("gate", Activation("sigmoid"), y)
        return net.add("softmax", SplitSoftmax(self.radix, self.groups), y)


def _sum(net: Net, name: str, values: list[Value]) -> Value:
    total = values[0]
    for number, value in enumerate(values[1:], 1):
        total = net.add(f"{name}.{number}", Add(), total, value)
    return total
