"""What only training sees: settings of a spec that change no count, no weight and no file that is built."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from resnet_gen.parts.base import StrictModel

DropRate = Annotated[float, Field(ge=0, lt=1)]
DecayRule: TypeAlias = Literal["linear", "uniform"]
DropMode: TypeAlias = Literal["row", "batch"]


class StochasticDepth(StrictModel):
    """Whole branches that are left out at random (Huang et al. 2016, Deep Networks with Stochastic Depth).

    What is left of a branch is divided by the probability with which it is left, as torchvision and timm do it.
    """

    rate: DropRate = Field(description="Probability, below 1, with which the last block's branch is left out.")
    decay: DecayRule = Field(
        "linear",
        description="`linear`: the first block's is never left out, and the probability rises evenly from block to "
        "block, as in timm; `uniform`: it is the same in each.",
    )
    mode: DropMode = Field(
        "row", description="`row`: drawn for each image; `batch`: once for all, as torchvision says."
    )


class Training(StrictModel):
    """What only training sees; generated PyTorch and Flax have it, and nothing else differs by it."""

    dropout: DropRate = Field(
        0.0,
        description="Probability, below 1, with which each value that the last layer reads is zero "
        "(Srivastava et al. 2014).",
    )
    stochastic_depth: StochasticDepth | None = Field(None, description="Branches that are left out at random.")
    zero_init_last_norm: bool = Field(
        False,
        description="Let the last norm of each branch begin with weights of 0, so that each block begins as its "
        "shortcut (Goyal et al. 2017, Sec. 5.1): torchvision's `zero_init_residual`, timm's `zero_init_last`.",
    )

    @property
    def branch_drops(self) -> StochasticDepth | None:
        """Stochastic depth, where it leaves anything out."""
        return self.stochastic_depth if self.stochastic_depth and self.stochastic_depth.rate else None
