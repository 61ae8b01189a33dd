"""Global pooling and one linear layer."""

from typing import Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.ops import Conv, Flatten, GlobalAvgPool, Linear
from resnet_gen.ops.limits import CLASSES
from resnet_gen.parts.base import Channels, Head, Using
from resnet_gen.parts.heads.scores import add_score_outputs


class LinearHead(Head):
    """Global average pooling and a linear layer (He et al. 2015, Table 1)."""

    kind: Literal["linear"] = "linear"
    classes: int = Field(1000, ge=CLASSES.least, le=CLASSES.most, description="Scores that come out.")
    softmax: bool = Field(False, description="Output probabilities rather than logits.")
    features: Channels | None = Field(
        None, description="Filters of a 1x1 convolution, with norm and activation, before the pooling."
    )
    activation: bool = Field(False, description="Activate the last map before the pooling, for linear blocks.")
    conv: bool = Field(False, description="Write the linear layer as a 1x1 convolution, as BiT does.")

    def build(self, net: Net, x: Value, using: Using) -> dict[str, Value]:
        if self.activation:
            x = using.activation.build(net, "first_act", x)
        if self.features:
            x = using.conv_norm_act(net.scope("features"), "", x, self.features, kernel=1)
        x = net.add("pool", GlobalAvgPool(), x)
        if self.conv:
            x = net.add("fc", Conv(self.classes, 1, bias=True), x)
            return add_score_outputs(net, net.add("flatten", Flatten(), x), self.softmax)
        x = net.add("flatten", Flatten(), x)
        return add_score_outputs(net, net.add("fc", Linear(self.classes), x), self.softmax)
