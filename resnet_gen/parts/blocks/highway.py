"""The highway layer."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Block, OddKernel, Place, Using
from resnet_gen.parts.shortcuts.gated import gated_sum


class Highway(Block):
    """y = H(x) T(x) + x (1 - T(x)), T a convolution and a sigmoid (Srivastava et al. 2015, Eq. 3).

    Where the shape changes there is nothing to carry and the layer is H alone.
    """

    has_shortcut: ClassVar[bool] = False
    kind: Literal["highway"] = "highway"
    kernels: Annotated[tuple[OddKernel, ...], Field(strict=False, min_length=1, max_length=16)] = Field(
        (3,), description="Sides of the windows of successive layers, repeated over the stage."
    )
    gate_bias: float = Field(
        -2.0, ge=-100, le=100, description="Where the gate's bias starts; negative favours carrying."
    )

    def build(self, net: Net, x: Value, place: Place, using: Using) -> Value:
        kernel = self.kernels[place.index % len(self.kernels)]
        y = using.conv(net, "conv", x, place.width, kernel=kernel, stride=place.stride, bias=True)
        y = using.norm_act(net, "", y)
        if y.shape != x.shape:
            return y
        return gated_sum(net, x, x, y, kernel=kernel, stride=1, bias=self.gate_bias)
