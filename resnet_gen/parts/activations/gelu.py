"""The Gaussian error linear unit."""

from typing import ClassVar, Literal

from resnet_gen.ops import Function
from resnet_gen.parts.activations.relu import Relu


class Gelu(Relu):
    """x times the normal distribution function of x (Hendrycks and Gimpel 2016)."""

    kind: Literal["gelu"] = "gelu"  # type: ignore[assignment]
    function: ClassVar[Function] = "gelu"
