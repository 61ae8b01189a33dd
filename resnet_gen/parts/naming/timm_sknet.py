"""timm's names for SKNets."""

from typing import ClassVar, Literal

from resnet_gen.parts.naming.tables import Table
from resnet_gen.parts.naming.timm_resnet import TimmResNet


class TimmSkNet(TimmResNet):
    """As timm's SKNet: `layer1.0.conv1.conv`, `layer1.0.conv2.paths.0.bn` (timm/models/sknet.py, 2020 to 2025)."""

    kind: Literal["timm_sknet"] = "timm_sknet"  # type: ignore[assignment]
    blocks: ClassVar[frozenset[str]] = frozenset({"selective_basic", "selective_bottleneck"})
    layers: ClassVar[Table] = (
        (r"(conv\d\.paths\.\d+)\.norm", r"\1.bn"),
        (r"(conv\d)\.attention\.reduce", r"\1.attn.fc_reduce"),
        (r"(conv\d)\.attention\.select", r"\1.attn.fc_select"),
        (r"(conv\d)\.attention\.norm", r"\1.attn.bn"),
        (r"(conv\d)\.attention\.(.+)", r"\1.attn.\2"),
        (r"conv(\d)", r"conv\1.conv"),
        (r"norm(\d)", r"conv\1.bn"),
        *TimmResNet.layers,
    )
