"""MMPretrain's names for ResNets."""

from typing import ClassVar, Literal

from resnet_gen.parts.naming.openmmlab import PLAIN_STEM, OpenMMLab
from resnet_gen.parts.naming.tables import Table


class MMPretrainResNet(OpenMMLab):
    """As MMPretrain's ResNetV1c, V1d and SEResNet: `stem.0.conv`, `layer1.0.se_layer.conv1.conv` (2020)."""

    kind: Literal["mmpretrain_resnet"] = "mmpretrain_resnet"
    stem: ClassVar[Table] = (
        *PLAIN_STEM,
        *(
            (f"{layer}{number + 1}", f"stem.{number}.{theirs}")
            for number in range(3)
            for layer, theirs in (("conv", "conv"), ("norm", "bn"), ("act", "activate"))
        ),
        (r"(.+)", r"stem.\1"),
    )
