"""The bottleneck of hierarchical scales."""

from typing import ClassVar, Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.ops import Add, AvgPool, Concat, TakeChannels
from resnet_gen.parts.base import Place, Sliding, Trait, Using
from resnet_gen.parts.blocks.narrowed import Narrowed


class Res2Net(Narrowed):
    """A bottleneck whose 3x3 convolution is a chain of small ones (Gao et al. 2019, Res2Net, Fig. 2b).

    Each adds what the one before outputs to its share of the channels.
    Where the shape changes the links stand alone, and the channels that none
    takes are averaged.
    """

    kind: Literal["res2net"] = "res2net"
    takes: ClassVar[frozenset[Trait]] = frozenset({"attention", "dilation"})
    base_width: int = Field(26, ge=1, le=65_536, description="A link has floor(width * base_width / 64) * groups.")
    scales: int = Field(4, ge=2, le=64, description="Parts that the channels are split into.")

    def inside(self, place: Place) -> tuple[int, int]:
        _, link = super().inside(place)
        return link * self.scales, link

    def spatial(self, net: Net, y: Value, x: Value, place: Place, using: Using, stride: int) -> Value:
        width = self.inside(place)[1]
        parts = [net.add(f"split.{i}", TakeChannels(i * width, (i + 1) * width), y) for i in range(self.scales)]
        changed = stride > 1 or x.shape[0] != place.width * self.expansion
        ends: list[Value] = []
        for number, part in enumerate(parts[:-1]):
            inner = part if changed or not ends else net.add(f"sum.{number}", Add(), ends[-1], part)
            ends.append(self._build_link(net, number, inner, place, using, stride))
        last = net.add("rest", AvgPool(3, stride, 1), parts[-1]) if changed else parts[-1]
        return net.add("concat", Concat(), *ends, last)

    def _build_link(self, net: Net, number: int, x: Value, place: Place, using: Using, stride: int) -> Value:
        window = Sliding(stride=stride, groups=self.groups, dilation=place.entering_dilation)
        y = using.conv(net, f"convs.{number}", x, self.inside(place)[1], kernel=3, **window)
        y = using.normed(net, f"norms.{number}", y)
        return using.activation.build(net, f"acts.{number}", y)
