"""The identity shortcut."""

from typing import Literal

from resnet_gen.graph import Net, Value
from resnet_gen.ops.base import format_shape
from resnet_gen.parts.base import Place, Shortcut, Using


class Identity(Shortcut):
    """The input itself, for blocks that keep its shape (He et al. 2015, Eq. 1)."""

    kind: Literal["identity"] = "identity"

    def changes(self, x: Value, branch: Value, stride: int) -> bool:
        return x.shape != branch.shape

    def bridge(self, net: Net, x: Value, branch: Value, *, place: Place, using: Using) -> Value:
        if self.changes(x, branch, place.stride):
            words = f"an identity shortcut cannot turn {format_shape(x.shape)} into {format_shape(branch.shape)}"
            raise net.refusal(words, "use 'projection', 'projection_all' or 'zero_pad'")
        return x
