"""timm's names for ResNets."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from resnet_gen.parts.naming.tables import Table, Tabled, sort_in_blocks


class TimmResNet(Tabled):
    """As timm's ResNet: `conv1.0`, `layer1.0.se.fc1`, `layer2.0.downsample.1` (timm/models/resnet.py, 2019 to 2025)."""

    kind: Literal["timm_resnet"] = "timm_resnet"
    library: ClassVar[str] = "timm"
    blocks: ClassVar[frozenset[str]] = frozenset({"basic", "bottleneck", "res2net", "resnest"})
    stem: ClassVar[Table] = (
        (r"conv1", "conv1.0"),  # three convolutions in one `Sequential`; what follows them stands outside
        (r"norm1", "conv1.1"),
        (r"act1", "conv1.2"),
        (r"conv2", "conv1.3"),
        (r"norm2", "conv1.4"),
        (r"act2", "conv1.5"),
        (r"conv3", "conv1.6"),
        (r"conv", "conv1"),
        (r"norm3?", "bn1"),
        (r"act3?", "act1"),
        (r"pool\.conv", "maxpool.0"),
        (r"pool\.norm", "maxpool.1"),
        (r"pool\.act", "maxpool.2"),
        (r"pool", "maxpool"),
    )
    layers: ClassVar[Table] = (
        (r"shortcut\.conv", "downsample.0"),
        (r"shortcut\.norm", "downsample.1"),
        (r"shortcut\.avg\.pool", "downsample.0"),
        (r"shortcut\.avg\.pad", "downsample.pad"),
        (r"shortcut\.avg\.conv", "downsample.1"),
        (r"shortcut\.avg\.norm", "downsample.2"),
        (r"attention\.(.+)", r"se.\1"),
        (r"conv2\.conv", "conv2.conv"),
        (r"conv2\.norm", "conv2.bn0"),
        (r"conv2\.norm1", "conv2.bn1"),
        (r"conv2\.act", "conv2.act0"),
        (r"norms\.(\d+)", r"bns.\1"),
        (r"norm(\d+)", r"bn\1"),
    )
    head: ClassVar[Table] = ((r"pool", "global_pool"), (r"act(\d+)", r"fc\1_act"))

    def registered(self, weights: Sequence[str]) -> list[str]:
        """Res2Net's convolutions stand in one list, their norms in another."""
        lists = any(".bns." in name for name in weights)
        pattern = r"layer\d+\.\d+(?=\.(?:convs|bns)\.)"
        return sort_in_blocks(weights, pattern, lambda name: ".bns." in name) if lists else list(weights)
