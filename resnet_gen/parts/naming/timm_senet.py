"""timm's names for the first SENets."""

from typing import ClassVar, Literal

from resnet_gen.parts.naming.tables import Table, Tabled


class TimmSeNet(Tabled):
    """As timm's legacy SENet: `layer0.conv1`, `layer1.0.se_module.fc1`, `last_linear` (timm/models/senet.py, 2019)."""

    kind: Literal["timm_senet"] = "timm_senet"
    library: ClassVar[str] = "timm"
    stem: ClassVar[Table] = (
        (r"conv", "layer0.conv1"),
        (r"norm", "layer0.bn1"),
        (r"act", "layer0.relu1"),
        (r"conv(\d)", r"layer0.conv\1"),
        (r"norm(\d)", r"layer0.bn\1"),
        (r"act(\d)", r"layer0.relu\1"),
        (r"pool", "pool0"),
    )
    layers: ClassVar[Table] = (
        (r"shortcut\.conv", "downsample.0"),
        (r"shortcut\.norm", "downsample.1"),
        (r"attention\.(.+)", r"se_module.\1"),
        (r"norm(\d)", r"bn\1"),
        (r"act(\d)", r"relu\1"),
    )
    head: ClassVar[Table] = ((r"pool", "global_pool"), (r"fc", "last_linear"))
