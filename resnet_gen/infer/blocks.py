"""What each kind of block is known by: how it is read off a flow, and settings that explain several.

What is read is a proposal: it counts only if the block, built with it, stands in
the graph. A new block needs one entry in `BLOCKS`; tests/house/test_infer.py asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from resnet_gen.infer import branched_blocks as branched
from resnet_gen.infer.block_features import BlockFeatures, SharedSettings, agree, find_common_value, inner_widths
from resnet_gen.infer.flow import Flow
from resnet_gen.infer.paths import find_convolutions
from resnet_gen.ops import Conv

BlockReader: TypeAlias = Callable[[Flow, int, BlockFeatures | None], Iterator[BlockFeatures]]
BlockSettler: TypeAlias = Callable[[Sequence[Any], Sequence[int]], SharedSettings | None]


class BlockKind(NamedTuple):
    """How blocks of one kind are recognized.

    `read` proposes looks at the block that begins at a value, given that at the
    network's first block of the kind; `settle` finds settings for the raw numbers of several blocks,
    given the index of each in its stage.
    """

    read: BlockReader
    settle: BlockSettler


def _read_two(flow: Flow, x: int, first_look: BlockFeatures | None) -> Iterator[BlockFeatures]:
    """Two 3x3 convolutions, the first with the stride."""
    for first in find_convolutions(flow, x, 3):
        for second in find_convolutions(flow, first.number, 3):
            stride = first.pooled * first.op.stride * second.pooled
            yield BlockFeatures(stride, first.op.dilation, second.op.dilation, second.op.out)


def _settle_two(raws: Sequence[int], places: Sequence[int]) -> SharedSettings:
    return SharedSettings({}, list(raws))


def _read_basic(flow: Flow, x: int, first_look: BlockFeatures | None) -> Iterator[BlockFeatures]:
    for look in _read_two(flow, x, first_look):
        for active_branch in (True, False):  # without one, the other is what this begins with
            yield look._replace(raw=(look.raw, active_branch))


def _settle_basic(raws: Sequence[tuple[int, bool]], places: Sequence[int]) -> SharedSettings | None:
    outs, active = zip(*raws, strict=True)
    return SharedSettings({"active_branch": True} if active[0] else {}, list(outs)) if agree(active) else None


def _read_three(flow: Flow, x: int, first_look: BlockFeatures | None) -> Iterator[BlockFeatures]:
    """1x1, 3x3 and 1x1 convolutions, the stride on one of the first two."""
    for first in find_convolutions(flow, x, 1):
        for second in find_convolutions(flow, first.number, 3):
            for third in find_convolutions(flow, second.number, 1):
                inner = second.pooled * second.op.stride * third.pooled
                place = None if inner == first.op.stride else "conv1" if first.op.stride > inner else "conv2"
                raw = ConvolutionTriple(third.op.out, first.op.out, second.op.out, second.op.groups, place)
                yield BlockFeatures(max(inner, first.op.stride), second.op.dilation, None, raw)


class ConvolutionTriple(NamedTuple):
    """Filters of the three convolutions, the third's first; groups of the second; which has the stride, if any."""

    out: int
    first: int
    second: int
    groups: int
    stride_on: str | None


