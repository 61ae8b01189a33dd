"""The identity shortcut."""

from typing import Literal

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Shortcut, Using


class Identity(Shortcut):
    """The input itself, for blocks that keep its shape (He et al. 2015, Eq. 1)."""

    kind: Literal["identity"] = "identity"

    def bridge(self, net: Net, x: Value, branch: Value, *, stride: int, using: Using) -> Value:
        if self.changes(x, branch):
            old, new = ("x".join(map(str, v.shape)) for v in (x, branch))
            hint = "use 'projection', 'projection_all' or 'zero_pad'"
            raise net.refusal(f"an identity shortcut cannot turn {old} into {new}", hint)
        return x
