"""timm's names for pre-activation ResNets."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from resnet_gen.parts.naming.tables import Table, Tabled, sort_in_blocks


class TimmResNetV2(Tabled):
    """As timm's ResNetV2 and BiT: `stages.0.blocks.1.norm2`, `head.fc` (timm/models/resnetv2.py, 2020 to 2025)."""

    kind: Literal["timm_resnetv2"] = "timm_resnetv2"
    library: ClassVar[str] = "timm"
    blocks: ClassVar[frozenset[str]] = frozenset({"preact_basic", "preact_bottleneck"})
    stem: ClassVar[Table] = ((r"(.+)", r"stem.\1"),)
    layers: ClassVar[Table] = ((r"shortcut\.(?:avg\.)?(.+)", r"downsample.\1"),)
    head: ClassVar[Table] = ((r"(norm|act)", r"\1"), (r"(.+)", r"head.\1"))
    pool: ClassVar[str] = "stages.{stage}.pool"

    @classmethod
    def block(cls, stage: int, index: int) -> str:
        return f"stages.{stage}.blocks.{index}."

    def registered(self, weights: Sequence[str]) -> list[str]:
        """The projection stands first in its block."""
        return sort_in_blocks(weights, r"stages\.\d+\.blocks\.\d+\.", lambda name: ".downsample." not in name)
