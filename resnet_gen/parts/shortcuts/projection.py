"""Projections where the shape changes."""

from typing import Literal

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Place, Shortcut, Sliding, Using


class Projection(Shortcut):
    """Identity, and a 1x1 convolution where the shape changes: option B (He et al. 2015, Sec. 3.3)."""

    kind: Literal["projection"] = "projection"

    def window(self, place: Place) -> tuple[int, Sliding]:
        """The projection's kernel, and how it slides."""
        return 1, Sliding(stride=place.stride)

    def bridge(self, net: Net, x: Value, branch: Value, *, place: Place, using: Using) -> Value:
        if not self.changes(x, branch, place.stride):
            return x
        kernel, window = self.window(place)
        if using.bare_shortcut:
            return using.conv(net, "conv", x, branch.shape[0], kernel=kernel, **window)
        return using.conv_norm(net, "", x, branch.shape[0], kernel=kernel, **window)
