"""The parameter-free shortcut: option A."""

from typing import Literal

from resnet_gen.graph import Net, Value
from resnet_gen.ops import PadChannels, Subsample
from resnet_gen.parts.base import Place, Shortcut, Using


class ZeroPad(Shortcut):
    """Identity, subsampled at the stride, new channels zero: option A (He et al. 2015, Sec. 3.3)."""

    kind: Literal["zero_pad"] = "zero_pad"

    def bridge(self, net: Net, x: Value, branch: Value, *, place: Place, using: Using) -> Value:
        if place.stride > 1:
            x = net.add("subsample", Subsample(place.stride), x)
        if x.shape[0] != branch.shape[0]:
            x = net.add("pad", PadChannels(branch.shape[0]), x)
        return x
