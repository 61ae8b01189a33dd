"""No attention."""

from typing import Literal

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Attention, Using


class NoAttention(Attention):
    """The branch as it is (He et al. 2015, Fig. 2)."""

    kind: Literal["none"] = "none"

    def build(self, net: Net, x: Value, *, block_input: Value, using: Using) -> Value:
        return x
