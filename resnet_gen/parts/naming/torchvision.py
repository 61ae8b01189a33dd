"""torchvision's names for ResNets."""

import re
from collections.abc import Sequence
from typing import Literal

from resnet_gen.parts.base import Naming

_FIXED = {"conv": "conv1", "norm": "bn1", "act": "relu", "pool": "maxpool"}
_HEAD = {"pool": "avgpool"}
_STAGE = re.compile(r"stages\.(\d+)\.(.+)")
_SHORTCUT = {"shortcut.conv": "downsample.0", "shortcut.norm": "downsample.1"}


def _published(path: str) -> str:
    where, _, what = path.partition(".")
    if where == "stem":
        return _FIXED.get(what, what)
    if where == "head":
        return _HEAD.get(what, what)
    stage = _STAGE.fullmatch(path)
    assert stage, path
    block, _, layer = stage[2].partition(".")
    layer = _SHORTCUT.get(layer, layer.replace("norm", "bn").replace("act", "relu"))
    return f"layer{int(stage[1]) + 1}.{block}.{layer}".rstrip(".")


class Torchvision(Naming):
    """As torchvision's ResNet: `conv1`, `layer1.0.bn2`, `layer2.0.downsample.0` (torchvision/models/resnet.py)."""

    kind: Literal["torchvision"] = "torchvision"

    def names(self, paths: Sequence[str]) -> list[str]:
        return [_published(path) for path in paths]
