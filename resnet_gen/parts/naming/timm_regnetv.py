"""timm's names for RegNet-V."""

from typing import ClassVar, Literal

from resnet_gen.parts.naming.tables import Table
from resnet_gen.parts.naming.timm_regnet import TimmRegNet


class TimmRegNetV(TimmRegNet):
    """As timm's RegNet with pre-activation: `stem`, `s1.b1.norm1`, `s1.b1.downsample` (timm/models/regnet.py, 2022)."""

    kind: Literal["timm_regnetv"] = "timm_regnetv"  # type: ignore[assignment]
    blocks: ClassVar[frozenset[str]] = frozenset({"preact_regnet"})
    stem: ClassVar[Table] = ((r"conv", "stem"),)
    layers: ClassVar[Table] = (
        (r"shortcut\.conv", "downsample"),
        (r"shortcut\.avg\.pool", "downsample.0"),
        (r"shortcut\.avg\.conv", "downsample.1"),
        (r"attention\.(.+)", r"se.\1"),
    )
