"""The gated shortcut of highway networks."""

from typing import Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.ops import Activation, Add, Conv, Mul, OneMinus
from resnet_gen.parts.base import OddKernel, Place, Using
from resnet_gen.parts.shortcuts.projection import Projection


def _build_gate(net: Net, x: Value, width: int, *, kernel: int, stride: int, bias: float) -> Value:
    conv = Conv(width, kernel, stride, kernel // 2, bias=True, bias_fill=bias)
    return net.add("act", Activation("sigmoid"), net.add("conv", conv, x))


def gated_sum(
    net: Net, x: Value, around: Value, branch: Value, *, kernel: int, stride: int, bias: float, coupled: bool = True
) -> Value:
    """Branch * T(x) + around * C(x); `coupled` makes C = 1 - T, else C has weights of its own."""
    width = branch.shape[0]
    gates = net.scope(role="gate")
    transform = _build_gate(gates.scope("transform"), x, width, kernel=kernel, stride=stride, bias=bias)
    if coupled:
        carry = gates.add("carry", OneMinus(), transform)
    else:
        carry = _build_gate(gates.scope("carry"), x, width, kernel=kernel, stride=stride, bias=-bias)
    kept = net.add("transformed", Mul(), branch, transform)
    return net.add("add", Add(), kept, net.add("carried", Mul(), around, carry))


class Gated(Projection):
    """Branch and shortcut each weighted by a gate (Srivastava et al. 2015, Eq. 2; He et al. 2016, Fig. 2c).

    With both gates open it is the residual sum. Where the shape changes, what
    is carried is a projection.
    """

    kind: Literal["gated"] = "gated"  # type: ignore[assignment]
    carry: Literal["coupled", "independent"] = Field(
        "coupled", description="`coupled`: C = 1 - T; `independent`: C has weights of its own."
    )
    kernel: OddKernel = Field(1, description="Side of the gates' windows.")
    bias: float = Field(-2.0, ge=-100, le=100, description="Where the transform gate's bias starts.")

    def join(self, net: Net, x: Value, branch: Value, *, place: Place, using: Using) -> Value:
        around = self._build_bridge(net, x, branch, place=place, using=using)
        coupled, stride = self.carry == "coupled", place.stride
        return gated_sum(net, x, around, branch, kernel=self.kernel, stride=stride, bias=self.bias, coupled=coupled)