def _settle_bottleneck(raws: Sequence[ConvolutionTriple], places: Sequence[int]) -> SharedSettings | None:
    outs, first, second, groups, stride_on = zip(*raws, strict=True)
    if not agree(groups, stride_on):
        return None
    settings: dict[str, Any] = {"stride_on": find_common_value(stride_on) or "conv2", "groups": groups[0]}
    found, reduce = inner_widths(outs, second, groups[0], 64), _find_reduction(first, second)
    if found is None or reduce is None:
        return SharedSettings({"expansion": 1, "inner": list(zip(first, second, strict=True)), **settings}, list(outs))
    expansion, base = found
    return SharedSettings(
        {"expansion": expansion, "base_width": base, "reduce_first": reduce, **settings},
        [out // expansion for out in outs],
    )


def _find_reduction(first: Sequence[int], second: Sequence[int]) -> int | None:
    """By how much fewer filters all first convolutions have than the second."""
    by = max(1, second[0] // first[0])
    return by if by <= 64 and all(b // by == a for a, b in zip(first, second, strict=True)) else None


def _read_regnet(flow: Flow, x: int, first_look: BlockFeatures | None) -> Iterator[BlockFeatures]:
    for look in _read_three(flow, x, first_look):
        if look.raw.first == look.raw.second and look.raw.stride_on != "conv1":
            for linear in (False, True):
                yield look._replace(raw=(look.raw.out, look.raw.second, look.raw.groups, linear))


def _settle_regnet(raws: Sequence[tuple[int, int, int, bool]], places: Sequence[int]) -> SharedSettings | None:
    settled = _settle_preact_regnet([raw[:3] for raw in raws], places)
    if settled is None or not agree(raw[3] for raw in raws):
        return None
    return SharedSettings({**settled.settings, "linear": True}, settled.widths) if raws[0][3] else settled


def _read_preact_regnet(flow: Flow, x: int, first_look: BlockFeatures | None) -> Iterator[BlockFeatures]:
    for look in _read_regnet(flow, x, first_look):
        if not look.raw[3]:
            yield look._replace(raw=look.raw[:3])


def _settle_preact_regnet(raws: Sequence[tuple[int, int, int]], places: Sequence[int]) -> SharedSettings | None:
    outs, inside, groups = zip(*raws, strict=True)
    each = max(n // g for n, g in zip(inside, groups, strict=True))
    if any(n % g or min(each, n) != n // g for n, g in zip(inside, groups, strict=True)):
        return None
    for ratio in dict.fromkeys(n / out for out, n in zip(outs, inside, strict=True)):
        if all(max(1, round(out * ratio)) == n for out, n in zip(outs, inside, strict=True)):
            return SharedSettings({"group_width": each, "bottleneck_ratio": ratio}, list(outs))
    return None


def _read_plain(flow: Flow, x: int, first_look: BlockFeatures | None) -> Iterator[BlockFeatures]:
    for look in _read_two(flow, x, first_look):
        yield look._replace(dilation=1)


def _read_conv(flow: Flow, x: int, first_look: BlockFeatures | None) -> Iterator[BlockFeatures]:
    """One convolution with a bias."""
    for _, op in flow.find_readers(x, Conv):
        if op.bias:
            yield BlockFeatures(op.stride, 1, 1, (op.out, op.kernel))


def _settle_conv(raws: Sequence[tuple[int, int]], places: Sequence[int]) -> SharedSettings | None:
    outs, kernels = zip(*raws, strict=True)
    return SharedSettings({"kernel": kernels[0]}, list(outs)) if agree(kernels) else None


def _settle_highway(raws: Sequence[tuple[int, int]], places: Sequence[int]) -> SharedSettings | None:
    """The shortest row of kernels that, repeated from each stage's first block on, is all of them."""
    for period in range(1, 17):
        row: dict[int, int] = {}
        if all(row.setdefault(place % period, raw[1]) == raw[1] for raw, place in zip(raws, places, strict=True)):
            kernels = [row.get(i, 3) for i in range(period)]
            return SharedSettings({"kernels": kernels}, [raw[0] for raw in raws])
    return None


BLOCKS: dict[str, BlockKind] = {
    "bottleneck": BlockKind(_read_three, _settle_bottleneck),
    "basic": BlockKind(_read_basic, _settle_basic),
    "regnet": BlockKind(_read_regnet, _settle_regnet),
    "res2net": BlockKind(branched.read_res2net, branched.settle_res2net),
    "resnest": BlockKind(branched.read_resnest, branched.settle_resnest),
    "selective_bottleneck": BlockKind(branched.read_selective_bottleneck, branched.settle_selective_bottleneck),
    "selective_basic": BlockKind(branched.read_selective_basic, branched.settle_selective_basic),
    "plain": BlockKind(_read_plain, _settle_two),
    "conv": BlockKind(_read_conv, _settle_conv),
    "highway": BlockKind(_read_conv, _settle_highway),
    "preact_bottleneck": BlockKind(_read_three, _settle_bottleneck),
    "preact_basic": BlockKind(_read_two, _settle_two),
    "preact_regnet": BlockKind(_read_preact_regnet, _settle_preact_regnet),
    "pyramid": BlockKind(_read_two, _settle_two),
}
"""Every kind of block that can be recognized, in the order in which they are tried."""
