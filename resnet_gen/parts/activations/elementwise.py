"""Elementwise activations without settings, and leaky ReLU with its slope."""

from typing import ClassVar, Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.ops import Activation, Function
from resnet_gen.parts.base import ActivationPart


class Relu(ActivationPart):
    """max(x, 0) (Nair and Hinton 2010)."""

    kind: Literal["relu"] = "relu"
    function: ClassVar[Function] = "relu"

    def build(self, net: Net, name: str, x: Value) -> Value:
        return net.add(name, Activation(self.function), x)


class Silu(Relu):
    """x * sigmoid(x), also called swish (Elfwing et al. 2017)."""

    kind: Literal["silu"] = "silu"  # type: ignore[assignment]
    function: ClassVar[Function] = "silu"


class Tanh(Relu):
    """The hyperbolic tangent (LeCun et al. 1998)."""

    kind: Literal["tanh"] = "tanh"  # type: ignore[assignment]
    function: ClassVar[Function] = "tanh"


class LeakyRelu(ActivationPart):
    """x where positive, slope * x elsewhere (Maas et al. 2013)."""

    kind: Literal["leaky_relu"] = "leaky_relu"
    function: ClassVar[Function] = "leaky_relu"
    slope: float = Field(0.01, ge=0, lt=1, description="Slope on the negative side.")

    def build(self, net: Net, name: str, x: Value) -> Value:
        return net.add(name, Activation(self.function, self.slope), x)
