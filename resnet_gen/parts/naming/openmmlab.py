"""What the naming schemes of OpenMMLab's libraries share: all but the stem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from resnet_gen.parts.naming.tables import Crowd, Table, Tabled, sort_in_blocks

PLAIN_STEM: Table = ((r"conv", "conv1"), (r"norm", "bn1"), (r"act", "relu"), (r"pool", "maxpool"))
"""A stem of one convolution, and the pooling behind any."""

_LAST = (".convs.", ".bns.", ".se_layer.")


class OpenMMLab(Tabled):
    """Blocks as `layer2.0.downsample.1` and `layer2.0.se_layer.conv1.conv`; the head is the classifier's own.

    A shortcut's projection moves on by one where it is averaged first, which it is not at stride 1.
    """

    blocks: ClassVar[frozenset[str]] = frozenset({"basic", "bottleneck", "regnet", "res2net", "resnest"})
    layers: ClassVar[Table] = (
        (r"shortcut\.(?:avg\.)?conv", "downsample.0"),
        (r"shortcut\.(?:avg\.)?norm", "downsample.1"),
        (r"shortcut\.avg\.(.+)", r"downsample.\1"),
        (r"attention\.pool", "se_layer.global_avgpool"),
        (r"attention\.fc(\d)", r"se_layer.conv\1.conv"),
        (r"attention\.act", "se_layer.conv1.activate"),
        (r"attention\.gate", "se_layer.conv2.activate"),
        (r"attention\.(.+)", r"se_layer.\1"),
        (r"conv2\.norm", "conv2.bn0"),
        (r"conv2\.norm1", "conv2.bn1"),
        (r"norms\.(\d+)", r"bns.\1"),
        (r"norm(\d+)", r"bn\1"),
        (r"act(\d*)", r"relu\1"),
    )
    crowd: ClassVar[Crowd | None] = Crowd(
        "shortcut.avg.pool",
        (
            (r"shortcut\.avg\.pool", "downsample.0"),
            (r"shortcut\.avg\.conv", "downsample.1"),
            (r"shortcut\.avg\.norm", "downsample.2"),
        ),
    )
    head: ClassVar[Table] = ((r"pool", "gap"),)

    def registered(self, weights: Sequence[str]) -> list[str]:
        """Res2Net's two lists, and the layers that weigh channels, stand behind all others of their block."""
        return sort_in_blocks(weights, r"layer\d+\.\d+\.", _rank_layer)


def _rank_layer(name: str) -> int:
    return next((rank for rank, module in enumerate(_LAST, 1) if module in name), 0)
