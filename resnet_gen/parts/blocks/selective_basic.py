"""The two-layer block with a selective kernel."""

from typing import ClassVar, Literal

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Place, Trait, Using
from resnet_gen.parts.blocks.selective import Selective


class SelectiveBasic(Selective):
    """A selective kernel, a 3x3 convolution and a shortcut: timm's skresnet18 (after Li et al. 2019, SKNet)."""

    kind: Literal["selective_basic"] = "selective_basic"
    takes: ClassVar[frozenset[Trait]] = frozenset({"attention", "dilation"})

    def build(self, net: Net, x: Value, place: Place, using: Using) -> Value:
        y = self.select(net.scope("conv1"), x, place, place.width, using)
        y = using.conv_norm(net, "2", y, place.width, kernel=3, dilation=place.dilation)
        y = using.attend(net, y, x)
        y = using.shortcut.join(net, x, y, place=place, using=using)
        return using.activation.build(net, "act2", y)
