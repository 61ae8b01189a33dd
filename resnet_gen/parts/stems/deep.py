"""The stem of three small convolutions."""

from typing import Annotated, Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Channels, Using
from resnet_gen.parts.stems.pooled import PooledStem


class Deep(PooledStem):
    """3x3 convolutions, the first at stride 2, then max pooling (He et al. 2018, ResNet-C, Fig. 2b).

    With widths that rise it is timm's tiered stem.
    """

    kind: Literal["deep"] = "deep"
    widths: Annotated[tuple[Channels, ...], Field(strict=False, min_length=1, max_length=16)] = Field(
        (32, 32, 64), description="Filters of the convolutions."
    )

    def build(self, net: Net, x: Value, using: Using, *, bare: bool) -> Value:
        last = len(self.widths)
        for number, width in enumerate(self.widths, 1):
            x = using.conv(net, f"conv{number}", x, width, kernel=3, stride=2 if number == 1 else 1)
            if number < last or not bare:
                x = using.norm_act(net, str(number), x)
        return self.add_pooling(net, x, using)
