"""Group normalization."""

from typing import Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.ops import GroupNorm
from resnet_gen.parts.base import Eps, Norm


class Group(Norm):
    """Normalization over groups of channels, without running statistics (Wu and He 2018, Sec. 3.2)."""

    kind: Literal["group"] = "group"
    groups: int = Field(32, ge=1, le=4096, description="Groups that the channels are divided into.")
    eps: Eps = Field(1e-5, description="Added to the variance.")

    def build(self, net: Net, name: str, x: Value) -> Value:
        return net.within("groups").add(name, GroupNorm(self.groups, self.eps), x)
