"""Batch normalization."""

from typing import Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.ops import BatchNorm
from resnet_gen.parts.base import Eps, Norm


class Batch(Norm):
    """Batch normalization, with running statistics (Ioffe and Szegedy 2015)."""

    kind: Literal["batch"] = "batch"
    eps: Eps = Field(1e-5, description="Added to the variance.")

    def build(self, net: Net, name: str, x: Value) -> Value:
        return net.add(name, BatchNorm(self.eps), x)
