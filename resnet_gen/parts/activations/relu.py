"""The rectified linear unit."""

from typing import ClassVar, Literal

from resnet_gen.graph import Net, Value
from resnet_gen.ops import Activation, Function
from resnet_gen.parts.base import ActivationPart


class Relu(ActivationPart):
    """max(x, 0) (Nair and Hinton 2010)."""

    kind: Literal["relu"] = "relu"
    function: ClassVar[Function] = "relu"

    def build(self, net: Net, name: str, x: Value) -> Value:
        return net.add(name, Activation(self.function), x)
