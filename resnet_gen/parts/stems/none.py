"""No stem."""

from typing import Literal

from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Stem, Using


class NoStem(Stem):
    """The image goes straight into the first stage (Simonyan and Zisserman 2014, Table 1)."""

    kind: Literal["none"] = "none"

    @property
    def shrinks(self) -> int:
        return 1

    def build(self, net: Net, x: Value, using: Using, *, bare: bool) -> Value:
        return x
