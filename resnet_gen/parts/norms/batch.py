"""Batch normalization."""

from typing import Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.ops import BatchNorm
from resnet_gen.parts.base import Norm


class Batch(Norm):
    """Batch normalization, with running statistics (Ioffe and Szegedy 2015)."""

    kind: Literal["batch"] = "batch"
    eps: float = Field(1e-5, gt=0, lt=1, description="Added to the variance.")

    def build(self, net: Net, name: str, x: Value) -> Value:
        return net.add(name, BatchNorm(self.eps), x)
