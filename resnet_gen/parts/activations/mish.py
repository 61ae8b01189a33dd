"""The self-regularized nonlinearity mish."""

from typing import ClassVar, Literal

from resnet_gen.ops import Function
from resnet_gen.parts.activations.relu import Relu


class Mish(Relu):
    """x * tanh(log(1 + exp(x))) (Misra 2019)."""

    kind: Literal["mish"] = "mish"  # type: ignore[assignment]
    function: ClassVar[Function] = "mish"
