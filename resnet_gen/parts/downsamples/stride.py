"""Downsampling by the stride of a stage's first block."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from resnet_gen.parts.base import Downsample


class Stride(Downsample):
    """The first block of the stage takes the stride (He et al. 2015, Table 1)."""

    kind: Literal["stride"] = "stride"
    dilates: ClassVar[bool] = True

    def default_strides(self, stages: int) -> tuple[int, ...]:
        return (1, *(2 for _ in range(stages - 1)))

    def entering(self, strides: Sequence[int]) -> tuple[int, ...]:
        return tuple(strides)

    def block_stride(self, stride: int) -> int:
        return stride
