"""RegNet's block with pre-activation."""

from typing import ClassVar, Literal

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Place, Sliding, Using
from resnet_gen.parts.blocks.grouped import Grouped


class PreactRegNet(Grouped):
    """Norm and activation before each convolution of RegNet's block (timm/models/regnet.py, RegNet-V).

    The shortcut always starts from the activated input, and an activation
    follows the last block.
    """

    kind: Literal["preact_regnet"] = "preact_regnet"
    preactivated: ClassVar[bool] = True

    def build(self, net: Net, x: Value, place: Place, using: Using) -> Value:
        inside = self.inside(place)
        active = using.norm_act(net, "1", x)
        y = using.conv(net, "conv1", active, inside, kernel=1)
        y = using.norm_act(net, "2", y)
        window = Sliding(stride=place.stride, groups=self.groups(inside)[0], dilation=place.entering_dilation)
        y = using.conv(net, "conv2", y, inside, kernel=3, **window)
        y = using.attend(net, y, x)
        y = using.norm_act(net, "3", y)
        y = using.conv(net, "conv3", y, place.width, kernel=1)
        return using.shortcut.join(net, active, y, place=place, using=using)

    def finish(self, net: Net, x: Value, using: Using) -> Value:
        return using.activation.build(net, "act", x)
