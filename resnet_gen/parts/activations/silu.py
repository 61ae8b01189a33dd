"""The sigmoid-weighted linear unit."""

from typing import ClassVar, Literal

from resnet_gen.ops import Function
from resnet_gen.parts.activations.relu import Relu


class Silu(Relu):
    """x * sigmoid(x), also called swish (Elfwing et al. 2017)."""

    kind: Literal["silu"] = "silu"  # type: ignore[assignment]
    function: ClassVar[Function] = "silu"
