"""What each kind of attention is known by, at the place where a block asks for it.

A new attention needs one entry in `ATTENTIONS`; tests/house/test_infer.py asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple, TypeAlias

from resnet_gen.graph import Net, Value
from resnet_gen.infer.block_features import agree
from resnet_gen.infer.flow import FAR, Flow, TracingNet, number_of
from resnet_gen.infer.part_settings import make_part
from resnet_gen.infer.paths import find_convolutions
from resnet_gen.ops import ChannelConv, ChannelMax, Concat, Conv, GlobalAvgPool, GlobalMaxPool, Mul
from resnet_gen.parts.attentions.eca import EfficientChannelAttention
from resnet_gen.parts.attentions.se import SqueezeExcite
from resnet_gen.parts.base import Attention, Using
from resnet_gen.parts.rounding import round_to_multiple


class AttentionMatch(NamedTuple):
    """An attention that was met: its kind, and the raw numbers that its settings come from."""

    kind: str
    raw: Any


AttentionReader: TypeAlias = Callable[[Flow, int, int], Iterator[Any]]
AttentionSettler: TypeAlias = Callable[[Sequence[Any]], dict[str, Any] | None]


class AttentionKind(NamedTuple):
    """How attentions of one kind are recognized.

    `read` proposes raw numbers for a branch's value and a block's input;
    `settle` finds settings that explain several.
    """

    read: AttentionReader
    settle: AttentionSettler


def _means(flow: Flow, x: int) -> Iterator[int]:
    return (number for number, _ in flow.find_readers(x, GlobalAvgPool))


def _read_se(flow: Flow, x: int, block_input: int) -> Iterator[tuple[int, int, int, str]]:
    """Channels of the branch and of the block's input, how many are left between the two layers, and what is there."""
    for mean in _means(flow, x):
        for _, op in flow.find_readers(mean, Conv):
            for activation in ("relu", "network"):
                yield flow.shapes[x][0], flow.shapes[block_input][0], op.out, activation


_RATIOS = (1 / 16, 1 / 4, 1 / 8, 1 / 2, 1 / 32, 1.0)


def _settle_se(raws: Sequence[tuple[int, int, int, str]]) -> dict[str, Any] | None:
    branches, entering, reduced, activations = zip(*raws, strict=True)
    if not agree(activations):
        return None
    for rd_of, channels in (("branch", branches), ("block_input", entering)):
        own = [n / c for n, c in zip(reduced, channels, strict=True)][:2]
        for ratio, divisor in product(dict.fromkeys((*_RATIOS, *own)), (8, 1, 16, 4, 2, 32)):
            settings = {"rd_ratio": ratio, "rd_divisor": divisor, "rd_of": rd_of, "activation": activations[0]}
            se = make_part(Attention, "se", settings)
            if isinstance(se, SqueezeExcite) and list(map(se.reduce_channels, channels)) == list(reduced):
                return settings
    return None


def _read_eca(flow: Flow, x: int, block_input: int) -> Iterator[tuple[int, int]]:
    for mean in _means(flow, x):
        for _, op in flow.find_readers(mean, ChannelConv):
            yield flow.shapes[x][0], op.kernel


def _settle_eca(raws: Sequence[tuple[int, int]]) -> dict[str, Any] | None:
    if all(EfficientChannelAttention().reach(channels) == kernel for channels, kernel in raws):
        return {}
    return {"kernel": raws[0][1]} if agree(kernel for _, kernel in raws) else None


def _read_cbam(flow: Flow, x: int, block_input: int) -> Iterator[tuple[int, int, int]]:
    """Channels, how many are left between the two layers, and the window over positions."""
    for mean in _means(flow, x):
        if not any(flow.find_readers(x, GlobalMaxPool)):
            return
        reduced = [op.out for both, _ in flow.find_readers(mean, Concat) for _, op in flow.find_readers(both, Conv)]
        windows = [
            layer.op.kernel
            for scaled, _ in flow.find_readers(x, Mul)
            for most, _ in flow.find_readers(scaled, ChannelMax)
            for both, _ in flow.find_readers(most, Concat)
            for layer in find_convolutions(flow, both)
        ]
        yield from ((flow.shapes[x][0], n, window) for n, window in product(reduced[:2], windows[:2]))


def _settle_cbam(raws: Sequence[tuple[int, int, int]]) -> dict[str, Any] | None:
    channels, reduced, windows = zip(*raws, strict=True)
    pairs = list(zip(channels, reduced, strict=True))
    for ratio in (*_RATIOS, reduced[0] / channels[0]):
        if agree(windows) and all(round_to_multiple(c * ratio, 1, floor=0.0) == n for c, n in pairs):
            return {"rd_ratio": ratio, "kernel": windows[0]}
    return None


ATTENTIONS: dict[str, AttentionKind] = {
    "se": AttentionKind(_read_se, _settle_se),
    "eca": AttentionKind(_read_eca, _settle_eca),
    "cbam": AttentionKind(_read_cbam, _settle_cbam),
}
"""Every attention that can be recognized."""


class AttentionObserver(Using):
    """What blocks are built with while the attention is still to be found: it is looked for where they ask for it."""

    def attend(self, net: Net, x: Value, block_input: Value) -> Value:
        """`x` weighed by whichever attention stands there; the net gets which."""
        assert isinstance(net, TracingNet)
        flow = net.flow
        if not any(_means(flow, number_of(x))) or len(flow.readers[number_of(x)]) > FAR:
            return x
        for kind, how in ATTENTIONS.items():
            for raw in how.read(flow, number_of(x), number_of(block_input)):
                found = self._try_attention(net, x, block_input, kind, how.settle([raw]))
                if found is not None:
                    net.observations.append(AttentionMatch(kind, raw))
                    return found
        return x

    def _try_attention(
        self, net: TracingNet, x: Value, block_input: Value, kind: str, settings: dict[str, Any] | None
    ) -> Value | None:
        attention = None if settings is None else make_part(Attention, kind, settings)
        if not isinstance(attention, Attention):
            return None
        using = Using(*self)._replace(attention=attention)
        return net.try_build(lambda: attention.build(net, x, block_input=block_input, using=using))
