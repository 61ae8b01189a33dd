"""Projection shortcuts: options B and C."""

from typing import Literal

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Shortcut, Using


class Projection(Shortcut):
    """Identity, and a 1x1 convolution where the shape changes: option B (He et al. 2015, Sec. 3.3)."""

    kind: Literal["projection"] = "projection"

    def bridge(self, net: Net, x: Value, branch: Value, *, stride: int, using: Using) -> Value:
        if not self.changes(x, branch):
            return x
        if using.bare_shortcut:
            return using.conv(net, "conv", x, branch.shape[0], kernel=1, stride=stride)
        return using.conv_norm(net, "", x, branch.shape[0], kernel=1, stride=stride)


class ProjectionAll(Projection):
    """A 1x1 convolution on every shortcut: option C (He et al. 2015, Sec. 4.1)."""

    kind: Literal["projection_all"] = "projection_all"  # type: ignore[assignment]

    def changes(self, x: Value, branch: Value) -> bool:
        return True
