"""Projections on every shortcut."""

from typing import Literal

from resnet_gen.graph import Value
from resnet_gen.parts.shortcuts.projection import Projection


class ProjectionAll(Projection):
    """A 1x1 convolution on every shortcut: option C (He et al. 2015, Sec. 4.1)."""

    kind: Literal["projection_all"] = "projection_all"  # type: ignore[assignment]

    def changes(self, x: Value, branch: Value, stride: int) -> bool:
        return True
