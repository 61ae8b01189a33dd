"""Projections where the shape changes."""

from typing import Literal

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Place, Shortcut, Using


class Projection(Shortcut):
    """Identity, and a 1x1 convolution where the shape changes: option B (He et al. 2015, Sec. 3.3)."""

    kind: Literal["projection"] = "projection"

    def window(self, place: Place) -> dict[str, int]:
        """Kernel, stride and dilation of the projection."""
        return {"kernel": 1, "stride": place.stride}

    def bridge(self, net: Net, x: Value, branch: Value, *, place: Place, using: Using) -> Value:
        if not self.changes(x, branch, place.stride):
            return x
        if using.bare_shortcut:
            return using.conv(net, "conv", x, branch.shape[0], **self.window(place))
        return using.conv_norm(net, "", x, branch.shape[0], **self.window(place))
