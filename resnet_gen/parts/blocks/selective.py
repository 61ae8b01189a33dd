"""The selective kernel, which two blocks share: paths of different reach that compete for each channel."""

from typing import Annotated

from pydantic import Field

from resnet_gen.graph import Net, Value
from resnet_gen.ops import Add, Conv, GlobalAvgPool, Mul, SplitSoftmax, TakeChannels
from resnet_gen.parts.base import Block, OddKernel, Place, Sliding, Using
from resnet_gen.parts.rounding import round_to_multiple


class Selective(Block):
    """A block with a selective kernel (Li et al. 2019, SKNet, Fig. 1)."""

    kernels: Annotated[tuple[OddKernel, ...], Field(strict=False, min_length=2, max_length=8)] = Field(
        (3, 5), description="Reach of each path's window: a 3x3 convolution, dilated."
    )
    split_input: bool = Field(True, description="Give each path its share of the channels (timm), not all (the paper).")
    rd_ratio: float = Field(1 / 16, gt=0, le=4, description="Channels between the two layers, over the paths'.")
    rd_divisor: int = Field(8, ge=1, le=1024, description="Rounds them to a multiple of it.")
    rd_min: int = Field(1, ge=1, le=65_536, description="At least so many of them; 32 in the paper.")

    def select(self, net: Net, x: Value, place: Place, width: int, using: Using, groups: int = 1) -> Value:
        """The paths, each channel weighed between them, and summed."""
        paths = [
            self._build_path(net.scope(f"paths.{i}"), part, width, reach, place, using, groups)
            for i, (reach, part) in enumerate(zip(self.kernels, self._split_shares(net, x), strict=True))
        ]
        weights = self._build_weights(net.scope("attention", role="attention"), paths, using)
        total: Value | None = None
        for i, path in enumerate(paths):
            weight = net.add(f"weight.{i}", TakeChannels(i * width, (i + 1) * width), weights)
            weighed = net.add(f"weighed.{i}", Mul(), path, weight)
            total = weighed if total is None else net.add(f"joined.{i}", Add(), total, weighed)
        assert total is not None
        return total

    def _split_shares(self, net: Net, x: Value) -> list[Value]:
        if not self.split_input:
            return [x] * len(self.kernels)
        share, rest = divmod(x.shape[0], len(self.kernels))
        if rest:
            raise net.refusal(f"{x.shape[0]} channels cannot be shared by {len(self.kernels)} paths")
        return [net.add(f"split.{i}", TakeChannels(i * share, (i + 1) * share), x) for i in range(len(self.kernels))]

    def _build_path(self, net: Net, x: Value, width: int, reach: int, place: Place, using: Using, groups: int) -> Value:
        dilation = place.entering_dilation * (reach - 1) // 2
        window = Sliding(stride=place.stride, groups=min(groups, width), dilation=max(1, dilation))
        return using.conv_norm_act(net, "", x, width, kernel=3 if reach > 1 else 1, **window)

    def _build_weights(self, net: Net, paths: list[Value], using: Using) -> Value:
        """A weight for each channel of each path, from the channels' means."""
        total = paths[0]
        for i, path in enumerate(paths[1:], 1):
            total = net.add(f"sum.{i}", Add(), total, path)
        channels = total.shape[0]
        reduced = max(self.rd_min, round_to_multiple(channels * self.rd_ratio, self.rd_divisor))
        y = net.add("reduce", Conv(reduced, 1), net.add("pool", GlobalAvgPool(), total))
        y = using.activation.build(net, "act", using.normed(net, "norm", y))
        y = net.add("select", Conv(channels * len(paths), 1), y)
        return net.add("softmax", SplitSoftmax(len(paths)), y)
