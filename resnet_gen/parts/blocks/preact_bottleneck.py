"""The three-layer pre-activation block."""

from typing import ClassVar, Literal

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Place, Sliding, Trait, Using
from resnet_gen.parts.blocks.bottleneck import Bottleneck


class PreactBottleneck(Bottleneck):
    """Norm and activation before each of 1x1, 3x3 and 1x1 convolutions (He et al. 2016, Fig. 1b).

    Where the shape changes, the shortcut starts from the activated input; norm
    and activation follow the last block, and the stem has none.
    """

    kind: Literal["preact_bottleneck"] = "preact_bottleneck"  # type: ignore[assignment]
    preactivated: ClassVar[bool] = True
    takes: ClassVar[frozenset[Trait]] = frozenset({"attention", "dilation"})

    def build(self, net: Net, x: Value, place: Place, using: Using) -> Value:
        (first, second), (width1, width2) = self.strides(place), self.inside(place)
        active = using.norm_act(net, "1", x)
        y = using.conv(net, "conv1", active, width1, kernel=1, stride=first)
        y = using.norm_act(net, "2", y)
        window = Sliding(stride=second, groups=self.groups, dilation=place.entering_dilation)
        y = using.conv(net, "conv2", y, width2, kernel=3, **window)
        y = using.norm_act(net, "3", y)
        y = using.conv(net, "conv3", y, place.width * self.expansion, kernel=1)
        around = active if using.shortcut.changes(x, y, place.stride) else x
        y = using.attend(net, y, x)
        return using.shortcut.join(net, around, y, place=place, using=using)
