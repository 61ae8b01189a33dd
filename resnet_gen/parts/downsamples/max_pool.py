"""Downsampling by max pooling after a stage."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.ops import MaxPool
from resnet_gen.parts.base import Downsample, KernelSize


class MaxPooling(Downsample):
    """Max pooling after the stage's blocks, at the stage's stride (Simonyan and Zisserman 2014, Table 1)."""

    kind: Literal["max_pool"] = "max_pool"
    kernel: KernelSize = Field(2, description="Side of the pooling window.")

    def default_strides(self, stages: int) -> tuple[int, ...]:
        return (2,) * stages

    def entering(self, strides: Sequence[int]) -> tuple[int, ...]:
        return (1, *strides[:-1])

    def block_stride(self, stride: int) -> int:
        return 1

    def after(self, net: Net, x: Value, stride: int) -> Value:
        return net.add("pool", MaxPool(self.kernel, stride), x) if stride > 1 else x
