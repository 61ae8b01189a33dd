"""Hugging Face's names for RegNets."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from resnet_gen.parts.naming.tables import Crowd, Table, Tabled, sort_in_blocks


class TransformersRegNet(Tabled):
    """As transformers' RegNet: `regnet.encoder.stages.0.layers.1.layer.0.convolution` (2022)."""

    kind: Literal["transformers_regnet"] = "transformers_regnet"
    blocks: ClassVar[frozenset[str]] = frozenset({"regnet"})
    stem: ClassVar[Table] = (
        (r"conv", "regnet.embedder.embedder.convolution"),
        (r"norm", "regnet.embedder.embedder.normalization"),
        (r"act", "regnet.embedder.embedder.activation"),
        (r"(.+)", r"regnet.embedder.\1"),
    )
    layers: ClassVar[Table] = (
        (r"shortcut\.conv", "shortcut.convolution"),
        (r"shortcut\.norm", "shortcut.normalization"),
        (r"attention\.pool", "layer.2.pooler"),
        (r"attention\.fc1", "layer.2.attention.0"),
        (r"attention\.act", "layer.2.attention.1"),
        (r"attention\.fc2", "layer.2.attention.2"),
        (r"attention\.gate", "layer.2.attention.3"),
        (r"attention\.(.+)", r"layer.2.\1"),
        *(
            row
            for number in range(3)
            for row in (
                (rf"conv{number + 1}", f"layer.{number}.convolution"),
                (rf"norm{number + 1}", f"layer.{number}.normalization"),
            )
        ),
        (r"act3", "activation"),
        (r"act1", "layer.0.activation"),
        (r"act2", "layer.1.activation"),
    )
    crowd: ClassVar[Crowd | None] = Crowd(
        "attention.fc1", ((r"conv3", "layer.3.convolution"), (r"norm3", "layer.3.normalization"))
    )
    head: ClassVar[Table] = (
        (r"pool", "regnet.pooler"),
        (r"flatten", "classifier.0"),
        (r"fc", "classifier.1"),
        (r"(fc\d+|act\d+)", r"classifier.\1"),
        (r"(.+)", r"regnet.\1"),
    )
    pool: ClassVar[str] = "regnet.encoder.stages.{stage}.pool"

    @classmethod
    def block(cls, stage: int, index: int) -> str:
        return f"regnet.encoder.stages.{stage}.layers.{index}."

    def registered(self, weights: Sequence[str]) -> list[str]:
        """The projection stands first in its block."""
        pattern = r"regnet\.encoder\.stages\.\d+\.layers\.\d+\."
        return sort_in_blocks(weights, pattern, lambda name: ".shortcut." not in name)
