"""Several linear layers, as in VGG."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from resnet_gen.graph import Net, Value
from resnet_gen.ops import AvgPool, Conv, Flatten, GlobalAvgPool, Linear
from resnet_gen.ops.limits import CLASSES
from resnet_gen.parts.base import ActivationPart, Channels, Head, Using
from resnet_gen.parts.heads.scores import add_score_outputs
from resnet_gen.parts.registry import OneOf


class MlpHead(Head):
    """Hidden linear layers with activations, then the scores: VGG's three (Simonyan and Zisserman 2014, Table 1)."""

    kind: Literal["mlp"] = "mlp"
    classes: int = Field(1000, ge=CLASSES.least, le=CLASSES.most, description="Scores that come out.")
    pool: Annotated[int, Field(ge=1, le=1024)] | Literal["none"] = Field(
        7,
        description="Side of the map that the first layer sees: 1 averages any map, others maps that are a multiple "
        "of it; `none` leaves the map as it is.",
    )
    hidden: Annotated[tuple[Channels, ...], Field(strict=False, max_length=16)] = Field(
        (4096, 4096), description="Widths of the hidden layers."
    )
    activation: Annotated[ActivationPart, OneOf()] | None = Field(
        None, description="Nonlinearity behind each hidden layer; the network's without it."
    )
    softmax: bool = Field(False, description="Output probabilities rather than logits.")
    conv: bool = Field(
        False,
        description="Write the hidden layers as convolutions over the map, whose results are averaged, as timm does.",
    )

    @model_validator(mode="after")
    def _check_window(self) -> MlpHead:
        if self.conv and self.pool == "none":
            raise PydanticCustomError("window", "convolutions need a side", {"at": "pool", "hint": "write the map's"})
        return self

    def unread(self) -> dict[str, str]:
        if self.hidden:
            return {}
        more = "conv" if self.pool == 1 else "pool" if self.conv else "activation"
        return dict.fromkeys(("activation", more), "'hidden' has no layers")

    def build(self, net: Net, x: Value, using: Using) -> dict[str, Value]:
        x = self._add_convolutions(net, x, using) if self.conv else self._add_layers(net, x, using)
        x = net.add(f"fc{len(self.hidden) + 1}", Linear(self.classes), x)
        return add_score_outputs(net, x, self.softmax)

    def _add_layers(self, net: Net, x: Value, using: Using) -> Value:
        x = net.add("flatten", Flatten(), self._add_pooling(net, x))
        for number, width in enumerate(self.hidden, 1):
            x = net.add(f"fc{number}", Linear(width), x)
            x = self._add_activation(net, number, x, using)
        return x

    def _add_convolutions(self, net: Net, x: Value, using: Using) -> Value:
        assert self.pool != "none", "checked with the spec"
        for number, width in enumerate(self.hidden, 1):
            x = net.add(f"fc{number}", Conv(width, self.pool if number == 1 else 1, bias=True), x)
            x = self._add_activation(net, number, x, using)
        return net.add("flatten", Flatten(), net.add("pool", GlobalAvgPool(), x))

    def _add_activation(self, net: Net, number: int, x: Value, using: Using) -> Value:
        return (self.activation or using.activation).build(net, f"act{number}", x)

    def _add_pooling(self, net: Net, x: Value) -> Value:
        _, h, w = x.shape
        if self.pool == "none":
            return x
        if self.pool == 1:
            return net.add("pool", GlobalAvgPool(), x)
        to = f"{self.pool}x{self.pool}"
        if h % self.pool or w % self.pool:
            hint = f"choose an input size that leaves a map of {self.pool}, {2 * self.pool}, ..., or another 'pool'"
            raise net.refusal(f"a map of {h}x{w} cannot be averaged evenly to {to}", hint)
        side = h // self.pool
        if h != w:
            hint = "choose a square input size; 'pool: 1' averages any map, and 'pool: none' takes it as it is"
            windows = f"windows of {side}x{w // self.pool}, and windows are square"
            raise net.refusal(f"a map of {h}x{w} is averaged to {to} by {windows}", hint)
        return net.add("pool", AvgPool(side, side), x) if side > 1 else x
