"""The hyperbolic tangent."""

from typing import ClassVar, Literal

from resnet_gen.ops import Function
from resnet_gen.parts.activations.relu import Relu


class Tanh(Relu):
    """The hyperbolic tangent (LeCun et al. 1998)."""

    kind: Literal["tanh"] = "tanh"  # type: ignore[assignment]
    function: ClassVar[Function] = "tanh"
