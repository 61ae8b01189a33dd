"""torchvision's names for VGG."""

import re
from collections.abc import Sequence
from typing import Literal

from resnet_gen.parts.base import Naming

_HIDDEN = re.compile(r"(fc|act)(\d+)")


def _classifier(what: str) -> str:
    """`fc2` is `classifier.3`: linear, activation and dropout take an index each."""
    found = _HIDDEN.fullmatch(what)
    if not found:
        return {"pool": "avgpool"}.get(what, what)
    return f"classifier.{3 * (int(found[2]) - 1) + (found[1] == 'act')}"


class TorchvisionVgg(Naming):
    """As torchvision's VGG: `features.<n>` in order, then `classifier.<n>` (torchvision/models/vgg.py)."""

    kind: Literal["torchvision_vgg"] = "torchvision_vgg"

    def names(self, paths: Sequence[str]) -> list[str]:
        features = (path for path in paths if not path.startswith("head."))
        number = {path: f"features.{n}" for n, path in enumerate(features)}
        return [number[p] if p in number else _classifier(p.removeprefix("head.")) for p in paths]
