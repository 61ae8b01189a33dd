"""timm's names for VGG."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from resnet_gen.parts.base import Naming
from resnet_gen.parts.naming.torchvision_vgg import number_layers


class TimmVgg(Naming):
    """As timm's VGG: `features.<n>`, then `pre_logits.fc1` and `head.fc` (timm/models/vgg.py, 2020 to 2025)."""

    kind: Literal["timm_vgg"] = "timm_vgg"
    library: ClassVar[str] = "timm"
    blocks: ClassVar[frozenset[str]] = frozenset({"conv"})

    def names(self, paths: Sequence[str]) -> list[str]:
        last = [path for path in paths if path.startswith("head.fc")][-1:]
        features = number_layers(paths)
        return [features.get(path) or _name_in_head(path.removeprefix("head."), path in last) for path in paths]


def _name_in_head(what: str, last: bool) -> str:
    if last:
        return "head.fc"
    return f"pre_logits.{what}" if what.startswith(("fc", "act")) else f"head.{what}"
