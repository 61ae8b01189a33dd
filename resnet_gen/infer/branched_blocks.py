"""Blocks whose middle is split into several branches: Res2Net, ResNeSt, selective kernels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from resnet_gen.infer.block_features import BlockFeatures, SharedSettings, agree, find_common_value, inner_widths
from resnet_gen.infer.flow import FAR, Flow
from resnet_gen.infer.paths import ConvolutionStep, find_convolutions, skip_activation
from resnet_gen.ops import Add, Concat, Conv, GlobalAvgPool, Mul, Op, TakeChannels
from resnet_gen.parts.rounding import round_to_multiple

_JOINS: tuple[type[Op], ...] = (TakeChannels, Add, Concat)


class _Split(NamedTuple):
    """Filters that a block outputs, filters of one link or path, how many there are, and their groups."""

    out: int
    width: int
    parts: int
    groups: int
    choice: Any = None


def _find_last_convolution(flow: Flow, number: int) -> Iterator[ConvolutionStep]:
    """The 1x1 convolution that ends a branch which was split before."""
    yield from find_convolutions(flow, number, 1, _JOINS)


def read_res2net(flow: Flow, x: int, first_look: BlockFeatures | None) -> Iterator[BlockFeatures]:
    """A 1x1 convolution, 3x3 convolutions on equal shares of it, and a 1x1 convolution on all that they make."""
    for first in find_convolutions(flow, x, 1):
        for link in find_convolutions(flow, first.number, 3, (TakeChannels,)):
            width = link.op.out
            for last in _find_last_convolution(flow, link.number):
                raw = _Split(last.op.out, width, first.op.out // width, link.op.groups)
                if raw.parts > 1:
                    yield BlockFeatures(link.op.stride, link.op.dilation, None, raw)


def settle_res2net(raws: Sequence[_Split], places: Sequence[int]) -> SharedSettings | None:
    """Scales, groups, expansion and base width of Res2Net's blocks."""
    return _settle_splits(raws, "scales", 26)


