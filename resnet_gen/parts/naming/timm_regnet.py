"""timm's names for RegNets."""

from typing import ClassVar, Literal

from resnet_gen.parts.naming.tables import Table, Tabled


class TimmRegNet(Tabled):
    """As timm's RegNet: `stem.bn`, `s1.b1.conv2.conv`, `head.fc` (timm/models/regnet.py, 2019 to 2025)."""

    kind: Literal["timm_regnet"] = "timm_regnet"
    library: ClassVar[str] = "timm"
    blocks: ClassVar[frozenset[str]] = frozenset({"regnet"})
    stem: ClassVar[Table] = ((r"norm", "stem.bn"), (r"(.+)", r"stem.\1"))
    layers: ClassVar[Table] = (
        (r"shortcut\.norm", "downsample.bn"),
        (r"shortcut\.conv", "downsample.conv"),
        (r"shortcut\.avg\.pool", "downsample.0"),
        (r"shortcut\.avg\.conv", "downsample.1.conv"),
        (r"shortcut\.avg\.norm", "downsample.1.bn"),
        (r"attention\.(.+)", r"se.\1"),
        (r"conv(\d)", r"conv\1.conv"),
        (r"norm(\d)", r"conv\1.bn"),
    )
    head: ClassVar[Table] = (
        (r"features\.norm", "final_conv.bn"),
        (r"features\.(.+)", r"final_conv.\1"),
        (r"first_act|act", "final_conv"),
        (r"(.+)", r"head.\1"),
    )
    pool: ClassVar[str] = "s{stage}.pool"

    @classmethod
    def block(cls, stage: int, index: int) -> str:
        return f"s{stage + 1}.b{index + 1}."
