"""The two heads of AlphaGo Zero."""

from typing import Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.ops import Activation, Flatten, Linear
from resnet_gen.parts.base import Channels, Head, Using


class PolicyValue(Head):
    """A logit for each move, and the value of the position in -1..1 (Silver et al. 2017, Methods).

    Each comes from a 1x1 convolution of its own; the policy from one linear
    layer behind it, the value from two.
    """

    kind: Literal["policy_value"] = "policy_value"
    moves: int = Field(362, ge=1, le=10_000_000, description="Moves that get a logit: each point, and passing.")
    policy_filters: Channels = Field(2, description="Filters of the policy's convolution.")
    value_filters: Channels = Field(1, description="Filters of the value's convolution.")
    hidden: Channels = Field(256, description="Width of the value's hidden layer.")

    def build(self, net: Net, x: Value, using: Using) -> dict[str, Value]:
        return {
            "policy": self._build_policy(net.scope("policy"), x, using),
            "value": self._build_value(net.scope("value"), x, using),
        }

    def _build_policy(self, net: Net, x: Value, using: Using) -> Value:
        x = using.conv_norm_act(net, "", x, self.policy_filters, kernel=1)
        return net.add("fc", Linear(self.moves), net.add("flatten", Flatten(), x))

    def _build_value(self, net: Net, x: Value, using: Using) -> Value:
        x = using.conv_norm_act(net, "", x, self.value_filters, kernel=1)
        x = net.add("fc1", Linear(self.hidden), net.add("flatten", Flatten(), x))
        x = net.add("fc2", Linear(1), using.activation.build(net, "act1", x))
        return net.add("tanh", Activation("tanh"), x)
