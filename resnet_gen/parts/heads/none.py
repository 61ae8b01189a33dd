"""No head."""

from typing import Literal

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Head, Using


class NoHead(Head):
    """The last feature map, or those that `outputs` names (Lin et al. 2016, Feature Pyramid Networks, Sec. 3)."""

    kind: Literal["none"] = "none"

    def build(self, net: Net, x: Value, using: Using) -> dict[str, Value]:
        return {"features": x}
