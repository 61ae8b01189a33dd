"""The exponential linear unit."""

from typing import ClassVar, Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.ops import Activation, Function
from resnet_gen.parts.base import ActivationPart


class Elu(ActivationPart):
    """x where positive, alpha * (exp(x) - 1) elsewhere (Clevert et al. 2015)."""

    kind: Literal["elu"] = "elu"
    function: ClassVar[Function] = "elu"
    alpha: float = Field(1.0, gt=0, le=100, description="What large negative inputs come near to, but for its sign.")

    def build(self, net: Net, name: str, x: Value) -> Value:
        return net.add(name, Activation(self.function, self.alpha), x)
