"""The two-layer residual block."""

from typing import ClassVar, Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Block, Place, Trait, Using


class Basic(Block):
    """Two 3x3 convolutions and a shortcut (He et al. 2015, Fig. 5 left)."""

    kind: Literal["basic"] = "basic"
    takes: ClassVar[frozenset[Trait]] = frozenset({"attention", "antialias", "dilation"})
    active_branch: bool = Field(
        False, description="Activate the branch before its attention too, as the first SE-ResNet-18 does."
    )

    def build(self, net: Net, x: Value, place: Place, using: Using) -> Value:
        stride = using.antialias.stride(place.stride)
        y = using.conv_norm_act(net, "1", x, place.width, kernel=3, stride=stride, dilation=place.entering_dilation)
        y = using.antialias.after(net, y, place.stride)
        y = using.conv_norm(net, "2", y, place.width, kernel=3, dilation=place.dilation)
        if self.active_branch:
            y = using.activation.build(net, "branch_act", y)
        y = using.attend(net, y, x)
        y = using.shortcut.join(net, x, y, place=place, using=using)
        return using.activation.build(net, "act2", y)
