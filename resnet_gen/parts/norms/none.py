"""No normalization."""

from typing import ClassVar, Literal

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Norm


class NoNorm(Norm):
    """No normalization: convolutions carry a bias instead (Simonyan and Zisserman 2014)."""

    kind: Literal["none"] = "none"
    replaces_bias: ClassVar[bool] = False

    def build(self, net: Net, name: str, x: Value) -> Value:
        return x
