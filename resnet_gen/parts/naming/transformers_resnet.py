"""Hugging Face's names for ResNets."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from resnet_gen.parts.naming.tables import Table, Tabled, sort_in_blocks


class TransformersResNet(Tabled):
    """As transformers' ResNet: `resnet.encoder.stages.0.layers.1.layer.0.convolution` (2022)."""

    kind: Literal["transformers_resnet"] = "transformers_resnet"
    blocks: ClassVar[frozenset[str]] = frozenset({"basic", "bottleneck"})
    stem: ClassVar[Table] = (
        (r"conv", "resnet.embedder.embedder.convolution"),
        (r"norm", "resnet.embedder.embedder.normalization"),
        (r"act", "resnet.embedder.embedder.activation"),
        (r"pool", "resnet.embedder.pooler"),
        (r"(.+)", r"resnet.embedder.\1"),
    )
    layers: ClassVar[Table] = (
        (r"shortcut\.conv", "shortcut.convolution"),
        (r"shortcut\.norm", "shortcut.normalization"),
        *(
            row
            for number in range(3)
            for row in (
                (rf"conv{number + 1}", f"layer.{number}.convolution"),
                (rf"norm{number + 1}", f"layer.{number}.normalization"),
                (rf"act{number + 1}", f"layer.{number}.activation"),
            )
        ),
    )
    head: ClassVar[Table] = (
        (r"pool", "resnet.pooler"),
        (r"flatten", "classifier.0"),
        (r"fc", "classifier.1"),
        (r"(fc\d+|act\d+)", r"classifier.\1"),
        (r"(.+)", r"resnet.\1"),
    )
    pool: ClassVar[str] = "resnet.encoder.stages.{stage}.pool"

    @classmethod
    def block(cls, stage: int, index: int) -> str:
        return f"resnet.encoder.stages.{stage}.layers.{index}."

    def registered(self, weights: Sequence[str]) -> list[str]:
        """The projection stands first in its block."""
        pattern = r"resnet\.encoder\.stages\.\d+\.layers\.\d+\."
        return sort_in_blocks(weights, pattern, lambda name: ".shortcut." not in name)
