"""torchvision's names for VGG."""

import re
from collections.abc import Sequence
from typing import ClassVar, Literal

from resnet_gen.parts.base import Naming

_HIDDEN = re.compile(r"(fc|act)(\d+)")


def number_layers(paths: Sequence[str]) -> dict[str, str]:
    """The layers before the head, by their number."""
    features = (path for path in paths if not path.startswith("head."))
    return {path: f"features.{n}" for n, path in enumerate(features)}


def _name_in_classifier(what: str) -> str:
    """`fc2` is `classifier.3`: linear, activation and dropout take an index each."""
    found = _HIDDEN.fullmatch(what)
    if not found:
        return {"pool": "avgpool"}.get(what, what)
    return f"classifier.{3 * (int(found[2]) - 1) + (found[1] == 'act')}"


class TorchvisionVgg(Naming):
    """As torchvision's VGG: `features.<n>` in order, then `classifier.<n>` (torchvision/models/vgg.py)."""

    kind: Literal["torchvision_vgg"] = "torchvision_vgg"
    library: ClassVar[str] = "torchvision"
    blocks: ClassVar[frozenset[str]] = frozenset({"conv"})

    def names(self, paths: Sequence[str]) -> list[str]:
        features = number_layers(paths)
        return [features.get(path) or _name_in_classifier(path.removeprefix("head.")) for path in paths]
