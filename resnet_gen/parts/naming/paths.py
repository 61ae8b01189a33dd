"""Layers called by where they stand."""

from collections.abc import Sequence
from typing import Literal

from resnet_gen.parts.base import Naming


class Paths(Naming):
    """Our own names: `stem.conv`, `stages.0.2.conv1`, `head.fc` (see docs/language.md)."""

    kind: Literal["paths"] = "paths"

    def names(self, paths: Sequence[str]) -> list[str]:
        return list(paths)
