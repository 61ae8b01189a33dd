"""The three-layer residual block."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Channels, Place, Sliding, Trait, Using
from resnet_gen.parts.blocks.narrowed import Narrowed
from resnet_gen.problems import several

Pair = Annotated[tuple[Channels, Channels], Field(strict=False)]


class Bottleneck(Narrowed):
    """1x1, 3x3 and 1x1 convolutions and a shortcut (He et al. 2015, Fig. 5 right).

    With groups it is ResNeXt's (Xie et al. 2016, Fig. 3c).
    """

    kind: Literal["bottleneck"] = "bottleneck"
    takes: ClassVar[frozenset[Trait]] = frozenset({"attention", "antialias", "dilation"})
    stride_on: Literal["conv1", "conv2"] = Field(
        "conv2", description="Which convolution takes the stride: `conv1` in the paper (v1), `conv2` in v1.5."
    )
    reduce_first: int = Field(1, ge=1, le=64, description="By how much fewer filters the first convolution has.")
    inner: Annotated[tuple[Pair, ...], Field(strict=False, max_length=8_192)] = Field(
        (),
        description="Filters of the first two convolutions where they are pruned: a pair for each block of the "
        "network, in order, in an override too, whose blocks take those of their numbers.",
    )

    def check(self, depths: Sequence[int]) -> str | None:
        if self.inner and len(self.inner) != sum(depths):
            return f"'inner' has {several(len(self.inner), 'pair')} for {several(sum(depths), 'block')}"
        return None

    def unread(self) -> dict[str, str]:
        return dict.fromkeys(("base_width", "reduce_first"), "'inner' says the filters") if self.inner else {}

    def strides(self, place: Place) -> tuple[int, int]:
        return (place.stride, 1) if self.stride_on == "conv1" else (1, place.stride)

    def inside(self, place: Place) -> tuple[int, int]:
        if self.inner:
            return self.inner[place.number]
        _, second = super().inside(place)
        return second // self.reduce_first, second

    def spatial(self, net: Net, y: Value, x: Value, place: Place, using: Using, stride: int) -> Value:
        window = Sliding(stride=using.antialias.stride(stride), groups=self.groups, dilation=place.entering_dilation)
        y = using.conv_norm_act(net, "2", y, self.inside(place)[1], kernel=3, **window)
        return using.antialias.after(net, y, stride)
