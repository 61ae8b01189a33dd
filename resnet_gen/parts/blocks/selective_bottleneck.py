"""The three-layer block with a selective kernel."""

from typing import ClassVar, Literal

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Place, Trait, Using
from resnet_gen.parts.blocks.narrowed import Narrowed
from resnet_gen.parts.blocks.selective import Selective


class SelectiveBottleneck(Narrowed, Selective):
    """A bottleneck whose 3x3 convolution is a selective kernel (Li et al. 2019, SKNet, Table 1)."""

    kind: Literal["selective_bottleneck"] = "selective_bottleneck"
    takes: ClassVar[frozenset[Trait]] = frozenset({"attention", "dilation"})

    def spatial(self, net: Net, y: Value, x: Value, place: Place, using: Using, stride: int) -> Value:
        return self.select(net.scope("conv2"), y, place, self.inside(place)[1], using, self.groups)
