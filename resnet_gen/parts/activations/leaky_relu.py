"""The leaky rectified linear unit."""

from typing import ClassVar, Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.ops import Activation, Function
from resnet_gen.parts.base import ActivationPart


class LeakyRelu(ActivationPart):
    """x where positive, slope * x elsewhere (Maas et al. 2013)."""

    kind: Literal["leaky_relu"] = "leaky_relu"
    function: ClassVar[Function] = "leaky_relu"
    slope: float = Field(0.01, ge=0, lt=1, description="Slope on the negative side.")

    def build(self, net: Net, name: str, x: Value) -> Value:
        return net.add(name, Activation(self.function, self.slope), x)
