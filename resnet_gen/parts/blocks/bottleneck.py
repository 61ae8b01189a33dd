"""The three-layer residual block."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Block, Channels, Place, Trait, Using

Pair = Annotated[tuple[Channels, Channels], Field(strict=False)]
Groups = Annotated[int, Field(ge=1, le=65_536)]


class Bottleneck(Block):
    """1x1, 3x3 and 1x1 convolutions and a shortcut (He et al. 2015, Fig. 5 right); with groups, ResNeXt's
    (Xie et al. 2016, Fig. 3c)."""

    kind: Literal["bottleneck"] = "bottleneck"
    takes: ClassVar[frozenset[Trait]] = frozenset({"attention", "antialias", "dilation"})
    expansion: int = Field(4, ge=1, le=64, description="Filters of the last convolution, over the block's width.")
    stride_on: Literal["conv1", "conv2"] = Field(
        "conv2", description="Which convolution takes the stride: `conv1` in the paper (v1), `conv2` in v1.5."
    )
    groups: Groups = Field(1, description="Groups of the 3x3 convolution (ResNeXt's cardinality).")
    base_width: int = Field(64, ge=1, le=65_536, description="Its filters are floor(width * base_width / 64) * groups.")
    reduce_first: int = Field(1, ge=1, le=64, description="By how much fewer filters the first convolution has.")
    inner: Annotated[tuple[Pair, ...], Field(strict=False, max_length=8_192)] = Field(
        (), description="Filters of the first two convolutions of each block of the network, where they are pruned."
    )

    def check(self, depths: Sequence[int]) -> str | None:
        if self.inner and len(self.inner) != sum(depths):
            return f"'inner' has {len(self.inner)} pairs for {sum(depths)} blocks"
        return None

    def strides(self, place: Place) -> tuple[int, int]:
        """Strides of the first and the second convolution."""
        return (place.stride, 1) if self.stride_on == "conv1" else (1, place.stride)

    def inside(self, place: Place) -> tuple[int, int]:
        """Filters of the first and the second convolution."""
        if self.inner:
            return self.inner[place.number]
        second = place.width * self.base_width // 64 * self.groups
        return second // self.reduce_first, second

    def build(self, net: Net, x: Value, place: Place, using: Using) -> Value:
        first, second = self.strides(place)
        y = using.conv_norm_act(net, "1", x, self.inside(place)[0], kernel=1, stride=first)
        y = self.spatial(net, y, x, place, using, second)
        y = using.conv_norm(net, "3", y, place.width * self.expansion, kernel=1)
        y = using.attend(net, y, x)
        y = using.shortcut.join(net, x, y, place=place, using=using)
        return using.activation.build(net, "act3", y)

    def spatial(self, net: Net, y: Value, x: Value, place: Place, using: Using, stride: int) -> Value:
        """The layers between the two 1x1 convolutions on `y`, which shrink the map by `stride`; `x` entered the block."""
        window = {"stride": using.antialias.stride(stride), "groups": self.groups, "dilation": place.entering_dilation}
        y = using.conv_norm_act(net, "2", y, self.inside(place)[1], kernel=3, **window)
        return using.antialias.after(net, y, stride)
