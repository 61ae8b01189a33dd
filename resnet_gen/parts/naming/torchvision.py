"""torchvision's names for ResNets."""

from typing import ClassVar, Literal

from resnet_gen.parts.naming.tables import Table, Tabled


class Torchvision(Tabled):
    """As torchvision's ResNet: `conv1`, `layer1.0.bn2`, `layer2.0.downsample.0` (torchvision/models/resnet.py)."""

    kind: Literal["torchvision"] = "torchvision"
    library: ClassVar[str] = "torchvision"
    blocks: ClassVar[frozenset[str]] = frozenset({"basic", "bottleneck"})
    stem: ClassVar[Table] = ((r"conv", "conv1"), (r"norm", "bn1"), (r"act", "relu"), (r"pool", "maxpool"))
    layers: ClassVar[Table] = (
        (r"shortcut\.conv", "downsample.0"),
        (r"shortcut\.norm", "downsample.1"),
        (r"norm(\d*)", r"bn\1"),
        (r"act(\d*)", r"relu\1"),
    )
    head: ClassVar[Table] = ((r"pool", "avgpool"),)
