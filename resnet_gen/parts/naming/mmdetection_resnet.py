"""MMDetection's and MMSegmentation's names for ResNets."""

from typing import ClassVar, Literal

from resnet_gen.parts.naming.openmmlab import PLAIN_STEM, OpenMMLab
from resnet_gen.parts.naming.tables import Table


class MMDetectionResNet(OpenMMLab):
    """As MMDetection's and MMSegmentation's ResNetV1c and V1d: `stem.0`, `stem.1`, `layer2.0.downsample.1` (2019)."""

    kind: Literal["mmdetection_resnet"] = "mmdetection_resnet"
    stem: ClassVar[Table] = (
        *PLAIN_STEM,
        *(
            (f"{layer}{number + 1}", f"stem.{3 * number + place}")
            for number in range(3)
            for place, layer in enumerate(("conv", "norm", "act"))
        ),
        (r"(.+)", r"stem.\1"),
    )
