"""A shortcut only where the shape stays."""

from typing import Literal

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Place, Shortcut, Using


class SameShape(Shortcut):
    """Identity where the shape stays, and none at all where it changes (Sandler et al. 2018, MobileNetV2, Fig. 4d)."""

    kind: Literal["same_shape"] = "same_shape"

    def bridge(self, net: Net, x: Value, branch: Value, *, place: Place, using: Using) -> Value:
        return x

    def join(self, net: Net, x: Value, branch: Value, *, place: Place, using: Using) -> Value:
        if self.changes(x, branch, place.stride):
            return branch
        return super().join(net, x, branch, place=place, using=using)