def _settle_splits(raws: Sequence[_Split], parts_key: str, usual_width: int) -> SharedSettings | None:
    outs, widths, parts, groups, choices = zip(*raws, strict=True)
    found = inner_widths(outs, widths, groups[0], usual_width) if agree(parts, groups, choices) else None
    if found is None:
        return None
    settings = {"expansion": found[0], "groups": groups[0], "base_width": found[1], parts_key: parts[0]}
    return SharedSettings(settings, [out // found[0] for out in outs])


def read_resnest(flow: Flow, x: int, first_look: BlockFeatures | None) -> Iterator[BlockFeatures]:
    """A 1x1 convolution, a 3x3 one whose parts are weighed against each other, and a 1x1 one on their sum."""
    for first in find_convolutions(flow, x, 1):
        for wide in find_convolutions(flow, first.number, 3):
            taken = next((op for _, op in flow.find_readers(skip_activation(flow, wide.number), TakeChannels)), None)
            width = taken.stop - taken.start if taken else wide.op.out
            radix = wide.op.out // width
            for last in _find_last_convolution(flow, wide.number):
                stride = wide.pooled * last.pooled
                choice = wide.pooled > 1 if stride > 1 else None
                if wide.op.groups % radix == 0:
                    raw = _Split(last.op.out, width, radix, wide.op.groups // radix, choice)
                    yield BlockFeatures(stride, wide.op.dilation, None, raw)


def settle_resnest(raws: Sequence[_Split], places: Sequence[int]) -> SharedSettings | None:
    """Radix, groups, expansion, base width and place of the pooling of ResNeSt's blocks."""
    found = _settle_splits(raws, "radix", 64)
    pool_first = bool(find_common_value(raw.choice for raw in raws))
    return found and found._replace(settings={**found.settings, "pool_first": pool_first})


class _Paths(NamedTuple):
    """A selective kernel: filters and groups of each path, reaches, what each sees, and the filters that weigh them."""

    width: int
    groups: int
    kernels: tuple[int, ...]
    split_input: bool
    reduced: int


def read_selective_basic(flow: Flow, x: int, first_look: BlockFeatures | None) -> Iterator[BlockFeatures]:
    """A selective kernel and a 3x3 convolution."""
    yield from _read_paths(flow, x, first_look.raw.kernels if first_look else ())


def read_selective_bottleneck(flow: Flow, x: int, first_look: BlockFeatures | None) -> Iterator[BlockFeatures]:
    """A 1x1 convolution, a selective kernel, and a 1x1 convolution."""
    for first in find_convolutions(flow, x, 1):
        start, kernels = skip_activation(flow, first.number), first_look.raw[1].kernels if first_look else ()
        for look in _read_paths(flow, start, kernels):
            for number in _find_path_sums(flow, start):
                for last in find_convolutions(flow, number, 1):
                    yield look._replace(dilation=None, raw=(last.op.out, look.raw))


def _find_path_sums(flow: Flow, start: int) -> Iterator[int]:
    """Sums of the products behind the paths that begin at a value."""
    for path in _find_paths(flow, start):
        for number, _ in flow.find_readers(skip_activation(flow, path.number), Mul):
            yield from (after for after, _ in flow.find_readers(number, Add))


def _find_paths(flow: Flow, start: int) -> list[ConvolutionStep]:
    return [layer for layer in find_convolutions(flow, start, None, (TakeChannels,)) if layer.pooled == 1][:8]


def _read_paths(flow: Flow, start: int, usual: tuple[int, ...]) -> Iterator[BlockFeatures]:
    """The paths in the order in which they are weighed, and the layer that weighs them."""
    found: dict[int, Conv] = {}
    reduced = 0
    for path in _find_paths(flow, start):
        end = skip_activation(flow, path.number)
        for number, _ in flow.find_readers(end, Mul):
            weight = flow.ops[flow.inputs[number][1]]
            if isinstance(weight, TakeChannels):
                found[weight.start // path.op.out] = path.op
        reduced = reduced or _count_weighing_filters(flow, end)
    row = [found[i] for i in sorted(found)]
    if len(row) < 2 or not reduced:
        return
    split = any(isinstance(flow.ops[reader], TakeChannels) for reader in flow.readers[start][:FAR])
    entering = _find_dilation(row, usual)
    kernels = tuple(2 * op.dilation // entering + 1 if op.kernel > 1 else 1 for op in row)
    yield BlockFeatures(row[0].stride, entering, None, _Paths(row[0].out, row[0].groups, kernels, split, reduced))


def _find_dilation(row: Sequence[Conv], usual: tuple[int, ...]) -> int:
    """The stage's dilation: what makes the reaches of these windows the usual ones, the first block's."""
    shown = [op.dilation // (reach // 2) for op, reach in zip(row, usual, strict=False) if reach > 1]
    return max(1, *shown[:1]) if shown else 1


def _count_weighing_filters(flow: Flow, number: int) -> int:
    """Filters of the layer on the means of the sum that a path is part of."""
    for _ in range(8):
        for mean, _ in flow.find_readers(number, GlobalAvgPool):
            for _, op in flow.find_readers(mean, Conv):
                return op.out
        sums = [after for after, _ in flow.find_readers(number, Add)]
        if not sums:
            return 0
        number = sums[0]
    return 0


def _settle_kernels(raws: Sequence[_Paths]) -> dict[str, Any] | None:
    """Settings of the selective kernels of several blocks."""
    widths, _, kernels, split, reduced = zip(*raws, strict=True)
    if not agree(kernels, split):
        return None
    pairs = list(zip(widths, reduced, strict=True))
    for ratio in (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1 / 32, reduced[-1] / widths[-1]):
        for divisor in (8, 16, 32, 4, 2, 1):
            for least in (1, 32, min(reduced)):
                if all(max(least, round_to_multiple(width * ratio, divisor)) == n for width, n in pairs):
                    rule = {"rd_ratio": ratio, "rd_divisor": divisor, "rd_min": least}
                    return {"kernels": list(kernels[0]), "split_input": split[0], **rule}
    return None


def settle_selective_basic(raws: Sequence[_Paths], places: Sequence[int]) -> SharedSettings | None:
    """Settings of two-layer blocks with a selective kernel."""
    settings = _settle_kernels(raws) if all(raw.groups == 1 for raw in raws) else None
    return None if settings is None else SharedSettings(settings, [raw.width for raw in raws])


def settle_selective_bottleneck(raws: Sequence[tuple[int, _Paths]], places: Sequence[int]) -> SharedSettings | None:
    """Settings of three-layer blocks with a selective kernel."""
    outs, paths = [raw[0] for raw in raws], [raw[1] for raw in raws]
    settings = _settle_kernels(paths) if agree(path.groups for path in paths) else None
    found = inner_widths(outs, [path.width for path in paths], paths[0].groups, 64)
    if settings is None or found is None:
        return None
    more = {"expansion": found[0], "base_width": found[1], "groups": paths[0].groups}
    return SharedSettings({**more, **settings}, [out // found[0] for out in outs])
