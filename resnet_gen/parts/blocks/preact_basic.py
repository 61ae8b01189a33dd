"""The two-layer pre-activation block."""

from typing import ClassVar, Literal

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Block, Place, Sliding, Trait, Using


class PreactBasic(Block):
    """Norm and activation before each of two 3x3 convolutions (He et al. 2016, Fig. 1b).

    Where the shape changes, the shortcut starts from the activated input; norm
    and activation follow the last block, and the stem has none.
    """

    kind: Literal["preact_basic"] = "preact_basic"
    preactivated: ClassVar[bool] = True
    takes: ClassVar[frozenset[Trait]] = frozenset({"attention", "dilation"})

    def build(self, net: Net, x: Value, place: Place, using: Using) -> Value:
        active = using.norm_act(net, "1", x)
        first = Sliding(stride=place.stride, dilation=place.entering_dilation)
        y = using.conv(net, "conv1", active, place.width, kernel=3, **first)
        y = using.norm_act(net, "2", y)
        y = using.conv(net, "conv2", y, place.width, kernel=3, dilation=place.dilation)
        around = active if using.shortcut.changes(x, y, place.stride) else x
        y = using.attend(net, y, x)
        return using.shortcut.join(net, around, y, place=place, using=using)
