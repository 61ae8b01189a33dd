"""Layer normalization."""

from typing import Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.ops import GroupNorm
from resnet_gen.parts.base import Eps, Norm


class Layer(Norm):
    """Normalization over all channels and positions: group norm with one group (Wu and He 2018, Sec. 3.1)."""

    kind: Literal["layer"] = "layer"
    eps: Eps = Field(1e-5, description="Added to the variance.")

    def build(self, net: Net, name: str, x: Value) -> Value:
        return net.add(name, GroupNorm(1, self.eps), x)
