"""Widths written out."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from resnet_gen.parts.base import Channels, WidthRule


class Listed(WidthRule):
    """Each stage's filters written out; `widths: [64, 128]` for short (Simonyan and Zisserman 2014, Table 1)."""

    kind: Literal["list"] = "list"
    values: Annotated[tuple[Channels, ...], Field(strict=False, min_length=1, max_length=256)] = Field(
        description="Filters of each stage."
    )

    def widths(self, entering: Sequence[int]) -> tuple[int, ...]:
        return self.values
