"""The piecewise linear swish."""

from typing import ClassVar, Literal

from resnet_gen.ops import Function
from resnet_gen.parts.activations.relu import Relu


class HardSwish(Relu):
    """x * min(max(x + 3, 0), 6) / 6 (Howard et al. 2019, MobileNetV3, Sec. 5.2)."""

    kind: Literal["hard_swish"] = "hard_swish"  # type: ignore[assignment]
    function: ClassVar[Function] = "hard_swish"
