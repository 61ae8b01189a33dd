"""torchvision's names for RegNets."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from resnet_gen.parts.naming.tables import Table, Tabled, sort_in_blocks


class TorchvisionRegNet(Tabled):
    """As torchvision's RegNet: `stem.0`, `trunk_output.block1.block1-0.f.a.0` (torchvision/models/regnet.py)."""

    kind: Literal["torchvision_regnet"] = "torchvision_regnet"
    library: ClassVar[str] = "torchvision"
    blocks: ClassVar[frozenset[str]] = frozenset({"regnet"})
    stem: ClassVar[Table] = ((r"conv", "stem.0"), (r"norm", "stem.1"), (r"act", "stem.2"))
    layers: ClassVar[Table] = (
        (r"shortcut\.conv", "proj.0"),
        (r"shortcut\.norm", "proj.1"),
        (r"attention\.pool", "f.se.avgpool"),
        (r"attention\.act", "f.se.activation"),
        (r"attention\.(.+)", r"f.se.\1"),
        *(
            row
            for number, letter in enumerate("abc", 1)
            for row in ((rf"conv{number}", f"f.{letter}.0"), (rf"norm{number}", f"f.{letter}.1"))
        ),
        (r"act3", "activation"),
        (r"act1", "f.a.2"),
        (r"act2", "f.b.2"),
    )
    head: ClassVar[Table] = ((r"pool", "avgpool"),)
    pool: ClassVar[str] = "trunk_output.block{stage}.pool"

    @classmethod
    def block(cls, stage: int, index: int) -> str:
        return f"trunk_output.block{stage + 1}.block{stage + 1}-{index}."

    def registered(self, weights: Sequence[str]) -> list[str]:
        """The projection stands first in its block."""
        pattern = r"trunk_output\.block\d+\.block\d+-\d+\."
        return sort_in_blocks(weights, pattern, lambda name: ".proj." not in name)
